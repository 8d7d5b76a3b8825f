/**
 * Encoding on the GPU. A block of rows is one submission and one mapping; record.ts
 * says which kernels it goes through, decide/kernels.ts chooses them. What has room
 * for too little tells how much there was, and is done again with that.
 *
 * Pre-activations exist on the device only, one block of latents at a time at most;
 * the host gets what fires. Deterministic: a row's codes do not depend on its batch
 * (but for batchtopk, whose rows share a budget), nor on how rows and latents are
 * cut, nor on which kernels were chosen.
 */
import { batchBudget, largestTolerance, selectBatch } from '../engine/batch-topk.js';
import { checkRows, firstNonFinite } from '../engine/checks.js';
import { joinCodes, type SparseCodes } from '../engine/codes.js';
import { NumericError } from '../engine/errors.js';
import type { Sae } from '../engine/sae.js';
import type { TieTolerance } from '../engine/ties.js';
import { joinEntries, type LatentEntries, type Piece, selectTopk } from './assemble.js';
import { binEdge, Bins, rankOfSample } from './batch-edge.js';
import { type BufferPool, Loan, write } from './buffers.js';
import { ceilTo, type Plan, ROW_TILE } from './decide.js';
import { type EncodeChoice, sampleOf } from './decide/kernels.js';
import type { Device } from './device.js';
import type { EncodePipelines } from './dispatch.js';
import { keyOf } from './keys.js';
import { pipelined } from './pipelined.js';
import { type Head, headWords, NO_ROW, readHead, type Recorded, Recorder } from './record.js';
import type { Readback } from './readback.js';
import { outliersOf, type Screen } from './screen.js';
import type { EncodeWeights } from './weights.js';

/** Entries that a row has room for at first, of a block of latents; what a batch needs is learnt. */
const FIRST_GUESS = 64;

export interface EncoderParts {
  readonly device: Device;
  readonly pool: BufferPool;
  readonly pipelines: EncodePipelines;
  readonly plan: Plan['encode'];
  readonly weights: readonly EncodeWeights[];
  readonly tolerance: TieTolerance;
  readonly choose: (rows: number, screened: boolean) => EncodeChoice;
  readonly screen: Screen | null;
  /** For tests: columns of batchtopk's first look. */
  readonly sample?: number | undefined;
}

/** A block of rows that is to be encoded. */
interface Job {
  /** Of the call, for messages. */
  readonly first: number;
  readonly rows: number;
  readonly x: Float32Array;
  readonly tolerance: Float32Array;
  /** Keys: what is not above its row's is left out. */
  readonly edges: Uint32Array;
  readonly choice: EncodeChoice;
}

/** Where a pass's results lie in the readback, in bytes. */
interface Output {
  readonly head: number;
  readonly entries: number;
}

export class Encoder {
  readonly #parts: EncoderParts;
  readonly #d_in: number;
  readonly #d_sae: number;
  readonly #sae: Sae;
  /** Entries of a row that are ranked: k + 1, or all; null where a threshold decides. */
  readonly #keep: number | null;
  readonly #k: number;
  /** Entries a row to make room for, by block of latents. */
  readonly #density: number[];
  /** batchtopk: how many more than expected are looked for, so that one look is enough. */
  #margin = 1.25;

  constructor(parts: EncoderParts, sae: Sae) {
    this.#parts = parts;
    this.#sae = sae;
    this.#d_in = sae.d_in;
    this.#d_sae = sae.d_sae;
    this.#k = Math.min(sae.k ?? 0, sae.d_sae);
    this.#keep = rankedEntries(sae);
    this.#density = parts.weights.map(({ n }) => Math.min(n, FIRST_GUESS, this.#keep === null ? n : 2 * this.#keep));
  }

  async encode(xbar: Float32Array, rows: number, maxRows: number, signal: AbortSignal | undefined): Promise<SparseCodes> {
    checkRows(xbar, rows, this.#d_in, maxRows);
    if (this.#sae.architecture === 'batchtopk') return this.#encodeBatch(xbar, rows, signal);
    return this.#encodeAbove(xbar, rows, 0, signal);
  }

  /** [rows, d_sae]: z, of a gated SAE its gate's. @throws NumericError naming the row of an input or a z that is not finite */
  async preactivations(xbar: Float32Array, rows: number, maxRows: number, signal: AbortSignal | undefined): Promise<Float32Array> {
    checkRows(xbar, rows, this.#d_in, maxRows);
    const d_sae = this.#d_sae;
    const { weights } = this.#parts;
    const starts = this.#starts(rows);
    const z = new Float32Array(rows * d_sae);
    const block = async (first: number): Promise<void> => {
      const job = this.#job(xbar, first, rows, 0, null);
      const bytes = weights.reduce((sum, { stride }) => sum + job.rows * stride * 4, 0);
      await this.#submit('preactivations', job, bytes, (recorder, commands, readback) => {
        const places = weights.map((w) => {
          const pass = commands.beginComputePass(readback.timed());
          const buffer = recorder.product(pass, w, w.stride);
          pass.end();
          return readback.copy(commands, buffer, job.rows * w.stride * 4);
        });
        return (mapped) =>
          weights.forEach(({ first: feature, n, stride }, index) => {
            const values = new Float32Array(mapped, places[index], job.rows * stride);
            for (let r = 0; r < job.rows; r++) z.set(values.subarray(r * stride, r * stride + n), (first + r) * d_sae + feature);
          });
      });
    };
    await pipelined(starts, block, signal);
    const bad = firstNonFinite(z);
    if (bad >= 0) throw overflow(Math.floor(bad / d_sae));
    return z;
  }

  /** What is above its threshold or among its row's k largest, and not below `edge` where that is above 0. */
  async #encodeAbove(xbar: Float32Array, rows: number, edge: number, signal: AbortSignal | undefined): Promise<SparseCodes> {
    const pieces = await pipelined(this.#starts(rows), (first) => this.#block(this.#job(xbar, first, rows, edge, this.#parts.screen), signal), signal);
    return joinCodes(pieces, this.#d_sae);
  }

  /**
   * batchtopk: a look at some of the columns says how large a z must be to have a part in
   * the call's budget; what is at least that large comes back, and the host cuts it.
   * Where the look promised too much, which is seen by how much comes back, what it
   * certainly holds is taken instead.
   */
  async #encodeBatch(xbar: Float32Array, rows: number, signal: AbortSignal | undefined): Promise<SparseCodes> {
    const budget = batchBudget(this.#sae.k ?? 0, rows);
    const tolerance = largestTolerance(xbar, rows, this.#d_in, this.#parts.tolerance);
    // One more than the budget says how near the selection was to another.
    const { probable, certain } = await this.#batchEdges(xbar, rows, budget + 1, signal);
    let codes = await this.#encodeAbove(xbar, rows, probable, signal);
    if (codes.values.length <= budget && probable > certain) {
      this.#margin *= 2;
      codes = await this.#encodeAbove(xbar, rows, certain, signal);
    }
    return selectBatch(codes, budget, tolerance);
  }

  /** Values that the `wanted` largest z of a call are probably, and certainly, not below; 0 where nothing is known. */
  async #batchEdges(xbar: Float32Array, rows: number, wanted: number, signal: AbortSignal | undefined): Promise<{ probable: number; certain: number }> {
    const block = this.#parts.weights[0];
    const columns = block === undefined ? 0 : Math.min(block.n, sampleOf(rows, block.n, this.#parts.sample));
    if (block === undefined || columns === 0) return { probable: 0, certain: 0 };
    const count = async (digits: number): Promise<Bins> => {
      const bins = new Bins();
      const look = async (first: number): Promise<void> => {
        const job = this.#job(xbar, first, rows, 0, null);
        await this.#submit('sample', job, Bins.bytes, (recorder, commands, readback, loan) => {
          const counts = loan.upload(new Uint32Array(Bins.bytes / 4));
          const pass = commands.beginComputePass(readback.timed());
          recorder.bins(pass, block, columns, digits, counts);
          pass.end();
          const at = readback.copy(commands, counts, Bins.bytes);
          return (mapped) => bins.add(new Uint32Array(mapped, at, Bins.bytes / 4));
        });
      };
      await pipelined(this.#starts(rows), look, signal);
      return bins;
    };
    const coarse = await count(0);
    const certain = coarse.find(wanted);
    const rank = rankOfSample(wanted, columns / this.#d_sae, this.#margin);
    const probable = coarse.find(rank);
    if (probable === null) return { probable: 0, certain: 0 };
    const fine = (await count(probable.digits + 1)).find(rank - probable.above);
    return { probable: binEdge(probable.digits, fine?.digits ?? 0), certain: certain === null ? 0 : binEdge(certain.digits, 0) };
  }

  #starts(rows: number): number[] {
    const starts: number[] = [];
    for (let first = 0; first < rows; first += this.#parts.plan.rows) starts.push(first);
    return starts;
  }

  #rowsFrom(first: number, rows: number): number {
    return Math.min(this.#parts.plan.rows, rows - first);
  }

  /**
   * @param screen where the rows may be screened
   * @throws NumericError naming the row of an input that is not finite
   */
  #job(xbar: Float32Array, first: number, all: number, edge: number, screen: Screen | null): Job {
    const rows = this.#rowsFrom(first, all);
    const d_in = this.#d_in;
    const x = xbar.subarray(first * d_in, (first + rows) * d_in);
    const tolerance = new Float32Array(rows);
    let longest = 0;
    for (let r = 0; r < rows; r++) {
      let squares = 0;
      for (let at = r * d_in; at < (r + 1) * d_in; at++) squares += x[at]! * x[at]!;
      // A sum of squares of f32s does not overflow f64.
      if (!Number.isFinite(squares)) {
        throw new NumericError(`xbar, row ${first + r}: a value is not finite`, { hint: 'The activations hold a NaN or an infinity there.' });
      }
      longest = Math.max(longest, squares);
      tolerance[r] = this.#parts.tolerance.perNorm * Math.sqrt(squares) + this.#parts.tolerance.constant;
    }
    // topk: a z that is not above -tol_r can neither be in the codes (z > 0) nor be near a decision.
    const edges = this.#keep === null ? new Uint32Array(rows).fill(edge > 0 ? keyOf(edge) - 1 : 0) : Uint32Array.from(tolerance, (tol) => keyOf(-tol));
    const choice = this.#parts.choose(rows, screen !== null && Math.sqrt(longest) <= screen.longest);
    return { first, rows, x, tolerance, edges, choice };
  }

  /** A block of rows; again, when more was kept than there was room for. */
  async #block(job: Job, signal: AbortSignal | undefined): Promise<Piece> {
    const { rows } = job;
    let capacities = this.#parts.weights.map(({ n }, index) => Math.min(rows * n, Math.ceil(rows * (this.#density[index] ?? n))));
    for (;;) {
      const result = await (this.#keep === null ? this.#above(job, capacities) : this.#ranked(job, this.#keep, capacities));
      if (!Array.isArray(result)) return result;
      signal?.throwIfAborted();
      capacities = result;
    }
  }

  /** standard, jumprelu, gated, and batchtopk's candidates. @returns codes, or the capacities that would have been enough */
  #above(job: Job, capacities: readonly number[]): Promise<Piece | number[]> {
    const { rows, choice } = job;
    const { weights } = this.#parts;
    const bytes = capacities.reduce((sum, capacity) => sum + passBytes(rows, capacity), 0);
    return this.#submit('encode', job, bytes, (recorder, commands, readback, loan) => {
      const edges = loan.upload(job.edges);
      const recorded = weights.map((block, index) => {
        const pass = commands.beginComputePass(readback.timed());
        const capacity = capacities[index] ?? 0;
        const result = choice.fused ? recorder.fire(pass, block, 0, edges, capacity) : recorder.threshold(pass, block, edges, capacity);
        pass.end();
        return result;
      });
      const outputs = recorded.map((result, index) => copyOut(commands, readback, rows, result, capacities[index] ?? 0));
      return (mapped) => {
        const heads = finiteHeads(mapped, outputs, job);
        const totals = heads.map((head) => head.row(rows));
        // Where there was too little room in a pool, what was kept is known by what did not fit.
        const more = this.#learn(rows, choice.fused ? heads.map((head) => head.pooled) : totals, capacities);
        if (more !== null) return more;
        this.#tally(job, 0, heads);
        const blocks = heads.map((head, index): LatentEntries => ({ begin: (r) => head.row(r), end: (r) => head.row(r + 1), ...entriesAt(mapped, outputs[index]!, totals[index]!) }));
        return joinEntries(blocks, rows, heads.reduce((sum, head) => sum + head.nearTies, 0));
      };
    });
  }

  /** topk. @returns as `#above` */
  #ranked(job: Job, keep: number, capacities: readonly number[]): Promise<Piece | number[]> {
    const { rows, choice, tolerance } = job;
    const { weights } = this.#parts;
    const lists = weights.map(({ n }) => rows * Math.min(keep, n));
    const bytes = choice.fused ? passBytes(rows, rows * keep) + (weights.length + 1) * passBytes(rows, 0) : lists.reduce((sum, length) => sum + passBytes(rows, length), 0);
    return this.#submit('encode', job, bytes, (recorder, commands, readback, loan) => {
      if (!choice.fused) {
        const recorded = weights.map((block) => {
          const pass = commands.beginComputePass(readback.timed());
          const result = recorder.select(pass, block, block.n, Math.min(keep, block.n), loan.upload(job.edges));
          pass.end();
          return result;
        });
        const outputs = recorded.map((result, index) => copyOut(commands, readback, rows, result, lists[index]!));
        return (mapped) => {
          const blocks = finiteHeads(mapped, outputs, job).map((head, index) => listOf(mapped, outputs[index]!, head, rows, Math.min(keep, weights[index]!.n)));
          this.#tally(job, 0, []);
          return selectTopk(blocks, rows, this.#k, tolerance);
        };
      }
      const edges = loan.upload(job.edges);
      const candidates: Recorded[] = [];
      let sliced: Recorded | null = null;
      let best: Recorded | null = null;
      for (const [index, block] of weights.entries()) {
        const pass = commands.beginComputePass(readback.timed());
        best ??= sliced = recorder.select(pass, block, choice.slice, keep, edges);
        const begin = index === 0 ? choice.slice : 0;
        if (begin < block.n) {
          const found = recorder.fire(pass, block, begin, edges, capacities[index] ?? 0);
          candidates.push(found);
          best = recorder.merge(pass, block, keep, best, found, edges);
        }
        pass.end();
      }
      const skipped = weights.length - candidates.length;
      // Each pass says whether what it saw was finite: what is not may not be among the best.
      const passes = [sliced!, ...candidates].map((found) => copyOut(commands, readback, rows, found, 0));
      const output = copyOut(commands, readback, rows, best!, rows * keep);
      return (mapped) => {
        const [, ...heads] = finiteHeads(mapped, [...passes, output], job);
        const head = heads.pop()!;
        const pooled = [...Array<number>(skipped).fill(0), ...heads.map((one) => one.pooled)];
        const more = this.#learn(rows, pooled, capacities);
        if (more !== null) return more;
        this.#tally(job, choice.slice, heads);
        return selectTopk([listOf(mapped, output, head, rows, keep)], rows, this.#k, tolerance);
      };
    });
  }

  /** Null where there is no screen; else what share of their pre-activations were computed in f32. */
  get screen(): { readonly survivorRatio: number } | null {
    const { screen } = this.#parts;
    return screen && { survivorRatio: screen.seen === 0 ? 0 : screen.computed / screen.seen };
  }

  /** Counts a batch for `screen`: of one that was not screened, everything was computed. @param slice columns that were */
  #tally({ rows, choice }: Job, slice: number, heads: readonly Head[]): void {
    const { screen } = this.#parts;
    if (screen === null) return;
    screen.seen += rows * this.#d_sae;
    screen.computed += choice.screened ? rows * slice + heads.reduce((sum, { pooled }) => sum + pooled, 0) : rows * this.#d_sae;
  }

  /** @returns null where there was room, else what would have been enough */
  #learn(rows: number, totals: readonly number[], capacities: readonly number[]): number[] | null {
    if (totals.every((total, index) => total <= (capacities[index] ?? 0))) return null;
    totals.forEach((total, index) => {
      // A quarter more than the fullest batch so far, so that the next one seldom comes twice.
      if (total > capacities[index]!) this.#density[index] = Math.max(this.#density[index]!, (1.25 * total) / rows);
    });
    return totals.map((total, index) => Math.max(total, capacities[index]!));
  }

  /** Records and submits a block's commands, all in this task, and waits for what `record`'s result makes of them. */
  async #submit<T>(label: string, job: Job, bytes: number, record: (recorder: Recorder, commands: GPUCommandEncoder, readback: Readback, loan: Loan) => (mapped: ArrayBuffer) => T): Promise<T> {
    const { device, pool, pipelines, plan, screen } = this.#parts;
    const loan = new Loan(pool, device.gpu.queue);
    const { result, valid } = device.scoped(label, () => {
      try {
        const readback = loan.readback(device, bytes, label);
        const commands = device.gpu.createCommandEncoder({ label });
        const recorder = new Recorder(device, pipelines, loan, {
          architecture: this.#sae.architecture,
          core: job.choice.core,
          rows: job.rows,
          quads: plan.quads,
          x: this.#uploadRows(loan, job),
          tolerance: loan.upload(job.tolerance),
          screened: screen !== null && job.choice.screened ? { screen, outliers: outliersOf(job.x, job.rows, this.#d_in) } : null,
        });
        const use = record(recorder, commands, readback, loan);
        readback.submit(commands);
        return { readback, use };
      } finally {
        loan.giveBack();
      }
    });
    return result.readback.read(valid, result.use);
  }

  /** [rows up to ROW_TILE, 4 * quads]; the rows past the end may hold anything. */
  #uploadRows(loan: Loan, { x, rows }: Job): GPUBuffer {
    const d_in = this.#d_in;
    const width = 4 * this.#parts.plan.quads;
    const buffer = loan.storage(ceilTo(rows, ROW_TILE) * width * 4);
    let padded = x;
    if (width !== d_in) {
      padded = new Float32Array(rows * width);
      for (let r = 0; r < rows; r++) padded.set(x.subarray(r * d_in, (r + 1) * d_in), r * width);
    }
    write(this.#parts.device.gpu.queue, buffer, 0, padded);
    return buffer;
  }
}

/** Entries of a row that topk ranks: one more than k says how near the selection was to another. Null for the other architectures. Pure. */
export function rankedEntries({ architecture, k, d_sae }: Pick<Sae, 'architecture' | 'k' | 'd_sae'>): number | null {
  return architecture === 'topk' ? Math.min((k ?? 0) + 1, d_sae) : null;
}

const passBytes = (rows: number, entries: number): number => headWords(rows) * 4 + entries * 8;

function copyOut(commands: GPUCommandEncoder, readback: Readback, rows: number, { head, entries }: Recorded, capacity: number): Output {
  return { head: readback.copy(commands, head, headWords(rows) * 4), entries: readback.copy(commands, entries, capacity * 8) };
}

/** @throws NumericError naming the lowest row that has a pre-activation that is not finite */
function finiteHeads(mapped: ArrayBuffer, outputs: readonly Output[], { first, rows }: Job): Head[] {
  const heads = outputs.map(({ head }) => readHead(mapped, head, rows));
  const bad = heads.reduce((lowest, head) => Math.min(lowest, head.bad), NO_ROW);
  if (bad !== NO_ROW) throw overflow(first + bad);
  return heads;
}

function overflow(row: number): NumericError {
  return new NumericError(`pre-activations, row ${row}: a value is not finite, though the row and the weights are`, {
    hint: 'The product overflows f32: are the activations in the scale that the SAE was trained on?',
  });
}

function entriesAt(mapped: ArrayBuffer, { entries }: Output, count: number): Pick<LatentEntries, 'words' | 'floats'> {
  return { words: new Uint32Array(mapped, entries, 2 * count), floats: new Float32Array(mapped, entries, 2 * count) };
}

/** Lists of `keep` entries a row, of which the head says how many there are. */
function listOf(mapped: ArrayBuffer, output: Output, head: Head, rows: number, keep: number): LatentEntries {
  return { begin: (r) => r * keep, end: (r) => r * keep + head.row(r), ...entriesAt(mapped, output, rows * keep) };
}
