/**
 * An SAE that is ready to run on the GPU, and stays so when the device is lost:
 * the call that was under way is made once more on a new device, with the weights
 * uploaded again from where they came. Calls depend on nothing but their
 * arguments, so the repeated one gives what the first would have given.
 */
import type { LoadedSae, LoadReport } from '../engine/backend.js';
import { checkCodes, checkOut, checkRows } from '../engine/checks.js';
import { joinCodes, sliceCodes, type SparseCodes } from '../engine/codes.js';
import { BackendError, withRowsFrom } from '../engine/errors.js';
import type { Sae } from '../engine/sae.js';
import type { Plan } from './decide.js';
import type { DeviceManager, Generation } from './manager.js';
import { type MemoryReport, NoRoomError } from './memory.js';
import { makeResident, type Resident, type ResidentOptions } from './resident.js';

export type CallOptions = { signal?: AbortSignal | undefined };

/** What became of an SAE on the GPU. */
export interface GpuLoadReport extends LoadReport {
  /** Pieces of W_dec, which may differ from those of W_enc. */
  readonly decodeShards: number;
  /** Devices that it has been on: 1 where none was lost. */
  readonly generation: number;
  /** Of the whole device, other SAEs included. */
  readonly memory: MemoryReport;
}

/** Bounds what a batch takes in host memory, as in the WASM backend. */
const MAX_ROWS = 65_536;

export class LoadedGpuSae implements LoadedSae {
  readonly maxRows = MAX_ROWS;
  readonly #manager: DeviceManager;
  readonly #sae: Sae;
  readonly #options: ResidentOptions;
  #resident: Resident;
  /** While the SAE moves to a new device. */
  #moving: { readonly to: Generation; readonly done: Promise<Resident> } | null = null;
  /** Rows that one call of the encoder, and of the decoder, is given; fewer once there was no room for more. */
  #encodeRows = Infinity;
  #decodeRows = Infinity;
  #disposed = false;

  /** @throws what `makeResident` throws; a device that is lost meanwhile is replaced once */
  static async load(manager: DeviceManager, sae: Sae, { signal, ...options }: ResidentOptions): Promise<LoadedGpuSae> {
    signal?.throwIfAborted();
    const resident = await again(manager, (generation) => makeResident(generation, sae, { ...options, signal }));
    return new LoadedGpuSae(manager, sae, options, resident);
  }

  private constructor(manager: DeviceManager, sae: Sae, options: ResidentOptions, resident: Resident) {
    this.#manager = manager;
    this.#sae = sae;
    this.#options = options;
    this.#resident = resident;
  }

  /** How the SAE is cut, for tests. */
  get plan(): Plan {
    return this.#resident.plan;
  }

  async encode(xbar: Float32Array, rows: number, { signal }: CallOptions = {}): Promise<SparseCodes> {
    this.#check(signal);
    checkRows(xbar, rows, this.#sae.d_in, this.maxRows);
    return this.#attempt((resident) => this.#encode(resident, xbar, rows, signal), signal);
  }

  /** As `LoadedSae.preactivations`. */
  async preactivations(xbar: Float32Array, rows: number, { signal, out }: CallOptions & { out?: Float32Array | undefined } = {}): Promise<Float32Array> {
    this.#check(signal);
    const { d_in, d_sae } = this.#sae;
    checkRows(xbar, rows, d_in, this.maxRows);
    if (out !== undefined) checkOut(out, rows, d_sae);
    const z = out ?? new Float32Array(rows * d_sae);
    return this.#attempt(async ({ encoder }) => {
      await inPieces(rows, this.#encodeRows, async (first, count) => {
        z.set(await encoder.preactivations(xbar.subarray(first * d_in, (first + count) * d_in), count, this.maxRows, signal), first * d_sae);
      });
      return z;
    }, signal);
  }

  async decode(codes: SparseCodes, { signal }: CallOptions = {}): Promise<Float32Array> {
    this.#check(signal);
    checkCodes(codes, this.#sae.d_sae);
    return this.#attempt((resident) => this.#decode(resident, codes, signal), signal);
  }

  report(): GpuLoadReport {
    const { weights, plan, generation, encoder } = this.#resident;
    return {
      weightBytes: weights.byteLength,
      shards: plan.encode.blocks.length,
      decodeShards: plan.decode.blocks.length,
      screen: encoder.screen,
      storageErrorPerNorm: weights.storageErrorPerNorm,
      generation: generation.number,
      memory: generation.memory.report(),
    };
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { weights, generation } = this.#resident;
    weights.destroy();
    // What another SAE needs, it makes anew; what nobody needs is not kept.
    generation.pool.clear();
    generation.pool.ring.clear();
  }

  async #encode({ encoder }: Resident, xbar: Float32Array, rows: number, signal: AbortSignal | undefined): Promise<SparseCodes> {
    const { d_in, d_sae, architecture } = this.#sae;
    // The rows of a batchtopk call share their budget of activations: they stay together.
    if (architecture === 'batchtopk') return encoder.encode(xbar, rows, this.maxRows, signal);
    const pieces: SparseCodes[] = [];
    const most = await inPieces(rows, this.#encodeRows, async (first, count) => {
      pieces.push(await encoder.encode(xbar.subarray(first * d_in, (first + count) * d_in), count, this.maxRows, signal));
    });
    this.#encodeRows = Math.min(this.#encodeRows, most);
    return joinCodes(pieces, d_sae);
  }

  async #decode({ decoder }: Resident, codes: SparseCodes, signal: AbortSignal | undefined): Promise<Float32Array> {
    const { d_out } = this.#sae;
    let y: Float32Array = new Float32Array(0);
    const most = await inPieces(codes.rows, this.#decodeRows, async (first, count) => {
      const whole = count === codes.rows;
      const part = await decoder.decode(whole ? codes : sliceCodes(codes, first, count), signal);
      if (whole) return void (y = part);
      if (y.length === 0) y = new Float32Array(codes.rows * d_out);
      y.set(part, first * d_out);
    });
    this.#decodeRows = Math.min(this.#decodeRows, most);
    return y;
  }

  #attempt<T>(work: (resident: Resident) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return again(this.#manager, async (generation) => {
      const resident = await this.#on(generation);
      this.#check(signal);
      return work(resident);
    });
  }

  /** The SAE on a device. Calls side by side move it once. */
  async #on(generation: Generation): Promise<Resident> {
    // Another call may have moved it on already.
    if (this.#resident.generation.number >= generation.number) return this.#resident;
    if (this.#moving?.to !== generation) {
      const done = this.#move(generation).finally(() => {
        if (this.#moving?.to === generation) this.#moving = null;
      });
      this.#moving = { to: generation, done };
    }
    return this.#moving.done;
  }

  async #move(generation: Generation): Promise<Resident> {
    const resident = await makeResident(generation, this.#sae, this.#options);
    if (this.#disposed) {
      resident.weights.destroy();
      throw disposedOf();
    }
    if (generation.number > this.#resident.generation.number) this.#resident = resident;
    return resident;
  }

  #check(signal: AbortSignal | undefined): void {
    if (this.#disposed) throw disposedOf();
    signal?.throwIfAborted();
  }
}

/**
 * Work on all rows in order: at once where memory allows, else in pieces of half the
 * rows, and half of those. No rows are one piece too.
 * @returns the rows of a piece that fitted, for the next time
 * @throws NoRoomError where not one row fits; what `work` throws
 */
async function inPieces(rows: number, most: number, work: (first: number, count: number) => Promise<void>): Promise<number> {
  let first = 0;
  do {
    const count = Math.min(most, rows - first);
    try {
      await work(first, count);
      first += count;
    } catch (error) {
      if (!(error instanceof NoRoomError) || count <= 1) throw withRowsFrom(first, error);
      most = Math.ceil(count / 2);
    }
  } while (first < rows);
  return most;
}

/**
 * Runs `work` on the device of the moment; where that is lost meanwhile, once more on the next.
 * @throws what `work` throws; the second time, a loss included
 */
async function again<T>(manager: DeviceManager, work: (generation: Generation) => Promise<T>): Promise<T> {
  const generation = await manager.alive();
  try {
    return await work(generation);
  } catch (error) {
    if (!(error instanceof BackendError) || !manager.recovers || !(await generation.device.isLost())) throw error;
    return work(await manager.alive());
  }
}

function disposedOf(): BackendError {
  return new BackendError('the SAE was disposed of');
}
