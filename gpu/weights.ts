/**
 * The SAE's weights on the device, in blocks of latents (decide.ts), padded as
 * the kernels expect them. Where the SAE rescales activations by its decoder
 * norms, the norms are folded in here: W_enc and b_enc are multiplied, W_dec is
 * divided (a row of norm 0 stays 0: its feature never fires).
 *
 * The matrices come from a WeightSource a few rows at a time, and go straight to
 * their blocks (upload.ts). What else is to be known of them is found on the way,
 * so that they are read once: that they are finite, the columns' norms of which
 * the tie tolerance is made, and what half precision costs.
 */
import { firstNonFinite } from '../engine/checks.js';
import { BackendError, NumericError, ShapeError } from '../engine/errors.js';
import type { Sae } from '../engine/sae.js';
import { addColumnSquares, type TieTolerance, tieTolerance } from '../engine/ties.js';
import type { WeightSource } from '../engine/weight-source.js';
import type { EncodeBlock, LatentBlock, Plan } from './decide.js';
import { type Device, Usage } from './device.js';
import type { Memory } from './memory.js';
import { type Storage, Uploader } from './upload.js';

export interface EncodeWeights extends EncodeBlock {
  /** [4 * quads, stride], f32 or f16 */
  readonly w: GPUBuffer;
  /**
   * [stride] vec4 f32, what a column is judged by: (b_enc, or b_gate where the SAE is gated; what z must be
   * above to fire, max(threshold, 0), which topk does not look at; b_enc; exp(r_mag), else 1).
   */
  readonly columns: GPUBuffer;
}

export interface DecodeWeights extends LatentBlock {
  /** [n, 4 * quads], f32 or f16 */
  readonly w: GPUBuffer;
}

export interface WeightOptions {
  readonly source: WeightSource;
  /** How the matrices are kept; biases and thresholds are f32 in any case. */
  readonly storage?: Storage | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes of a slab of rows on the host, where one row is not more. */
export const SLAB = 8 * 2 ** 20;

export class Weights {
  readonly encode: readonly EncodeWeights[];
  readonly decode: readonly DecodeWeights[];
  /** [4 * quads of d_out] f32: b_dec */
  readonly b_dec: GPUBuffer;
  readonly storage: Storage;
  #extra = 0;
  #reach = { norm: 0, bias: 0, magnification: 1 };
  #tolerance: TieTolerance = { perNorm: 0, constant: 0 };
  #storageError: number | null = null;
  readonly #memory: Memory;
  readonly #bytes: number;
  readonly #buffers: GPUBuffer[] = [];

  /**
   * Allocates, uploads, and waits until the device has it all.
   * @throws BackendError where the memory budget or the device has no room; NumericError naming
   *   tensor and place of a weight that is not finite, or too large for f16; ShapeError where the
   *   source gives other than it was asked for
   */
  static async upload(device: Device, memory: Memory, sae: Sae, plan: Plan, options: WeightOptions): Promise<Weights> {
    const { storage = 'f32' } = options;
    const bytes = weightBytes(plan, storage);
    if (!memory.fits(bytes)) throw tooMuch(bytes, memory, sae.d_sae, storage);
    const { result: weights, valid } = device.scoped('the weights', () => new Weights(memory, plan, storage, bytes));
    try {
      await valid;
      await weights.#fill(device, sae, plan, options);
      return weights;
    } catch (error) {
      weights.destroy();
      throw error;
    }
  }

  private constructor(memory: Memory, plan: Plan, storage: Storage, bytes: number) {
    this.#memory = memory;
    this.storage = storage;
    this.#bytes = bytes;
    const width = storage === 'f16' ? 2 : 4;
    const buffer = (size: number): GPUBuffer => {
      const made = memory.create('weights', size, Usage.STORAGE | Usage.COPY_DST);
      this.#buffers.push(made);
      return made;
    };
    this.encode = plan.encode.blocks.map((block) => ({
      ...block,
      w: buffer(4 * plan.encode.quads * block.stride * width),
      columns: buffer(block.stride * 16),
    }));
    this.decode = plan.decode.blocks.map((block) => ({ ...block, w: buffer(4 * plan.decode.quads * block.n * width) }));
    this.b_dec = buffer(16 * plan.decode.quads);
  }

  /** Bytes on the device. */
  get byteLength(): number {
    return this.#bytes + this.#extra;
  }

  /** Another buffer that lives as long as the weights. */
  extra(size: number): GPUBuffer {
    const made = this.#memory.create('weights', size, Usage.STORAGE);
    this.#buffers.push(made);
    this.#extra += size;
    return made;
  }

  /** How large an activation may become: the largest ||W_enc[:,i]||, the largest bias, and the largest exp(r_mag) of a gated SAE. */
  get reach(): { readonly norm: number; readonly bias: number; readonly magnification: number } {
    return this.#reach;
  }

  /** Of the weights that the source gave. */
  get tolerance(): TieTolerance {
    return this.#tolerance;
  }

  /**
   * Null for f32; for f16 max_i ||W_enc[:,i] - f16(W_enc[:,i])||, so that by Cauchy-Schwarz
   * the stored weights move no pre-activation of a row by more than that times ||xbar||
   * (rounding in the sum is besides, and in `tolerance`).
   */
  get storageErrorPerNorm(): number | null {
    return this.#storageError;
  }

  destroy(): void {
    for (const buffer of this.#buffers.splice(0)) this.#memory.destroy('weights', buffer);
  }

  async #fill(device: Device, sae: Sae, plan: Plan, { source, signal }: WeightOptions): Promise<void> {
    const uploader = new Uploader(device, this.storage, signal);
    const scale = await this.#fillDecoder(uploader, sae, plan.decode.quads, source, signal);
    const squares = await this.#fillEncoder(uploader, sae, source, scale, signal);
    const gate = sae.architecture === 'gated' ? (sae.gate ?? null) : null;
    let { norm: most, bias: highest, magnification } = this.#reach;
    for (const { first, n, stride, columns } of this.encode) {
      const judged = new Float32Array(4 * stride);
      for (let at = 0, i = first; i < first + n; i++, at += 4) {
        const bias = (sae.b_enc[i] ?? 0) * (scale?.[i] ?? 1);
        // z > threshold and z > 0 is one comparison.
        most = Math.max(most, Math.sqrt(squares[i] ?? 0) * (scale?.[i] ?? 1));
        highest = Math.max(highest, Math.abs(bias), Math.abs(gate?.b_gate[i] ?? 0));
        magnification = Math.max(magnification, Math.exp(gate?.r_mag[i] ?? 0));
        judged.set([gate?.b_gate[i] ?? bias, Math.max(0, sae.threshold?.[i] ?? 0), bias, Math.exp(gate?.r_mag[i] ?? 0)], at);
      }
      await uploader.vector(columns, judged);
    }
    // f32 weights times f32 scales are rounded.
    this.#reach = { norm: 1.000001 * most, bias: highest, magnification };
    await uploader.vector(this.b_dec, Float32Array.from({ length: 4 * plan.decode.quads }, (_, i) => sae.b_dec[i] ?? 0));
    await uploader.drain();
    this.#tolerance = tieTolerance(sae, squares, scale);
    this.#storageError = uploader.largestColumnError();
  }

  /** W_dec as [n, 4 * quads] by block, each row divided by its norm where the SAE rescales. @returns the norms, null where nothing is rescaled */
  async #fillDecoder(uploader: Uploader, sae: Sae, quads: number, source: WeightSource, signal: AbortSignal | undefined): Promise<Float64Array | null> {
    const { d_sae, d_out, rescaleActsByDecoderNorm: rescales } = sae;
    const width = 4 * quads;
    const norms = new Float64Array(rescales ? d_sae : 0);
    const most = slabRows(width);
    for (const { first, n, w } of this.decode) {
      for (let from = first; from < first + n; from += most) {
        const count = Math.min(most, first + n - from);
        const rows = checked('W_dec', await source.decoderRows(from, count, signal), from, count, d_out);
        signal?.throwIfAborted();
        for (let r = 0; r < count && rescales; r++) norms[from + r] = norm(rows, r * d_out, (r + 1) * d_out);
        const plain = !rescales && width === d_out;
        const slab = plain ? rows : uploader.slab(count * width);
        for (let r = 0; r < count && !plain; r++) {
          const row = rows.subarray(r * d_out, (r + 1) * d_out);
          const to = slab.subarray(r * width, (r + 1) * width);
          const size = norms[from + r] ?? 0;
          to.fill(0);
          if (!rescales) to.set(row);
          else if (size !== 0) for (let o = 0; o < d_out; o++) to[o] = (row[o] ?? 0) * (1 / size);
        }
        await uploader.matrix(w, (from - first) * width, slab, `W_dec, row ${from} on`);
      }
    }
    return rescales ? norms : null;
  }

  /** Columns first .. first + n of W_enc as [4 * quads, stride] by block; rows past d_in are zeros, as new buffers are. @returns ||W_enc[:,i]||^2 */
  async #fillEncoder(uploader: Uploader, sae: Sae, source: WeightSource, scale: Float64Array | null, signal: AbortSignal | undefined): Promise<Float64Array> {
    const { d_in, d_sae } = sae;
    const squares = new Float64Array(d_sae);
    // Whole rows, whatever the blocks: a file is then read from its beginning to its end.
    const most = slabRows(d_sae);
    for (let from = 0; from < d_in; from += most) {
      const count = Math.min(most, d_in - from);
      const rows = checked('W_enc', await source.encoderRows(from, count, signal), from, count, d_sae);
      signal?.throwIfAborted();
      for (let r = 0; r < count; r++) addColumnSquares(squares, rows.subarray(r * d_sae, (r + 1) * d_sae));
      for (const { first, n, stride, w } of this.encode) {
        const plain = scale === null && stride === d_sae;
        const slab = plain ? rows : uploader.slab(count * stride);
        for (let r = 0; r < count && !plain; r++) {
          const row = rows.subarray(r * d_sae + first, r * d_sae + first + n);
          const to = slab.subarray(r * stride, (r + 1) * stride);
          if (scale === null) to.set(row);
          else for (let i = 0; i < n; i++) to[i] = (row[i] ?? 0) * (scale[first + i] ?? 1);
          to.fill(0, n);
        }
        await uploader.matrix(w, from * stride, slab, `W_enc, row ${from} on`, { first, stride, d_sae });
      }
    }
    return squares;
  }
}

/** Bytes that the weights of a plan take on the device. Pure. */
export function weightBytes({ encode, decode }: Plan, storage: Storage): number {
  const width = storage === 'f16' ? 2 : 4;
  const encoder = encode.blocks.reduce((sum, { stride }) => sum + stride * (4 * encode.quads * width + 16), 0);
  const decoder = decode.blocks.reduce((sum, { n }) => sum + 4 * decode.quads * n * width, 0);
  return encoder + decoder + 16 * decode.quads;
}

function tooMuch(bytes: number, memory: Memory, d_sae: number, storage: Storage): BackendError {
  const free = Math.max(0, memory.budget - memory.total);
  const latents = Math.floor((d_sae * free) / bytes);
  return new BackendError(
    `WebGPU: the weights of this SAE take ${bytes} bytes on the device, and of the memory budget of ${memory.budget} bytes ${free} are free: about ${latents} of its ${d_sae} latents would fit`,
    { hint: `Allow at least ${memory.total + bytes} bytes and room for the batches${storage === 'f32' ? ', store the weights as f16 where the device can' : ''}, or use --backend wasm.` },
  );
}

/** Rows of a slab, at least one. */
function slabRows(width: number): number {
  return Math.max(1, Math.floor(SLAB / (4 * width)));
}

/** As `decoderNorms` has it, in the same order. */
function norm(rows: Float32Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at++) sum += rows[at]! * rows[at]!;
  return Math.sqrt(sum);
}

function checked(name: string, rows: Float32Array, first: number, count: number, width: number): Float32Array {
  if (rows.length !== count * width) throw new ShapeError(`${name}: its source gave ${rows.length} values for rows ${first} to ${first + count - 1}, expected ${count} x ${width}`);
  const at = firstNonFinite(rows);
  if (at >= 0) throw new NumericError(`${name}: ${rows[at]} at row ${first + Math.floor(at / width)}, column ${at % width}`);
  return rows;
}
