/**
 * Counts of unordered pairs of features, and the sums of their products, for the
 * pairs that occur: a small hash table for each feature (of its partners with a
 * larger index), exact while all pairs fit.
 *
 * When they do not, the lightest half is let go of, by the rule of Misra & Gries
 * ("Finding repeated elements", 1982; mergeable: Agarwal et al., PODS 2012) with the
 * counts of those that stay left as they are. Each entry knows how much of it may have
 * gone by before it was (again) entered:
 *
 *   count <= true count <= count + missed,   missed = 0: exact
 *
 * and a pair that is not held has a true count of at most `lost`. With T the sum of all
 * counts and m the pairs that fit, lost <= 2 T / m: with residuals
 * w = count - (lost - missed), sum of w <= T, and letting go of the half with w <= c
 * takes at least c m / 2 from it and adds c to `lost`.
 *
 * While nothing was let go of, the counts do not depend on the order of anything.
 */
import type { SparseCodes } from '../codes.js';
import { ShapeError } from '../errors.js';
import { toFeatureLists } from '../ops/sparse.js';
import type { StateValue } from '../run/accumulator.js';
import { floatArray, indexArray, savedNumber, stateField } from './saved.js';

/** Bytes of a pair: 20 a slot, and slots are at least three eighths full. */
export const PAIR_BYTES = 54;
const EMPTY = 0xffffffff;
const FIRST = 8;

/** What is known of a pair. */
export interface PairEntry {
  /** a < b */
  readonly a: number;
  readonly b: number;
  /** Counted occurrences. */
  readonly count: number;
  /** At most so many more occurred. */
  readonly missed: number;
  /** Sum of the products of their values over the counted occurrences. */
  readonly product: number;
}

/** The partners of one feature: open addressing, a power of two of slots. */
class Partners {
  keys!: Uint32Array;
  counts!: Uint32Array;
  missed!: Uint32Array;
  products!: Float64Array;
  size = 0;
  #shift = 32;

  constructor() {
    this.#allocate(FIRST);
  }

  #allocate(slots: number): void {
    this.keys = new Uint32Array(slots).fill(EMPTY);
    this.counts = new Uint32Array(slots);
    this.missed = new Uint32Array(slots);
    this.products = new Float64Array(slots);
    this.size = 0;
    this.#shift = 32 - Math.log2(slots);
  }

  /** The slot of a partner; -1 - slot where it is not held. */
  find(key: number): number {
    const { keys } = this;
    const mask = keys.length - 1;
    // Fibonacci hashing (Knuth, volume 3, 6.4): neighbouring features go far apart.
    let at = Math.imul(key, 0x9e3779b1) >>> this.#shift;
    for (let found = keys[at]!; found !== key; found = keys[at]!) {
      if (found === EMPTY) return -1 - at;
      at = (at + 1) & mask;
    }
    return at;
  }

  /** Enters a partner that is not held. @returns its slot */
  enter(key: number, count: number, missed: number, product: number): number {
    if (4 * (this.size + 1) > 3 * this.keys.length) this.keep(2 * this.keys.length, () => true);
    const at = -1 - this.find(key);
    this.size++;
    this.keys[at] = key;
    this.counts[at] = count;
    this.missed[at] = missed;
    this.products[at] = product;
    return at;
  }

  /** The slots that pass, in a table of so many slots. */
  keep(slots: number, passes: (slot: number) => boolean): void {
    const { keys, counts, missed, products } = this;
    const kept: number[] = [];
    for (let slot = 0; slot < keys.length; slot++) if (keys[slot] !== EMPTY && passes(slot)) kept.push(slot);
    while (slots > FIRST && 8 * kept.length < 3 * slots) slots /= 2;
    this.#allocate(slots);
    for (const slot of kept) {
      const at = -1 - this.find(keys[slot]!);
      this.size++;
      this.keys[at] = keys[slot]!;
      this.counts[at] = counts[slot]!;
      this.missed[at] = missed[slot]!;
      this.products[at] = products[slot]!;
    }
  }
}

export class PairTable {
  readonly features: number;
  /** Pairs that fit the memory. */
  readonly most: number;
  readonly #partners: (Partners | undefined)[];
  #size = 0;
  #lost = 0;

  /** @param bytes that the pairs may take */
  constructor(features: number, bytes: number) {
    this.features = features;
    this.most = Math.max(4, Math.floor(bytes / PAIR_BYTES));
    this.#partners = new Array<Partners | undefined>(features).fill(undefined);
  }

  /** Pairs held. */
  get size(): number {
    return this.#size;
  }

  /** No pair that is not held occurred more often; 0 while the table is exact. */
  get lost(): number {
    return this.#lost;
  }

  /** Adds every pair of every row. Feature by feature, so that one small table is in use at a time. */
  add(codes: SparseCodes): void {
    const { offsets, features, values } = codes;
    const lists = toFeatureLists(codes);
    for (let a = 0; a < codes.d_sae; a++) {
      const end = lists.offsets[a + 1]!;
      for (let i = lists.offsets[a]!; i < end; i++) {
        const value = lists.values[i]!;
        const last = offsets[lists.row[i]! + 1]!;
        for (let e = lists.entry[i]! + 1; e < last; e++) this.#count(a, features[e]!, value * values[e]!);
      }
    }
  }

  #count(a: number, b: number, product: number): void {
    const partners = (this.#partners[a] ??= new Partners());
    const at = partners.find(b);
    if (at >= 0) {
      partners.counts[at] = partners.counts[at]! + 1;
      partners.products[at] = partners.products[at]! + product;
      return;
    }
    if (this.#size >= this.most) this.#letGo();
    this.#size++;
    partners.enter(b, 1, this.#lost, product);
  }

  /** Every entry, ascending by a, within a in no order. */
  forEach(use: (entry: PairEntry) => void): void {
    this.#partners.forEach((partners, a) => {
      if (partners === undefined) return;
      const { keys, counts, missed, products } = partners;
      for (let slot = 0; slot < keys.length; slot++) {
        const b = keys[slot]!;
        if (b !== EMPTY) use({ a, b, count: counts[slot]!, missed: missed[slot]!, product: products[slot]! });
      }
    });
  }

  save(): StateValue {
    const [a, b, counts, missed] = [0, 1, 2, 3].map(() => new Uint32Array(this.#size)) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
    const products = new Float64Array(this.#size);
    let at = 0;
    this.#partners.forEach((partners, feature) => {
      if (partners === undefined) return;
      for (const key of partners.keys.filter((found) => found !== EMPTY).sort()) {
        const slot = partners.find(key);
        a[at] = feature;
        b[at] = key;
        counts[at] = partners.counts[slot]!;
        missed[at] = partners.missed[slot]!;
        products[at++] = partners.products[slot]!;
      }
    });
    return { lost: this.#lost, a, b, counts, missed, products };
  }

  /** Adds what `save` gave. @throws ShapeError when it is the state of something else */
  merge(saved: StateValue): void {
    const lost = savedNumber(stateField(saved, 'lost'), 'lost');
    const a = indexArray(stateField(saved, 'a'), 'a');
    const [b, counts, missed] = (['b', 'counts', 'missed'] as const).map((name) => indexArray(stateField(saved, name), name, a.length)) as [Uint32Array, Uint32Array, Uint32Array];
    const products = floatArray(stateField(saved, 'products'), 'products', a.length);
    for (let i = 0; i < a.length; i++) {
      if (a[i]! >= b[i]! || b[i]! >= this.features) throw new ShapeError(`the saved state holds the pair ${a[i]}, ${b[i]}`, { hint: `It belongs to another SAE: there are ${this.features} features here.` });
    }
    // What the other table does not hold may have occurred there, but no more often than it lost: added here, taken back below for what it holds.
    if (lost > 0) for (const partners of this.#partners) if (partners !== undefined) for (let slot = 0; slot < partners.keys.length; slot++) partners.missed[slot] = partners.missed[slot]! + lost;
    // All of both first, then as many as fit: in between, what was missed is not known of every entry.
    for (let i = 0; i < a.length; i++) {
      const partners = (this.#partners[a[i]!] ??= new Partners());
      const at = partners.find(b[i]!);
      if (at < 0) {
        this.#size++;
        partners.enter(b[i]!, counts[i]!, this.#lost + missed[i]!, products[i]!);
        continue;
      }
      partners.missed[at] = partners.missed[at]! - lost + missed[i]!;
      partners.counts[at] = partners.counts[at]! + counts[i]!;
      partners.products[at] = partners.products[at]! + products[i]!;
    }
    this.#lost += lost;
    while (this.#size > this.most) this.#letGo();
  }

  /** Lets go of the entries of the smaller residuals: at least half of them. */
  #letGo(): void {
    const residuals = new Float64Array(this.#size);
    let at = 0;
    const residual = (partners: Partners, slot: number): number => partners.counts[slot]! - (this.#lost - partners.missed[slot]!);
    for (const partners of this.#partners) {
      if (partners === undefined) continue;
      for (let slot = 0; slot < partners.keys.length; slot++) if (partners.keys[slot] !== EMPTY) residuals[at++] = residual(partners, slot);
    }
    const cut = residuals.sort()[at >> 1]!;
    this.#size = 0;
    this.#partners.forEach((partners) => {
      if (partners === undefined) return;
      partners.keep(partners.keys.length, (slot) => residual(partners, slot) > cut);
      this.#size += partners.size;
    });
    this.#lost += cut;
  }
}
