/**
 * Rows on one thread, a chunk at a time: what a call on one thread, a thread's
 * share of a call, and a worker's piece of one have in common.
 */
import type { SparseCodes } from '../codes.js';
import { CodesBuilder } from './codes-builder.js';
import type { Encoder } from './encoder.js';
import { Pace } from './pace.js';
import type { Room } from './rooms.js';
import { BLOCK, CHUNK } from './shape.js';

/** Entries of batchtopk that are worth a selection. */
const PRUNED_FROM = 1 << 16;

/** Codes of some chunks of a call, in ascending order of rows. */
export class Stint {
  readonly codes: CodesBuilder;
  readonly #encoder: Encoder;
  readonly #budget: number | undefined;
  /** Chunks of other calls may come between: each sets the floor it needs. */
  #floor = 0;

  /**
   * @param rows at most
   * @param budget batchtopk: entries that the whole call shares. Of these rows at most one more
   *   is given: what the selection of the whole needs.
   * @param held as in `CodesBuilder`
   */
  constructor(encoder: Encoder, rows: number, budget: number | undefined, room: Room, held = 0) {
    this.codes = new CodesBuilder(rows, encoder.d_sae, room, held);
    this.#encoder = encoder;
    this.#budget = budget;
  }

  /** Arguments as in `Encoder.encodeChunk`; @throws as that does, and then has none of these rows. */
  add(xbar: Float32Array, first: number, rows: number, firstRow: number): void {
    const { codes } = this;
    if (this.#budget !== undefined) this.#encoder.raiseFloor(this.#floor);
    this.#encoder.encodeChunk(xbar, first, rows, codes, firstRow);
    if (this.#budget !== undefined && codes.length > PRUNED_FROM + 2 * (this.#budget + 1)) this.#floor = codes.prune(this.#budget + 1);
  }

  /** No more chunks come. */
  end(): void {
    if (this.#budget !== undefined && this.codes.length > this.#budget + 1) this.codes.prune(this.#budget + 1);
  }
}

export interface RangeOptions {
  readonly signal?: AbortSignal | undefined;
  /** What row 0 of `xbar` is called in an error. */
  readonly firstRow?: number;
  /** batchtopk: as in `Stint`. */
  readonly budget?: number | undefined;
  /** Rows that the room has already, with room for these. */
  readonly held?: number;
}

/**
 * Encodes rows on this thread, pausing for events.
 *
 * @param room what the codes grow in; it has them when this settles
 * @throws NumericError naming the lowest row that is not finite; the signal's reason when aborted
 */
export async function encodeRange(encoder: Encoder, xbar: Float32Array, rows: number, room: Room, options: RangeOptions = {}): Promise<CodesBuilder> {
  const stint = new Stint(encoder, rows, options.budget, room, options.held);
  const pace = new Pace(options.signal);
  for (let first = 0; first < rows; first += CHUNK) {
    if (pace.isDue) await pace.pause();
    stint.add(xbar, first, Math.min(CHUNK, rows - first), options.firstRow ?? 0);
  }
  // Where pieces gather in a room, what they have together is cut to what is needed now and then, above.
  if (options.held === undefined) stint.end();
  return stint.codes;
}

/** Codes of `count` consecutive rows of a call, where a thread left them. */
export interface Part {
  /** In `room`: the first of the rows. */
  readonly row: number;
  readonly count: number;
  readonly room: Pick<Room, 'offsets' | 'features' | 'values'>;
}

/** Parts in the order of rows, one below the other, in arrays of their own. */
export function joinParts(parts: readonly Part[], d_sae: number, nearTies: number): SparseCodes {
  let rows = 0;
  let entries = 0;
  for (const { row, count, room } of parts) {
    rows += count;
    entries += room.offsets[row + count]! - room.offsets[row]!;
  }
  const offsets = new Uint32Array(rows + 1);
  const features = new Uint32Array(entries);
  const values = new Float32Array(entries);
  let at = 0;
  let entry = 0;
  for (const { row, count, room } of parts) {
    const from = room.offsets[row]!;
    const end = room.offsets[row + count]!;
    for (let r = 1; r <= count; r++) offsets[at + r] = entry + room.offsets[row + r]! - from;
    features.set(room.features.subarray(from, end), entry);
    values.set(room.values.subarray(from, end), entry);
    at += count;
    entry += end - from;
  }
  return { rows, d_sae, offsets, features, values, nearTies };
}

/** Rows come in quads: fewer take as long. */
export const QUAD = 4;

/**
 * How whole chunks and pieces of the latents divide dense pre-activations among
 * threads: unlike smaller chunks, which each read all weights, pieces cost nothing,
 * so there are several for each thread, and none waits long for the last.
 * Pure; nothing is joined afterwards, which is what codes would need.
 */
export function cutDense(rows: number, d_sae: number, threads: number): { cuts: number[]; pieces: number } {
  const cuts: number[] = [];
  for (let first = 0; first < rows; first += CHUNK) cuts.push(first);
  const pieces = Math.min(Math.ceil(d_sae / BLOCK), Math.ceil((4 * threads) / Math.max(1, cuts.length)));
  cuts.push(rows);
  return { cuts, pieces: Math.max(1, pieces) };
}

/**
 * Where rows are cut for threads that take chunks as they get free: whole chunks
 * first, half ones at the end, so that none waits long for the last one. A smaller
 * chunk reads the weights once more: 64 rows take some 4 % longer each, 32 rows 20 %.
 * Few rows are cut as small as they can be: two threads that read all weights for 8
 * rows each are 1.4 times as fast as one that reads them for 16.
 *
 * @returns the chunks' first rows, and `rows`; pure
 */
export function cutRows(rows: number, threads: number): number[] {
  const cuts = [0];
  let left = rows;
  for (; left > CHUNK * threads; left -= CHUNK) cuts.push(rows - left + CHUNK);
  const even = threads * Math.ceil((2 * left) / (CHUNK * threads));
  const size = Math.max(1, Math.ceil(left / even / QUAD)) * QUAD;
  for (let at = rows - left + size; at < rows; at += size) cuts.push(at);
  if (rows > 0) cuts.push(rows);
  return cuts;
}
