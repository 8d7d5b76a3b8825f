/**
 * Decoding on the GPU: the codes of some rows go up, f @ W_dec + b_dec comes
 * back. Rows are cut so that their entries and their results fit; latents where
 * W_dec does not fit one binding.
 */
import { checkCodes } from '../engine/checks.js';
import type { SparseCodes } from '../engine/codes.js';
import { type BufferPool, Loan } from './buffers.js';
import type { Plan } from './decide.js';
import type { Device } from './device.js';
import { dispatch } from './dispatch.js';
import { pipelined } from './pipelined.js';
import type { Weights } from './weights.js';

export class Decoder {
  readonly #device: Device;
  readonly #pool: BufferPool;
  readonly #pipeline: GPUComputePipeline;
  readonly #plan: Plan['decode'];
  readonly #weights: Pick<Weights, 'decode' | 'b_dec'>;
  readonly #d_sae: number;
  readonly #d_out: number;

  constructor(device: Device, pool: BufferPool, pipeline: GPUComputePipeline, plan: Plan['decode'], weights: Pick<Weights, 'decode' | 'b_dec'>, shape: { readonly d_sae: number; readonly d_out: number }) {
    this.#device = device;
    this.#pool = pool;
    this.#pipeline = pipeline;
    this.#plan = plan;
    this.#weights = weights;
    this.#d_sae = shape.d_sae;
    this.#d_out = shape.d_out;
  }

  async decode(codes: SparseCodes, signal: AbortSignal | undefined): Promise<Float32Array> {
    checkCodes(codes, this.#d_sae);
    const y = new Float32Array(codes.rows * this.#d_out);
    const cuts = cutRows(codes.offsets, this.#plan.rows, this.#plan.entries);
    const ends = new Map(cuts.slice(0, -1).map((first, index) => [first, cuts[index + 1]!]));
    await pipelined([...ends.keys()], (first) => this.#submit(codes, first, ends.get(first)!, y), signal);
    return y;
  }

  async #submit(codes: SparseCodes, first: number, end: number, y: Float32Array): Promise<void> {
    const device = this.#device;
    const rows = end - first;
    const { quads } = this.#plan;
    const bytes = rows * quads * 16;
    const loan = new Loan(this.#pool, device.gpu.queue);
    const { result: readback, valid } = device.scoped('decode', () => {
      try {
        const readback = loan.readback(device, bytes, 'decode');
        const commands = device.gpu.createCommandEncoder({ label: 'decode' });
        const entries = loan.upload(interleave(codes, first, end));
        const out = loan.storage(bytes);
        for (const block of this.#weights.decode) {
          const ranges = loan.upload(entryRanges(codes, first, end, block.first, block.first + block.n));
          const params = loan.uniform([rows, block.first, quads]);
          const pass = commands.beginComputePass(readback.timed());
          dispatch(device.gpu, pass, this.#pipeline, [params, ranges, entries, block.w, this.#weights.b_dec, out], [Math.ceil(quads / 16), Math.ceil(rows / 4)]);
          pass.end();
        }
        readback.copy(commands, out, bytes);
        readback.submit(commands);
        return readback;
      } finally {
        loan.giveBack();
      }
    });
    await readback.read(valid, (mapped) => {
      const values = new Float32Array(mapped, 0, rows * quads * 4);
      const d_out = this.#d_out;
      if (d_out === quads * 4) y.set(values, first * d_out);
      else for (let r = 0; r < rows; r++) y.set(values.subarray(r * quads * 4, r * quads * 4 + d_out), (first + r) * d_out);
    });
  }
}

/** Rows at which to cut, 0 and the number of rows included: at most `rows` rows and `entries` entries between two, but at least one row. Pure. */
export function cutRows(offsets: Uint32Array, rows: number, entries: number): number[] {
  const all = offsets.length - 1;
  const cuts = [0];
  for (let r = 1; r <= all; r++) {
    const from = cuts[cuts.length - 1]!;
    if (r === all || r + 1 - from > rows || offsets[r + 1]! - offsets[from]! > entries) cuts.push(r);
  }
  return cuts;
}

/** (feature, bits of the value) pairs of rows first .. end; at least one word, since no binding is empty. */
function interleave(codes: SparseCodes, first: number, end: number): Uint32Array {
  const from = codes.offsets[first]!;
  const nnz = codes.offsets[end]! - from;
  const words = new Uint32Array(Math.max(2, 2 * nnz));
  const floats = new Float32Array(words.buffer);
  for (let e = 0; e < nnz; e++) {
    words[2 * e] = codes.features[from + e]!;
    floats[2 * e + 1] = codes.values[from + e]!;
  }
  return words;
}

/** [rows] (begin, end) of the entries whose feature is in low .. high; indices count from row `first`'s first entry. Pure. */
export function entryRanges(codes: SparseCodes, first: number, end: number, low: number, high: number): Uint32Array {
  const base = codes.offsets[first]!;
  const ranges = new Uint32Array(2 * (end - first));
  for (let r = first; r < end; r++) {
    const stop = codes.offsets[r + 1]!;
    let at = codes.offsets[r]!;
    while (at < stop && codes.features[at]! < low) at++;
    ranges[2 * (r - first)] = at - base;
    while (at < stop && codes.features[at]! < high) at++;
    ranges[2 * (r - first) + 1] = at - base;
  }
  return ranges;
}
