/**
 * One row of products boiled down: median, extremes about it, histogram. From exact
 * f64 values, or from values that are off by at most a bound and a way to have
 * single ones exactly: the result is the same to the bit.
 */
import { between, median } from './select.js';

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

/** Fine buckets into which a row's values are sorted first. */
const BUCKETS = 4096;

/** Buffers for rows of `width` values, made once. */
export class SummaryScratch {
  /** Bucket of each value. */
  readonly place: Uint16Array;
  readonly sizes = new Uint32Array(BUCKETS);
  /** Buckets whose values matter one by one. */
  readonly marked = new Uint8Array(BUCKETS);
  readonly ids: Uint32Array;
  readonly sums: Float64Array;

  constructor(width: number) {
    this.place = new Uint16Array(width);
    this.ids = new Uint32Array(width);
    this.sums = new Float64Array(width);
  }
}

/**
 * From values that are off by at most `bound`. Sorting them into fine buckets
 * once says where the median's rank and the last listed entries are, and how many
 * lie in the middle of a bin. What lies within the bound of deciding otherwise is
 * asked for exactly: around those ranks, and around the bins' edges.
 *
 * @param z finite
 */
export function summariseScreened(z: Float64Array, bound: number, exactly: Exactly, scratch: SummaryScratch, { listed, bins }: SummaryShape): RowSummary {
  const n = z.length;
  const buckets = new Buckets(z, scratch);
  const { ids, sums } = scratch;

  // The value of a rank is within the bound of the rank's value; what is two bounds away is on its side for certain.
  const upper = n >> 1;
  const lower = n % 2 === 1 ? upper : upper - 1;
  const from = buckets.below(buckets.lowerEdge(buckets.ofRank(lower)) - 2 * bound);
  const to = buckets.above(buckets.upperEdge(buckets.ofRank(upper)) + 2 * bound);
  let count = buckets.collect(from, to, ids);
  exactly(ids, count, sums);
  const window = sums.slice(0, count).sort();
  const below = buckets.countBelow(from);
  const shift = n % 2 === 1 ? window[upper - below]! : between(window[lower - below]!, window[upper - below]!);

  const end = (sign: 1 | -1): RowList => {
    const k = Math.min(listed, n) - 1;
    // From the bucket of the last listed entry to the end, and the bound's width beyond it.
    const [first, last] = sign === 1 ? [buckets.below(buckets.lowerEdge(buckets.ofRank(n - 1 - k)) - 2 * bound), BUCKETS - 1] : [0, buckets.above(buckets.upperEdge(buckets.ofRank(k)) + 2 * bound)];
    const found = buckets.collect(first, last, ids);
    exactly(ids, found, sums);
    for (let i = 0; i < found; i++) sums[i] = sums[i]! - shift;
    return extremes(sums, ids, found, listed, sign);
  };
  const top = end(1);
  const bottom = end(-1);

  const span = range(bottom.values[0]!, top.values[0]!);
  const counts = new Uint32Array(bins);
  const scale = bins / (span.to - span.from);
  const base = shift + span.from;
  const binOf = (value: number): number => Math.max(0, Math.min(bins - 1, Math.floor((value - base) * scale)));
  const { marked, sizes } = scratch;
  // Rounding in `base`, `scale` and the buckets' edges, as the bound's 1e-6 has it.
  const margin = bound * (1 + 1e-6);
  for (let b = 0; b < BUCKETS; b++) {
    const [low, high] = [binOf(buckets.lowerEdge(b) - margin), binOf(buckets.upperEdge(b) + margin)];
    marked[b] = low === high ? 0 : 1;
    if (low === high) counts[low] = counts[low]! + sizes[b]!;
  }
  count = 0;
  const { place } = scratch;
  for (let i = 0; i < n; i++) {
    if (marked[place[i]!] === 0) continue;
    const bin = binOf(z[i]! - margin);
    if (bin === binOf(z[i]! + margin)) counts[bin]!++;
    else ids[count++] = i;
  }
  exactly(ids, count, sums);
  for (let i = 0; i < count; i++) counts[Math.min(bins - 1, Math.floor((sums[i]! - shift - span.from) * scale))]!++;
  return { median: shift, top, bottom, low: span.from, high: span.to, counts };
}

/** Values in buckets of equal width from the smallest to the largest. */
class Buckets {
  readonly #low: number;
  readonly #scale: number;
  readonly #scratch: SummaryScratch;

  constructor(z: Float64Array, scratch: SummaryScratch) {
    const { place, sizes } = scratch;
    let low = Infinity;
    let high = -Infinity;
    for (let i = 0; i < z.length; i++) {
      const value = z[i]!;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    // Where all are equal, any scale will do; the last bucket has the largest value too.
    const scale = high > low ? (BUCKETS - 1) / (high - low) : 1;
    sizes.fill(0);
    for (let i = 0; i < z.length; i++) {
      const at = ((z[i]! - low) * scale) | 0;
      place[i] = at;
      sizes[at] = sizes[at]! + 1;
    }
    this.#low = low;
    this.#scale = scale;
    this.#scratch = scratch;
  }

  // The edges stand a thousandth of a bucket to the safe side: what rounding does to a place is far less.
  lowerEdge(bucket: number): number {
    return this.#low + (bucket - 1e-3) / this.#scale;
  }

  upperEdge(bucket: number): number {
    return this.#low + (bucket + 1 + 1e-3) / this.#scale;
  }

  /** The bucket of the value of this rank, 0 the smallest. */
  ofRank(rank: number): number {
    const { sizes } = this.#scratch;
    let bucket = 0;
    for (let seen = sizes[0]!; seen <= rank; seen += sizes[bucket]!) bucket++;
    return bucket;
  }

  /** The last bucket that holds nothing at or above this value, plus one. */
  below(value: number): number {
    return this.#clamp(Math.floor((value - this.#low) * this.#scale - 1e-3));
  }

  /** The first bucket that holds everything up to this value. */
  above(value: number): number {
    return this.#clamp(Math.floor((value - this.#low) * this.#scale + 1e-3));
  }

  countBelow(bucket: number): number {
    let count = 0;
    for (let b = 0; b < bucket; b++) count += this.#scratch.sizes[b]!;
    return count;
  }

  /** Ids of the values in buckets first .. last, ascending. */
  collect(first: number, last: number, ids: Uint32Array): number {
    const { place } = this.#scratch;
    let count = 0;
    for (let i = 0; i < place.length; i++) {
      const at = place[i]!;
      if (at >= first && at <= last) ids[count++] = i;
    }
    return count;
  }

  #clamp(bucket: number): number {
    return Math.max(0, Math.min(BUCKETS - 1, bucket));
  }
}

/** numpy.histogram's rule for a range of no width. */
function range(low: number, high: number): { from: number; to: number } {
  return low === high ? { from: low - 0.5, to: high + 0.5 } : { from: low, to: high };
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
