/**
 * The two matrices of a SAELens folder, read a piece at a time, with every
 * convention applied to each piece as it comes (saelens.ts says which): the
 * numbers are those of the whole matrix, to the bit.
 *
 *   W_enc[d, i] = stored * s * n_i      s of expected_average_only_in, n_i the decoder's norms
 *   W_dec[i, o] = stored / n_i * g_i / s   of a BatchTopK checkpoint, g_i the finetuning factor
 *
 * each step rounded to f32, as when a whole matrix is folded.
 */
import { ShapeError } from '../errors.js';
import type { WeightSource } from '../weight-source.js';
import { assertFinite, show, type Tensor } from './tensor.js';

export interface MatrixFolds {
  /** s, or nothing. */
  readonly average: number | null;
  /** [d_sae] what W_enc's columns are multiplied and W_dec's rows divided by, or nothing. */
  readonly norms: Float64Array | null;
  /** [d_sae] what W_dec's rows are multiplied by, or nothing. */
  readonly finetuning: Float32Array | null;
}

/** Values of W_enc that begin at column `first` of each of their rows, [*, width]: folded in place. */
export function foldEncoder(values: Float32Array, first: number, width: number, { average, norms }: MatrixFolds): void {
  if (norms !== null) for (let at = 0; at < values.length; at++) (values[at] as number) *= norms[first + (at % width)] as number;
  if (average !== null) for (let at = 0; at < values.length; at++) (values[at] as number) *= average;
}

/** Rows `first` on of W_dec, [*, width]: folded in place. */
export function foldDecoder(values: Float32Array, first: number, width: number, { average, norms, finetuning }: MatrixFolds): void {
  for (let at = 0; at < values.length; at++) {
    const i = first + Math.floor(at / width);
    if (norms !== null) (values[at] as number) /= norms[i] as number;
    if (finetuning !== null) (values[at] as number) *= finetuning[i] as number;
    if (average !== null) (values[at] as number) /= average;
  }
}

/** How many ranges of one block of columns are asked for at once. */
const AT_ONCE = 16;

/**
 * @param W_enc [d_in, d_sae] and `W_dec` [d_sae, d_out], stored in this orientation
 * @throws ShapeError for another one: its pieces would lie all over the file
 */
export function streamMatrices(W_enc: Tensor, W_dec: Tensor, shape: { readonly d_in: number; readonly d_sae: number }, folds: MatrixFolds, close: () => Promise<void>): WeightSource {
  const { d_in, d_sae } = shape;
  for (const [tensor, rows, columns] of [[W_enc, d_in, d_sae], [W_dec, d_sae, d_in]] as const) {
    if (tensor.shape.length === 2 && tensor.shape[0] === rows && tensor.shape[1] === columns) continue;
    throw new ShapeError(`${tensor.label} has shape ${show(tensor.shape)}; to be read a piece at a time it must be ${show([rows, columns])}`, { hint: 'Store it in that orientation, or give it the memory to be held whole.' });
  }
  const piece = async (tensor: Tensor, first: number, count: number, width: number): Promise<Float32Array> => {
    const values = await tensor.rows(first, first + count);
    // The index in the whole matrix: rows are counted from `first`.
    assertFinite(values, first === 0 ? tensor.label : `${tensor.label}, from row ${first} on`, [count, width]);
    return values;
  };
  return {
    async encoderRows(first, count, signal) {
      signal?.throwIfAborted();
      const values = await piece(W_enc, first, count, d_sae);
      foldEncoder(values, 0, d_sae, folds);
      return values;
    },
    async decoderRows(first, count, signal) {
      signal?.throwIfAborted();
      const values = await piece(W_dec, first, count, d_in);
      foldDecoder(values, first, d_in, folds);
      return values;
    },
    async encoderColumns(first, count, signal) {
      const values = new Float32Array(d_in * count);
      const strip = async (d: number): Promise<void> => values.set(await W_enc.elements(d * d_sae + first, d * d_sae + first + count), d * count);
      for (let d = 0; d < d_in; d += AT_ONCE) {
        signal?.throwIfAborted();
        await Promise.all(Array.from({ length: Math.min(AT_ONCE, d_in - d) }, (_, k) => strip(d + k)));
      }
      assertFinite(values, `${W_enc.label}, from column ${first} on`, [d_in, count]);
      foldEncoder(values, first, count, folds);
      return values;
    },
    close,
  };
}
