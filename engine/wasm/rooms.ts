/**
 * The arrays that codes grow in, and rows travel in: made once, as large as was
 * ever needed, and used again by the next batch. They may be sent to a worker and
 * come back; with shared memory what is sent is the way to them.
 */

/** Arrays of one of the two kinds of buffer. */
type Words = Uint32Array;
type Floats = Float32Array;

/** A Room as data, to be sent. */
export interface RoomArrays {
  readonly shared: boolean;
  readonly offsets: Words;
  readonly features: Words;
  readonly values: Floats;
}

const FIRST_ENTRIES = 1024;

/** Room for codes: entries of consecutive rows, as in SparseCodes. */
export class Room implements RoomArrays {
  readonly shared: boolean;
  offsets: Words;
  features: Words;
  values: Floats;

  /** @param arrays those of another Room, which is not to be used any more */
  constructor(arrays: RoomArrays | { readonly shared: boolean } = { shared: false }) {
    this.shared = arrays.shared;
    const made = 'offsets' in arrays ? arrays : { offsets: this.#words(1), features: this.#words(FIRST_ENTRIES), values: this.#floats(FIRST_ENTRIES) };
    this.offsets = made.offsets;
    this.features = made.features;
    this.values = made.values;
  }

  /** Room for so many rows; none are there yet. */
  makeRows(rows: number): void {
    if (this.offsets.length <= rows) this.offsets = this.#words(rows + 1);
    this.offsets[0] = 0;
  }

  /** Room for `total` entries; those that are there stay. */
  makeEntries(total: number): void {
    const { features, values } = this;
    if (total <= features.length) return;
    const capacity = Math.max(total, 2 * features.length);
    this.features = this.#words(capacity);
    this.features.set(features);
    this.values = this.#floats(capacity);
    this.values.set(values);
  }

  /** What is sent. */
  get arrays(): RoomArrays {
    const { shared, offsets, features, values } = this;
    return { shared, offsets, features, values };
  }

  /** What goes with it: nothing where it is shared. */
  get transfer(): ArrayBuffer[] {
    return this.shared ? [] : [this.offsets, this.features, this.values].map((array) => array.buffer as ArrayBuffer);
  }

  get byteLength(): number {
    return this.offsets.byteLength + this.features.byteLength + this.values.byteLength;
  }

  #words(length: number): Words {
    return new Uint32Array(this.#buffer(length));
  }

  #floats(length: number): Floats {
    return new Float32Array(this.#buffer(length));
  }

  #buffer(length: number): ArrayBufferLike {
    return this.shared ? new SharedArrayBuffer(4 * length) : new ArrayBuffer(4 * length);
  }
}

/** Things that are taken, given back and taken again. */
export class Store<T> {
  readonly #make: () => T;
  readonly #free: T[] = [];
  /** How many were made so far. */
  made = 0;

  constructor(make: () => T) {
    this.#make = make;
  }

  take(): T {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    this.made++;
    return this.#make();
  }

  give(thing: T): void {
    this.#free.push(thing);
  }

  /** What nobody has at the moment. */
  get idle(): readonly T[] {
    return this.#free;
  }
}
