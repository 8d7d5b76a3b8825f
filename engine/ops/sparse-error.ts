/**
 * How far the reconstruction of every row is from its target, from sparse codes:
 * rows are decoded a few at a time and reduced at once, so that the reconstruction of
 * all rows is never held. Sums in f64 of the f32 values that the backend decodes.
 */
import type { LoadedSae } from '../backend.js';
import { sliceCodes, type SparseCodes } from '../codes.js';
import { ShapeError } from '../errors.js';

/** Per row, [rows] f64. */
export interface SparseErrors {
  /** ||x - xhat||^2 */
  readonly error: Float64Array;
  /** ||x||^2 */
  readonly target: Float64Array;
  /** ||xhat||^2 */
  readonly output: Float64Array;
  /** x . xhat */
  readonly product: Float64Array;
}

export interface SparseErrorOptions {
  readonly signal?: AbortSignal | undefined;
  /** Applied to the decoded rows first .. first + count - 1, in place: `PreparedInput.restore` of those rows. */
  readonly restore?: ((decoded: Float32Array, first: number, count: number) => void) | undefined;
}

/** Rows that are decoded at a time. */
const ROWS = 256;

/**
 * @param x [codes.rows, d_out] f32, what is to be reconstructed
 * @throws ShapeError where `x` does not fit; what `decode` throws
 */
export async function sparseErrors(loaded: Pick<LoadedSae, 'decode' | 'maxRows'>, codes: SparseCodes, x: Float32Array, d_out: number, { signal, restore }: SparseErrorOptions = {}): Promise<SparseErrors> {
  const { rows } = codes;
  if (x.length !== rows * d_out) throw new ShapeError(`${rows} rows x ${d_out} values are reconstructed, there are ${x.length} to compare them with`);
  const [error, target, output, product] = [0, 1, 2, 3].map(() => new Float64Array(rows)) as [Float64Array, Float64Array, Float64Array, Float64Array];
  const most = Math.min(ROWS, loaded.maxRows);
  for (let first = 0; first < rows; first += most) {
    const count = Math.min(most, rows - first);
    const decoded = await loaded.decode(count === rows ? codes : sliceCodes(codes, first, count), { signal });
    restore?.(decoded, first, count);
    for (let r = 0; r < count; r++) {
      let ee = 0, xx = 0, hh = 0, xh = 0; // prettier-ignore
      for (let c = 0, at = r * d_out, from = (first + r) * d_out; c < d_out; c++, at++, from++) {
        const value = x[from]!;
        const hat = decoded[at]!;
        const delta = value - hat;
        ee += delta * delta;
        xx += value * value;
        hh += hat * hat;
        xh += value * hat;
      }
      error[first + r] = ee;
      target[first + r] = xx;
      output[first + r] = hh;
      product[first + r] = xh;
    }
  }
  return { error, target, output, product };
}
