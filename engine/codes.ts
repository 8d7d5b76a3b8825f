/**
 * SparseCodes: the result of encoding, in compressed sparse rows (CSR).
 *
 * Kept true everywhere: entries are the features that fire (f > 0, strictly);
 * within a row `features` ascends; `offsets` has rows + 1 entries, begins with 0
 * and ends with the number of entries (nnz).
 */
export interface SparseCodes {
  readonly rows: number;
  readonly d_sae: number;
  /** [rows + 1]; row r's entries are offsets[r] .. offsets[r + 1]. */
  readonly offsets: Uint32Array;
  /** [nnz] feature index. */
  readonly features: Uint32Array;
  /** [nnz] activation, > 0. */
  readonly values: Float32Array;
  /**
   * How many decisions lay within the backend's rounding bound of going the
   * other way: rows x features with |z - threshold| < tol_r for standard and
   * jumprelu, rows whose k-th and (k+1)-th largest z differ by less than tol_r
   * for topk, with tol_r = gamma_{d_in} * ||xbar_r|| * max_i ||W_enc[:,i]||.
   * Two backends may differ in these entries and in no others.
   */
  readonly nearTies: number;
}

/** Rows that were left out (`counted[r] === 0`) become empty rows of a larger batch. */
export function expandRows(codes: SparseCodes, counted: Uint8Array): SparseCodes {
  const offsets = new Uint32Array(counted.length + 1);
  let kept = 0;
  for (let row = 0; row < counted.length; row++) {
    if (counted[row] !== 0) kept++;
    offsets[row + 1] = codes.offsets[kept] ?? 0;
  }
  return { ...codes, rows: counted.length, offsets };
}
