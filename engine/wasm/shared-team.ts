/**
 * Threads that share a memory (SharedArrayBuffer: Node, Deno, pages that are
 * cross-origin isolated). The packed weights lie in it once; rows are written to
 * it once and read in place; chunks are taken from a counter in it; codes are
 * written to shared arrays, of which only the handles are sent.
 */
import { joinCodes, type SparseCodes } from '../codes.js';
import { Encoder } from './encoder.js';
import type { KernelModule } from './loader.js';
import { fromPlain } from './messages.js';
import { Pace } from './pace.js';
import { ThreadLost, type WorkerPool } from './pool.js';
import { cutDense, cutRows, joinParts, type Part } from './range.js';
import { Rooms, type Room } from './rooms.js';
import type { EncoderWeights, ScreenCounts } from './shape.js';
import { CONTROL_WORDS, begin, counter, stop, takeShare, type Call, type Share } from './share.js';
import { giveMemory, takeMemory } from './shared-memories.js';
import { divide, type Home, type Space } from './space.js';
import { sumScreens, withoutArrays, type DenseOptions, type EncodeOptions, type Team, type TeamMemory } from './team.js';

/** A share, and where its codes are. */
interface Done extends Share {
  readonly room: Room;
}

export class SharedTeam implements Team {
  readonly encoder: Encoder;
  readonly #pool: WorkerPool;
  readonly #handle: number;
  readonly #weights: EncoderWeights;
  readonly #memory: WebAssembly.Memory;
  readonly #control: Int32Array;
  readonly #rows: Float32Array;
  readonly #rooms = new Rooms(true);
  /** Calls follow each other: they would have the same threads. */
  #turn: Promise<void> = Promise.resolve();
  /** A thread was lost in the middle of a call, and may be writing still. */
  #haunted = false;

  private constructor(encoder: Encoder, pool: WorkerPool, handle: number, weights: EncoderWeights, memory: WebAssembly.Memory, space: Space) {
    this.encoder = encoder;
    this.#pool = pool;
    this.#handle = handle;
    this.#weights = weights;
    this.#memory = memory;
    this.#control = new Int32Array(memory.buffer, space.control, CONTROL_WORDS);
    this.#rows = new Float32Array(memory.buffer, space.rows.begin, space.staged * weights.d_in);
  }

  /**
   * Packs the weights and tells the workers where they are.
   * @param module the build for shared memory
   * @returns null where the SAE is too large for one memory, or the memory is not to be had
   */
  static async start(pool: WorkerPool, module: WebAssembly.Module, kind: KernelModule, weights: EncoderWeights): Promise<SharedTeam | null> {
    const space = divide(weights, 1 + pool.count);
    const memory = space === null ? null : takeMemory(space.bytes);
    if (space === null || memory === null) return null;
    const home = (thread: number, packed: boolean): Home => ({ memory, weights: space.weights, screen: space.screen, own: space.threads[thread]!, packed });
    const encoder = new Encoder(module, weights, home(0, false));
    const rows = { at: space.rows.begin, length: space.staged * weights.d_in };
    const handle = await pool.load(withoutArrays(weights), kind, (worker) => ({ home: home(1 + worker, true), control: space.control, rows }));
    return new SharedTeam(encoder, pool, handle, withoutArrays(weights), memory, space);
  }

  async encode(xbar: Float32Array, rows: number, options: EncodeOptions): Promise<SparseCodes> {
    const pieces: SparseCodes[] = [];
    await this.#inTurn(rows, options, async (first, count) => void pieces.push((await this.#staged(xbar, first, count, options, null))!));
    return joinCodes(pieces, this.#weights.d_sae);
  }

  async preactivations(xbar: Float32Array, rows: number, { out, ...options }: DenseOptions): Promise<Float32Array> {
    const { d_sae } = this.#weights;
    const z = out !== undefined && out.buffer instanceof SharedArrayBuffer ? out : new Float32Array(new SharedArrayBuffer(rows * d_sae * 4));
    await this.#inTurn(rows, options, async (first, count) => void (await this.#staged(xbar, first, count, options, z.subarray(first * d_sae, (first + count) * d_sae))));
    if (out !== undefined && z !== out) {
      out.set(z);
      return out;
    }
    // A lost thread may be writing still, and the rows that it reads will be others'.
    return this.#haunted ? new Float32Array(z) : z;
  }

  /** When the calls before it have settled: as many rows at a time as there is room for in the shared memory. */
  #inTurn(rows: number, { signal }: EncodeOptions, work: (first: number, count: number) => Promise<void>): Promise<void> {
    const call = this.#turn.then(async () => {
      signal?.throwIfAborted();
      const staged = this.#rows.length / this.#weights.d_in;
      for (let first = 0; first < rows; first += staged) await work(first, Math.min(staged, rows - first));
    });
    this.#turn = call.catch(() => undefined);
    return call;
  }

  memory(): TeamMemory {
    return { linear: this.#memory.buffer.byteLength, pooled: this.#rooms.byteLength, made: this.#rooms.made };
  }

  weightBytes(): number {
    return this.encoder.weightBytes;
  }

  screen(): ScreenCounts | null {
    return sumScreens([this.encoder.state, ...this.#pool.having(this.#handle).map((worker) => worker.state(this.#handle))]);
  }

  dispose(): void {
    this.#pool.unload(this.#handle);
    if (!this.#haunted) giveMemory(this.#memory);
  }

  /** Rows that there is room for in the shared memory. @returns their codes, or null where their pre-activations were wanted */
  async #staged(xbar: Float32Array, firstRow: number, rows: number, { signal, budget }: EncodeOptions, z: Float32Array | null): Promise<SparseCodes | null> {
    const { d_in, d_sae } = this.#weights;
    const workers = this.#pool.having(this.#handle);
    const threads = 1 + workers.length;
    const { cuts, pieces } = z === null ? { cuts: cutRows(rows, threads), pieces: 1 } : cutDense(rows, d_sae, threads);
    const control = this.#control;
    this.#rows.set(xbar.subarray(firstRow * d_in, (firstRow + rows) * d_in));
    begin(control);
    const call: Call = { control, cuts, pieces, rows: this.#rows, firstRow, budget, z };
    const screened = this.encoder.hasScreen;
    const halt = () => stop(control);
    signal?.addEventListener('abort', halt);
    try {
      // The workers are asked first: this thread's own share begins without a pause.
      const theirs = workers.map(async (worker): Promise<Done | null> => {
        const room = this.#rooms.take(z === null ? rows : 0);
        try {
          const { room: arrays, chunks, nearTies, failure } = await worker.share({ sae: this.#handle, cuts, pieces, firstRow, budget, room: room.arrays, z, screened });
          room.adopt(arrays);
          return { room, chunks, nearTies, failure: failure && { chunk: failure.chunk, error: fromPlain(failure.error) } };
        } catch (error) {
          // Whatever it took is missing below, and done here. Its room may still be written to: it is not used again.
          if (error instanceof ThreadLost) {
            this.#haunted = true;
            return null;
          }
          halt();
          throw error;
        }
      });
      const pace = new Pace(signal);
      const shares = await settled([this.#own(call, counter(control), pace), ...theirs]);
      signal?.throwIfAborted();
      const done = shares.filter((share) => share !== null);
      await this.#makeUp(call, done, pace);
      const failures = done.flatMap((share) => share.failure ?? []).sort((a, b) => a.chunk - b.chunk);
      const codes = failures[0] === undefined && z === null ? joinParts(partsOf(done, cuts), d_sae, done.reduce((sum, share) => sum + share.nearTies, 0)) : null;
      this.#rooms.give(done.map((share) => share.room), codes?.features.length ?? 0);
      if (failures[0] !== undefined) throw failures[0].error;
      return codes;
    } finally {
      signal?.removeEventListener('abort', halt);
    }
  }

  /** This thread's share. */
  async #own(call: Call, take: () => number, pace: Pace): Promise<Done> {
    const room = this.#rooms.take(call.z === null ? call.cuts.at(-1)! : 0);
    try {
      return { ...(await takeShare(this.encoder, call, take, room, pace)), room };
    } catch (error) {
      stop(call.control);
      throw error;
    }
  }

  /** Chunks that a thread took with it when it was lost, up to the lowest that failed. */
  async #makeUp(call: Call, done: Done[], pace: Pace): Promise<void> {
    const there = new Set(done.flatMap(({ chunks, failure }) => (failure === null ? chunks : [...chunks, failure.chunk])));
    const failed = Math.min(...done.map(({ failure }) => failure?.chunk ?? Infinity));
    const missing = Array.from({ length: (call.cuts.length - 1) * call.pieces }, (_, chunk) => chunk).filter((chunk) => !there.has(chunk) && chunk <= failed);
    if (missing.length > 0) done.push(await this.#own(call, () => missing.shift() ?? Infinity, pace));
  }
}

/** The chunks' codes in the order of rows. */
function partsOf(done: readonly Done[], cuts: readonly number[]): Part[] {
  const parts: Part[] = new Array<Part>(cuts.length - 1);
  for (const { chunks, room } of done) {
    let row = 0;
    for (const chunk of chunks) {
      const count = cuts[chunk + 1]! - cuts[chunk]!;
      parts[chunk] = { row, count, room };
      row += count;
    }
  }
  return parts;
}

/** All of them, when all have settled: no thread is still at work then. @throws the first failure */
async function settled<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(promises);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
