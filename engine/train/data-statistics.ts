/**
 * What a recipe needs to know of the data before the first step: the scale that brings
 * rows to a mean length of sqrt(d), their mean, their geometric median. In f64.
 */
import { NumericError } from '../errors.js';
import { Pace } from '../pace.js';
import type { TrainData } from './data.js';

/** Rows that the mean and the scale are taken over: all of them up to this many. */
export const STATISTICS_ROWS = 2 ** 20;
/** Of a generator, which has no end. */
export const ENDLESS_STATISTICS_ROWS = 2 ** 16;
/** The geometric median holds its rows: at most so many, and so many numbers (64 MiB), spread evenly over those scanned. */
const MEDIAN_ROWS = 2 ** 16;
const MEDIAN_VALUES = 2 ** 24;
const PIECE = 2048;

export interface DataStatistics {
  readonly rows: number;
  /** mean ||x||. */
  readonly meanNorm: number;
  /** [d] */
  readonly mean: Float64Array;
  /** [d]; null where it was not asked for. */
  readonly geometricMedian: Float64Array | null;
}

/**
 * Scans the data once.
 * @throws NumericError where there are no rows, or numbers that are not finite
 */
export async function dataStatistics(data: TrainData, { median, signal }: { readonly median: boolean; readonly signal?: AbortSignal | undefined }): Promise<DataStatistics> {
  const { d } = data;
  const limit = data.rows === null ? ENDLESS_STATISTICS_ROWS : Math.min(data.rows, STATISTICS_ROWS);
  const stride = Math.max(1, Math.ceil(limit / Math.max(1, Math.min(MEDIAN_ROWS, Math.floor(MEDIAN_VALUES / d)))));
  const kept = median ? new Float32Array(Math.ceil(limit / stride) * d) : new Float32Array(0);
  const sum = new Float64Array(d);
  const pace = new Pace(signal);
  let norms = 0;
  let rows = 0;
  let held = 0;
  await data.scan(
    async (x, count) => {
      for (let r = 0; r < count; r++) {
        let squares = 0;
        for (let c = 0; c < d; c++) {
          const value = x[r * d + c]!;
          squares += value * value;
          sum[c] = sum[c]! + value;
        }
        norms += Math.sqrt(squares);
        if (median && (rows + r) % stride === 0) kept.set(x.subarray(r * d, (r + 1) * d), d * held++);
        if (r % 256 === 255 && pace.isDue) await pace.pause();
      }
      rows += count;
    },
    { size: PIECE, limit, signal },
  );
  if (rows === 0) throw new NumericError('the data have no rows to train on');
  if (!Number.isFinite(norms)) throw new NumericError('the data hold NaN, infinity, or rows too long for float64', { hint: 'Activations must be finite; look at what wrote them.' });
  return { rows, meanNorm: norms / rows, mean: sum.map((value) => value / rows), geometricMedian: median ? await geometricMedian(kept.subarray(0, held * d), d, signal) : null };
}

/** sqrt(d) / mean ||x||: `expected_average_only_in` (SAELens). @throws NumericError where all rows are 0 */
export function activationScale({ meanNorm }: Pick<DataStatistics, 'meanNorm'>, d: number): number {
  if (!(meanNorm > 0)) throw new NumericError('normalize expected_average_only_in: every row of the data is 0', { hint: 'Take normalize none.' });
  return Math.sqrt(d) / meanNorm;
}

/**
 * The point with the least sum of distances to rows x [rows, d]: Weiszfeld's iteration,
 * g = sum w_j x_j / sum w_j with w_j = 1 / ||x_j - g||, from the mean, until g moves by less
 * than `tolerance` or after 100 rounds (dictionary_learning's and OpenAI's numbers). Where g
 * lies on rows, their infinite weights are left out, and g moves by Vardi and Zhang's (2000)
 * rule: it stays if it is the median, and can leave if it is not.
 */
export async function geometricMedian(x: Float32Array, d: number, signal?: AbortSignal, { rounds = 100, tolerance = 1e-5 } = {}): Promise<Float64Array> {
  const rows = Math.floor(x.length / d);
  let g = new Float64Array(d);
  for (let r = 0; r < rows; r++) for (let c = 0; c < d; c++) g[c] = g[c]! + x[r * d + c]! / rows;
  const pace = new Pace(signal);
  for (let round = 0; round < rounds; round++) {
    const weighted = new Float64Array(d);
    let weights = 0;
    let coincident = 0;
    for (let r = 0; r < rows; r++) {
      let squares = 0;
      for (let c = 0; c < d; c++) squares += (x[r * d + c]! - g[c]!) ** 2;
      if (squares === 0) coincident++;
      else {
        const w = 1 / Math.sqrt(squares);
        weights += w;
        for (let c = 0; c < d; c++) weighted[c] = weighted[c]! + w * x[r * d + c]!;
      }
      if (r % 256 === 255 && pace.isDue) await pace.pause();
    }
    if (weights === 0) return g;
    const next = weighted.map((value) => value / weights);
    if (coincident > 0) {
      // The pull of the other rows; at most `coincident` long where g is the median.
      let pull = 0;
      for (let c = 0; c < d; c++) pull += ((next[c]! - g[c]!) * weights) ** 2;
      const stay = pull === 0 ? 1 : Math.min(1, coincident / Math.sqrt(pull));
      for (let c = 0; c < d; c++) next[c] = (1 - stay) * next[c]! + stay * g[c]!;
    }
    let moved = 0;
    for (let c = 0; c < d; c++) moved += (next[c]! - g[c]!) ** 2;
    g = next;
    if (Math.sqrt(moved) < tolerance) break;
  }
  return g;
}

/** E ||x||^2 - ||E x||^2 of a batch, about its own mean. */
export function varianceOf(x: Float32Array, rows: number, d: number): number {
  const mean = new Float64Array(d);
  for (let r = 0, at = 0; r < rows; r++) for (let c = 0; c < d; c++, at++) mean[c] = mean[c]! + x[at]! / rows;
  let sum = 0;
  for (let r = 0, at = 0; r < rows; r++) for (let c = 0; c < d; c++, at++) sum += (x[at]! - mean[c]!) ** 2;
  return sum / rows;
}
