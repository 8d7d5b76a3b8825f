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
  /** Bytes as of the last count (Rooms). */
  counted = 0;

  /** @param arrays those of another Room, which is not to be used any more */
  constructor(arrays: RoomArrays | { readonly shared: boolean } = { shared: false }) {
    this.shared = arrays.shared;
    const made = 'offsets' in arrays ? arrays : { offsets: this.#words(1), features: this.#words(FIRST_ENTRIES), values: this.#floats(FIRST_ENTRIES) };
    this.offsets = made.offsets;
    this.features = made.features;
    this.values = made.values;
  }

  /** Its arrays as they came back. */
  adopt({ offsets, features, values }: RoomArrays): void {
    this.offsets = offsets;
    this.features = features;
    this.values = values;
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

/** Rooms that are taken, given back and taken again. */
export class Rooms {
  readonly #shared: boolean;
  readonly #free: Room[] = [];
  /** Entries of the largest call so far: each room has place for them all, since any of the threads may find them. */
  #most = 0;
  /** Rooms that were made or had to be made larger so far. */
  made = 0;

  constructor(shared: boolean) {
    this.#shared = shared;
  }

  /** @param rows that the call has */
  take(rows: number): Room {
    const room = this.#free.pop() ?? new Room({ shared: this.#shared });
    room.makeRows(rows);
    room.makeEntries(this.#most);
    this.#count(room);
    return room;
  }

  /** @param entries of the whole call */
  give(rooms: Iterable<Room>, entries: number): void {
    this.#most = Math.max(this.#most, entries);
    for (const room of rooms) {
      this.#count(room);
      this.#free.push(room);
    }
  }

  /** Of the rooms that nobody has at the moment. */
  get byteLength(): number {
    return this.#free.reduce((sum, room) => sum + room.byteLength, 0);
  }

  #count(room: Room): void {
    if (room.byteLength === room.counted) return;
    room.counted = room.byteLength;
    this.made++;
  }
}
