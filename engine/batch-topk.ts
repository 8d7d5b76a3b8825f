/**
 * The selection of batchtopk: the rows of one call share k * rows entries, and
 * the largest z > 0 of all of them get those, ties to the lowest row, then the
 * lowest feature (Bussmann et al. 2024, arXiv 2412.06410; SAELens keeps
 * int(k * n_tokens) of the flattened batch).
 */
import { sparseRows, type SparseCodes } from './codes.js';
import type { TieTolerance } from './ties.js';

/** int(k * rows): how many entries a call of `rows` rows shares. */
export function batchBudget(k: number, rows: number): number {
  return Math.floor(k * rows);
}

/** The smallest of the `keep` largest of some values, and how many of those equal it; Infinity and 0 where nothing is kept. */
export function largest(values: Float32Array, keep: number): { least: number; equal: number } {
  const kept = values.slice().sort().subarray(Math.max(0, values.length - keep));
  const least = keep > 0 ? (kept[0] ?? Infinity) : Infinity;
  let equal = 0;
  while (equal < kept.length && kept[equal] === least) equal++;
  return { least, equal };
}

/**
 * Cuts a call's codes to its budget.
 *
 * @param codes at least the `budget` + 1 largest positive z of the call, or all there are;
 *   `nearTies` of them is the number of |z| < tol_r where all positive z are there
 * @param tolerance the largest tol_r of the call's rows
 */
export function selectBatch(codes: SparseCodes, budget: number, tolerance: number): SparseCodes {
  const { rows, d_sae, offsets, features, values } = codes;
  if (values.length <= budget) return codes;
  const { least, equal } = largest(values, budget);
  const { least: after } = largest(values, budget + 1);
  const selected = sparseRows(rows, d_sae, budget);
  let left = equal;
  for (let r = 0; r < rows; r++) {
    for (let e = offsets[r]!; e < offsets[r + 1]!; e++) {
      const value = values[e]!;
      if (value < least || (value === least && left-- <= 0)) continue;
      selected.add(features[e]!, value);
    }
    selected.endRow();
  }
  const near = budget > 0 && (least < tolerance || Math.fround(least - after) < tolerance);
  return selected.finish(near ? 1 : 0);
}

/** The largest tol_r of some rows, [rows, d_in]. */
export function largestTolerance(xbar: Float32Array, rows: number, d_in: number, { perNorm, constant }: TieTolerance): number {
  let most = 0;
  for (let r = 0; r < rows; r++) {
    let squares = 0;
    for (let at = r * d_in; at < (r + 1) * d_in; at++) squares += xbar[at]! * xbar[at]!;
    most = Math.max(most, squares);
  }
  return perNorm * Math.sqrt(most) + constant;
}
