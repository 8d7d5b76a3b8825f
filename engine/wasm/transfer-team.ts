/**
 * Threads that share nothing: each has packed the encoder in a memory of its own,
 * gets rows by transfer and sends codes back the same way, in buffers that go to
 * and fro. Pieces of a call are given out as workers answer; each has a second one
 * waiting, since this thread computes too and answers only now and then.
 */
import type { SparseCodes } from '../codes.js';
import { Encoder } from './encoder.js';
import type { KernelModule } from './loader.js';
import { Pace } from './pace.js';
import { ThreadLost, type Member, type WorkerPool } from './pool.js';
import { Stint, cutRows, joinParts, type Part } from './range.js';
import { Rooms, type Room } from './rooms.js';
import { CHUNK, type EncoderWeights, type ScreenCounts } from './shape.js';
import { sumScreens, type EncodeOptions, type Team, type TeamMemory } from './team.js';

/** Multiply-adds of a piece at least, where there are many: some 10 ms, many times what a message takes. */
const PIECE_WORK = 1.5e8;
/** How often this thread lets answers in, ms. */
const SLICE = 8;

/** One call on its way. */
interface Call {
  readonly xbar: Float32Array;
  /** Piece i is rows cuts[i] .. cuts[i + 1]. */
  readonly cuts: readonly number[];
  readonly options: EncodeOptions;
  readonly parts: Part[];
  readonly failures: { readonly piece: number; readonly error: unknown }[];
  readonly rooms: Room[];
  nearTies: number;
  next: number;
  /** No more pieces are given out. */
  stopped: boolean;
}

export class TransferTeam implements Team {
  readonly encoder: Encoder;
  readonly #pool: WorkerPool;
  readonly #handle: number;
  readonly #d_in: number;
  readonly #d_sae: number;
  readonly #rooms = new Rooms(false);
  /** Buffers for rows that nobody has, and how many were made so far. */
  readonly #rows: Float32Array<ArrayBuffer>[] = [];
  #made = 0;

  private constructor(encoder: Encoder, pool: WorkerPool, handle: number, { d_in, d_sae }: EncoderWeights) {
    this.encoder = encoder;
    this.#pool = pool;
    this.#handle = handle;
    this.#d_in = d_in;
    this.#d_sae = d_sae;
  }

  /** Packs the weights in every thread. */
  static async start(pool: WorkerPool, module: WebAssembly.Module, kind: KernelModule, weights: EncoderWeights): Promise<TransferTeam> {
    const encoder = new Encoder(module, weights);
    return new TransferTeam(encoder, pool, await pool.load(weights, kind, () => null), weights);
  }

  async encode(xbar: Float32Array, rows: number, options: EncodeOptions): Promise<SparseCodes> {
    const workers = this.#pool.having(this.#handle);
    const { signal } = options;
    const cuts = cutPieces(rows, this.#d_in * this.#d_sae, 1 + workers.length);
    const call: Call = { xbar, cuts, options, parts: new Array<Part>(cuts.length - 1), failures: [], rooms: [], nearTies: 0, next: 0, stopped: false };
    const halt = () => void (call.stopped = true);
    signal?.addEventListener('abort', halt);
    try {
      const lost: number[] = [];
      const first = workers.map((worker) => this.#lane(worker, call, lost));
      const own = take(call);
      const second = workers.map((worker) => this.#lane(worker, call, lost));
      const results = await Promise.allSettled([this.#own(call, own), ...first, ...second]);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      signal?.throwIfAborted();
      // What was lost with a thread, up to the lowest row that failed, is done here.
      const missing = lost.filter((piece) => call.failures.every((failure) => piece < failure.piece)).sort((a, b) => a - b);
      if (missing.length > 0) await this.#ownPieces(call, missing);
      const failure = call.failures.sort((a, b) => a.piece - b.piece)[0];
      if (failure !== undefined) throw failure.error;
      const codes = joinParts(call.parts, this.#d_sae, call.nearTies);
      this.#rooms.give(call.rooms, codes.features.length);
      return codes;
    } finally {
      signal?.removeEventListener('abort', halt);
    }
  }

  /** A matrix would travel for longer than it takes to compute. */
  preactivations(): null {
    return null;
  }

  memory(): TeamMemory {
    const pooled = this.#rows.reduce((sum, { byteLength }) => sum + byteLength, this.#rooms.byteLength);
    const linear = this.#pool.having(this.#handle).reduce((sum, worker) => sum + worker.state(this.#handle).linear, this.encoder.byteLength);
    return { linear, pooled, made: this.#rooms.made + this.#made };
  }

  weightBytes(): number {
    return this.#pool.having(this.#handle).reduce((sum, worker) => sum + worker.state(this.#handle).weights, this.encoder.weightBytes);
  }

  screen(): ScreenCounts | null {
    return sumScreens([this.encoder.state, ...this.#pool.having(this.#handle).map((worker) => worker.state(this.#handle))]);
  }

  dispose(): void {
    this.#pool.unload(this.#handle);
  }

  /** One after another, pieces for a worker; they gather in one room. */
  async #lane(worker: Member, call: Call, lost: number[]): Promise<void> {
    const done: number[] = [];
    const { cuts, options } = call;
    const room = this.#rooms.take(cuts.at(-1)!);
    let held = 0;
    let nearTies = 0;
    for (let piece = take(call); piece !== null; piece = take(call)) {
      done.push(piece);
      const firstRow = cuts[piece]!;
      const rows = cuts[piece + 1]! - firstRow;
      const xbar = this.#copyRows(call.xbar, firstRow, rows);
      try {
        const reply = await worker.piece({ sae: this.#handle, xbar, rows, firstRow, budget: options.budget, room: room.arrays, held }, options.signal);
        this.#rows.push(reply.xbar);
        room.adopt(reply.room);
        nearTies += reply.nearTies;
        held += rows;
      } catch (error) {
        // With a thread go the codes of this lane's other pieces: they are in the same room.
        if (error instanceof ThreadLost) lost.push(...done);
        else call.failures.push({ piece, error });
        call.stopped ||= !(error instanceof ThreadLost);
        return;
      }
    }
    this.#place(call, done, room, nearTies);
  }

  async #own(call: Call, piece: number | null): Promise<void> {
    const pieces = (function* () {
      for (let next = piece; next !== null; next = take(call)) yield next;
    })();
    await this.#ownPieces(call, pieces);
  }

  async #ownPieces(call: Call, pieces: Iterable<number>): Promise<void> {
    const { xbar, cuts, options } = call;
    const pace = new Pace(options.signal, SLICE);
    const room = this.#rooms.take(cuts.at(-1)!);
    const stint = new Stint(this.encoder, cuts.at(-1)!, options.budget, room);
    const done: number[] = [];
    for (const piece of pieces) {
      const end = cuts[piece + 1]!;
      try {
        for (let first = cuts[piece]!; first < end; first += CHUNK) {
          if (pace.isDue) await pace.pause();
          stint.add(xbar, first, Math.min(CHUNK, end - first), 0);
        }
      } catch (error) {
        call.stopped = true;
        options.signal?.throwIfAborted();
        call.failures.push({ piece, error });
        return;
      }
      done.push(piece);
    }
    stint.end();
    this.#place(call, done, room, stint.codes.nearTies);
  }

  /** Notes where pieces are that lie below each other in a room. */
  #place(call: Call, pieces: readonly number[], room: Room, nearTies: number): void {
    const { parts, cuts, rooms } = call;
    call.nearTies += nearTies;
    let row = 0;
    for (const piece of pieces) {
      const count = cuts[piece + 1]! - cuts[piece]!;
      parts[piece] = { row, count, room };
      row += count;
    }
    rooms.push(room);
  }

  /** Rows in a buffer that can be sent. */
  #copyRows(xbar: Float32Array, first: number, rows: number): Float32Array<ArrayBuffer> {
    const from = xbar.subarray(first * this.#d_in, (first + rows) * this.#d_in);
    let copy = this.#rows.pop();
    if (copy === undefined || copy.length < from.length) {
      copy = new Float32Array(from.length);
      this.#made++;
    }
    copy.set(from);
    return copy;
  }
}

/** The next piece, or null. */
function take(call: Call): number | null {
  return call.stopped || call.next >= call.cuts.length - 1 ? null : call.next++;
}

/** As `cutRows`, with pieces that are worth a message. Pure. */
export function cutPieces(rows: number, work: number, threads: number): number[] {
  const cuts = cutRows(rows, threads);
  const chunks = cuts.length - 1;
  const size = Math.max(1, Math.min(Math.ceil(PIECE_WORK / (CHUNK * work)), Math.floor(chunks / (2 * threads))));
  return cuts.filter((_, at) => at % size === 0 || at === chunks);
}
