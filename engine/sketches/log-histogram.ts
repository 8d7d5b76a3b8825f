/**
 * A log-spaced histogram of positive f32 values for every feature.
 *
 * The bin of a value is the upper 13 bits of its f32 pattern, `bits >>> 19`:
 * 16 bins an octave, linear inside an octave (as in HdrHistogram). It takes no
 * logarithm, so that every machine gives the same bin. In the range of normal
 * numbers a bin [e, e + w) has w <= e / 16, so that its centre is within 1/32 of
 * each of its values; below 2^-126 bins have the fixed width 2^-130.
 *
 * Counts are whole numbers in f64, exact to 2^53. A feature's bins are allocated
 * when it first fires and cover only what it reached.
 */
import { binEdge } from '../pack/bin-edge.js';
import type { StateValue } from '../run/accumulator.js';
import { floatArray, indexArray, stateField } from './saved.js';

export { binEdge };

/** One octave. */
const OCTAVE = 16;
/** The first bin that no finite f32 falls into (infinity's). */
export const BINS = 0xff * OCTAVE;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The bin of a positive, finite f32: 0 to 4,079. */
export function binOf(value: number): number {
  float[0] = value;
  return (bits[0] as number) >>> 19;
}

/** The part of a histogram that is not empty. */
export interface TrimmedHistogram {
  /** Bin of `counts[0]`; null when there is nothing. */
  readonly first: number | null;
  /** First and last are above 0. */
  readonly counts: Float64Array;
}

const EMPTY = new Float64Array(0);

export class LogHistograms {
  readonly features: number;
  /** Bin of counts[feature][0], a multiple of 16. */
  readonly #first: Int32Array;
  readonly #counts: Float64Array[];

  constructor(features: number) {
    this.features = features;
    this.#first = new Int32Array(features);
    this.#counts = new Array<Float64Array>(features).fill(EMPTY);
  }

  /** Counts one value. @param value positive and finite */
  add(feature: number, value: number): void {
    const bin = binOf(value);
    const counts = this.#covering(feature, bin, bin + 1);
    const at = bin - (this.#first[feature] as number);
    counts[at] = (counts[at] as number) + 1;
  }

  /** Number of values of a feature. */
  total(feature: number): number {
    return (this.#counts[feature] as Float64Array).reduce((sum, count) => sum + count, 0);
  }

  trimmed(feature: number): TrimmedHistogram {
    const counts = this.#counts[feature] as Float64Array;
    let from = 0;
    let to = counts.length;
    while (from < to && counts[from] === 0) from++;
    while (to > from && counts[to - 1] === 0) to--;
    return { first: to === from ? null : (this.#first[feature] as number) + from, counts: counts.slice(from, to) };
  }

  /** The state, the same for the same values in whatever order they came. */
  save(): StateValue {
    const first = new Int32Array(this.features);
    const lengths = new Uint32Array(this.features);
    const parts: Float64Array[] = [];
    for (let feature = 0; feature < this.features; feature++) {
      const trimmed = this.trimmed(feature);
      first[feature] = trimmed.first ?? 0;
      lengths[feature] = trimmed.counts.length;
      parts.push(trimmed.counts);
    }
    const counts = new Float64Array(lengths.reduce((sum, length) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      counts.set(part, at);
      at += part.length;
    }
    return { first, lengths, counts };
  }

  /** Adds what `save` gave. @throws ShapeError when it is the state of something else */
  merge(saved: StateValue): void {
    const first = indexArray(stateField(saved, 'first'), 'first', this.features);
    const lengths = indexArray(stateField(saved, 'lengths'), 'lengths', this.features);
    let total = 0;
    for (const length of lengths) total += length;
    const counts = floatArray(stateField(saved, 'counts'), 'counts', total);
    let from = 0;
    for (let feature = 0; feature < this.features; feature++) {
      const length = lengths[feature] as number;
      if (length === 0) continue;
      const bin = first[feature] as number;
      const mine = this.#covering(feature, bin, bin + length);
      const shift = bin - (this.#first[feature] as number);
      for (let i = 0; i < length; i++) mine[shift + i] = (mine[shift + i] as number) + (counts[from + i] as number);
      from += length;
    }
  }

  /** Bytes that the counts occupy. */
  get bytes(): number {
    return this.#first.byteLength + this.#counts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** The counts of a feature, grown by whole octaves to cover the bins low .. high - 1. */
  #covering(feature: number, low: number, high: number): Float64Array {
    const counts = this.#counts[feature] as Float64Array;
    const first = this.#first[feature] as number;
    if (low >= first && high <= first + counts.length) return counts;
    const empty = counts.length === 0;
    const from = Math.floor((empty ? low : Math.min(first, low)) / OCTAVE) * OCTAVE;
    const to = Math.ceil((empty ? high : Math.max(first + counts.length, high)) / OCTAVE) * OCTAVE;
    const grown = new Float64Array(to - from);
    grown.set(counts, empty ? 0 : first - from);
    this.#first[feature] = from;
    this.#counts[feature] = grown;
    return grown;
  }
}

/**
 * The q-quantile of the values that a histogram has counted: the values of a bin
 * are taken to lie evenly in it, the k-th of m at (k - 1/2) / m of its width
 * (Hazen's rule, type 5 of Hyndman & Fan 1996, inside the bin).
 *
 * It lies in the bin of the order statistic x_(ceil(q n)), hence within 1/16 of
 * it, and within 1/32 where the bin has one value alone.
 *
 * @param q of (0, 1)
 * @param max the largest value, when it is known: no quantile lies above it
 * @returns null for an empty histogram
 */
export function quantile({ first, counts }: TrimmedHistogram, q: number, max = Infinity): number | null {
  if (first === null) return null;
  const target = q * counts.reduce((sum, count) => sum + count, 0);
  let below = 0;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i] as number;
    if (count > 0 && (below + count >= target || i === counts.length - 1)) {
      const low = binEdge(first + i);
      const high = binEdge(first + i + 1);
      return Math.min(max, low + (high - low) * Math.min(1, (target - below) / count));
    }
    below += count;
  }
  return null;
}
