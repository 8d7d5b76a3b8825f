/**
 * A uniform sample of the rows that count, for analyses that look at activations more than
 * once: all of them while they fit, else those of the lowest keys hash32(seed, row), a random
 * order of the stream that does not depend on how it is cut. Bottom-k samples merge: that
 * of a union is the bottom-k of the samples' union.
 *
 * Kept true: the sample is a function of the set of rows, the seed and the capacity alone,
 * not of batches, their order, or shards.
 */
import { ShapeError } from '../errors.js';
import { hash32 } from '../random.js';
import type { Batch, StateValue } from '../run/accumulator.js';
import { floatArray, indexArray, savedNumber, stateField } from './saved.js';

/** Rows of a stream, in its order. */
export interface SampledRows {
  /** [rows, d] raw activations. */
  readonly x: Float32Array;
  readonly rows: number;
  readonly d: number;
  /** Rows that count, in the whole stream. */
  readonly total: number;
  /** Whether `x` holds all of them. */
  readonly whole: boolean;
  /** [rows] token ids, where the stream has tokens. */
  readonly tokens: Int32Array | null;
  /** [rows] index of the row in the stream, ascending. */
  readonly index: Float64Array;
}

const FIRST_ROWS = 4096;

export class RowSample {
  readonly #d: number;
  readonly #capacity: number;
  readonly #seed: number;
  #x = new Float32Array(0);
  #tokens: Int32Array;
  #index = new Float64Array(0);
  #keys = new Uint32Array(0);
  readonly #hasTokens: boolean;
  #rows = 0;
  #total = 0;
  /** Slots as a binary heap, the largest (key, index) first; there once the sample is full. */
  #heap: Uint32Array | null = null;

  /** @param bytes that the sample's activations may take; at least one row is held */
  constructor({ d, bytes, seed, hasTokens }: { readonly d: number; readonly bytes: number; readonly seed: number; readonly hasTokens: boolean }) {
    this.#d = d;
    this.#capacity = Math.max(1, Math.floor(bytes / (4 * d)));
    this.#seed = seed;
    this.#hasTokens = hasTokens;
    this.#tokens = new Int32Array(0);
  }

  update({ rowOffset, rows, counted, x, tokens }: Pick<Batch, 'rowOffset' | 'rows' | 'counted' | 'x' | 'tokens'>): void {
    const d = this.#d;
    for (let r = 0; r < rows; r++) {
      if (counted[r] === 0) continue;
      this.#total++;
      this.#offer(rowOffset + r, x, r * d, tokens?.[r] ?? 0);
    }
  }

  /** Adds another shard's sample, of the same seed and capacity. */
  merge(saved: StateValue): void {
    const d = this.#d;
    const index = floatArray(stateField(saved, 'index'), 'row index');
    const x = floatArray(stateField(saved, 'x'), 'rows', index.length * d);
    const tokens = indexArray(stateField(saved, 'tokens'), 'row tokens', index.length);
    const [capacity, seed] = [savedNumber(stateField(saved, 'capacity'), 'capacity'), savedNumber(stateField(saved, 'seed'), 'seed')];
    if (capacity !== this.#capacity || seed !== this.#seed) throw new ShapeError(`the saved sample holds up to ${capacity} rows with seed ${seed}, this one ${this.#capacity} with seed ${this.#seed}`, { hint: 'Shards are merged with the seed and memory that they were made with.' });
    this.#total += savedNumber(stateField(saved, 'total'), 'total');
    for (let r = 0; r < index.length; r++) this.#offer(index[r]!, x, r * d, tokens[r]!);
  }

  save(): StateValue {
    const { x, index, tokens } = this.#ordered();
    return { capacity: this.#capacity, seed: this.#seed, total: this.#total, x, index, tokens };
  }

  /** The sample so far, in the stream's order. */
  rows(): SampledRows {
    const { x, index, tokens } = this.#ordered();
    return { x, rows: this.#rows, d: this.#d, total: this.#total, whole: this.#rows === this.#total, tokens: this.#hasTokens ? tokens : null, index };
  }

  #offer(row: number, x: Float32Array | Float64Array, from: number, token: number): void {
    const key = hash32(this.#seed, row % 2 ** 32, Math.floor(row / 2 ** 32));
    let slot = this.#rows;
    if (slot < this.#capacity) {
      this.#grow(slot + 1);
      this.#rows++;
    } else {
      const heap = (this.#heap ??= this.#heapify());
      slot = heap[0]!;
      if (key > this.#keys[slot]! || (key === this.#keys[slot]! && row >= this.#index[slot]!)) return;
    }
    this.#x.set(x.subarray(from, from + this.#d), slot * this.#d);
    this.#index[slot] = row;
    this.#keys[slot] = key;
    this.#tokens[slot] = token;
    if (this.#heap !== null) this.#sift(this.#heap, 0);
  }

  #grow(rows: number): void {
    if (rows <= this.#keys.length) return;
    const room = Math.min(this.#capacity, Math.max(FIRST_ROWS, 2 * this.#keys.length));
    const grown = <T extends Float32Array | Float64Array | Uint32Array | Int32Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.#x = grown(new Float32Array(room * this.#d), this.#x);
    this.#index = grown(new Float64Array(room), this.#index);
    this.#keys = grown(new Uint32Array(room), this.#keys);
    this.#tokens = grown(new Int32Array(room), this.#tokens);
  }

  /** Whether slot a comes after slot b in the random order. */
  #after(a: number, b: number): boolean {
    const [ka, kb] = [this.#keys[a]!, this.#keys[b]!];
    return ka > kb || (ka === kb && this.#index[a]! > this.#index[b]!);
  }

  #heapify(): Uint32Array {
    const heap = Uint32Array.from({ length: this.#rows }, (_, slot) => slot);
    for (let at = Math.floor(heap.length / 2) - 1; at >= 0; at--) this.#sift(heap, at);
    return heap;
  }

  #sift(heap: Uint32Array, at: number): void {
    for (;;) {
      let last = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < heap.length && this.#after(heap[child]!, heap[last]!)) last = child;
      if (last === at) return;
      [heap[at], heap[last]] = [heap[last]!, heap[at]!];
      at = last;
    }
  }

  #ordered(): { x: Float32Array; index: Float64Array; tokens: Int32Array } {
    const d = this.#d;
    const order = Array.from({ length: this.#rows }, (_, slot) => slot).sort((a, b) => this.#index[a]! - this.#index[b]!);
    const x = new Float32Array(this.#rows * d);
    for (const [to, slot] of order.entries()) x.set(this.#x.subarray(slot * d, (slot + 1) * d), to * d);
    return { x, index: Float64Array.from(order, (slot) => this.#index[slot]!), tokens: Int32Array.from(order, (slot) => this.#tokens[slot]!) };
  }
}
