/** SparseCodes in the making: chunks of rows are appended in order. */
import { largest } from '../batch-topk.js';
import type { SparseCodes } from '../codes.js';

/** Codes in arrays of their own, which may be transferred to another thread. */
export interface OwnedCodes extends SparseCodes {
  readonly offsets: Uint32Array<ArrayBuffer>;
  readonly features: Uint32Array<ArrayBuffer>;
  readonly values: Float32Array<ArrayBuffer>;
}

export class CodesBuilder {
  nearTies = 0;
  readonly #rows: number;
  readonly #d_sae: number;
  readonly #offsets: Uint32Array<ArrayBuffer>;
  #row = 0;
  #features = new Uint32Array(1024);
  #values = new Float32Array(1024);

  constructor(rows: number, d_sae: number) {
    this.#rows = rows;
    this.#d_sae = d_sae;
    this.#offsets = new Uint32Array(rows + 1);
  }

  /**
   * Appends `rows` rows of entries that lie block by block, and within a block
   * row by row: counts[block * rows + row] of them. Blocks ascend by feature.
   *
   * @param words the entries as (feature, value) pairs, seen as u32
   * @param floats the same memory, seen as f32
   */
  append(words: Uint32Array, floats: Float32Array, counts: Uint32Array, rows: number): void {
    const blocks = rows === 0 ? 0 : counts.length / rows;
    // Where each row's next entry goes: first the row's length, then its place.
    const next = new Uint32Array(rows);
    for (let at = 0; at < counts.length; at++) next[at % rows]! += counts[at]!;
    let total = this.#offsets[this.#row]!;
    for (let r = 0; r < rows; r++) {
      const length = next[r]!;
      next[r] = total;
      total += length;
      this.#offsets[++this.#row] = total;
    }
    this.#reserve(total);
    const features = this.#features;
    const values = this.#values;
    let from = 0;
    for (let block = 0; block < blocks; block++) {
      for (let r = 0; r < rows; r++) {
        const end = from + 2 * counts[block * rows + r]!;
        let to = next[r]!;
        for (; from < end; from += 2) {
          features[to] = words[from]!;
          values[to++] = floats[from + 1]!;
        }
        next[r] = to;
      }
    }
  }

  /** Entries so far. */
  get length(): number {
    return this.#offsets[this.#row]!;
  }

  /**
   * batchtopk: keeps the `keep` largest entries so far, of equal ones those that came first.
   * @returns the smallest that was kept: what comes later must be above it
   */
  prune(keep: number): number {
    const { least, equal } = largest(this.#values.subarray(0, this.length), keep);
    let left = equal;
    let to = 0;
    let from = 0;
    for (let row = 0; row < this.#row; row++) {
      const end = this.#offsets[row + 1]!;
      for (; from < end; from++) {
        const value = this.#values[from]!;
        if (value < least || (value === least && left-- <= 0)) continue;
        this.#features[to] = this.#features[from]!;
        this.#values[to++] = value;
      }
      this.#offsets[row + 1] = to;
    }
    return least;
  }

  /** The codes, in arrays of their exact lengths. */
  finish(): OwnedCodes {
    const nnz = this.#offsets[this.#rows]!;
    return {
      rows: this.#rows,
      d_sae: this.#d_sae,
      offsets: this.#offsets,
      features: this.#features.slice(0, nnz),
      values: this.#values.slice(0, nnz),
      nearTies: this.nearTies,
    };
  }

  #reserve(total: number): void {
    if (total <= this.#features.length) return;
    const capacity = Math.max(total, 2 * this.#features.length);
    const features = new Uint32Array(capacity);
    features.set(this.#features);
    this.#features = features;
    const values = new Float32Array(capacity);
    values.set(this.#values);
    this.#values = values;
  }
}
