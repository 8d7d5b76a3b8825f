/**
 * A thread's share of a call whose rows and weights all threads see: chunks are
 * taken from a common counter as a thread gets free, so that a thread that is held
 * up by something else does not hold up the others.
 *
 * Chunks are taken in ascending order, and one that was taken is finished whatever
 * the others do. So where a row is not finite, the lowest such row is found: each
 * chunk below it was taken before.
 */
import type { Encoder } from './encoder.js';
import type { Pace } from './pace.js';
import { Stint } from './range.js';
import type { Room } from './rooms.js';

/** Words of the control block: the next chunk, and whether to stop. */
export const CONTROL_WORDS = 2;
const NEXT = 0;
const STOP = 1;

/** What all threads know of a call. */
export interface Call {
  /** CONTROL_WORDS, shared. */
  readonly control: Int32Array;
  /** Chunk i is rows cuts[i] .. cuts[i + 1] of `rows` (range.ts). */
  readonly cuts: readonly number[];
  /** Pieces by latents that each chunk is cut into, which are counted and taken like chunks: more than 1 only where `z` is given. */
  readonly pieces: number;
  /** [rows, d_in], shared. */
  readonly rows: Float32Array;
  /** What row 0 is called in an error. */
  readonly firstRow: number;
  readonly budget: number | undefined;
  /** [rows, d_sae], shared: where dense pre-activations go instead of codes; null for codes. */
  readonly z: Float32Array | null;
}

/** What came of a share: the codes of `chunks`, ascending, are in the room. */
export interface Share {
  readonly chunks: number[];
  readonly nearTies: number;
  /** The chunk that the thread failed at, after which no thread takes another. */
  readonly failure: { readonly chunk: number; readonly error: unknown } | null;
}

export function begin(control: Int32Array): void {
  Atomics.store(control, STOP, 0);
  Atomics.store(control, NEXT, 0);
}

/** No thread takes another chunk. */
export function stop(control: Int32Array): void {
  Atomics.store(control, STOP, 1);
}

/** The next chunk of a counter that threads have in common; past the last one where there are no more. */
export function counter(control: Int32Array): () => number {
  return () => (Atomics.load(control, STOP) !== 0 ? Infinity : Atomics.add(control, NEXT, 1));
}

/**
 * Takes chunks until there are no more.
 *
 * @param take gives the next chunk, ascending
 * @param pace where there are events to let in: not in a worker, which has nobody to listen to
 * @throws the signal's reason of `pace`
 */
export async function takeShare(encoder: Encoder, call: Call, take: () => number, room: Room, pace: Pace | null): Promise<Share> {
  const { control, cuts, pieces, rows, firstRow, budget, z } = call;
  const stint = new Stint(encoder, z === null ? (cuts.at(-1) ?? 0) : 0, budget, room);
  const chunks: number[] = [];
  let failure: Share['failure'] = null;
  while (failure === null) {
    if (pace?.isDue === true) await pace.pause();
    const chunk = take();
    const first = cuts[Math.floor(chunk / pieces)];
    const end = cuts[Math.floor(chunk / pieces) + 1];
    if (first === undefined || end === undefined) break;
    try {
      if (z === null) stint.add(rows, first, end - first, firstRow);
      else encoder.preactivationsChunk(rows, first, end - first, z, firstRow, chunk % pieces, pieces);
      chunks.push(chunk);
    } catch (error) {
      failure = { chunk, error };
      stop(control);
    }
  }
  stint.end();
  return { chunks, nearTies: stint.codes.nearTies, failure };
}
