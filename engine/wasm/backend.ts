/**
 * The WASM backend: the `Backend` contract over the AssemblyScript kernels.
 * Deterministic to the bit: a row's codes do not depend on the batch it came
 * in, nor on the number of threads.
 */
import type { Backend, BackendInfo, LoadedSae, LoadOptions, LoadReport } from '../backend.js';
import { loadBlocked } from '../blocked.js';
import { batchBudget, largestTolerance, selectBatch } from '../batch-topk.js';
import { checkCodes, checkRows, checkSae } from '../checks.js';
import { joinCodes, type SparseCodes } from '../codes.js';
import { BackendError } from '../errors.js';
import type { Sae } from '../sae.js';
import { decoderNorms, tieTolerance, type TieTolerance } from '../ties.js';
import { DECODE_CHUNK, Decoder, decoderBytes } from './decoder.js';
import { CHUNK, Encoder, encodeRange, encoderBytes, type EncoderWeights } from './encoder.js';
import { MEMORY_CEILING, compileKernels, mebibytes, type KernelModule } from './loader.js';
import { Pace } from './pace.js';
import { ThreadLost, WorkerPool } from './pool.js';

export interface WasmOptions {
  /** How many threads encode, the calling one included; default 1. */
  readonly threads?: number | undefined;
  /**
   * Take relaxed SIMD where the runtime has it: faster, but a product and its sum may be
   * rounded once instead of twice, so that the last bits are the processor's. Default
   * false: the same bits everywhere. docs/decisions/0010-relaxed-simd.md
   */
  readonly relaxed?: boolean | undefined;
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
  return new WasmBackend(module, kind, pool, {
    simd: true,
    relaxed: kind === 'relaxed',
    threads: 1 + (pool?.size ?? 0),
    threadsAsked: asked,
    memoryLimit: MEMORY_CEILING,
    ...(reason === undefined ? {} : { threadsReason: reason }),
    ...(relaxedReason === undefined ? {} : { relaxedReason }),
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

class WasmBackend implements Backend {
  readonly info: BackendInfo;
  readonly #module: WebAssembly.Module;
  readonly #kind: KernelModule;
  readonly #pool: WorkerPool | null;
  #disposed = false;

  constructor(module: WebAssembly.Module, kind: KernelModule, pool: WorkerPool | null, details: BackendInfo['details']) {
    this.#module = module;
    this.#kind = kind;
    this.#pool = pool;
    this.info = {
      kind: 'wasm',
      description: `WASM ${kind === 'relaxed' ? 'relaxed ' : ''}SIMD, ${details.threads === 1 ? '1 thread' : `${details.threads} threads`}`,
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
    const weights: EncoderWeights = {
      architecture: sae.architecture,
      d_in,
      d_sae,
      W_enc: sae.W_enc,
      b_enc: sae.b_enc,
      threshold: sae.threshold,
      k: sae.k,
      gate: sae.architecture === 'gated' && sae.gate ? { scale: Float32Array.from(sae.gate.r_mag, Math.exp), bias: sae.gate.b_gate } : null,
      scale,
      ...(options.tolerance ?? tieTolerance(sae)),
    };
    const encoder = new Encoder(this.#module, weights);
    const decoder = new Decoder(this.#module, { d_sae, d_out, W_dec, b_dec, scale });
    const handle = (await this.#pool?.load(weights, this.#kind)) ?? 0;
    options.signal?.throwIfAborted();
    return new LoadedWasmSae({ d_in, d_sae, d_out }, weights, encoder, decoder, this.#pool, handle);
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
  readonly #gated: boolean;
  readonly #pool: WorkerPool | null;
  readonly #handle: number;
  #encoder: Encoder | null;
  #decoder: Decoder | null;

  constructor(shape: Shape, weights: EncoderWeights, encoder: Encoder, decoder: Decoder, pool: WorkerPool | null, handle: number) {
    this.#shape = shape;
    this.#tolerance = { perNorm: weights.perNorm, constant: weights.constant };
    this.#batchK = weights.architecture === 'batchtopk' ? (weights.k ?? 0) : null;
    this.#gated = weights.gate !== null;
    this.#encoder = encoder;
    this.#decoder = decoder;
    this.#pool = pool;
    this.#handle = handle;
  }

  async encode(xbar: Float32Array, rows: number, options: CallOptions = {}): Promise<SparseCodes> {
    const encoder = held(this.#encoder);
    const { d_in, d_sae } = this.#shape;
    const { signal } = options;
    signal?.throwIfAborted();
    checkRows(xbar, rows, d_in, this.maxRows);
    const budget = this.#batchK === null ? undefined : batchBudget(this.#batchK, rows);
    const cuts = splitRows(rows, rows * d_in * d_sae < WORTH_SPLITTING ? 1 : 1 + (this.#pool?.size ?? 0));
    const piece = (index: number): Promise<SparseCodes> => {
      const begin = cuts[index] ?? 0;
      const end = cuts[index + 1] ?? rows;
      const here = () => encodeRange(encoder, xbar, begin, end, { signal, budget });
      if (index === 0 || this.#pool === null) return here();
      return this.#pool
        .encode(this.#handle, index - 1, xbar, d_in, begin, end, { signal, budget })
        .catch((error: unknown) => {
          if (error instanceof ThreadLost) return here();
          throw error;
        });
    };
    // The workers are asked first: this thread's own piece begins without a pause.
    const others = cuts.slice(1, -1).map((_, index) => piece(index + 1));
    const results = await Promise.allSettled([piece(0), ...others]);
    // Of several failures, the one of the lowest row.
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    const codes = joinCodes(results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])), d_sae);
    return budget === undefined ? codes : selectBatch(codes, budget, largestTolerance(xbar, rows, d_in, this.#tolerance));
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

  async preactivations(xbar: Float32Array, rows: number, options: CallOptions = {}): Promise<Float32Array> {
    const encoder = held(this.#encoder);
    const { d_in, d_sae } = this.#shape;
    options.signal?.throwIfAborted();
    checkRows(xbar, rows, d_in, this.maxRows);
    const z = new Float32Array(rows * d_sae);
    const pace = new Pace(options.signal);
    for (let first = 0; first < rows; first += CHUNK) {
      if (pace.isDue) await pace.pause();
      encoder.preactivationsChunk(xbar, first, Math.min(CHUNK, rows - first), z);
    }
    return z;
  }

  report(): LoadReport {
    const { d_in, d_sae, d_out } = this.#shape;
    // Each thread has packed the encoder for itself.
    const encoders = 1 + (this.#pool?.size ?? 0);
    return { weightBytes: encoders * encoderBytes(d_in, d_sae, this.#gated) + decoderBytes(d_sae, d_out), shards: 1, screen: null, storageErrorPerNorm: null };
  }

  dispose(): void {
    if (this.#encoder !== null) this.#pool?.unload(this.#handle);
    this.#encoder = null;
    this.#decoder = null;
  }
}

/** Where a batch is cut, [pieces + 1] rows: even pieces, of at least a chunk. Pure. */
export function splitRows(rows: number, threads: number): number[] {
  const pieces = Math.max(1, Math.min(threads, Math.floor(rows / CHUNK)));
  return Array.from({ length: pieces + 1 }, (_, at) => Math.round((rows * at) / pieces));
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
