/**
 * The plane in which dying is watched, from the data alone: w*, the direction in which a
 * hyperplane through the origin fires least, and beside it the direction of most variance.
 *
 * With mean mu and covariance Sigma of raw activations (the frame of b_dec = 0)
 *
 *   w* ~ -(Sigma + r I)^-1 mu     the closed form at b = 0 (gaussian-hyperplane.ts); the ridge r is 0
 *                                 unless Sigma is singular, then the least power of ten that helps
 *   w* = the direction of least variance, where the mean cannot be told from 0: with
 *                                 T^2 = N mu' Sigma^-1 mu, which is about chi^2(d) then, T^2 <= d + 5 sqrt(2 d);
 *                                 it is where w* tends as b falls
 *   complement                    the leading eigenvector of Sigma with w* projected out
 *
 * Kept true: it depends on the rows that `scan` gives and on nothing else; all sums are in f64.
 */
import { NumericError, UsageError } from '../errors.js';
import { Pace } from '../pace.js';
import { VectorMoments } from '../sketches/vector-moments.js';
import type { TrainData } from '../train/data.js';
import { cholesky, choleskySolve } from './cholesky.js';
import type { DyingPlane } from './record.js';

export interface DataPlaneOptions {
  /** Rows to look at; default 16,384. */
  readonly rows?: number | undefined;
  /** Rows to keep; default 2,048. */
  readonly sampled?: number | undefined;
  /** Longest time between two pauses, ms. */
  readonly slice?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a `DyingPlane` has of the data; the features' part comes from a run. */
export interface DataPlane extends Pick<DyingPlane, 'direction' | 'complement' | 'mean' | 'x' | 'm' | 'survival'> {
  /** [m] which of the scanned rows each sampled one is, ascending. */
  readonly index: Float64Array;
  /** Rows that were looked at. */
  readonly rows: number;
  /** ||mu|| / sqrt(tr Sigma) */
  readonly gamma: number;
  /** Whether `direction` is -Sigma^-1 mu, or, for want of a mean, the direction of least variance. */
  readonly by: 'mean' | 'variance';
  /** r, as a share of tr Sigma / d; 0 where there was no need. */
  readonly ridge: number;
}

const ROWS = 16_384;
const SAMPLED = 2048;
const PIECE = 256;
/** Points of the survival curve. */
const POINTS = 256;
const MOST_ITERATIONS = 2000;

/**
 * Scans the data twice.
 * @throws NumericError where no row differs from another, or a value is not finite; UsageError for options that are no numbers of rows
 */
export async function dataPlane(data: Pick<TrainData, 'd' | 'rows' | 'scan'>, { rows: wanted = ROWS, sampled = SAMPLED, slice, signal }: DataPlaneOptions = {}): Promise<DataPlane> {
  for (const [name, value] of Object.entries({ rows: wanted, sampled })) if (!Number.isSafeInteger(value) || value < 1) throw new UsageError(`plane of the data: ${name} is ${value}, expected a whole number of at least 1`);
  const { d } = data;
  const limit = Math.min(wanted, data.rows ?? Infinity);
  const pace = new Pace(signal, slice);
  const moments = new VectorMoments(d, true);
  const m = Math.min(sampled, limit);
  const x = new Float32Array(m * d);
  const index = Float64Array.from({ length: m }, (_, r) => Math.floor((r * limit) / m));
  let seen = 0;
  let held = 0;
  const rows = await data.scan(
    async (piece, count) => {
      moments.add(piece, count, null);
      for (; held < m && index[held]! < seen + count; held++) x.set(piece.subarray((index[held]! - seen) * d, (index[held]! - seen + 1) * d), held * d);
      seen += count;
      if (pace.isDue) await pace.pause();
    },
    { size: PIECE, limit, signal },
  );
  const { mean, covariance, trace } = matrixOf(moments);
  if (!Number.isFinite(trace) || !mean.every(Number.isFinite)) throw new NumericError('plane of the data: a value is not finite');
  if (!(trace > 0)) throw new NumericError(`plane of the data: all of ${rows} rows are the same`);
  const { direction, by, ridge } = await leastDirection(mean, covariance, trace, rows, pace);
  const complement = await leadingBeside(covariance, direction, pace);
  const along = new Float64Array(rows);
  let at = 0;
  await data.scan(
    async (piece, count) => {
      for (let r = 0; r < count; r++) {
        let sum = 0;
        for (let c = 0; c < d; c++) sum += direction[c]! * piece[r * d + c]!;
        along[at++] = sum;
      }
      if (pace.isDue) await pace.pause();
    },
    { size: PIECE, limit, signal },
  );
  return { direction, complement, mean, x, m, index, rows, gamma: Math.sqrt(dot(mean, mean) / trace), by, ridge, survival: survivalOf(along) };
}

function matrixOf(moments: VectorMoments): { mean: Float64Array; covariance: Float64Array; trace: number } {
  const { d } = moments;
  const covariance = new Float64Array(d * d);
  let trace = 0;
  for (let a = 0; a < d; a++) {
    for (let c = 0; c <= a; c++) covariance[a * d + c] = covariance[c * d + a] = moments.covariance(a, c);
    trace += covariance[a * d + a]!;
  }
  return { mean: Float64Array.from(moments.mean), covariance, trace };
}

async function leastDirection(mean: Float64Array, covariance: Float64Array, trace: number, rows: number, pace: Pace): Promise<Pick<DataPlane, 'direction' | 'by' | 'ridge'>> {
  const d = mean.length;
  let ridge = 0;
  let l = cholesky(covariance, d);
  for (let power = 1e-10; l === null; power *= 10) {
    if (pace.isDue) await pace.pause();
    ridge = power;
    l = cholesky(covariance, d, (power * trace) / d);
  }
  const solved = choleskySolve(l, d, mean);
  if (rows * dot(mean, solved) > d + 5 * Math.sqrt(2 * d)) return { direction: unit(solved.map((value) => -value)), by: 'mean', ridge };
  // Inverse iteration.
  const factor = l;
  const direction = await iterate(start(d), (v) => choleskySolve(factor, d, v), pace);
  return { direction: dot(direction, mean) > 0 ? direction.map((value) => -value) : direction, by: 'variance', ridge };
}

/** The leading eigenvector of (I - w w') Sigma (I - w w'), orthogonal to w; any one in one dimension, where there is none. */
async function leadingBeside(covariance: Float64Array, w: Float64Array, pace: Pace): Promise<Float64Array> {
  const d = w.length;
  if (d === 1) return new Float64Array(1);
  const without = (v: Float64Array): Float64Array => {
    const along = dot(v, w);
    return v.map((value, c) => value - along * w[c]!);
  };
  const product = (v: Float64Array): Float64Array => {
    const out = new Float64Array(d);
    for (let a = 0; a < d; a++) {
      let sum = 0;
      for (let c = 0; c < d; c++) sum += covariance[a * d + c]! * v[c]!;
      out[a] = sum;
    }
    // Twice: what rounding leaves of w must not grow.
    return without(without(out));
  };
  return iterate(without(without(start(d))), product, pace);
}

/** Power iteration until the direction moves by less than 1e-12, at most MOST_ITERATIONS times. */
async function iterate(from: Float64Array, product: (v: Float64Array) => Float64Array, pace: Pace): Promise<Float64Array> {
  let v = unit(from);
  for (let round = 0; round < MOST_ITERATIONS; round++) {
    if (pace.isDue) await pace.pause();
    const image = product(v);
    // A plane without variance: every direction in it is as good.
    if (dot(image, image) === 0) return v;
    const next = unit(image);
    const moved = next.reduce((sum, value, c) => sum + (value - v[c]!) ** 2, 0);
    v = next;
    if (moved < 1e-24) break;
  }
  return v;
}

/** No symmetry of the data is likely to be orthogonal to it. */
const start = (d: number): Float64Array => Float64Array.from({ length: d }, (_, c) => Math.cos(1 + c * Math.SQRT2));

/**
 * P(v > c) at values that were found: those of the top ranks 0, 1, 2, 4 … and, in between, at even steps of
 * log rank from either end, so that both tails are drawn as far as there are rows.
 */
export function survivalOf(values: Float64Array): DyingPlane['survival'] {
  const sorted = Float64Array.from(values).sort();
  const n = sorted.length;
  const ranks = new Set([0, n - 1]);
  for (let at = 0; at <= POINTS / 2; at++) {
    const rank = Math.min(n - 1, Math.round((n / 2) ** ((2 * at) / POINTS)) - 1);
    ranks.add(rank).add(n - 1 - rank);
  }
  const c: number[] = [];
  const p: number[] = [];
  for (const rank of [...ranks].sort((a, b) => a - b)) {
    const value = sorted[rank]!;
    if (value === c.at(-1)) continue;
    // Equal values are not above themselves.
    let above = rank + 1;
    while (above < n && sorted[above] === value) above++;
    c.push(value);
    p.push((n - above) / n);
  }
  return { c: Float64Array.from(c), p: Float64Array.from(p), rows: n };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let c = 0; c < a.length; c++) sum += a[c]! * b[c]!;
  return sum;
}

function unit(v: Float64Array): Float64Array {
  const length = Math.sqrt(dot(v, v));
  return v.map((value) => value / length);
}
