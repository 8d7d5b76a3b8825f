/**
 * Mean and second moments of a stream of vectors, in one pass, mergeable, in f64.
 *
 * A batch is centred on its own mean before anything is squared, and batches are
 * joined by the update of Chan, Golub & LeVeque ("Algorithms for computing the
 * sample variance", 1983), so that nothing cancels for data far from the origin:
 *
 *   mean = mean_A + delta n_B / n,   S = S_A + S_B + delta delta^T n_A n_B / n
 *
 * with delta = mean_B - mean_A. The covariance is S / n (population). How the stream
 * is cut changes results by rounding alone: relative to the trace, about 2^-53 times
 * the number of batches and of rows in one.
 */
import { dotTile, PANEL, panelBuffer } from '../dot-tiles.js';
import type { StateValue } from '../run/accumulator.js';
import { floatArray, savedNumber, stateField } from './saved.js';

/** Rows whose products are summed at a time. */
const CHUNK = 256;

export class VectorMoments {
  readonly d: number;
  readonly mean: Float64Array;
  /** Whether products of different dimensions are summed too. */
  readonly full: boolean;
  /** The diagonal of S, [d], or all of it, [d, d] (its upper triangle is kept). */
  readonly #s: Float64Array;
  #n = 0;

  /** @param full true for the covariance matrix: d^2 values, and d^2 / 2 multiply-adds a row */
  constructor(d: number, full: boolean) {
    this.d = d;
    this.full = full;
    this.mean = new Float64Array(d);
    this.#s = new Float64Array(full ? d * d : d);
  }

  get n(): number {
    return this.#n;
  }

  /**
   * Adds the rows of [rows, d] whose flag is set.
   * @param counted [rows] 0 for those to leave out; null for none
   */
  add(x: Float32Array, rows: number, counted: Uint8Array | null): void {
    const { d } = this;
    const mean = new Float64Array(d);
    const chosen: number[] = [];
    for (let r = 0; r < rows; r++) {
      if (counted?.[r] === 0) continue;
      chosen.push(r);
      for (let c = 0, at = r * d; c < d; c++, at++) mean[c] = mean[c]! + x[at]!;
    }
    if (chosen.length === 0) return;
    for (let c = 0; c < d; c++) mean[c] = mean[c]! / chosen.length;
    this.#join(chosen.length, mean, this.full ? centredProducts(x, chosen, mean) : centredSquares(x, chosen, mean));
  }

  /** Population variance of a dimension; 0 without rows. */
  variance(c: number): number {
    return this.#n === 0 ? 0 : this.#s[this.full ? c * this.d + c : c]! / this.#n;
  }

  /** Population covariance of two dimensions. Only where `full`. */
  covariance(a: number, b: number): number {
    return this.#n === 0 ? 0 : this.#s[Math.min(a, b) * this.d + Math.max(a, b)]! / this.#n;
  }

  save(): StateValue {
    return { n: this.#n, mean: this.mean.slice(), s: this.#s.slice() };
  }

  /** Adds what `save` gave. @throws ShapeError when it is the state of something else */
  merge(saved: StateValue): void {
    const n = savedNumber(stateField(saved, 'n'), 'n');
    this.#join(n, floatArray(stateField(saved, 'mean'), 'mean', this.d), floatArray(stateField(saved, 's'), 's', this.#s.length));
  }

  #join(n: number, mean: ArrayLike<number>, s: ArrayLike<number>): void {
    if (n === 0) return;
    const { d } = this;
    const all = this.#n + n;
    const weight = (this.#n * n) / all;
    const delta = Float64Array.from({ length: d }, (_, c) => mean[c]! - this.mean[c]!);
    const own = this.#s;
    if (this.full) {
      for (let a = 0; a < d; a++) for (let b = a, at = a * d + a; b < d; b++, at++) own[at] = own[at]! + s[at]! + delta[a]! * delta[b]! * weight;
    } else {
      for (let c = 0; c < d; c++) own[c] = own[c]! + s[c]! + delta[c]! * delta[c]! * weight;
    }
    for (let c = 0; c < d; c++) this.mean[c] = this.#n === 0 ? mean[c]! : this.mean[c]! + delta[c]! * (n / all);
    this.#n = all;
  }
}

/** [d] sums of squares about the mean. */
function centredSquares(x: Float32Array, rows: readonly number[], mean: Float64Array): Float64Array {
  const d = mean.length;
  const s = new Float64Array(d);
  for (const r of rows) {
    for (let c = 0, at = r * d; c < d; c++, at++) {
      const delta = x[at]! - mean[c]!;
      s[c] = s[c]! + delta * delta;
    }
  }
  return s;
}

/** [d, d] sums of products about the mean, upper triangle: tiles of four by four dimensions over a chunk of rows. */
function centredProducts(x: Float32Array, rows: readonly number[], mean: Float64Array): Float64Array {
  const d = mean.length;
  const s = new Float64Array(d * d);
  const sums = new Float64Array(PANEL * PANEL);
  const length = Math.min(CHUNK, rows.length);
  const panels = panelBuffer(d, length);
  for (let first = 0; first < rows.length; first += length) {
    const count = Math.min(length, rows.length - first);
    // Dimensions that fill up the last panel stay zeros.
    for (let i = 0; i < count; i++) {
      const at = rows[first + i]! * d;
      for (let c = 0; c < d; c++) panels[(c - (c % PANEL)) * length + i * PANEL + (c % PANEL)] = x[at + c]! - mean[c]!;
    }
    for (let a = 0; a < d; a += PANEL) {
      for (let b = a; b < d; b += PANEL) {
        dotTile(panels, a * length, panels, b * length, count, sums);
        for (let i = a; i < Math.min(a + PANEL, d); i++) {
          for (let j = Math.max(i, b); j < Math.min(b + PANEL, d); j++) s[i * d + j] = s[i * d + j]! + sums[(i - a) * PANEL + j - b]!;
        }
      }
    }
  }
  return s;
}
