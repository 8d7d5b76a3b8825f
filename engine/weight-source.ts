/**
 * Where a backend takes an SAE's two matrices from, a few rows at a time: an SAE's
 * own arrays, or a file or URL that no array ever holds whole. A backend that
 * loses its device reads them again.
 */
import type { Sae } from './sae.js';

export interface WeightSource {
  /**
   * Rows `first` to `first + count - 1` of W_enc, [count, d_sae] f32. The array belongs
   * to the source, and is read before the next call.
   */
  encoderRows(first: number, count: number, signal?: AbortSignal): Float32Array | Promise<Float32Array>;
  /** Rows `first` to `first + count - 1` of W_dec, [count, d_out] f32; as above. */
  decoderRows(first: number, count: number, signal?: AbortSignal): Float32Array | Promise<Float32Array>;
}

/** The SAE's own arrays, which are referred to and not copied. */
export function heldWeights({ W_enc, W_dec, d_sae, d_out }: Pick<Sae, 'W_enc' | 'W_dec' | 'd_sae' | 'd_out'>): WeightSource {
  return {
    encoderRows: (first, count) => W_enc.subarray(first * d_sae, (first + count) * d_sae),
    decoderRows: (first, count) => W_dec.subarray(first * d_out, (first + count) * d_out),
  };
}
