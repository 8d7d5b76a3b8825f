/**
 * The encoder column w and bias b of a feature that nothing rewards, for activations with
 * mean mu (in the frame where b_dec is the origin: mu - b_dec) and covariance Sigma, as if
 * they were Gaussian: on ||w|| = 1, for a given b, what minimises
 *
 *   P0   the firing rate   P(w . x + b > 0)  = Q(kappa),  kappa = -(w . mu + b) / s,  s = sqrt(w' Sigma w)
 *   P1   the activation  E relu(w . x + b)  = s (phi(kappa) - kappa Q(kappa))
 *
 * Stationarity on the sphere gives both the same form,
 *
 *   w ~ -(Sigma + nu I)^-1 mu,   P0: nu = b s / kappa,   P1: nu = s ((b + kappa s) R(kappa) - s)
 *
 * with R = Q / phi, and b + kappa s = -w . mu. So w is -Sigma^-1 mu at b = 0 (P0), turns to -mu as b grows (a ridge), and to
 * the direction of least variance as b falls (nu approaches -lambda_min). The P0 minimiser is the
 * same for every elliptical law; P1's differs in nu only.
 *
 * Where mu has no part in the direction of least variance, b may be so negative that no nu in
 * reach solves the equation (the hard case of a trust region): the result is then the limit
 * nu -> -lambda_min, and says so in `limit`.
 */
import { ShapeError, UsageError } from '../errors.js';
import { cholesky, choleskySolve } from './cholesky.js';
import { mills, millsDeficit, phi, upperTail } from './normal.js';

/** Beyond this, w is -mu to every digit. */
const MOST_MILLS = 1e30;

export interface Hyperplane {
  /** [d] of length 1 */
  readonly w: Float64Array;
  readonly b: number;
  readonly nu: number;
  /** -(w . mu + b) / sqrt(w' Sigma w) */
  readonly kappa: number;
  /** P(w . x + b > 0) of a Gaussian. */
  readonly probability: number;
  /** E relu(w . x + b) of a Gaussian. */
  readonly activation: number;
  /** True where nu = -lambda_min, up to rounding. */
  readonly limit: boolean;
}

export interface GaussianData {
  readonly d: number;
  /** [d], b_dec subtracted */
  readonly mean: ArrayLike<number>;
  /** [d, d], population, positive definite */
  readonly covariance: Float64Array;
}

/**
 * The hyperplane of least firing rate, or of least activation.
 * @throws ShapeError where lengths do not fit; UsageError where the covariance is singular or the
 *   mean is 0 (every direction is as good), and under 'rate' where b >= ||mu||: no feature can fire
 *   on less than half of the data then
 */
export function leastHyperplane(data: GaussianData, b: number, minimise: 'rate' | 'activation'): Hyperplane {
  const { d, mean, covariance } = data;
  if (mean.length !== d || covariance.length !== d * d) throw new ShapeError(`mean has ${mean.length} values and covariance ${covariance.length}, expected ${d} and ${d * d}`);
  let norm = 0;
  for (let c = 0; c < d; c++) norm += mean[c]! ** 2;
  norm = Math.sqrt(norm);
  if (norm === 0) throw new UsageError('the mean is 0: no direction is rarer than another because of it');
  if (minimise === 'rate' && b >= norm) throw new UsageError(`b is ${b}, expected less than ||mean|| = ${norm}: with a larger one every direction fires on more than half`);
  const at = (nu: number): Hyperplane | null => hyperplaneAt(data, b, nu);
  const start = at(0);
  if (start === null) throw new UsageError('the covariance is singular', { hint: 'Take more tokens than dimensions, or add a small multiple of the identity.' });
  // F is negative below its root and positive above.
  const excess = ({ nu, w, kappa }: Hyperplane): number => {
    const s = deviation(data, w);
    if (minimise === 'activation') return nu + s * (s - (b + kappa * s) * Math.min(mills(kappa), MOST_MILLS));
    // More than half fires: w has yet to turn towards -mu.
    return b > 0 && kappa <= 0 ? -Infinity : nu - (b * s) / kappa;
  };
  let low = start;
  let high = start;
  if (excess(start) < 0) {
    for (let step = trace(data) / d; excess(high) < 0; step *= 4) {
      low = high;
      high = at(high.nu + step)!;
    }
  } else {
    // -lambda_min is approached by halving: what is not positive definite is beyond it.
    let beyond = -trace(data);
    for (let steps = 0; steps < 200 && excess(low) > 0; steps++) {
      const nu = (low.nu + beyond) / 2;
      if (nu === low.nu || nu === beyond) return { ...low, limit: true };
      const next = at(nu);
      if (next === null) beyond = nu;
      else {
        high = low;
        low = next;
      }
    }
    if (excess(low) > 0) return { ...low, limit: true };
  }
  for (let steps = 0; steps < 200; steps++) {
    const nu = (low.nu + high.nu) / 2;
    if (nu === low.nu || nu === high.nu) break;
    const middle = at(nu)!;
    if (excess(middle) < 0) low = middle;
    else high = middle;
  }
  return high;
}

/** The direction that a nu gives; null where Sigma + nu I is not positive definite. */
function hyperplaneAt(data: GaussianData, b: number, nu: number): Hyperplane | null {
  const { d, mean, covariance } = data;
  const l = cholesky(covariance, d, nu);
  if (l === null) return null;
  const w = choleskySolve(l, d, mean);
  let squares = 0;
  for (const value of w) squares += value * value;
  const length = -Math.sqrt(squares);
  let offset = b;
  for (let c = 0; c < d; c++) {
    w[c] = w[c]! / length;
    offset += w[c]! * mean[c]!;
  }
  const s = deviation(data, w);
  const kappa = -offset / s;
  return { w, b, nu, kappa, probability: upperTail(kappa), activation: kappa < -30 ? offset : s * phi(kappa) * millsDeficit(kappa), limit: false };
}

/** sqrt(w' Sigma w) */
function deviation({ d, covariance }: GaussianData, w: Float64Array): number {
  let sum = 0;
  for (let a = 0; a < d; a++) {
    let row = 0;
    for (let c = 0; c < d; c++) row += covariance[a * d + c]! * w[c]!;
    sum += row * w[a]!;
  }
  return Math.sqrt(sum);
}

function trace({ d, covariance }: GaussianData): number {
  let sum = 0;
  for (let c = 0; c < d; c++) sum += covariance[c * d + c]!;
  return sum;
}

/**
 * Hyperplanes through the origin, each orthogonal to those before it: w_{k+1} minimises the rate
 * among directions orthogonal to w_1 .. w_k. With m_j = mu' Sigma^-j mu the first two have
 * kappa_1^2 = m_1 and kappa_2^2 = m_1 - m_2^2 / m_3.
 *
 * @returns at most `count`; fewer where what is left of the mean is 0
 */
export function orthogonalHyperplanes(data: GaussianData, count: number): Hyperplane[] {
  const { d } = data;
  const found: Hyperplane[] = [];
  // Columns span what is orthogonal to the directions found.
  let basis: Float64Array[] = Array.from({ length: d }, (_, c) => Float64Array.from({ length: d }, (_, a) => (a === c ? 1 : 0)));
  while (found.length < Math.min(count, d)) {
    const inner = within(data, basis);
    if (Math.hypot(...Array.from(inner.mean)) <= 1e-12 * Math.hypot(...Array.from(data.mean))) break;
    const best = leastHyperplane(inner, 0, 'rate');
    const w = new Float64Array(d);
    for (const [at, column] of basis.entries()) for (let c = 0; c < d; c++) w[c] = w[c]! + best.w[at]! * column[c]!;
    found.push({ ...best, w });
    basis = without(basis, w);
  }
  return found;
}

/** Mean and covariance of the coordinates in an orthonormal basis. */
function within({ d, mean, covariance }: GaussianData, basis: readonly Float64Array[]): GaussianData {
  const size = basis.length;
  const images = basis.map((column) => Float64Array.from({ length: d }, (_, a) => column.reduce((sum, value, c) => sum + covariance[a * d + c]! * value, 0)));
  const inner = new Float64Array(size * size);
  for (let a = 0; a < size; a++) for (let c = 0; c < size; c++) inner[a * size + c] = images[a]!.reduce((sum, value, at) => sum + value * basis[c]![at]!, 0);
  return { d: size, mean: basis.map((column) => column.reduce((sum, value, c) => sum + value * mean[c]!, 0)), covariance: inner };
}

/** An orthonormal basis of what is in the span and orthogonal to `w`, which is in it: a Householder reflection takes w to one of its columns. */
function without(basis: readonly Float64Array[], w: Float64Array): Float64Array[] {
  const size = basis.length;
  const v = basis.map((column) => column.reduce((sum, value, c) => sum + value * w[c]!, 0));
  const sign = v[0]! < 0 ? -1 : 1;
  v[0] = v[0]! + sign;
  const half = v.reduce((sum, value) => sum + value * value, 0) / 2;
  // Columns 1 .. of I - v v' / half: column 0 is -sign times w's coordinates.
  return Array.from({ length: size - 1 }, (_, k) => {
    const column = new Float64Array(w.length);
    for (let a = 0; a < size; a++) {
      const weight = (a === k + 1 ? 1 : 0) - (v[a]! * v[k + 1]!) / half;
      for (let c = 0; c < w.length; c++) column[c] = column[c]! + weight * basis[a]![c]!;
    }
    return column;
  });
}
