/** SparseCodes in the making: chunks of rows are appended in order. */
import { largest } from '../batch-topk.js';
import type { SparseCodes } from '../codes.js';
import { Room } from './rooms.js';

export class CodesBuilder {
  nearTies = 0;
  readonly #room: Room;
  readonly #d_sae: number;
  #row: number;

  /**
   * @param rows at most
   * @param room what the codes grow in: it may be used again once they have been read
   * @param held rows that the room has already, with room for `rows` more
   */
  constructor(rows: number, d_sae: number, room: Room = new Room(), held = 0) {
    this.#d_sae = d_sae;
    this.#room = room;
    this.#row = held;
    if (held === 0) room.makeRows(rows);
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
    const { offsets } = this.#room;
    // Where each row's next entry goes: first the row's length, then its place.
    const next = new Uint32Array(rows);
    for (let at = 0; at < counts.length; at++) next[at % rows]! += counts[at]!;
    let total = offsets[this.#row]!;
    for (let r = 0; r < rows; r++) {
      const length = next[r]!;
      next[r] = total;
      total += length;
      offsets[++this.#row] = total;
    }
    this.#room.makeEntries(total);
    const { features, values } = this.#room;
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
    return this.#room.offsets[this.#row]!;
  }

  /**
   * batchtopk: keeps the `keep` largest entries so far, of equal ones those that came first.
   * @returns the smallest that was kept: what comes later must be above it
   */
  prune(keep: number): number {
    const { offsets, features, values } = this.#room;
    const { least, equal } = largest(values.subarray(0, this.length), keep);
    let left = equal;
    let to = 0;
    let from = 0;
    for (let row = 0; row < this.#row; row++) {
      const end = offsets[row + 1]!;
      for (; from < end; from++) {
        const value = values[from]!;
        if (value < least || (value === least && left-- <= 0)) continue;
        features[to] = features[from]!;
        values[to++] = value;
      }
      offsets[row + 1] = to;
    }
    return least;
  }

  /** The codes, in arrays of their own and of their exact lengths. */
  finish(): SparseCodes {
    const { offsets, features, values } = this.#room;
    const nnz = this.length;
    return {
      rows: this.#row,
      d_sae: this.#d_sae,
      offsets: offsets.slice(0, this.#row + 1),
      features: features.slice(0, nnz),
      values: values.slice(0, nnz),
      nearTies: this.nearTies,
    };
  }
}
