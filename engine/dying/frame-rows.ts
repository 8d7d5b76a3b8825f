/**
 * Rows of activations seen from an origin (b_dec, as a rule), and the three things that every
 * solver needs of them: pre-activations, sums of rows by weight, and moments. Sums are in f64 of
 * the f32 rows as they are; the origin enters once a product, so that rows are never copied.
 */
import { ShapeError } from '../errors.js';
import { Pace } from '../pace.js';

export interface FrameRows {
  /** [rows, d] raw activations */
  readonly x: Float32Array;
  readonly rows: number;
  readonly d: number;
  /** [d] x~ = x - origin */
  readonly origin: Float64Array;
  /** [rows] weights >= 0; null where every row counts once. */
  readonly weights: Float64Array | null;
  /** Sum of weights. */
  readonly total: number;
}

/** Multiply-adds between looks at the clock: about a millisecond. */
const SLICE = 2 ** 20;
/** ms a thread computes before it lets events in. */
export const PAUSE_EVERY = 20;

/** @throws ShapeError where lengths do not fit or there are no rows */
export function frameRows(x: Float32Array, d: number, options: { readonly origin?: ArrayLike<number> | undefined; readonly weights?: Float64Array | null | undefined } = {}): FrameRows {
  const { origin, weights = null } = options;
  const rows = x.length / d;
  if (!Number.isInteger(rows) || rows < 1) throw new ShapeError(`x has ${x.length} values, expected a multiple of d = ${d}, and at least one row`);
  if (origin !== undefined && origin.length !== d) throw new ShapeError(`the origin has ${origin.length} values, expected ${d}`);
  if (weights !== null && weights.length !== rows) throw new ShapeError(`${weights.length} weights for ${rows} rows`);
  const total = weights === null ? rows : weights.reduce((sum, value) => sum + value, 0);
  return { x, rows, d, origin: origin === undefined ? new Float64Array(d) : Float64Array.from(origin), weights, total };
}

/** Rows by index, with their weights. */
export function chooseRows(frame: FrameRows, chosen: ArrayLike<number>): FrameRows {
  const { x, d, origin, weights } = frame;
  const out = new Float32Array(chosen.length * d);
  for (let r = 0; r < chosen.length; r++) out.set(x.subarray(chosen[r]! * d, (chosen[r]! + 1) * d), r * d);
  return frameRows(out, d, { origin, weights: weights === null ? null : Float64Array.from(chosen, (r) => weights[r]!) });
}

/** z = w . x~ + b of every row, into [rows] z. */
export async function preactivations(frame: FrameRows, w: Float64Array, b: number, z: Float64Array, pace: Pace): Promise<void> {
  const { rows, d } = frame;
  const slice = Math.max(4, Math.floor(SLICE / d / 4) * 4);
  for (let first = 0; first < rows; first += slice) {
    products(frame, w, b, z, first, Math.min(rows, first + slice));
    if (pace.isDue) await pace.pause();
  }
}

/** Of the rows first .. end - 1, four at a time: four sums in flight. */
function products({ x, d, origin }: FrameRows, w: Float64Array, b: number, z: Float64Array, first: number, end: number): void {
  let offset = b;
  for (let c = 0; c < d; c++) offset -= w[c]! * origin[c]!;
  let r = first;
  for (; r + 4 <= end; r += 4) {
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    const a0 = r * d;
    const a1 = a0 + d;
    const a2 = a1 + d;
    const a3 = a2 + d;
    for (let c = 0; c < d; c++) {
      const weight = w[c]!;
      s0 += weight * x[a0 + c]!;
      s1 += weight * x[a1 + c]!;
      s2 += weight * x[a2 + c]!;
      s3 += weight * x[a3 + c]!;
    }
    z[r] = s0 + offset;
    z[r + 1] = s1 + offset;
    z[r + 2] = s2 + offset;
    z[r + 3] = s3 + offset;
  }
  for (; r < end; r++) {
    let sum = 0;
    for (let c = 0, at = r * d; c < d; c++, at++) sum += w[c]! * x[at]!;
    z[r] = sum + offset;
  }
}

/** sum of g_r x~_r over rows, into [d] out; rows with g = 0 cost nothing. */
export async function weightedSum({ x, rows, d, origin }: FrameRows, g: Float64Array, out: Float64Array, pace: Pace): Promise<void> {
  out.fill(0);
  let sum = 0;
  let work = 0;
  for (let r = 0; r < rows; r++) {
    const weight = g[r]!;
    if (weight === 0) continue;
    sum += weight;
    for (let c = 0, at = r * d; c < d; c++, at++) out[c] = out[c]! + weight * x[at]!;
    work += d;
    if (work < SLICE) continue;
    work = 0;
    if (pace.isDue) await pace.pause();
  }
  for (let c = 0; c < d; c++) out[c] = out[c]! - sum * origin[c]!;
}

export interface RowMoments {
  readonly d: number;
  /** [d] in the frame of the origin */
  readonly mean: Float64Array;
  /** [d, d] population, symmetric */
  readonly covariance: Float64Array;
}

/** Mean and covariance, centred before anything is squared. */
export async function rowMoments(frame: FrameRows, signal?: AbortSignal): Promise<RowMoments> {
  const { x, rows, d, origin, weights, total } = frame;
  const pace = new Pace(signal, PAUSE_EVERY);
  const mean = new Float64Array(d);
  for (let r = 0; r < rows; r++) {
    const weight = weights === null ? 1 : weights[r]!;
    for (let c = 0, at = r * d; c < d; c++, at++) mean[c] = mean[c]! + weight * (x[at]! - origin[c]!);
  }
  for (let c = 0; c < d; c++) mean[c] = mean[c]! / total;
  const covariance = new Float64Array(d * d);
  const centred = new Float64Array(d);
  const each = Math.max(1, Math.floor(SLICE / (d * d)));
  for (let r = 0; r < rows; r++) {
    const weight = weights === null ? 1 : weights[r]!;
    for (let c = 0, at = r * d; c < d; c++, at++) centred[c] = x[at]! - origin[c]! - mean[c]!;
    for (let a = 0; a < d; a++) {
      const value = weight * centred[a]!;
      for (let c = 0, at = a * d; c <= a; c++, at++) covariance[at] = covariance[at]! + value * centred[c]!;
    }
    if (r % each === 0 && pace.isDue) await pace.pause();
  }
  for (let a = 0; a < d; a++) {
    for (let c = 0; c <= a; c++) covariance[c * d + a] = covariance[a * d + c] = covariance[a * d + c]! / total;
  }
  return { d, mean, covariance };
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let c = 0; c < a.length; c++) sum += a[c]! * b[c]!;
  return sum;
}

/** Cosine of two vectors; 0 where one of them is zero. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const norms = Math.sqrt(dot(a, a) * dot(b, b));
  return norms > 0 ? Math.max(-1, Math.min(1, dot(a, b) / norms)) : 0;
}

/** v / ||v||; null where it is zero. */
export function unit(v: ArrayLike<number>): Float64Array | null {
  const norm = Math.sqrt(dot(v, v));
  return norm > 0 && Number.isFinite(norm) ? Float64Array.from(v, (value) => value / norm) : null;
}

/** What of v is orthogonal to orthonormal vectors, twice over so that rounding leaves nothing along them. */
export function reject(v: Float64Array, from: readonly Float64Array[]): Float64Array {
  for (let pass = 0; pass < 2; pass++) {
    for (const direction of from) {
      const along = dot(v, direction);
      for (let c = 0; c < v.length; c++) v[c] = v[c]! - along * direction[c]!;
    }
  }
  return v;
}
