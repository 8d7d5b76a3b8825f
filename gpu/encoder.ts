/**
 * Encoding on the GPU. A block of rows is one submission and one mapping:
 * for each block of latents the pre-activations, then
 *
 *   standard, jumprelu   count -> scan -> scatter: entries in CSR order
 *   topk                 select: each row's k + 1 largest, of which the host takes k
 *
 * [rows, stride] pre-activations exist on the device only, one block of latents
 * at a time; the host gets what fires. Deterministic: a row's codes do not
 * depend on its batch, nor on how rows and latents are cut.
 */
import { checkRows } from '../engine/checks.js';
import { joinCodes, type SparseCodes } from '../engine/codes.js';
import { NumericError } from '../engine/errors.js';
import type { Sae } from '../engine/sae.js';
import type { TieTolerance } from '../engine/ties.js';
import { joinEntries, type LatentEntries, type Piece, selectTopk } from './assemble.js';
import { type BufferPool, Loan, write } from './buffers.js';
import { ceilTo, fold, ROW_TILE, RUN, SEGMENT, scanLevels, type Plan } from './decide.js';
import type { Device } from './device.js';
import { dispatch, type EncodePipelines } from './dispatch.js';
import { pipelined } from './pipelined.js';
import type { EncodeWeights } from './weights.js';

/** Entries that a row of standard or jumprelu has room for at first; what a batch needs is learnt. */
const FIRST_GUESS = 64;
/** Words of `head` before the rows: near ties, and the lowest row that is not finite. */
const HEAD = 2;
const NO_ROW = 0xffffffff;

/** Where a block of latents' results lie in the readback, in bytes. */
interface Output {
  readonly head: number;
  readonly entries: number;
  /** Entries that there was room for: in all, or in a row of topk. */
  readonly capacity: number;
}

interface Scratch {
  readonly x: GPUBuffer;
  readonly tolerance: GPUBuffer;
  readonly z: GPUBuffer;
  readonly sums: GPUBuffer;
}

export class Encoder {
  readonly #device: Device;
  readonly #pool: BufferPool;
  readonly #pipelines: EncodePipelines;
  readonly #plan: Plan['encode'];
  readonly #weights: readonly EncodeWeights[];
  readonly #d_in: number;
  readonly #d_sae: number;
  /** topk only. */
  readonly #k: number | null;
  readonly #tolerance: TieTolerance;
  /** Entries a row to make room for, by block of latents. */
  readonly #density: number[];

  constructor(device: Device, pool: BufferPool, pipelines: EncodePipelines, plan: Plan['encode'], weights: readonly EncodeWeights[], sae: Sae, tolerance: TieTolerance) {
    this.#device = device;
    this.#pool = pool;
    this.#pipelines = pipelines;
    this.#plan = plan;
    this.#weights = weights;
    this.#d_in = sae.d_in;
    this.#d_sae = sae.d_sae;
    this.#k = sae.architecture === 'topk' ? Math.min(sae.k ?? 0, sae.d_sae) : null;
    this.#tolerance = tolerance;
    this.#density = weights.map(({ n }) => Math.min(n, FIRST_GUESS));
  }

  async encode(xbar: Float32Array, rows: number, maxRows: number, signal: AbortSignal | undefined): Promise<SparseCodes> {
    checkRows(xbar, rows, this.#d_in, maxRows);
    const starts: number[] = [];
    for (let first = 0; first < rows; first += this.#plan.rows) starts.push(first);
    const pieces = await pipelined(starts, (first) => this.#block(xbar, first, Math.min(this.#plan.rows, rows - first), signal), signal);
    return joinCodes(pieces, this.#d_sae);
  }

  /** A block of rows; twice, when more fired than there was room for. */
  async #block(xbar: Float32Array, first: number, rows: number, signal: AbortSignal | undefined): Promise<Piece> {
    const x = xbar.subarray(first * this.#d_in, (first + rows) * this.#d_in);
    const tolerance = this.#tolerances(x, first, rows);
    let capacities = this.#weights.map(({ n }, index) => (this.#k === null ? Math.min(rows * n, Math.ceil(rows * (this.#density[index] ?? n))) : Math.min(this.#k + 1, n)));
    for (;;) {
      const result = await this.#submit(x, first, rows, tolerance, capacities);
      if (!Array.isArray(result)) return result;
      signal?.throwIfAborted();
      capacities = result;
    }
  }

  /** tol_r of each row. @throws NumericError naming the row of an input that is not finite */
  #tolerances(x: Float32Array, first: number, rows: number): Float32Array {
    const d_in = this.#d_in;
    const tolerance = new Float32Array(rows);
    for (let r = 0; r < rows; r++) {
      let squares = 0;
      for (let at = r * d_in; at < (r + 1) * d_in; at++) squares += x[at]! * x[at]!;
      // A sum of squares of f32s does not overflow f64.
      if (!Number.isFinite(squares)) {
        throw new NumericError(`xbar, row ${first + r}: a value is not finite`, { hint: 'The activations hold a NaN or an infinity there.' });
      }
      tolerance[r] = this.#tolerance.perNorm * Math.sqrt(squares) + this.#tolerance.constant;
    }
    return tolerance;
  }

  /**
   * Records and submits a block's commands, all in this task, and waits for the results.
   * @returns codes, or the capacities that would have been enough
   */
  async #submit(x: Float32Array, first: number, rows: number, tolerance: Float32Array, capacities: readonly number[]): Promise<Piece | number[]> {
    const device = this.#device;
    const loan = new Loan(this.#pool, device.gpu.queue);
    const words = HEAD + rows + 1;
    const entryBytes = (capacity: number): number => (this.#k === null ? capacity : rows * capacity) * 8;
    const { result, valid } = device.scoped('encode', () => {
      try {
        const readback = loan.readback(device, capacities.reduce((sum, capacity) => sum + words * 4 + entryBytes(capacity), 0), 'encode');
        const commands = device.gpu.createCommandEncoder({ label: 'encode' });
        const shared = this.#scratch(loan, x, rows, tolerance);
        const results = this.#weights.map((block, index) => {
          const capacity = capacities[index] ?? 0;
          const head = loan.upload(Uint32Array.of(0, NO_ROW), words * 4);
          const entries = loan.storage(entryBytes(capacity));
          const pass = commands.beginComputePass(readback.timed());
          this.#record(pass, loan, block, rows, capacity, { ...shared, head, entries });
          pass.end();
          return { head, entries, capacity };
        });
        const outputs = results.map(({ head, entries, capacity }) => ({
          head: readback.copy(commands, head, words * 4),
          entries: readback.copy(commands, entries, entryBytes(capacity)),
          capacity,
        }));
        readback.submit(commands);
        return { readback, outputs };
      } finally {
        loan.giveBack();
      }
    });
    return result.readback.read(valid, (bytes) => this.#assemble(bytes, result.outputs, first, rows, tolerance));
  }

  /** [rows up to ROW_TILE, 4 * quads]; the rows past the end may hold anything. */
  #uploadRows(loan: Loan, x: Float32Array, rows: number): GPUBuffer {
    const d_in = this.#d_in;
    const width = 4 * this.#plan.quads;
    const buffer = loan.storage(ceilTo(rows, ROW_TILE) * width * 4);
    let padded = x;
    if (width !== d_in) {
      padded = new Float32Array(rows * width);
      for (let r = 0; r < rows; r++) padded.set(x.subarray(r * d_in, (r + 1) * d_in), r * width);
    }
    write(this.#device.gpu.queue, buffer, 0, padded);
    return buffer;
  }

  /** What the blocks of latents share: inputs, and scratch that each overwrites after the one before has been read. The first block is the widest. */
  #scratch(loan: Loan, x: Float32Array, rows: number, tolerance: Float32Array): Scratch {
    const stride = this.#weights[0]?.stride ?? 0;
    return {
      x: this.#uploadRows(loan, x, rows),
      tolerance: loan.upload(tolerance),
      z: loan.storage(ceilTo(rows, ROW_TILE) * stride * 4),
      sums: loan.storage(scanLevels(rows * (stride / SEGMENT)).length * 4),
    };
  }

  /** The dispatches for one block of latents. */
  #record(pass: GPUComputePassEncoder, loan: Loan, block: EncodeWeights, rows: number, keep: number, buffers: Scratch & { readonly head: GPUBuffer; readonly entries: GPUBuffer }): void {
    const { gpu, limits } = this.#device;
    const grid = limits.maxComputeWorkgroupsPerDimension;
    const pipelines = this.#pipelines;
    const { n, stride, first, w, bias, threshold } = block;
    const { x, tolerance, z, sums, head, entries } = buffers;
    const params = loan.uniform([rows, n, stride, first, keep, this.#plan.quads]);
    dispatch(gpu, pass, pipelines.encode, [params, x, w, bias, z], [stride / SEGMENT, Math.ceil(rows / ROW_TILE)]);
    if (pipelines.kind === 'topk') {
      dispatch(gpu, pass, pipelines.select, [params, z, tolerance, head, entries], fold(rows, grid));
      return;
    }
    const segments = rows * (stride / SEGMENT);
    const { levels } = scanLevels(segments);
    const segmentGrid = fold(Math.ceil(segments / RUN), grid);
    dispatch(gpu, pass, pipelines.count, [params, z, threshold, tolerance, head, sums], segmentGrid);
    for (const level of levels) {
      dispatch(gpu, pass, pipelines.scan, [loan.uniform([level.begin, level.count]), sums], fold(Math.ceil(level.count / RUN / RUN), grid));
    }
    dispatch(gpu, pass, pipelines.scatter, [params, z, threshold, sums, head, entries], segmentGrid);
  }

  #assemble(bytes: ArrayBuffer, outputs: readonly Output[], first: number, rows: number, tolerance: Float32Array): Piece | number[] {
    const heads = outputs.map(({ head }) => new Uint32Array(bytes, head, HEAD + rows + 1));
    const bad = heads.reduce((lowest, head) => Math.min(lowest, head[1]!), NO_ROW);
    if (bad !== NO_ROW) {
      throw new NumericError(`pre-activations, row ${first + bad}: a value is not finite, though the row and the weights are`, {
        hint: 'The product overflows f32: are the activations in the scale that the SAE was trained on?',
      });
    }
    const entries = (index: number, count: number) => ({
      words: new Uint32Array(bytes, outputs[index]!.entries, 2 * count),
      floats: new Float32Array(bytes, outputs[index]!.entries, 2 * count),
    });
    if (this.#k !== null) {
      const blocks = heads.map((head, index): LatentEntries => {
        const { capacity } = outputs[index]!;
        return { begin: (r) => r * capacity, end: (r) => r * capacity + head[HEAD + r]!, ...entries(index, rows * capacity) };
      });
      return selectTopk(blocks, rows, this.#k, tolerance);
    }
    const totals = heads.map((head) => head[HEAD + rows]!);
    totals.forEach((total, index) => {
      // A quarter more than the fullest batch so far, so that the next one seldom comes twice.
      if (total > outputs[index]!.capacity) this.#density[index] = Math.max(this.#density[index]!, (1.25 * total) / rows);
    });
    if (totals.some((total, index) => total > outputs[index]!.capacity)) return totals.map((total, index) => Math.max(total, outputs[index]!.capacity));
    const blocks = heads.map((head, index): LatentEntries => ({ begin: (r) => head[HEAD + r]!, end: (r) => head[HEAD + r + 1]!, ...entries(index, totals[index]!) }));
    return joinEntries(blocks, rows, heads.reduce((sum, head) => sum + head[0]!, 0));
  }
}
