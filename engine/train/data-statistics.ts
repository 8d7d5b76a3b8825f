/** What a run wants to know of its data before it starts: the scale, the mean, the geometric median. In f64. */
import type { TrainData } from './data.js';

/** Rows that are looked at where the data never end. */
const ENDLESS_ROWS = 131_072;
/** Rows that the geometric median is of. */
const MEDIAN_ROWS = 32_768;
const PIECE = 4096;

export interface DataStatistics {
  readonly rows: number;
  /** [d] */
  readonly mean: Float64Array;
  readonly meanNorm: number;
}

/** @param signal aborts between pieces */
export async function statisticsOf(data: TrainData, signal?: AbortSignal): Promise<DataStatistics> {
  const { d } = data;
  const sum = new Float64Array(d);
  let norms = 0;
  const rows = await data.scan(
    (x, count) => {
      for (let r = 0; r < count; r++) {
        let squares = 0;
        for (let c = 0, at = r * d; c < d; c++, at++) {
          const value = x[at]!;
          squares += value * value;
          sum[c] = sum[c]! + value;
        }
        norms += Math.sqrt(squares);
      }
    },
    { size: PIECE, limit: data.rows ?? ENDLESS_ROWS, signal },
  );
  return { rows, mean: sum.map((value) => value / rows), meanNorm: norms / rows };
}

/** sqrt(d) / mean ||x||: what `expected_average_only_in` multiplies rows by (SAELens). */
export function activationScale({ meanNorm }: DataStatistics, d: number): number {
  return meanNorm > 0 ? Math.sqrt(d) / meanNorm : 1;
}

/**
 * The point of least summed distance, by Weiszfeld's iteration from the mean: weights 1 / ||x - g||,
 * until g moves by less than 1e-5 of the mean distance, at most 100 times. A row at g itself, whose weight
 * would be infinite, counts as if it were a millionth of the mean distance away.
 */
export async function geometricMedian(data: TrainData, signal?: AbortSignal): Promise<Float64Array> {
  const { d } = data;
  const kept: Float32Array[] = [];
  await data.scan((x, count) => void kept.push(x.slice(0, count * d)), { size: PIECE, limit: Math.min(data.rows ?? Infinity, MEDIAN_ROWS), signal });
  const rows = kept.reduce((sum, piece) => sum + piece.length / d, 0);
  let median = new Float64Array(d);
  for (const piece of kept) for (let at = 0; at < piece.length; at++) median[at % d] = median[at % d]! + piece[at]! / rows;
  let closest = 0;
  for (let iteration = 0; iteration < 100; iteration++) {
    signal?.throwIfAborted();
    const next = new Float64Array(d);
    let weights = 0;
    let distances = 0;
    for (const piece of kept) {
      for (let at = 0; at < piece.length; at += d) {
        let squares = 0;
        for (let c = 0; c < d; c++) squares += (piece[at + c]! - median[c]!) ** 2;
        const distance = Math.sqrt(squares);
        distances += distance;
        const weight = 1 / Math.max(distance, closest, Number.MIN_VALUE * 2 ** 60);
        weights += weight;
        for (let c = 0; c < d; c++) next[c] = next[c]! + weight * piece[at + c]!;
      }
    }
    closest = (1e-6 * distances) / rows;
    if (distances === 0) return median;
    let moved = 0;
    for (let c = 0; c < d; c++) {
      next[c] = next[c]! / weights;
      moved += (next[c]! - median[c]!) ** 2;
    }
    median = next;
    if (Math.sqrt(moved) < (1e-5 * distances) / rows) break;
  }
  return median;
}
