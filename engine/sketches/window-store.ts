/**
 * Windows of the stream around firings, kept in pooled typed arrays: the value
 * and place of the firing, the token ids of its window, and the activations of
 * its feature there, sparse.
 *
 * A window of position p covers p - before to p + after, cut at the ends of the
 * context. A record is `6 + activations + tokens` words of 32 bits; records come
 * in size classes by the number of their activations; token ids take 16 bits
 * until one does not fit. Records are counted by reference: `retain`, `release`.
 */
import type { HashedKeys } from './reservoir.js';

/** A window has at most so many positions: one bit each in a mask. */
export const MAX_WINDOW = 32;

const HASH = 1;
const CONTEXT = 2;
const POSITION = 3;
const MASK = 4;
const REFERENCES = 5;
const HEADER = 6;
/** Records of a chunk. */
const CHUNK = 512;

export interface WindowShape {
  /** Positions before and after the firing; together at most 31. */
  readonly before: number;
  readonly after: number;
  /** Positions of a context. */
  readonly positions: number;
  readonly hasTokens: boolean;
}

/** One window, read. */
export interface WindowView {
  /** Position of its first token in the context. */
  readonly start: number;
  /** Ids; empty in a stream without tokens, whatever the `length`. */
  readonly tokens: Int32Array;
  readonly length: number;
  /** Where in the window the feature fires, ascending, and how strongly. */
  readonly offsets: number[];
  readonly values: number[];
}

/** Records with room for the same number of activations. */
interface SizeClass {
  readonly room: number;
  words: Uint32Array[];
  floats: Float32Array[];
  readonly free: number[];
  next: number;
}

/** Items are `slot * 4 + size class`. */
export class WindowStore implements HashedKeys {
  readonly #shape: WindowShape;
  readonly #length: number;
  readonly #classes: readonly SizeClass[];
  /** 1 when two ids share a word, 0 when each has its own. */
  #packed = 1;

  constructor(shape: WindowShape) {
    this.#shape = shape;
    this.#length = Math.min(shape.before + 1 + shape.after, shape.positions);
    const rooms = [1, 2, 5].filter((room) => room < this.#length);
    this.#classes = [...rooms, this.#length].map((room) => ({ room, words: [], floats: [], free: [], next: 0 }));
  }

  /** First position of the window around a position, and the one after its last. */
  bounds(position: number): readonly [start: number, end: number] {
    return [Math.max(0, position - this.#shape.before), Math.min(this.#shape.positions, position + this.#shape.after + 1)];
  }

  /**
   * Stores a window and holds one reference to it.
   *
   * @param mask bit i: the feature fires at position start + i
   * @param values its activations there, in order; the first `popcount(mask)` entries are read
   * @param tokens ids from `from` on are read, when the stream has tokens
   * @returns the item
   */
  add(hash: number, context: number, position: number, mask: number, values: ArrayLike<number>, tokens: Int32Array | null, from: number): number {
    const [start, end] = this.bounds(position);
    const active = popcount(mask);
    const c = this.#classes.findIndex(({ room }) => room >= active);
    const size = this.#classes[c] as SizeClass;
    for (let i = from; tokens !== null && this.#packed === 1 && i < from + end - start; i++) {
      if (((tokens[i] as number) & ~0xffff) !== 0) this.#unpack();
    }
    const slot = size.free.pop() ?? size.next++;
    const chunk = slot >> 9;
    if (chunk === size.words.length) {
      const words = new Uint32Array(CHUNK * this.#stride(size));
      size.words.push(words);
      size.floats.push(new Float32Array(words.buffer));
    }
    const words = size.words[chunk] as Uint32Array;
    const floats = size.floats[chunk] as Float32Array;
    const base = (slot & (CHUNK - 1)) * this.#stride(size);
    words[base + HASH] = hash;
    words[base + CONTEXT] = context;
    words[base + POSITION] = position;
    words[base + MASK] = mask;
    words[base + REFERENCES] = 1;
    floats[base] = values[popcount(mask & ((1 << (position - start)) - 1))] as number;
    for (let i = 0; i < active; i++) floats[base + HEADER + i] = values[i] as number;
    if (tokens !== null) {
      const at = base + HEADER + size.room;
      for (let i = 0; i < end - start; i++) this.#setToken(words, at, i, tokens[from + i] as number);
    }
    return slot * 4 + c;
  }

  retain(item: number): void {
    this.#setWord(item, REFERENCES, this.#word(item, REFERENCES) + 1);
  }

  /** Gives a reference back; the last one frees the record. */
  release(item: number): void {
    const references = this.#word(item, REFERENCES) - 1;
    this.#setWord(item, REFERENCES, references);
    if (references === 0) (this.#classes[item & 3] as SizeClass).free.push(item >>> 2);
  }

  value(item: number): number {
    const size = this.#classes[item & 3] as SizeClass;
    const slot = item >>> 2;
    return (size.floats[slot >> 9] as Float32Array)[(slot & (CHUNK - 1)) * this.#stride(size)] as number;
  }

  hash(item: number): number {
    return this.#word(item, HASH);
  }

  context(item: number): number {
    return this.#word(item, CONTEXT);
  }

  position(item: number): number {
    return this.#word(item, POSITION);
  }

  mask(item: number): number {
    return this.#word(item, MASK);
  }

  read(item: number): WindowView {
    const size = this.#classes[item & 3] as SizeClass;
    const slot = item >>> 2;
    const words = size.words[slot >> 9] as Uint32Array;
    const floats = size.floats[slot >> 9] as Float32Array;
    const base = (slot & (CHUNK - 1)) * this.#stride(size);
    const [start, end] = this.bounds(words[base + POSITION] as number);
    const mask = words[base + MASK] as number;
    const offsets: number[] = [];
    for (let i = 0; i < end - start; i++) if (((mask >>> i) & 1) === 1) offsets.push(i);
    const tokens = new Int32Array(this.#shape.hasTokens ? end - start : 0);
    for (let i = 0; i < tokens.length; i++) tokens[i] = this.#token(words, base + HEADER + size.room, i);
    return { start, length: end - start, tokens, offsets, values: offsets.map((_, i) => floats[base + HEADER + i] as number) };
  }

  /** Bytes that the records occupy. */
  get bytes(): number {
    return this.#classes.reduce((sum, { words }) => sum + words.reduce((bytes, { byteLength }) => bytes + byteLength, 0), 0);
  }

  #stride({ room }: SizeClass): number {
    return HEADER + room + (this.#shape.hasTokens ? (this.#length + this.#packed) >> this.#packed : 0);
  }

  #word(item: number, field: number): number {
    const size = this.#classes[item & 3] as SizeClass;
    const slot = item >>> 2;
    return (size.words[slot >> 9] as Uint32Array)[(slot & (CHUNK - 1)) * this.#stride(size) + field] as number;
  }

  #setWord(item: number, field: number, word: number): void {
    const size = this.#classes[item & 3] as SizeClass;
    const slot = item >>> 2;
    (size.words[slot >> 9] as Uint32Array)[(slot & (CHUNK - 1)) * this.#stride(size) + field] = word;
  }

  #token(words: Uint32Array, at: number, i: number): number {
    if (this.#packed === 0) return (words[at + i] as number) | 0;
    return ((words[at + (i >> 1)] as number) >>> ((i & 1) * 16)) & 0xffff;
  }

  #setToken(words: Uint32Array, at: number, i: number, token: number): void {
    if (this.#packed === 0) {
      words[at + i] = token;
      return;
    }
    const word = words[at + (i >> 1)] as number;
    words[at + (i >> 1)] = (i & 1) === 0 ? (word & ~0xffff) | token : (word & 0xffff) | (token << 16);
  }

  /** From 16 to 32 bits a token: every record is written anew, in its own slot. */
  #unpack(): void {
    const sizes = this.#classes.map((size) => ({ size, stride: this.#stride(size) }));
    this.#packed = 0;
    for (const { size, stride } of sizes) {
      const wide = this.#stride(size);
      const head = HEADER + size.room;
      size.words = size.words.map((words) => {
        const grown = new Uint32Array(CHUNK * wide);
        for (let slot = 0; slot < CHUNK; slot++) {
          grown.set(words.subarray(slot * stride, slot * stride + head), slot * wide);
          for (let i = 0; i < this.#length; i++) {
            grown[slot * wide + head + i] = ((words[slot * stride + head + (i >> 1)] as number) >>> ((i & 1) * 16)) & 0xffff;
          }
        }
        return grown;
      });
      size.floats = size.words.map((words) => new Float32Array(words.buffer));
    }
  }
}

/** Number of bits that are set. */
export function popcount(mask: number): number {
  let count = mask - ((mask >>> 1) & 0x55555555);
  count = (count & 0x33333333) + ((count >>> 2) & 0x33333333);
  return Math.imul((count + (count >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
