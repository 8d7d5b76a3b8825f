/**
 * The WASM backend: the `Backend` contract over the AssemblyScript kernels.
 * Deterministic to the bit: a row's codes do not depend on the batch it came
 * in, nor on the number of threads.
 */
import type { Backend, BackendInfo, LoadedSae, LoadOptions, LoadReport } from '../backend.js';
import { loadBlocked } from '../blocked.js';
import { batchBudget, largestTolerance, selectBatch } from '../batch-topk.js';
import { checkCodes, checkOut, checkRows, checkSae } from '../checks.js';
import type { SparseCodes } from '../codes.js';
import { BackendError } from '../errors.js';
import type { Sae } from '../sae.js';
import { decoderNorms, type TieTolerance } from '../ties.js';
import { DECODE_CHUNK, Decoder, decoderBytes } from './decoder.js';
import { Encoder } from './encoder.js';
import { MEMORY_CEILING, compileKernels, mebibytes, type KernelModule } from './loader.js';
import { Pace } from './pace.js';
import { WorkerPool } from './pool.js';
import { QUAD, encodeRange } from './range.js';
import { Rooms } from './rooms.js';
import { CHUNK, encoderBytes, encoderWeights, type EncoderWeights } from './shape.js';
import { SharedTeam } from './shared-team.js';
import type { Team, TeamMemory } from './team.js';
import { TransferTeam } from './transfer-team.js';

export interface WasmOptions {
  /** How many threads encode, the calling one included; default 1. */
  readonly threads?: number | undefined;
  /**
   * Take relaxed SIMD where the runtime has it: faster, but a product and its sum may be
   * rounded once instead of twice, so that the last bits are the processor's. Default
   * false: the same bits everywhere. docs/decisions/0010-relaxed-simd.md
   */
  readonly relaxed?: boolean | undefined;
  /**
   * Whether threads share one memory where the runtime lets them (a page must be
   * cross-origin isolated); default true. The codes are the same: without, each
   * thread has the weights for itself. docs/decisions/0015-threads.md
   */
  readonly shared?: boolean | undefined;
}

/** Bounds what a batch takes in memory: 65,536 rows of d_in 4096 are 1 GiB. */
const MAX_ROWS = 65_536;
/** Multiply-adds below which a batch is not split: about 2 ms of one thread. */
const WORTH_SPLITTING = 3e7;

/**
 * Compiles the kernels and starts the workers. Workers that cannot be started
 * (Content-Security-Policy, file:, no permission) leave one thread, and the
 * reason in `info.details.threadsReason`.
 *
 * @throws BackendError when WebAssembly, its SIMD or the page's permission is missing
 */
export async function createWasmBackend(options: WasmOptions = {}): Promise<Backend> {
  const asked = Math.max(1, Math.floor(options.threads ?? 1));
  const { module, kind, relaxedReason } = await chooseModule(options.relaxed === true);
  let pool: WorkerPool | null = null;
  let reason: string | undefined;
  if (asked > 1) {
    try {
      pool = await WorkerPool.start(asked - 1);
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  const { sharedModule, sharedReason } = pool === null ? { sharedModule: null } : await chooseShared(kind, options.shared !== false);
  return new WasmBackend({ module, sharedModule, kind }, pool, {
    simd: true,
    relaxed: kind === 'relaxed',
    threads: 1 + (pool?.size ?? 0),
    threadsAsked: asked,
    ...(pool === null ? {} : { sharedMemory: sharedModule !== null }),
    memoryLimit: MEMORY_CEILING,
    ...(reason === undefined ? {} : { threadsReason: reason }),
    ...(relaxedReason === undefined ? {} : { relaxedReason }),
    ...(sharedReason === undefined ? {} : { sharedReason }),
  });
}

/** The relaxed module where it is wanted and there; what keeps it away does not keep the plain one away. */
async function chooseModule(relaxed: boolean): Promise<{ module: WebAssembly.Module; kind: KernelModule; relaxedReason?: string }> {
  if (!relaxed) return { module: await compileKernels(), kind: 'plain' };
  try {
    return { module: await compileKernels('relaxed'), kind: 'relaxed' };
  } catch (error) {
    return { module: await compileKernels(), kind: 'plain', relaxedReason: error instanceof Error ? error.message : String(error) };
  }
}

/** The module for threads that share a memory, where it is wanted and may be had. */
async function chooseShared(kind: KernelModule, wanted: boolean): Promise<{ sharedModule: WebAssembly.Module | null; sharedReason?: string }> {
  if (!wanted) return { sharedModule: null, sharedReason: 'not asked for' };
  // Pages that are not isolated do not have it; Node and Deno always do.
  if (typeof SharedArrayBuffer === 'undefined') return { sharedModule: null, sharedReason: 'the page is not cross-origin isolated' };
  try {
    return { sharedModule: await compileKernels(kind, true) };
  } catch (error) {
    return { sharedModule: null, sharedReason: error instanceof Error ? error.message : String(error) };
  }
}

/** What is compiled. */
interface Modules {
  readonly module: WebAssembly.Module;
  /** Null where threads do not share a memory. */
  readonly sharedModule: WebAssembly.Module | null;
  readonly kind: KernelModule;
}

class WasmBackend implements Backend {
  readonly info: BackendInfo;
  readonly #modules: Modules;
  readonly #pool: WorkerPool | null;
  #disposed = false;

  constructor(modules: Modules, pool: WorkerPool | null, details: BackendInfo['details']) {
    this.#modules = modules;
    this.#pool = pool;
    this.info = {
      kind: 'wasm',
      description: `WASM ${modules.kind === 'relaxed' ? 'relaxed ' : ''}SIMD, ${details.threads === 1 ? '1 thread' : `${details.threads} threads`}`,
      software: true,
      details,
    };
  }

  async load(sae: Sae, options: LoadOptions = {}): Promise<LoadedSae> {
    if (this.#disposed) throw new BackendError('the WASM backend was disposed of');
    options.signal?.throwIfAborted();
    if (sae.weights) return loadBlocked(this, sae, { signal: options.signal });
    const { d_in, d_sae, d_out, W_dec, b_dec } = sae;
    checkFits('encoder', `d_in ${d_in} x d_sae ${d_sae}`, encoderBytes(d_in, d_sae, sae.architecture === 'gated'));
    checkFits('decoder', `d_sae ${d_sae} x d_out ${d_out}`, decoderBytes(d_sae, d_out));
    checkSae(sae);
    const scale = sae.rescaleActsByDecoderNorm ? decoderNorms(sae) : null;
    const weights = encoderWeights(sae, scale, options);
    const decoder = new Decoder(this.#modules.module, { d_sae, d_out, W_dec, b_dec, scale });
    const team = this.#pool === null || this.#pool.size === 0 ? null : await this.#team(this.#pool, weights);
    try {
      options.signal?.throwIfAborted();
      return new LoadedWasmSae({ d_in, d_sae, d_out }, weights, team?.encoder ?? new Encoder(this.#modules.module, weights), decoder, team);
    } catch (error) {
      team?.dispose();
      throw error;
    }
  }

  async #team(pool: WorkerPool, weights: EncoderWeights): Promise<Team> {
    const { module, sharedModule, kind } = this.#modules;
    const shared = sharedModule === null ? null : await SharedTeam.start(pool, sharedModule, kind, weights);
    return shared ?? TransferTeam.start(pool, module, kind, weights);
  }

  dispose(): Promise<void> {
    this.#disposed = true;
    this.#pool?.dispose();
    return Promise.resolve();
  }
}

interface Shape {
  readonly d_in: number;
  readonly d_sae: number;
  readonly d_out: number;
}

type CallOptions = { signal?: AbortSignal | undefined };

class LoadedWasmSae implements LoadedSae {
  readonly maxRows = MAX_ROWS;
  readonly #shape: Shape;
  readonly #tolerance: TieTolerance;
  /** k of batchtopk, null for the others. */
  readonly #batchK: number | null;
  /** The threads, where there are several. */
  readonly #team: Team | null;
  /** Of calls on this thread alone. */
  readonly #rooms = new Rooms(false);
  #encoder: Encoder | null;
  #decoder: Decoder | null;
  /** Calls that have not settled, which the encoder's memory is kept for. */
  #calls = 0;

  constructor(shape: Shape, weights: EncoderWeights, encoder: Encoder, decoder: Decoder, team: Team | null) {
    this.#shape = shape;
    this.#tolerance = { perNorm: weights.perNorm, constant: weights.constant };
    this.#batchK = weights.architecture === 'batchtopk' ? (weights.k ?? 0) : null;
    this.#encoder = encoder;
    this.#decoder = decoder;
    this.#team = team;
  }

  async encode(xbar: Float32Array, rows: number, options: CallOptions = {}): Promise<SparseCodes> {
    const encoder = held(this.#encoder);
    const { d_in, d_sae } = this.#shape;
    const { signal } = options;
    signal?.throwIfAborted();
    checkRows(xbar, rows, d_in, this.maxRows);
    const budget = this.#batchK === null ? undefined : batchBudget(this.#batchK, rows);
    const alone = this.#team === null || rows <= QUAD || rows * d_in * d_sae < WORTH_SPLITTING;
    const codes = await this.#during(() => (alone ? this.#encodeAlone(encoder, xbar, rows, signal, budget) : this.#team.encode(xbar, rows, { signal, budget })));
    return budget === undefined ? codes : selectBatch(codes, budget, largestTolerance(xbar, rows, d_in, this.#tolerance));
  }

  async #encodeAlone(encoder: Encoder, xbar: Float32Array, rows: number, signal: AbortSignal | undefined, budget: number | undefined): Promise<SparseCodes> {
    const room = this.#rooms.take(rows);
    let entries = 0;
    try {
      const codes = (await encodeRange(encoder, xbar, rows, room, { signal, budget })).finish();
      entries = codes.features.length;
      return codes;
    } finally {
      this.#rooms.give([room], entries);
    }
  }

  async decode(codes: SparseCodes, options: CallOptions = {}): Promise<Float32Array> {
    const decoder = held(this.#decoder);
    options.signal?.throwIfAborted();
    // Kernels do not look: a feature past the end would read other memory.
    checkCodes(codes, this.#shape.d_sae);
    const y = new Float32Array(codes.rows * this.#shape.d_out);
    const pace = new Pace(options.signal);
    for (let first = 0; first < codes.rows; first += DECODE_CHUNK) {
      if (pace.isDue) await pace.pause();
      decoder.decodeChunk(codes, first, Math.min(DECODE_CHUNK, codes.rows - first), y);
    }
    return y;
  }

  async preactivations(xbar: Float32Array, rows: number, options: CallOptions & { out?: Float32Array | undefined } = {}): Promise<Float32Array> {
    const encoder = held(this.#encoder);
    const { d_in, d_sae } = this.#shape;
    options.signal?.throwIfAborted();
    checkRows(xbar, rows, d_in, this.maxRows);
    const { signal, out } = options;
    if (out !== undefined) checkOut(out, rows, d_sae);
    return this.#during(async () => {
      const divided = rows <= QUAD || rows * d_in * d_sae < WORTH_SPLITTING ? null : this.#team?.preactivations(xbar, rows, { signal, out });
      if (divided) return divided;
      const z = out ?? new Float32Array(rows * d_sae);
      const pace = new Pace(signal);
      for (let first = 0; first < rows; first += CHUNK) {
        if (pace.isDue) await pace.pause();
        encoder.preactivationsChunk(xbar, first, Math.min(CHUNK, rows - first), z, 0);
      }
      return z;
    });
  }

  report(): LoadReport {
    const { d_sae, d_out } = this.#shape;
    const counts = this.#team === null ? (this.#encoder?.screen ?? null) : this.#team.screen();
    const encoders = this.#team?.weightBytes() ?? this.#encoder?.weightBytes ?? 0;
    return { weightBytes: encoders + decoderBytes(d_sae, d_out), shards: 1, screen: counts && { survivorRatio: counts.screened === 0 ? 0 : counts.computed / counts.screened }, storageErrorPerNorm: null };
  }

  /** What is held besides, for tests of what the steady state asks for: nothing. */
  memory(): TeamMemory {
    const encoding = this.#team?.memory() ?? { linear: this.#encoder?.byteLength ?? 0, pooled: 0, made: 0 };
    return { linear: encoding.linear + (this.#decoder?.byteLength ?? 0), pooled: encoding.pooled + this.#rooms.byteLength, made: encoding.made + this.#rooms.made };
  }

  dispose(): void {
    if (this.#encoder === null) return;
    this.#encoder = null;
    this.#decoder = null;
    if (this.#calls === 0) this.#team?.dispose();
  }

  /** What the encoder does: the threads give up its memory when the last call has settled. */
  async #during<T>(call: () => Promise<T>): Promise<T> {
    this.#calls++;
    try {
      return await call();
    } finally {
      if (--this.#calls === 0 && this.#encoder === null) this.#team?.dispose();
    }
  }
}

function held<T>(part: T | null): T {
  if (part === null) throw new BackendError('the SAE was disposed of');
  return part;
}

function checkFits(part: string, shape: string, bytes: number): void {
  // A size that is no number is checkSae's to refuse.
  if (!(bytes >= MEMORY_CEILING - 2 ** 26)) return;
  throw new BackendError(`WASM: the ${part} of ${shape} takes ${mebibytes(bytes)}, and a WASM memory holds 4096 MiB`, { hint: 'Use the WebGPU backend.' });
}
