/**
 * Intervals for a density, count / tokens: what a count in N tokens says, and
 * what it cannot say.
 *
 *   Wilson (1927)            for counts above 0: never leaves [0, 1], good for small counts
 *   rule of three            for a count of 0: density < 3 / N at 95 % (Hanley & Lippman-Hand 1983)
 *   Clopper-Pearson (1934)   exact, conservative: quantiles of beta distributions
 */
import { CLASS_EDGES, type FeatureClass } from './pack/schema.js';

/** The 97.5 % quantile of the normal distribution. */
export const Z_95 = 1.959963984540054;

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Wilson's score interval, by default at 95 %. @param trials at least 1 */
export function wilsonInterval(count: number, trials: number, z = Z_95): Interval {
  const p = count / trials;
  const z2 = z * z;
  const scale = 1 / (1 + z2 / trials);
  const centre = scale * (p + z2 / (2 * trials));
  const half = scale * z * Math.sqrt((p * (1 - p)) / trials + z2 / (4 * trials * trials));
  // At the ends the formula gives exactly 0 and 1; rounding must not move them.
  return { low: count === 0 ? 0 : Math.max(0, centre - half), high: count === trials ? 1 : Math.min(1, centre + half) };
}

/** Exact upper bound at 95 % for a count of 0: 1 - 0.05^(1/N). */
export function zeroCountBound(trials: number): number {
  return -Math.expm1(Math.log(0.05) / trials);
}

/** The rule of three, min(1, 3 / N): slightly above `zeroCountBound`, and what a pack calls the floor of its resolution. */
export function ruleOfThree(trials: number): number {
  return Math.min(1, 3 / trials);
}

/** The interval that packs carry: Wilson's, and [0, 3/N] for a count of 0. */
export function densityInterval(count: number, tokens: number): Interval {
  return count === 0 ? { low: 0, high: ruleOfThree(tokens) } : wilsonInterval(count, tokens);
}

/** Clopper and Pearson's interval: covers with probability of at least 1 - alpha whatever the density is. */
export function clopperPearson(count: number, trials: number, alpha = 0.05): Interval {
  return {
    low: count === 0 ? 0 : betaQuantile(alpha / 2, count, trials - count + 1),
    high: count === trials ? 1 : betaQuantile(1 - alpha / 2, count + 1, trials - count),
  };
}

/** Which class a feature belongs to: `CLASS_EDGES`; zero firings is dead. */
export function classOf(count: number, tokens: number): FeatureClass {
  const density = count / tokens;
  if (count === 0) return 'dead';
  if (density < CLASS_EDGES.ultralow) return 'ultralow';
  if (density < CLASS_EDGES.rare) return 'rare';
  return density > CLASS_EDGES.dense ? 'dense' : 'live';
}

/** log Gamma(x) for x >= 1/2: Stirling's series behind a recurrence up to 16; absolute error about 1e-14 relative to its terms. */
export function logGamma(x: number): number {
  let shift = 0;
  let product = 1;
  for (; x + shift < 16; shift++) product *= x + shift;
  const y = x + shift;
  const i = 1 / (y * y);
  // Bernoulli numbers B2k / (2k (2k - 1)).
  const series = (1 / 12 - i * (1 / 360 - i * (1 / 1260 - i * (1 / 1680 - i * (1 / 1188 - (i * 691) / 360360))))) / y;
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product);
}

/**
 * The regularised incomplete beta function I_x(a, b), the distribution function
 * of Beta(a, b): Lentz's continued fraction (DLMF 8.17.22), from the side where
 * it converges fast.
 */
export function regularizedBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - lowerBeta(1 - x, b, a);
  return lowerBeta(x, a, b);
}

function lowerBeta(x: number, a: number, b: number): number {
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b)) / a;
  const tiny = 1e-300;
  let c = 1;
  let d = 1 / nonzero(1 - ((a + b) * x) / (a + 1), tiny);
  let fraction = d;
  // About sqrt(max(a, b)) steps are needed.
  for (let m = 1; m < 1e6; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonzero(1 + even * d, tiny);
    c = nonzero(1 + even / c, tiny);
    fraction *= c * d;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonzero(1 + odd * d, tiny);
    c = nonzero(1 + odd / c, tiny);
    const factor = c * d;
    fraction *= factor;
    if (Math.abs(factor - 1) < 1e-15) break;
  }
  return front * fraction;
}

const nonzero = (value: number, tiny: number): number => (Math.abs(value) < tiny ? tiny : value);

/** log B(a, b); the large terms of Stirling's formula are combined before they cancel. */
function logBeta(a: number, b: number): number {
  if (a > b) return logBeta(b, a);
  if (b < 16) return logGamma(a) + logGamma(b) - logGamma(a + b);
  // log Gamma(b) - log Gamma(a + b), with Gamma(z) = sqrt(2 pi / z) (z / e)^z e^r(z).
  const ratio = -(b - 0.5) * Math.log1p(a / b) - a * Math.log(a + b) + a + stirlingRest(b) - stirlingRest(a + b);
  return logGamma(a) + ratio;
}

function stirlingRest(y: number): number {
  const i = 1 / (y * y);
  return (1 / 12 - i * (1 / 360 - i * (1 / 1260 - i * (1 / 1680 - i * (1 / 1188 - (i * 691) / 360360))))) / y;
}

/** x with I_x(a, b) = p, by bisection on the scale of the smaller tail; relative error about 1e-12. */
export function betaQuantile(p: number, a: number, b: number): number {
  let low = 0;
  let high = 1;
  // Counts are small against trials: halve the exponent first, so that a density of 1e-9 is found in a few steps.
  for (let bound = 0.5; bound > 1e-300; bound *= bound) {
    if (regularizedBeta(bound, a, b) < p) {
      low = bound;
      break;
    }
    high = bound;
  }
  for (let i = 0; i < 200 && high - low > 1e-15 * high; i++) {
    const middle = high > 4 * low && low > 0 ? Math.sqrt(low * high) : (low + high) / 2;
    if (regularizedBeta(middle, a, b) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
