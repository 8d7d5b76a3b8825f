/**
 * Matrices that operations work on, and products of theirs in f64, which are the
 * reference for what backends compute in f32.
 */
import { ShapeError } from '../errors.js';
import { gamma } from '../ties.js';

/** [rows, d] f32, row-major. */
export interface RowMatrix {
  readonly data: Float32Array;
  readonly rows: number;
  readonly d: number;
}

/** [d, columns] f32, row-major: what an unembedding is. */
export interface ColumnMatrix {
  readonly data: Float32Array;
  readonly d: number;
  readonly columns: number;
}

/** @throws ShapeError where the array has not the length that the shape says */
export function checkMatrix(name: string, { data, d }: { readonly data: Float32Array; readonly d: number }, others: number): void {
  if (!Number.isInteger(d) || d < 1 || !Number.isInteger(others) || others < 0 || data.length !== others * d) {
    throw new ShapeError(`${name} has ${data.length} values, expected ${others} x ${d}`);
  }
}

/** Euclidean norms of the rows, f64, summed in the order of the columns. */
export function rowNorms({ data, rows, d }: RowMatrix): Float64Array {
  const norms = new Float64Array(rows);
  for (let r = 0, at = 0; r < rows; r++) {
    let sum = 0;
    for (const end = at + d; at < end; at++) sum += data[at]! * data[at]!;
    norms[r] = Math.sqrt(sum);
  }
  return norms;
}

/** [columns, d] of a [d, columns], in squares that stay in cache. */
export function transposed({ data, d, columns }: ColumnMatrix): Float32Array {
  const result = new Float32Array(d * columns);
  const SIDE = 32;
  for (let k0 = 0; k0 < d; k0 += SIDE) {
    const k1 = Math.min(d, k0 + SIDE);
    for (let c0 = 0; c0 < columns; c0 += SIDE) {
      const c1 = Math.min(columns, c0 + SIDE);
      for (let k = k0; k < k1; k++) for (let c = c0; c < c1; c++) result[c * d + k] = data[k * columns + c]!;
    }
  }
  return result;
}

/**
 * sums[i] = row . the row `ids[i]` of `others`, for i < count. Each sum adds its
 * products in the order of the columns with one rounding each, as a plain loop
 * does, to the bit; four run side by side, because each waits for its last addition.
 *
 * @param row [d] f64
 * @param others [n, d] f32
 */
export function dotRows(row: Float64Array, others: Float32Array, ids: Uint32Array, count: number, sums: Float64Array): void {
  const d = row.length;
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const a = ids[i]! * d;
    const b = ids[i + 1]! * d;
    const c = ids[i + 2]! * d;
    const e = ids[i + 3]! * d;
    let sa = 0, sb = 0, sc = 0, se = 0; // prettier-ignore
    for (let k = 0; k < d; k++) {
      const x = row[k]!;
      sa += x * others[a + k]!;
      sb += x * others[b + k]!;
      sc += x * others[c + k]!;
      se += x * others[e + k]!;
    }
    sums[i] = sa;
    sums[i + 1] = sb;
    sums[i + 2] = sc;
    sums[i + 3] = se;
  }
  for (; i < count; i++) {
    const at = ids[i]! * d;
    let sum = 0;
    for (let k = 0; k < d; k++) sum += row[k]! * others[at + k]!;
    sums[i] = sum;
  }
}

/**
 * How far a dot product that a backend computed in f32 may lie from the plain f64
 * loop over what its operands were rounded from, for operands of these norms:
 *
 *   e = c gamma_{d+3} ||a|| ||b|| (1 + 1e-6) + flushed
 *
 * gamma_{d+1} of the products and additions, in any order, with a bias of 0 (Higham,
 * §3.1), and two roundings more for operands that are themselves rounded to f32. The
 * f64 loop's own error, below d 2^-53 ||a|| ||b||, and roundings of what is done with
 * its result, are far within the 1e-6. WGSL lets a device round to either
 * neighbour (c = 2), and flush subnormal operands and results to zero, each
 * at most 2^-126 away from what it was.
 *
 * @param slices where the sum is one of so many sums over d dimensions, added in f64; the norms are of whole rows
 */
export function productBound(d: number, a: number, b: number, kind: 'wasm' | 'webgpu', slices = 1): number {
  const c = kind === 'webgpu' ? 2 : 1;
  return c * gamma(d + 3) * a * b * (1 + 1e-6) + slices * (d + 2) * (2 + a + b) * 2 ** -126;
}
