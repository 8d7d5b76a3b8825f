/**
 * Where a backend takes an SAE's two matrices from, a few rows at a time: an SAE's
 * own arrays, or a file or URL that no array ever holds whole. A backend that
 * loses its device reads them again.
 */
import { ShapeError } from './errors.js';
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

/**
 * The SAE's own arrays, which are referred to and not copied.
 * @throws ShapeError where one has not the length that the SAE's shape says
 */
export function heldWeights({ W_enc, W_dec, d_in, d_sae, d_out }: Pick<Sae, 'W_enc' | 'W_dec' | 'd_in' | 'd_sae' | 'd_out'>): WeightSource {
  for (const [name, values, length] of [['W_enc', W_enc, d_in * d_sae], ['W_dec', W_dec, d_sae * d_out]] as const) {
    if (values.length !== length) throw new ShapeError(`${name} has ${values.length} values, expected ${length} (d_in ${d_in}, d_sae ${d_sae}, d_out ${d_out})`);
  }
  return {
    encoderRows: (first, count) => W_enc.subarray(first * d_sae, (first + count) * d_sae),
    decoderRows: (first, count) => W_dec.subarray(first * d_out, (first + count) * d_out),
  };
}
