/**
 * Uniform samples of every feature's firings in each of m equal intervals of
 * [0, max], in one pass, mergeable, although max is known only at the end.
 *
 * Each firing has a key: (hash32(seed, row), context, position), a random order
 * of the stream that does not depend on how it is cut. A uniform sample of k
 * items of a set is its bottom-k: the k lowest keys. Bottom-k samples merge: the
 * bottom-k of a union is the bottom-k of the two bottom-k's.
 *
 * What is kept. Whatever max becomes, it is at least the running maximum, and an
 * interval is at least L = running maximum / m wide. So a firing can be in a
 * sample at the end only if some window of that width, anywhere in [0, infinity),
 * has it among its bottom-k. Exactly those firings are kept: the union of the
 * bottom-k of all windows wider than L. The sample of an interval is then its
 * bottom-k among what is kept, and is exact.
 *
 * One firing x is tested by its neighbours of lower key: the widest window around
 * x with fewer than k of them inside ends at the (i + 1)-th to the left and the
 * (k - i)-th to the right, for some i of 0 .. k - 1. It is enough to look for
 * them among what is kept: where a window does not have x in its bottom-k, it has
 * k firings of lower key that are its bottom-k, and these are kept. For the same
 * reason dropping one firing decides nothing about another, and the state is a
 * function of the set of firings, whatever their order: a larger maximum only
 * leaves fewer windows.
 *
 * Memory: about 2 k firings for each width L that is in use (the density of
 * minimizers, 2 / (w + 1), for k = 1), hence O(m k) a feature.
 */
import type { StateValue } from '../run/accumulator.js';
import { floatArray, stateField } from './saved.js';
import type { ItemKeys } from './top-k.js';

/** Items with a random key that decides which are kept. */
export interface HashedKeys extends ItemKeys {
  /** hash32(seed, row) */
  hash(item: number): number;
}

/** The kept firings of one feature, by ascending value. */
interface Kept {
  /** Largest value so far, kept or not. */
  max: number;
  items: Uint32Array;
  /** Value and hash of each of them, where they are looked at most. */
  values: Float32Array;
  hashes: Uint32Array;
  length: number;
}

/** Bounds of an interval are rounded: one that is narrower by so much is covered still. */
const SLACK = 1 - 1e-9;

/** Bottom-k samples of the intervals of [0, max], for many features. */
export class Reservoirs {
  readonly features: number;
  readonly k: number;
  /** Intervals of [0, max]. */
  readonly intervals: number;
  readonly #keys: HashedKeys;
  readonly #release: (item: number) => void;
  readonly #kept: (Kept | undefined)[];
  /** Values of the nearest firings of lower key to the left of the one that is tested. */
  readonly #left: Float64Array;

  /** @param release is given the items that are pushed out */
  constructor(features: number, k: number, intervals: number, keys: HashedKeys, release: (item: number) => void) {
    this.features = features;
    this.k = k;
    this.intervals = intervals;
    this.#keys = keys;
    this.#release = release;
    this.#kept = new Array<Kept | undefined>(features).fill(undefined);
    this.#left = new Float64Array(k);
  }

  /** Looks at a firing. @returns true when it is to be kept: `insert` it then, before the next `offer`. */
  offer(feature: number, value: number, hash: number, context: number, position: number): boolean {
    const kept = (this.#kept[feature] ??= { max: 0, items: new Uint32Array(8), values: new Float32Array(8), hashes: new Uint32Array(8), length: 0 });
    if (value > kept.max) this.#widen(kept, value);
    return this.#belongs(kept, value, hash, context, position, lowerBound(kept, value));
  }

  /** Keeps an item that `offer` admitted, and drops those that it pushes out of every window. */
  insert(feature: number, item: number): void {
    const kept = this.#kept[feature] as Kept;
    const value = this.#keys.value(item);
    const at = lowerBound(kept, value);
    if (kept.length === kept.items.length) grow(kept);
    for (const array of [kept.items, kept.values, kept.hashes]) array.copyWithin(at + 1, at, kept.length);
    kept.items[at] = item;
    kept.values[at] = value;
    kept.hashes[at] = this.#keys.hash(item);
    kept.length++;
    // A firing further away than L has a window that ends before this one.
    const width = this.#width(kept);
    let from = at;
    while (from > 0 && value - (kept.values[from - 1] as number) <= width) from--;
    let to = at + 1;
    while (to < kept.length && (kept.values[to] as number) - value <= width) to++;
    this.#prune(kept, from, to);
  }

  /** Every kept item of a feature, by ascending value: a view, good until the next `offer`. */
  items(feature: number): Uint32Array {
    const kept = this.#kept[feature];
    return kept === undefined ? new Uint32Array(0) : kept.items.subarray(0, kept.length);
  }

  /**
   * The sample of the firings with low <= value < high, an interval of at least
   * max / intervals: the k lowest keys of all that there were, by ascending key,
   * so that the first few of them are a sample as well.
   * @param high Infinity for the interval that ends at the maximum
   */
  sample(feature: number, low: number, high: number): number[] {
    const inside = Array.from(this.items(feature)).filter((item) => this.#keys.value(item) >= low && this.#keys.value(item) < high);
    return inside.sort((a, b) => this.#compare(this.#keys.hash(a), this.#keys.context(a), this.#keys.position(a), b)).slice(0, this.k);
  }

  /** The state without the items: those are the caller's to save, and to `offer` again before `merge`. */
  save(): StateValue {
    return { maxima: Float32Array.from(this.#kept, (kept) => kept?.max ?? 0) };
  }

  /** Adds what `save` gave, after every one of its items went through `offer` and `insert`. */
  merge(saved: StateValue): void {
    const maxima = floatArray(stateField(saved, 'maxima'), 'maxima', this.features);
    this.#kept.forEach((kept, feature) => {
      const max = maxima[feature] as number;
      if (kept !== undefined && max > kept.max) this.#widen(kept, max);
    });
  }

  /** Bytes of the lists; the items themselves are the caller's. */
  get bytes(): number {
    return this.#kept.reduce((sum, kept) => sum + (kept === undefined ? 0 : kept.items.byteLength + kept.values.byteLength + kept.hashes.byteLength), 0);
  }

  #width({ max }: Kept): number {
    return (max / this.intervals) * SLACK;
  }

  /** The maximum grows, and with it the narrowest window that matters. */
  #widen(kept: Kept, max: number): void {
    kept.max = max;
    this.#prune(kept, 0, kept.length);
  }

  /** Drops those of the firings from .. to - 1 that are in no window's bottom-k. */
  #prune(kept: Kept, from: number, to: number): void {
    const { items, values, hashes } = kept;
    // From the back, so that what is moved up has been tested.
    for (let at = to - 1; at >= from; at--) {
      const item = items[at] as number;
      const value = values[at] as number;
      let first = at;
      while (first > 0 && values[first - 1] === value) first--;
      if (this.#belongs(kept, value, hashes[at] as number, this.#keys.context(item), this.#keys.position(item), first)) continue;
      for (const array of [items, values, hashes]) array.copyWithin(at, at + 1, kept.length);
      kept.length--;
      this.#release(item);
    }
  }

  /**
   * True when some window wider than L has fewer than k firings of lower key beside this one.
   * @param first where the firings of this value begin, or would
   */
  #belongs(kept: Kept, value: number, hash: number, context: number, position: number, first: number): boolean {
    const { values, hashes, length } = kept;
    const width = this.#width(kept);
    // Equal values are inside of every window.
    let k = this.k;
    let next = first;
    for (; next < length && values[next] === value; next++) {
      if ((hashes[next] as number) <= hash && this.#isLower(kept, next, hash, context, position)) k--;
    }
    if (k <= 0) return false;
    const left = this.#left;
    let lefts = 0;
    for (let at = first - 1; at >= 0 && lefts < k; at--) {
      const other = values[at] as number;
      if (value - other > width) return true;
      if ((hashes[at] as number) <= hash && this.#isLower(kept, at, hash, context, position)) left[lefts++] = other;
    }
    // No window begins below 0.
    if (lefts < k && value > width) return true;
    while (lefts < k) left[lefts++] = 0;
    // rights + 1 of them are to the right: the window that begins at the (k - rights)-th to the left is the widest that ends here.
    let rights = 0;
    for (let at = next; at < length; at++) {
      const other = values[at] as number;
      if (other - value > width) return true;
      if ((hashes[at] as number) > hash || !this.#isLower(kept, at, hash, context, position)) continue;
      if (other - (left[k - 1 - rights] as number) > width) return true;
      if (++rights === k) return false;
    }
    // The maximum may grow yet: windows have no end there.
    return true;
  }

  #isLower({ items, hashes }: Kept, at: number, hash: number, context: number, position: number): boolean {
    return (hashes[at] as number) < hash || this.#compare(hash, context, position, items[at] as number) > 0;
  }

  /** Order of a key and an item's. */
  #compare(hash: number, context: number, position: number, item: number): number {
    return hash - this.#keys.hash(item) || context - this.#keys.context(item) || position - this.#keys.position(item);
  }
}

/** Index of the first kept value that is not below `value`. */
function lowerBound({ values, length }: Kept, value: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function grow(kept: Kept): void {
  const capacity = Math.ceil(kept.length * 1.5);
  const items = new Uint32Array(capacity);
  const values = new Float32Array(capacity);
  const hashes = new Uint32Array(capacity);
  items.set(kept.items);
  values.set(kept.values);
  hashes.set(kept.hashes);
  Object.assign(kept, { items, values, hashes });
}
