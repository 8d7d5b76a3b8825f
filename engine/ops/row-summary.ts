/**
 * One row of products boiled down: median, extremes about it, histogram. From exact
 * f64 values, or from f32 values that are off by at most e and a way to have
 * single ones exactly: the result is the same to the bit.
 */
import { between, largest, median, selectRank } from './select.js';

export interface RowList {
  readonly ids: number[];
  readonly values: number[];
}

/** Everything but `median` is of the row shifted so that its median is 0. */
export interface RowSummary {
  /** What was subtracted. */
  readonly median: number;
  /** Largest first; ties to the lowest id. */
  readonly top: RowList;
  /** Smallest first; ties to the lowest id. */
  readonly bottom: RowList;
  /** Range of the histogram: minimum and maximum, or 1/2 to either side where they are equal. */
  readonly low: number;
  readonly high: number;
  /** Values in bins of equal width; the last one includes its upper edge. */
  readonly counts: Uint32Array;
}

export interface SummaryShape {
  /** Entries at each end. */
  readonly listed: number;
  readonly bins: number;
}

/**
 * From exact values.
 * @param row shifted in place
 * @param scratch room for as many
 */
export function summariseExact(row: Float64Array, scratch: Float64Array, { listed, bins }: SummaryShape): RowSummary {
  scratch.set(row);
  const shift = median(scratch);
  for (let v = 0; v < row.length; v++) row[v] = row[v]! - shift;
  const top = extremes(row, null, row.length, listed, 1);
  const bottom = extremes(row, null, row.length, listed, -1);
  const { from, to } = range(bottom.values[0]!, top.values[0]!);
  const counts = new Uint32Array(bins);
  const scale = bins / (to - from);
  for (const value of row) counts[Math.min(bins - 1, Math.floor((value - from) * scale))]!++;
  return { median: shift, top, bottom, low: from, high: to, counts };
}

/** sums[i] = the exact value at ids[i], for i < count. */
export type Exactly = (ids: Uint32Array, count: number, sums: Float64Array) => void;

/** Buffers of `width` values, made once. */
export class SummaryScratch {
  readonly row: Float32Array;
  readonly ids: Uint32Array;
  readonly sums: Float64Array;

  constructor(width: number) {
    this.row = new Float32Array(width);
    this.ids = new Uint32Array(width);
    this.sums = new Float64Array(width);
  }
}

/**
 * From values that are off by at most `bound`. What lies within the bound of
 * deciding otherwise is asked for exactly: around the median's rank, around the
 * last listed entry of each end, around the bins' edges.
 *
 * @returns null where a value is not finite
 */
export function summariseScreened(z: Float32Array, bound: number, exactly: Exactly, { row: copy, ids, sums }: SummaryScratch, { listed, bins }: SummaryShape): RowSummary | null {
  if (!allFinite(z)) return null;
  const n = z.length;
  copy.set(z);
  const upper = n >> 1;
  selectRank(copy, upper);
  const middle = copy[upper]!;
  const lower = n % 2 === 1 ? middle : largest(copy, upper);

  // The value of a rank is within the bound of the rank's value; what is two bounds away is on its side for certain.
  const [low2, high2] = [lower - 2 * bound, middle + 2 * bound];
  let below = 0;
  let count = 0;
  for (let i = 0; i < n; i++) {
    const value = z[i]!;
    if (value < low2) below++;
    else if (value <= high2) ids[count++] = i;
  }
  exactly(ids, count, sums);
  const window = sums.slice(0, count).sort();
  const shift = n % 2 === 1 ? window[upper - below]! : between(window[upper - 1 - below]!, window[upper - below]!);

  const end = (sign: 1 | -1): RowList => {
    const edge = sign * ranked(z, Math.min(listed, n), sign) - 2 * bound;
    let found = 0;
    for (let i = 0; i < n; i++) if (sign * z[i]! >= edge) ids[found++] = i;
    exactly(ids, found, sums);
    for (let i = 0; i < found; i++) sums[i] = sums[i]! - shift;
    return extremes(sums, ids, found, listed, sign);
  };
  const top = end(1);
  const bottom = end(-1);

  const { from, to } = range(bottom.values[0]!, top.values[0]!);
  const counts = new Uint32Array(bins);
  const scale = bins / (to - from);
  const margin = bound * scale * (1 + 1e-6);
  const base = shift + from;
  count = 0;
  for (let i = 0; i < n; i++) {
    const place = (z[i]! - base) * scale;
    const bin = Math.floor(place);
    const part = place - bin;
    if (place < 1 - margin) counts[0]!++;
    else if (place >= bins - 1 + margin) counts[bins - 1]!++;
    else if (part > margin && part < 1 - margin) counts[bin]!++;
    else ids[count++] = i;
  }
  exactly(ids, count, sums);
  for (let i = 0; i < count; i++) counts[Math.min(bins - 1, Math.floor((sums[i]! - shift - from) * scale))]!++;
  return { median: shift, top, bottom, low: from, high: to, counts };
}

/** numpy.histogram's rule for a range of no width. */
function range(low: number, high: number): { from: number; to: number } {
  return low === high ? { from: low - 0.5, to: high + 0.5 } : { from: low, to: high };
}

/** The k-th largest (sign 1) or smallest (sign -1) value. */
function ranked(z: Float32Array, k: number, sign: 1 | -1): number {
  const held = new Float64Array(k).fill(-Infinity);
  let worst = -Infinity;
  for (let i = 0; i < z.length; i++) {
    const value = sign * z[i]!;
    if (!(value > worst)) continue;
    let at = k - 1;
    for (; at > 0 && held[at - 1]! < value; at--) held[at] = held[at - 1]!;
    held[at] = value;
    worst = held[k - 1]!;
  }
  return sign * worst;
}

/** The largest (sign 1) or smallest (sign -1) of `count` values with their ids, which ascend; ties go to the lowest id. */
function extremes(values: Float64Array, ids: Uint32Array | null, count: number, listed: number, sign: 1 | -1): RowList {
  const list: { ids: number[]; values: number[] } = { ids: [], values: [] };
  let worst = -Infinity;
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    if (list.ids.length === listed && !(sign * value > worst)) continue;
    let at = list.ids.length;
    while (at > 0 && sign * value > sign * list.values[at - 1]!) at--;
    list.ids.splice(at, 0, ids === null ? i : ids[i]!);
    list.values.splice(at, 0, value);
    if (list.ids.length > listed) {
      list.ids.pop();
      list.values.pop();
    }
    if (list.ids.length === listed) worst = sign * list.values[listed - 1]!;
  }
  return list;
}

function allFinite(z: Float32Array): boolean {
  let poison = 0;
  for (let i = 0; i < z.length; i++) poison += z[i]! * 0;
  return poison === 0;
}
