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
   * jumprelu (threshold at least 0), |min(z_gate, z_magnitude)| < tol_r for gated,
   * and for topk the rows whose k-th and
   * (k+1)-th largest z differ by less than tol_r, or where a selected |z| < tol_r.
   *
   * batchtopk decides once for the whole call: 1 where the last selected z and the next
   * differ by less than the largest tol_r of its rows, or the last one is below it; where
   * every positive z is selected, the rows x features with |z| < tol_r.
   *
   *   tol_r = c gamma_n * (||xbar_r|| * max_i ||W_enc[:,i]|| + max_i |b_enc[i]|)
   *
   * with gamma_n = n u / (1 - n u), u = 2^-24, n = d_in + 1 (the bias is one more
   * term), c = 2 for topk (two rounded numbers are compared) and else 1, and where
   * z is rescaled by the decoder norms, W_enc and b_enc times those norms and
   * n = d_in + 3 (engine/ties.ts computes the factors, and says why). Where two
   * backends decide differently, at least one of them has counted it.
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

/** Rows `row` to `row + count - 1` of codes, as views where they can be. Near ties belong to the whole, and are left out. */
export function sliceCodes(codes: SparseCodes, row: number, count: number): SparseCodes {
  const from = codes.offsets[row] ?? 0;
  const to = codes.offsets[row + count] ?? 0;
  const offsets = codes.offsets.slice(row, row + count + 1).map((offset) => offset - from);
  return { rows: count, d_sae: codes.d_sae, offsets, features: codes.features.subarray(from, to), values: codes.values.subarray(from, to), nearTies: 0 };
}

/** Codes of consecutive pieces of a batch, below each other. */
export function joinCodes(pieces: readonly Omit<SparseCodes, 'd_sae'>[], d_sae: number): SparseCodes {
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
  const nearTies = pieces.reduce((sum, piece) => sum + piece.nearTies, 0);
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) {
    const { offsets, features, values } = only;
    return { rows, d_sae, offsets, features, values, nearTies };
  }
  const nnz = pieces.reduce((sum, piece) => sum + piece.features.length, 0);
  const offsets = new Uint32Array(rows + 1);
  const features = new Uint32Array(nnz);
  const values = new Float32Array(nnz);
  let row = 0;
  let entry = 0;
  for (const piece of pieces) {
    features.set(piece.features, entry);
    values.set(piece.values, entry);
    for (let r = 1; r <= piece.rows; r++) offsets[row + r] = entry + piece.offsets[r]!;
    row += piece.rows;
    entry += piece.features.length;
  }
  return { rows, d_sae, offsets, features, values, nearTies };
}

/** Codes that are written entry by entry, row by row, features ascending within a row. */
export interface SparseRows {
  add(feature: number, value: number): void;
  endRow(): void;
  finish(nearTies: number): SparseCodes;
}

/** @param most entries that there is room for */
export function sparseRows(rows: number, d_sae: number, most: number): SparseRows {
  const offsets = new Uint32Array(rows + 1);
  const features = new Uint32Array(most);
  const values = new Float32Array(most);
  let row = 0;
  let entry = 0;
  return {
    add(feature, value) {
      features[entry] = feature;
      values[entry++] = value;
    },
    endRow() {
      offsets[++row] = entry;
    },
    finish: (nearTies) => ({ rows, d_sae, offsets, features: features.slice(0, entry), values: values.slice(0, entry), nearTies }),
  };
}
