/**
 * From what the kernels leave behind to SparseCodes: pure functions on arrays,
 * tested without a GPU. A batch comes in pieces, one for each block of rows,
 * and a piece in blocks of latents, in ascending order.
 */
import type { SparseCodes } from '../engine/codes.js';

/** Codes of some rows of a batch. */
export type Piece = Omit<SparseCodes, 'd_sae'>;

/** What one block of latents gave: (feature, bits of the value) pairs. */
export interface LatentEntries {
  /** Index of row r's first pair. */
  begin(row: number): number;
  /** Index after row r's last pair. */
  end(row: number): number;
  /** Pairs; both views are of the same memory. */
  readonly words: Uint32Array;
  readonly floats: Float32Array;
}

/** standard and jumprelu: everything the blocks hold, row by row. */
export function joinEntries(blocks: readonly LatentEntries[], rows: number, nearTies: number): Piece {
  let nnz = 0;
  for (let r = 0; r < rows; r++) for (const block of blocks) nnz += block.end(r) - block.begin(r);
  const offsets = new Uint32Array(rows + 1);
  const features = new Uint32Array(nnz);
  const values = new Float32Array(nnz);
  let to = 0;
  for (let r = 0; r < rows; r++) {
    for (const { begin, end, words, floats } of blocks) {
      const stop = end(r);
      for (let e = begin(r); e < stop; e++) {
        features[to] = words[2 * e]!;
        values[to++] = floats[2 * e + 1]!;
      }
    }
    offsets[r + 1] = to;
  }
  return { rows, offsets, features, values, nearTies };
}

/**
 * topk: of each row's candidates, the k largest that are above 0; of equal
 * ones, the lowest features. Candidates are those of each block's k + 1 largest
 * z that are above -tol_r: enough for the k largest of all, and for the one
 * after them, which says how near the selection was to another.
 *
 * @param tolerance [rows] tol_r; a row is a near tie where a selected |z| is
 *   below it, or the k-th z and the next differ by less
 */
export function selectTopk(blocks: readonly LatentEntries[], rows: number, k: number, tolerance: Float32Array): Piece {
  let held = 0;
  let widest = 0;
  for (let r = 0; r < rows; r++) {
    let count = 0;
    for (const block of blocks) count += block.end(r) - block.begin(r);
    held += Math.min(k, count);
    widest = Math.max(widest, count);
  }
  const offsets = new Uint32Array(rows + 1);
  const features = new Uint32Array(held);
  const values = new Float32Array(held);
  const rowFeatures = new Uint32Array(widest);
  const rowValues = new Float32Array(widest);
  let nearTies = 0;
  let to = 0;
  for (let r = 0; r < rows; r++) {
    let count = 0;
    for (const { begin, end, words, floats } of blocks) {
      const stop = end(r);
      for (let e = begin(r); e < stop; e++) {
        rowFeatures[count] = words[2 * e]!;
        rowValues[count++] = floats[2 * e + 1]!;
      }
    }
    const { least, next, equal } = cutoff(rowValues.subarray(0, count), k);
    let left = equal;
    for (let i = 0; i < count; i++) {
      const value = rowValues[i]!;
      if (value <= 0 || value < least || (value === least && left-- <= 0)) continue;
      features[to] = rowFeatures[i]!;
      values[to++] = value;
    }
    const tol = tolerance[r] ?? 0;
    if (least < tol || Math.fround(least - next) < tol) nearTies++;
    offsets[r + 1] = to;
  }
  return { rows, offsets, features: features.slice(0, to), values: values.slice(0, to), nearTies };
}

/** The smallest of the k largest values (Infinity when none is selected), how many equal it among them, and the largest that is left out. */
function cutoff(values: Float32Array, k: number): { least: number; next: number; equal: number } {
  const first = Math.max(0, values.length - k);
  const sorted = values.slice().sort();
  const least = sorted[first] ?? Infinity;
  let equal = 0;
  while (first + equal < sorted.length && sorted[first + equal] === least) equal++;
  return { least, next: sorted[first - 1] ?? -Infinity, equal };
}
