/**
 * What the firings of some features say for their certificates, row by row:
 *
 *   FiringSums   over the firings of each: 2 d_i . r, r = xhat - x, the slope of the squared error in f_i,
 *                and f_i^2 ||d_i||^2 - 2 f_i d_i . r, by how much that error grows without it
 *   OwnRows      up to so many rows on which each fires, evenly thinned, and what it writes there, f_i ||d_i||
 *   Takers       of other features on those rows: how often they fire, and what they write along d_i
 *
 * Intervals are over contexts, not rows: firings of one context are not independent. With a_c the
 * sum over the n_c firings of context c, the mean is R = sum a_c / sum n_c and its variance
 * C / (C - 1) sum (a_c - R n_c)^2 / (sum n_c)^2 (the ratio estimator of cluster sampling, Cochran 1977), with Student's t of
 * C - 1 degrees of freedom.
 */
import type { SparseCodes } from '../codes.js';
import type { Pace } from '../pace.js';
import { betaQuantile } from '../statistics.js';
import { dot } from './feature-rows.js';
import { residualOf } from './gradient-anatomy.js';
import type { RowContexts } from './group-firings.js';
import type { Estimate } from './rates-reports.js';

/** An SAE's decoder: rows that f is multiplied with, [d_sae, d], and b_dec [d]. */
export interface Decoding {
  readonly decoder: Float32Array;
  readonly b_dec: Float32Array;
  readonly d_sae: number;
  readonly d: number;
}

/** Multiply-adds between looks at the clock. */
const SLICE = 2 ** 19;

/** Sums of one quantity by context, of many features. */
class ContextSums {
  readonly #columns: readonly Float64Array[];
  readonly #open: Float64Array;

  constructor(features: number) {
    // sum a, sum a_c^2, sum a_c n_c; the open context's a
    this.#columns = [0, 1, 2].map(() => new Float64Array(features));
    this.#open = new Float64Array(features);
  }

  add(at: number, value: number): void {
    this.#open[at] = this.#open[at]! + value;
  }

  close(at: number, n: number): void {
    const a = this.#open[at]!;
    [a, a * a, a * n].forEach((value, which) => (this.#columns[which]![at] = this.#columns[which]![at]! + value));
    this.#open[at] = 0;
  }

  estimate(at: number, contexts: number, firings: number, squares: number): Estimate {
    const [sum, sumSquares, sumProducts] = this.#columns.map((column) => column[at]!) as [number, number, number];
    if (firings === 0) return { value: null, low: null, high: null };
    const value = sum / firings;
    if (contexts < 2) return { value, low: null, high: null };
    const spread = Math.max(0, sumSquares - 2 * value * sumProducts + value * value * squares);
    const half = (studentQuantile(contexts - 1) * Math.sqrt((contexts / (contexts - 1)) * spread)) / firings;
    return { value, low: value - half, high: value + half };
  }
}

/** t with P(|T| < t) = 0.95, by the beta distribution of t^2 / (df + t^2). */
export function studentQuantile(df: number): number {
  const x = betaQuantile(0.95, 0.5, df / 2);
  return Math.sqrt((df * x) / (1 - x));
}

/** Rows are added in their order. */
export class FiringSums {
  readonly #decoding: Decoding;
  readonly #contexts: RowContexts;
  readonly #place: Int32Array;
  readonly #squares: Float64Array;
  readonly #pull: ContextSums;
  readonly #ablation: ContextSums;
  /** By feature: firings, contexts with some, sum of n_c^2, the open context and its firings. */
  readonly #firings: Float64Array;
  readonly #seen: Float64Array;
  readonly #seenSquares: Float64Array;
  readonly #context: Float64Array;
  readonly #open: Float64Array;

  /** @param features those to sum for */
  constructor(decoding: Decoding, features: ArrayLike<number>, contexts: RowContexts) {
    const { decoder, d_sae, d } = decoding;
    const n = features.length;
    this.#decoding = decoding;
    this.#contexts = contexts;
    this.#place = new Int32Array(d_sae).fill(-1);
    for (let at = 0; at < n; at++) this.#place[features[at]!] = at;
    this.#squares = Float64Array.from({ length: n }, (_, at) => dot(decoder, features[at]! * d, decoder, features[at]! * d, d));
    [this.#pull, this.#ablation] = [new ContextSums(n), new ContextSums(n)];
    [this.#firings, this.#seen, this.#seenSquares, this.#open] = [0, 1, 2, 3].map(() => new Float64Array(n)) as [Float64Array, Float64Array, Float64Array, Float64Array];
    this.#context = new Float64Array(n).fill(-1);
  }

  /** @param first place of the first row among all @param target [rows, d] what is to be reconstructed */
  async add(first: number, codes: SparseCodes, target: Float32Array, pace: Pace): Promise<void> {
    const { decoder, b_dec, d } = this.#decoding;
    const { rows, offsets, features, values } = codes;
    const r = new Float64Array(d);
    let work = 0;
    for (let row = 0; row < rows; row++) {
      let known = false;
      for (let entry = offsets[row]!; entry < offsets[row + 1]!; entry++) {
        const i = features[entry]!;
        const at = this.#place[i]!;
        if (at < 0) continue;
        if (!known) residualOf(codes, row, decoder, b_dec, target, r);
        if (!known) work += (offsets[row + 1]! - offsets[row]! + 1) * d;
        known = true;
        const f = values[entry]!;
        const slope = 2 * dot(decoder, i * d, r, 0, d);
        this.#firing(at, this.#contexts.of[first + row]!, slope, f * f * this.#squares[at]! - f * slope);
      }
      if (work > SLICE) {
        work = 0;
        if (pace.isDue) await pace.pause();
      }
    }
  }

  #firing(at: number, context: number, slope: number, ablation: number): void {
    if (this.#context[at] !== context) {
      this.#close(at);
      this.#context[at] = context;
    }
    this.#open[at] = this.#open[at]! + 1;
    this.#pull.add(at, slope);
    this.#ablation.add(at, ablation);
  }

  #close(at: number): void {
    const n = this.#open[at]!;
    if (n === 0) return;
    this.#firings[at] = this.#firings[at]! + n;
    this.#seen[at] = this.#seen[at]! + 1;
    this.#seenSquares[at] = this.#seenSquares[at]! + n * n;
    this.#pull.close(at, n);
    this.#ablation.close(at, n);
    this.#open[at] = 0;
  }

  /** Of the feature at this place of the list. */
  figures(at: number): { readonly firings: number; readonly contexts: number; readonly pull: Estimate; readonly ablation: Estimate } {
    this.#close(at);
    const [firings, contexts, squares] = [this.#firings[at]!, this.#seen[at]!, this.#seenSquares[at]!];
    return { firings, contexts, pull: this.#pull.estimate(at, contexts, firings, squares), ablation: this.#ablation.estimate(at, contexts, firings, squares) };
  }
}

/** Rows of one feature, ascending, evenly thinned: every 2^k-th firing, so that at most `most` are kept. */
export class OwnRows {
  readonly rows: number[] = [];
  #every = 1;
  #seen = 0;
  #written = 0;
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** @param written f_i ||d_i|| */
  add(row: number, written: number): void {
    this.#written += written;
    if (this.#seen++ % this.#every !== 0) return;
    this.rows.push(row);
    if (this.rows.length <= this.#most) return;
    this.#every *= 2;
    this.rows.splice(0, this.rows.length, ...this.rows.filter((_, at) => at % 2 === 0));
  }

  /** Mean of f_i ||d_i|| over all its firings. */
  get written(): number {
    return this.#seen === 0 ? 0 : this.#written / this.#seen;
  }
}

/** What others do on the rows of some features. */
export class Takers {
  /** By row: places of the features whose row it is. */
  readonly #owners = new Map<number, number[]>();
  /** By feature: firings, and activation, of others on its rows. */
  readonly #tallies: Map<number, { firings: number; activation: number }>[];
  readonly #features: ArrayLike<number>;
  readonly #kept: Float64Array;

  /** @param rows of each feature of the list */
  constructor(features: ArrayLike<number>, rows: readonly (readonly number[])[]) {
    this.#features = features;
    this.#tallies = rows.map(() => new Map());
    this.#kept = new Float64Array(rows.length);
    rows.forEach((own, at) => {
      for (const row of own) {
        const owners = this.#owners.get(row);
        if (owners === undefined) this.#owners.set(row, [at]);
        else owners.push(at);
      }
    });
  }

  /** Rows that are someone's, ascending. */
  get rows(): number[] {
    return [...this.#owners.keys()].sort((a, b) => a - b);
  }

  /** @param rows of the codes, among all */
  add(rows: ArrayLike<number>, { rows: length, offsets, features, values }: SparseCodes): void {
    for (let row = 0; row < length; row++) {
      for (const at of this.#owners.get(rows[row]!) ?? []) {
        const tally = this.#tallies[at]!;
        for (let entry = offsets[row]!; entry < offsets[row + 1]!; entry++) {
          const other = features[entry]!;
          if (other === this.#features[at]) {
            this.#kept[at] = this.#kept[at]! + 1;
            continue;
          }
          const one = tally.get(other);
          if (one === undefined) tally.set(other, { firings: 1, activation: values[entry]! });
          else {
            one.firings++;
            one.activation += values[entry]!;
          }
        }
      }
    }
  }

  /** Of all others that fire on a feature's rows, at a place of the list. */
  of(at: number): ReadonlyMap<number, { readonly firings: number; readonly activation: number }> {
    return this.#tallies[at]!;
  }

  /** Its rows on which the feature at this place still fires itself. */
  kept(at: number): number {
    return this.#kept[at]!;
  }
}
