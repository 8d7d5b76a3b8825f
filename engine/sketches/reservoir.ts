/**
 * Uniform samples of every feature's firings in each of m equal intervals of
 * [0, max], in one pass, mergeable, although max is known only at the end.
 *
 * Each firing has a key: (hash32(seed, row), context, position), a random order
 * of the stream that does not depend on how it is cut. A uniform sample of k
 * items of a set is its bottom-k: the k lowest keys. Bottom-k samples merge: the
 * bottom-k of a union is the bottom-k of the two bottom-k's.
 *
 * Buckets. [0, R) is cut into 64 buckets of width R / 64, with R the power of
 * two above the feature's running maximum, and each bucket keeps its bottom-k.
 * When R doubles, buckets merge in pairs: floor(v 64 / 2R) is
 * floor(floor(v 64 / R) / 2), so the state is a function of the set of firings,
 * whatever their order. As max >= R / 2, at least 32 buckets are in use, and an
 * interval of a tenth covers 3.2 to 6.4 of them.
 *
 * Reading an interval [lo, hi). A bucket inside it gives its bottom-k. A bucket
 * that an edge cuts gives those of its kept items that lie in [lo, hi); where it
 * has dropped items it is silent about keys above its largest kept key. With
 * tau the least of these largest keys, every item of the interval with a key of
 * at most tau is known, or lies in an inner bucket behind k lower keys. So the
 * known items with key <= tau, in the order of their keys, cut at k, are the
 * first items of the interval's true bottom-k: the same list, sometimes shorter.
 *
 * Where it is cut does not bias it. The j-th item, of key h, is listed if and
 * only if in each cut bucket that overflowed fewer than k items have a key below
 * h. That depends on the items before it and on those outside of the interval,
 * not on which item it is itself: given the list so far, the next one is uniform
 * over the rest of the interval. The first is uniform without any condition.
 */
import type { StateValue } from '../run/accumulator.js';
import { indexArray, stateField } from './saved.js';
import type { ItemKeys } from './top-k.js';

/** Buckets of a feature. */
export const BUCKETS = 64;
const LOG_BUCKETS = 6;
/** R = 2^exponent is at least this, so that a bucket's width is a normal number. */
const MIN_EXPONENT = -120;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The exponent e of the least power of two 2^e above a positive f32 (at least -120). */
export function exponentAbove(value: number): number {
  float[0] = value;
  return Math.max(MIN_EXPONENT, (bits[0] as number >>> 23) - 126);
}

/** Items with a random key that decides which are kept. */
export interface HashedKeys extends ItemKeys {
  /** hash32(seed, row) */
  hash(item: number): number;
}

/** The buckets of one feature. */
interface Buckets {
  /** R = 2^exponent. */
  exponent: number;
  /** 64 / R, a power of two: floor(value * scale) is the bucket, exactly. */
  scale: number;
  /** [64] how many firings fell into each, counted to k + 1: more than k means that some were dropped. */
  readonly seen: Uint8Array;
  /** [64] hash of the last kept item, where the bucket is full. */
  readonly limits: Uint32Array;
  /** Kept items, bucket by bucket, in each by ascending key. */
  items: Uint32Array;
  length: number;
}

/** Bottom-k samples in 64 buckets a feature. */
export class Reservoirs {
  readonly features: number;
  readonly k: number;
  readonly #keys: HashedKeys;
  readonly #release: (item: number) => void;
  readonly #buckets: (Buckets | undefined)[];

  /**
   * @param k 1 to 250
   * @param release is given the items that are pushed out
   */
  constructor(features: number, k: number, keys: HashedKeys, release: (item: number) => void) {
    this.features = features;
    this.k = k;
    this.#keys = keys;
    this.#release = release;
    this.#buckets = new Array<Buckets | undefined>(features).fill(undefined);
  }

  /** Counts a firing. @returns true when it is to be kept: `insert` it then, before the next `offer`. */
  offer(feature: number, value: number, hash: number, context: number, position: number): boolean {
    const exponent = exponentAbove(value);
    const buckets = (this.#buckets[feature] ??= { exponent, scale: scaleOf(exponent), seen: new Uint8Array(BUCKETS), limits: new Uint32Array(BUCKETS), items: new Uint32Array(8), length: 0 });
    if (exponent > buckets.exponent) this.#widen(buckets, exponent);
    const bucket = Math.floor(value * buckets.scale);
    const seen = buckets.seen[bucket] as number;
    if (seen < this.k) return true;
    buckets.seen[bucket] = this.k + 1;
    if (hash !== buckets.limits[bucket]) return hash < (buckets.limits[bucket] as number);
    const last = buckets.items[this.#start(buckets, bucket) + this.k - 1] as number;
    return this.#compare(hash, context, position, last) < 0;
  }

  /** Keeps an item that `offer` admitted, and drops the one with the highest key of a full bucket. */
  insert(feature: number, item: number): void {
    const buckets = this.#buckets[feature] as Buckets;
    const bucket = Math.floor(this.#keys.value(item) * buckets.scale);
    const start = this.#start(buckets, bucket);
    const seen = buckets.seen[bucket] as number;
    let end = start + Math.min(seen, this.k);
    if (seen >= this.k) {
      this.#release(buckets.items[--end] as number);
    } else {
      if (buckets.length === buckets.items.length) {
        const grown = new Uint32Array(Math.min(Math.ceil(buckets.length * 1.5), BUCKETS * this.k));
        grown.set(buckets.items);
        buckets.items = grown;
      }
      buckets.items.copyWithin(end + 1, end, buckets.length);
      buckets.length++;
      buckets.seen[bucket] = seen + 1;
    }
    const hash = this.#keys.hash(item);
    const context = this.#keys.context(item);
    const position = this.#keys.position(item);
    let at = end;
    while (at > start && this.#compare(hash, context, position, buckets.items[at - 1] as number) < 0) {
      buckets.items[at] = buckets.items[at - 1] as number;
      at--;
    }
    buckets.items[at] = item;
    if (end + 1 - start === this.k) buckets.limits[bucket] = this.#keys.hash(buckets.items[end] as number);
  }

  /** Every kept item of a feature. */
  items(feature: number): Uint32Array {
    const buckets = this.#buckets[feature];
    return buckets === undefined ? new Uint32Array(0) : buckets.items.subarray(0, buckets.length);
  }

  /**
   * The sample of the firings with low <= value < high: at most k items by
   * ascending key, so that the first few of them are a sample as well.
   * @param high Infinity for the interval that ends at the maximum
   */
  sample(feature: number, low: number, high: number): number[] {
    const buckets = this.#buckets[feature];
    if (buckets === undefined) return [];
    const width = 2 ** (buckets.exponent - LOG_BUCKETS);
    const known: number[] = [];
    let tau = -1;
    let start = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const seen = buckets.seen[bucket] as number;
      const end = start + Math.min(seen, this.k);
      const from = bucket * width;
      const to = from + width;
      if (to > low && from < high) {
        for (let at = start; at < end; at++) {
          const item = buckets.items[at] as number;
          const value = this.#keys.value(item);
          if (value >= low && value < high) known.push(item);
        }
        const last = buckets.items[end - 1] as number;
        if (seen > this.k && (from < low || to > high) && (tau < 0 || this.#compareItems(last, tau) < 0)) tau = last;
      }
      start = end;
    }
    known.sort((a, b) => this.#compareItems(a, b));
    return known.filter((item) => tau < 0 || this.#compareItems(item, tau) <= 0).slice(0, this.k);
  }

  /** The state without the items: those are the caller's to save and to `adopt`. */
  save(): StateValue {
    const exponents = new Int32Array(this.features);
    const seen = new Uint8Array(this.features * BUCKETS);
    this.#buckets.forEach((buckets, feature) => {
      if (buckets === undefined) return;
      exponents[feature] = buckets.exponent;
      seen.set(buckets.seen, feature * BUCKETS);
    });
    return { exponents, seen };
  }

  /**
   * Adds what `save` gave, after every one of its items went through `offer` and `insert`:
   * the buckets that had dropped items there have dropped items here.
   */
  merge(saved: StateValue): void {
    const exponents = indexArray(stateField(saved, 'exponents'), 'exponents', this.features);
    const seen = indexArray(stateField(saved, 'seen'), 'seen', this.features * BUCKETS);
    this.#buckets.forEach((buckets, feature) => {
      if (buckets === undefined) return;
      const shift = buckets.exponent - (exponents[feature] as number);
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        if ((seen[feature * BUCKETS + bucket] as number) > this.k) buckets.seen[shifted(bucket, shift)] = this.k + 1;
      }
    });
  }

  /** Merges buckets until R is 2^exponent. */
  #widen(buckets: Buckets, exponent: number): void {
    const shift = exponent - buckets.exponent;
    const { k } = this;
    const before = buckets.seen.slice();
    const items = buckets.items.slice(0, buckets.length);
    buckets.exponent = exponent;
    buckets.scale = scaleOf(exponent);
    buckets.seen.fill(0);
    buckets.length = 0;
    let read = 0;
    for (let bucket = 0; bucket < BUCKETS; ) {
      const to = shifted(bucket, shift);
      let total = 0;
      const merged: number[] = [];
      for (; bucket < BUCKETS && shifted(bucket, shift) === to; bucket++) {
        const seen = before[bucket] as number;
        total += seen;
        for (let i = 0; i < Math.min(seen, k); i++) merged.push(items[read++] as number);
      }
      merged.sort((a, b) => this.#compareItems(a, b));
      for (const item of merged.splice(k)) this.#release(item);
      buckets.items.set(merged, buckets.length);
      buckets.length += merged.length;
      buckets.seen[to] = Math.min(total, k + 1);
      if (merged.length === k) buckets.limits[to] = this.#keys.hash(merged[k - 1] as number);
    }
  }

  /** Where a bucket's items begin. */
  #start(buckets: Buckets, bucket: number): number {
    let start = 0;
    for (let b = 0; b < bucket; b++) start += Math.min(buckets.seen[b] as number, this.k);
    return start;
  }

  #compareItems(a: number, b: number): number {
    return this.#compare(this.#keys.hash(a), this.#keys.context(a), this.#keys.position(a), b);
  }

  #compare(hash: number, context: number, position: number, item: number): number {
    return hash - this.#keys.hash(item) || context - this.#keys.context(item) || position - this.#keys.position(item);
  }
}

function scaleOf(exponent: number): number {
  return 2 ** (LOG_BUCKETS - exponent);
}

function shifted(bucket: number, shift: number): number {
  return shift >= LOG_BUCKETS ? 0 : bucket >> shift;
}
