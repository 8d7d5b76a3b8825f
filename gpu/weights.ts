/**
 * The SAE's weights on the device, in blocks of latents (decide.ts), padded as
 * the kernels expect them. Where the SAE rescales activations by its decoder
 * norms, the norms are folded in here: W_enc and b_enc are multiplied, W_dec is
 * divided (a row of norm 0 stays 0: its feature never fires).
 */
import type { Sae } from '../engine/sae.js';
import { decoderNorms } from '../engine/ties.js';
import { write } from './buffers.js';
import type { EncodeBlock, LatentBlock, Plan } from './decide.js';
import { type Device, Usage } from './device.js';

export interface EncodeWeights extends EncodeBlock {
  /** [4 * quads, stride] */
  readonly w: GPUBuffer;
  /** [stride] */
  readonly bias: GPUBuffer;
  /** [stride]: z above it fires, max(threshold, 0); topk does not look at it. */
  readonly threshold: GPUBuffer;
}

export interface DecodeWeights extends LatentBlock {
  /** [n, 4 * quads] */
  readonly w: GPUBuffer;
}

/** Bytes that the host packs before it uploads them. */
const SLAB = 16 * 2 ** 20;

export class Weights {
  readonly encode: readonly EncodeWeights[];
  readonly decode: readonly DecodeWeights[];
  /** [4 * quads of d_out]: b_dec */
  readonly b_dec: GPUBuffer;
  readonly #buffers: GPUBuffer[] = [];

  /** Allocates and uploads; to be called inside `Device.scoped`. */
  constructor(device: Device, sae: Sae, plan: Plan) {
    const { queue } = device.gpu;
    const scale = sae.rescaleActsByDecoderNorm ? decoderNorms(sae) : null;
    const buffer = (floats: number): GPUBuffer => {
      const made = device.gpu.createBuffer({ size: floats * 4, usage: Usage.STORAGE | Usage.COPY_DST });
      this.#buffers.push(made);
      return made;
    };
    const vector = (floats: number, fill: (i: number) => number, n: number): GPUBuffer => {
      const made = buffer(floats);
      write(queue, made, 0, Float32Array.from({ length: floats }, (_, i) => (i < n ? fill(i) : 0)));
      return made;
    };
    const { quads } = plan.encode;
    this.encode = plan.encode.blocks.map((block) => {
      const { first, n, stride } = block;
      const w = buffer(4 * quads * stride);
      uploadColumns(queue, w, sae, block, scale);
      return {
        ...block,
        w,
        bias: vector(stride, (i) => (sae.b_enc[first + i] ?? 0) * (scale?.[first + i] ?? 1), n),
        // z > threshold and z > 0 is one comparison.
        threshold: vector(stride, (i) => Math.max(0, sae.threshold?.[first + i] ?? 0), n),
      };
    });
    this.decode = plan.decode.blocks.map((block) => {
      const w = buffer(4 * plan.decode.quads * block.n);
      uploadRows(queue, w, sae, block, plan.decode.quads, scale);
      return { ...block, w };
    });
    this.b_dec = vector(4 * plan.decode.quads, (i) => sae.b_dec[i] ?? 0, sae.d_out);
  }

  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
  }
}

/** Columns first .. first + n of W_enc, as [4 * quads, stride]. */
function uploadColumns(queue: GPUQueue, w: GPUBuffer, sae: Sae, { first, n, stride }: EncodeBlock, scale: Float64Array | null): void {
  const { d_in, d_sae, W_enc } = sae;
  const most = Math.max(1, Math.floor(SLAB / (4 * stride)));
  // Rows past d_in are zeros too: new buffers are.
  for (let from = 0; from < d_in; from += most) {
    const rows = Math.min(most, d_in - from);
    const slab = new Float32Array(rows * stride);
    for (let d = 0; d < rows; d++) {
      const row = W_enc.subarray((from + d) * d_sae + first, (from + d) * d_sae + first + n);
      if (scale === null) slab.set(row, d * stride);
      else for (let i = 0; i < n; i++) slab[d * stride + i] = (row[i] ?? 0) * (scale[first + i] ?? 1);
    }
    write(queue, w, from * stride * 4, slab);
  }
}

/** Rows first .. first + n of W_dec, as [n, 4 * quads]. */
function uploadRows(queue: GPUQueue, w: GPUBuffer, sae: Sae, { first, n }: LatentBlock, quads: number, scale: Float64Array | null): void {
  const { d_out, W_dec } = sae;
  const width = 4 * quads;
  const most = Math.max(1, Math.floor(SLAB / (4 * width)));
  for (let from = 0; from < n; from += most) {
    const rows = Math.min(most, n - from);
    const slab = new Float32Array(rows * width);
    for (let r = 0; r < rows; r++) {
      const feature = first + from + r;
      const row = W_dec.subarray(feature * d_out, (feature + 1) * d_out);
      const norm = scale?.[feature] ?? 1;
      if (scale === null) slab.set(row, r * width);
      else if (norm !== 0) for (let o = 0; o < d_out; o++) slab[r * width + o] = (row[o] ?? 0) * (1 / norm);
    }
    write(queue, w, from * width * 4, slab);
  }
}
