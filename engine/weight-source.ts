/**
 * Where a backend takes an SAE's two matrices from, a few rows at a time: an SAE's
 * own arrays, or a file or URL that no array ever holds whole. A backend that
 * loses its device reads them again.
 */
import { ShapeError } from './errors.js';
import { UsageError } from './errors.js';
import type { Sae } from './sae.js';

export interface WeightSource {
  /**
   * Rows `first` to `first + count - 1` of W_enc, [count, d_sae] f32. The array belongs
   * to the source, and is read before the next call.
   */
  encoderRows(first: number, count: number, signal?: AbortSignal): Float32Array | Promise<Float32Array>;
  /** Rows `first` to `first + count - 1` of W_dec, [count, d_out] f32; as above. */
  decoderRows(first: number, count: number, signal?: AbortSignal): Float32Array | Promise<Float32Array>;
  /** Columns `first` to `first + count - 1` of W_enc, [d_in, count] f32: a block of latents; as above. */
  encoderColumns(first: number, count: number, signal?: AbortSignal): Float32Array | Promise<Float32Array>;
  /** Gives back what the source holds (a file handle). */
  close?(): Promise<void>;
}

/** Where an SAE's matrices are to be read from, whether it holds them or not. */
export function weightsOf(sae: Sae): WeightSource {
  return sae.weights ?? heldWeights(sae);
}

/** Columns of a row-major matrix, [rows, count]. */
export function columnsOf(matrix: Float32Array, rows: number, width: number, first: number, count: number): Float32Array {
  const columns = new Float32Array(rows * count);
  for (let r = 0; r < rows; r++) columns.set(matrix.subarray(r * width + first, r * width + first + count), r * count);
  return columns;
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
    encoderColumns: (first, count) => columnsOf(W_enc, d_in, d_sae, first, count),
  };
}

/**
 * An SAE whose matrices stay where they are. Reading `W_enc` or `W_dec` throws, so that
 * nothing computes on an array that is not there; `weightsOf` reads them a piece at a time.
 */
export function streamedSae(rest: Omit<Sae, 'W_enc' | 'W_dec' | 'weights'>, weights: WeightSource): Sae {
  const absent = (name: string): never => {
    throw new UsageError(`${name} of ${JSON.stringify(rest.metadata.name)} is not in memory: d_sae ${rest.d_sae} is read a piece at a time`, { hint: 'Read it with weightsOf(sae), or load the SAE with a larger holdBytes.' });
  };
  return {
    ...rest,
    weights,
    get W_enc() {
      return absent('W_enc');
    },
    get W_dec() {
      return absent('W_dec');
    },
  };
}
