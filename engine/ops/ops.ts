/**
 * Operations on weights that are too dear for plain loops, as analyses are given
 * them: neutral about what computes, results equal to f64 loops in every bit.
 */
import type { Backend } from '../backend.js';
import type { SparseCodes } from '../codes.js';
import { BackendError, NumericError } from '../errors.js';
import type { ColumnMatrix, RowMatrix } from './matrix.js';
import type { Nearest, NearestOptions } from './nearest.js';
import type { RowProductsOptions } from './row-products.js';
import type { RowSummary } from './row-summary.js';
import type { Sae } from '../sae.js';

export interface Ops {
  /** Each row's k nearest other rows by cosine (engine/ops/nearest.ts). */
  nearestRows(matrix: RowMatrix, k: number, options?: NearestOptions): Promise<Nearest>;
  /** Extremes, median and histogram of every row's products with the columns of a matrix (engine/ops/row-products.ts). */
  rowProducts(rows: RowMatrix, matrix: ColumnMatrix, options: RowProductsOptions): Promise<RowSummary[]>;
  /**
   * Codes of raw rows under any SAE of that width, a piece after the other: piece by piece they
   * fit in memory, however many features fire. Values are the backend's f32 (plain f64 loops where there is none).
   * @param x [rows, d_in]
   */
  encode(sae: Sae, x: Float32Array, rows: number, options?: EncodeOptions): AsyncIterable<EncodedRows>;
}

export interface EncodeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Rows a piece; default: so many that a quarter of all features may fire on each within some tens of MB. */
  readonly rowsPerPiece?: number | undefined;
}

/** Rows first .. first + codes.rows - 1. */
export interface EncodedRows {
  readonly first: number;
  readonly codes: SparseCodes;
}

export interface OpsOptions {
  /** The backend, when it is first needed; null for plain f64 loops. */
  readonly backend: (() => Pick<Backend, 'load' | 'info'> | Promise<Pick<Backend, 'load' | 'info'>>) | null;
  readonly notice?: ((text: string) => void) | undefined;
  /** Multiply-adds below which plain loops are not worth the packing; default 2e7, about 10 ms. */
  readonly plainBelow?: number | undefined;
}

const PLAIN_BELOW = 2e7;

/** Operations on a backend; where it fails, or f32 overflows, plain f64 loops give the same. */
export function createOps({ backend, notice, plainBelow = PLAIN_BELOW }: OpsOptions): Ops {
  const compute = async <T>(work: number, what: string, run: (on: Pick<Backend, 'load' | 'info'> | null) => Promise<T>): Promise<T> => {
    if (backend === null || work < plainBelow) return run(null);
    try {
      return await run(await backend());
    } catch (error) {
      if (!(error instanceof BackendError || error instanceof NumericError)) throw error;
      notice?.(`${what} in plain JavaScript, which takes longer (${error.message})`);
      return run(null);
    }
  };
  return {
    nearestRows: (matrix, k, options) => compute(matrix.rows * matrix.rows * matrix.d, 'nearest rows', async (on) => (await import('./nearest.js')).nearestRows(on, matrix, k, options)),
    async *encode(sae, x, rows, options) {
      const { encodePieces } = await import('./encode-pieces.js');
      yield* encodePieces(backend === null ? null : await backend(), sae, x, rows, options);
    },
    rowProducts: (rows, matrix, options) => compute(rows.rows * matrix.columns * matrix.d, 'products', async (on) => (await import('./row-products.js')).rowProducts(on, rows, matrix, options)),
  };
}

/** Plain f64 loops, for where there is no backend. */
export const plainOps: Ops = createOps({ backend: null });
