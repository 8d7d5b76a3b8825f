/**
 * Count, mean and the central moments to the fourth order of every feature's
 * values, in one pass and mergeable.
 *
 * The sums M_p = sum (x - mean)^p are kept about the running mean and never
 * about zero, so that nothing cancels where the mean is large against the
 * spread. Formulas: P. Pebay, "Formulas for robust, one-pass parallel
 * computation of covariances and arbitrary-order statistical moments",
 * Sandia SAND2008-6212 (2008), eqs. 1.5, 1.6, 2.1 and 3.1; a value is added as a
 * set of one. In f64; equal values give M_p = 0 exactly.
 *
 * How values are split and ordered changes results by rounding alone: relative
 * to sqrt(1 + mean^2 / variance) n 2^-53 (Chan, Golub & LeVeque 1983).
 */
import type { StateValue } from '../run/accumulator.js';
import { floatArray, stateField } from './saved.js';

const SUMS = ['n', 'mean', 'm2', 'm3', 'm4'] as const;

export class Moments {
  readonly features: number;
  readonly #n: Float64Array;
  readonly #mean: Float64Array;
  readonly #m2: Float64Array;
  readonly #m3: Float64Array;
  readonly #m4: Float64Array;

  constructor(features: number) {
    this.features = features;
    [this.#n, this.#mean, this.#m2, this.#m3, this.#m4] = SUMS.map(() => new Float64Array(features)) as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array];
  }

  add(feature: number, value: number): void {
    const before = this.#n[feature] as number;
    const n = before + 1;
    const delta = value - (this.#mean[feature] as number);
    const step = delta / n;
    const term = delta * step * before;
    const m2 = this.#m2[feature] as number;
    const m3 = this.#m3[feature] as number;
    this.#n[feature] = n;
    this.#mean[feature] = (this.#mean[feature] as number) + step;
    this.#m4[feature] = (this.#m4[feature] as number) + term * step * step * (n * n - 3 * n + 3) + 6 * step * step * m2 - 4 * step * m3;
    this.#m3[feature] = m3 + term * step * (n - 2) - 3 * step * m2;
    this.#m2[feature] = m2 + term;
  }

  /** Number of values. */
  count(feature: number): number {
    return this.#n[feature] as number;
  }

  /** Mean; null without values. */
  mean(feature: number): number | null {
    return this.count(feature) === 0 ? null : (this.#mean[feature] as number);
  }

  /** Population variance, M2 / n; null without values. */
  variance(feature: number): number | null {
    const n = this.count(feature);
    return n === 0 ? null : (this.#m2[feature] as number) / n;
  }

  /** Skewness (M3 / n) / (M2 / n)^(3/2); null where all values are equal. */
  skew(feature: number): number | null {
    const m2 = this.#m2[feature] as number;
    if (!(m2 > 0)) return null;
    return finite((Math.sqrt(this.count(feature)) * (this.#m3[feature] as number)) / m2 / Math.sqrt(m2));
  }

  /** Kurtosis (M4 / n) / (M2 / n)^2, 3 for a normal distribution (not the excess); null where all values are equal. */
  kurtosis(feature: number): number | null {
    const m2 = this.#m2[feature] as number;
    if (!(m2 > 0)) return null;
    return finite(((this.#m4[feature] as number) / m2 / m2) * this.count(feature));
  }

  save(): StateValue {
    return { n: this.#n.slice(), mean: this.#mean.slice(), m2: this.#m2.slice(), m3: this.#m3.slice(), m4: this.#m4.slice() };
  }

  /** Adds what `save` gave. @throws ShapeError when it is the state of something else */
  merge(saved: StateValue): void {
    const [n, mean, m2, m3, m4] = SUMS.map((name) => floatArray(stateField(saved, name), name, this.features)) as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array];
    for (let i = 0; i < this.features; i++) {
      const nB = n[i] as number;
      if (nB === 0) continue;
      const nA = this.#n[i] as number;
      const all = nA + nB;
      const delta = (mean[i] as number) - (this.#mean[i] as number);
      const step = delta / all;
      const a2 = this.#m2[i] as number;
      const a3 = this.#m3[i] as number;
      const b2 = m2[i] as number;
      const b3 = m3[i] as number;
      const term = delta * step * nA * nB;
      this.#n[i] = all;
      this.#mean[i] = nA === 0 ? (mean[i] as number) : (this.#mean[i] as number) + step * nB;
      this.#m4[i] = (this.#m4[i] as number) + (m4[i] as number) + term * step * step * (nA * nA - nA * nB + nB * nB) + 6 * step * step * (nA * nA * b2 + nB * nB * a2) + 4 * step * (nA * b3 - nB * a3);
      this.#m3[i] = a3 + b3 + term * step * (nA - nB) + 3 * step * (nA * b2 - nB * a2);
      this.#m2[i] = a2 + b2 + term;
    }
  }
}

/** A ratio of underflowing sums is no statistic. */
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
