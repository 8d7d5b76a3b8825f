/**
 * Decoding on one thread: W_dec and b_dec in an instance's memory, codes taken
 * through them a chunk of rows at a time. Where the SAE rescales activations by
 * the decoder norms, the division by the norm is folded into W_dec here; a row
 * of norm 0 stays 0 (its feature never fires).
 */
import type { SparseCodes } from '../codes.js';
import { Kernels, type Pointer } from './loader.js';

/** What decoding needs of an SAE. */
export interface DecoderWeights {
  readonly d_sae: number;
  readonly d_out: number;
  /** [d_sae, d_out] */
  readonly W_dec: Float32Array;
  /** [d_out] */
  readonly b_dec: Float32Array;
  /** [d_sae] what each row of W_dec is divided by, or nothing. */
  readonly scale: Float64Array | null;
}

/** Rows per step. */
export const DECODE_CHUNK = 256;

/** The bytes that a decoder's weights take in linear memory. */
export function decoderBytes(d_sae: number, d_out: number): number {
  return (d_sae + 1) * Math.ceil(d_out / 4) * 16;
}

export class Decoder {
  readonly #kernels: Kernels;
  readonly #d_out: number;
  /** Floats from feature to feature: d_out up to a multiple of 4. */
  readonly #width: number;
  readonly #w: Pointer;
  readonly #bias: Pointer;
  readonly #top: Pointer;

  /** Copies the weights. @throws BackendError when they do not fit */
  constructor(module: WebAssembly.Module, weights: DecoderWeights) {
    const { d_sae, d_out, W_dec, b_dec, scale } = weights;
    const kernels = new Kernels(module);
    const width = Math.ceil(d_out / 4) * 4;
    const shape = `the decoder of d_sae ${d_sae} x d_out ${d_out}`;
    this.#kernels = kernels;
    this.#d_out = d_out;
    this.#width = width;
    this.#w = kernels.alloc(d_sae * width * 4, shape);
    this.#bias = kernels.alloc(width * 4, shape);
    this.#top = kernels.mark();
    const w = kernels.f32(this.#w, d_sae * width);
    if (width === d_out && scale === null) w.set(W_dec);
    else {
      for (let i = 0; i < d_sae; i++) {
        const norm = scale?.[i] ?? 1;
        const inverse = norm === 0 ? 0 : 1 / norm;
        for (let o = 0; o < d_out; o++) w[i * width + o] = (W_dec[i * d_out + o] ?? 0) * inverse;
      }
    }
    kernels.f32(this.#bias, width).fill(0).set(b_dec);
  }

  get byteLength(): number {
    return this.#kernels.call.memory.buffer.byteLength;
  }

  /** Decodes rows first .. first + rows of `codes`, which were checked, into `y` [codes.rows, d_out]. */
  decodeChunk(codes: SparseCodes, first: number, rows: number, y: Float32Array): void {
    const kernels = this.#kernels;
    const width = this.#width;
    const from = codes.offsets[first] ?? 0;
    const nnz = (codes.offsets[first + rows] ?? from) - from;
    kernels.reset(this.#top);
    const offsets = kernels.alloc((rows + 1) * 4, 'the offsets of a chunk');
    const features = kernels.alloc(nnz * 4, 'the features of a chunk');
    const values = kernels.alloc(nnz * 4, 'the values of a chunk');
    const out = kernels.alloc(rows * width * 4, 'the decoded rows of a chunk');
    const local = kernels.u32(offsets, rows + 1);
    for (let r = 0; r <= rows; r++) local[r] = (codes.offsets[first + r] ?? 0) - from;
    kernels.u32(features, nnz).set(codes.features.subarray(from, from + nnz));
    kernels.f32(values, nnz).set(codes.values.subarray(from, from + nnz));
    kernels.call.decode(offsets, rows, features, values, this.#w, width * 4, this.#bias, out);
    const result = kernels.f32(out, rows * width);
    const d_out = this.#d_out;
    if (width === d_out) y.set(result, first * d_out);
    else for (let r = 0; r < rows; r++) y.set(result.subarray(r * width, r * width + d_out), (first + r) * d_out);
  }
}
