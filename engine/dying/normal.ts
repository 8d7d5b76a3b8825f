/**
 * The normal distribution far out in its tail, where 1 - cdf and differences of cdfs have
 * no digits left: everything through Mills' ratio R(t) = Q(t) / phi(t), Q = 1 - Phi.
 */

const INVERSE_ROOT_2PI = 0.3989422804014327;
/** From here on the continued fraction converges fast; below it the series does. */
const TAIL = 2;

/** Density of the standard normal. */
export function phi(t: number): number {
  return INVERSE_ROOT_2PI * Math.exp(-0.5 * t * t);
}

/**
 * Mills' ratio Q(t) / phi(t), to about 1e-15 relative: Laplace's continued fraction
 * 1 / (t + 1 / (t + 2 / (t + 3 / ...))) for t >= 2, and below it 1 / (2 phi) less the series
 * t + t^3 / 3 + t^5 / (3 5) + ... of (Phi - 1/2) / phi, whose terms have one sign.
 * Grows as 1 / phi for negative t: infinite below about -38.
 */
export function mills(t: number): number {
  if (t >= TAIL) return 1 / (t + tail(t));
  let term = t;
  let sum = t;
  for (let odd = 3; Math.abs(term) > 1e-17 * Math.abs(sum); odd += 2) {
    term *= (t * t) / odd;
    sum += term;
    if (!Number.isFinite(sum)) break;
  }
  return 0.5 / phi(t) - sum;
}

/** K of R = 1 / (t + K): 1 / (t + 2 / (t + 3 / ...)), from the far end; for t >= 2. */
function tail(t: number): number {
  let fraction = t;
  for (let depth = 20 + Math.ceil(600 / (t * t)); depth >= 2; depth--) fraction = t + depth / fraction;
  return 1 / fraction;
}

/** P(z > t), to about 1e-15 relative. */
export function upperTail(t: number): number {
  return t < -TAIL ? 1 - phi(t) * mills(-t) : phi(t) * mills(t);
}

/** log P(z > t): finite for every finite t. */
export function logUpperTail(t: number): number {
  if (t < -TAIL) return Math.log1p(-phi(t) * mills(-t));
  return t < TAIL ? Math.log(upperTail(t)) : Math.log(INVERSE_ROOT_2PI) - 0.5 * t * t + Math.log(mills(t));
}

/**
 * 1 - t R(t): what is left of E max(z - t, 0) = phi(t) (1 - t R(t)) when phi is taken out.
 * For t >= 2 it is K / (t + K), which cancels nothing.
 */
export function millsDeficit(t: number): number {
  if (t < TAIL) return 1 - t * mills(t);
  const k = tail(t);
  return k / (t + k);
}

/**
 * t with log P(z > t) = logP, for logP < 0 however low: Newton's method on log Q, which is
 * concave with slope -1 / R, so that after one step it comes down to the root from its right.
 */
export function upperTailQuantile(logP: number): number {
  if (!(logP < 0)) return logP === 0 ? -Infinity : NaN;
  if (logP === -Infinity) return Infinity;
  // Where Q is near 1 the lower tail has the digits.
  if (logP > -0.6931471805599453) return -upperTailQuantile(Math.log(-Math.expm1(logP)));
  let t = 0;
  for (let i = 0; i < 60; i++) {
    const step = (logUpperTail(t) - logP) * mills(t);
    t += step;
    if (Math.abs(step) <= 1e-16 * Math.abs(t)) break;
  }
  return t;
}

/** Phi^-1(p): -Infinity at 0, Infinity at 1; about 1e-15 relative in the lower tail, where p has the digits. */
export function normalQuantile(p: number): number {
  if (!(p >= 0 && p <= 1)) return NaN;
  return p <= 0.5 ? -upperTailQuantile(Math.log(p)) : upperTailQuantile(Math.log1p(-p));
}
