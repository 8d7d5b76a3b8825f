/**
 * Operations on weights that are too dear for plain loops, as analyses are given
 * them: neutral about what computes, results equal to f64 loops in every bit.
 */
import type { Backend } from '../backend.js';
import { BackendError, NumericError } from '../errors.js';
import type { ColumnMatrix, RowMatrix } from './matrix.js';
import type { Nearest, NearestOptions } from './nearest.js';
import type { RowProductsOptions } from './row-products.js';
import type { RowSummary } from './row-summary.js';

export interface Ops {
  /** Each row's k nearest other rows by cosine (engine/ops/nearest.ts). */
  nearestRows(matrix: RowMatrix, k: number, options?: NearestOptions): Promise<Nearest>;
  /** Extremes, median and histogram of every row's products with the columns of a matrix (engine/ops/row-products.ts). */
  rowProducts(rows: RowMatrix, matrix: ColumnMatrix, options: RowProductsOptions): Promise<RowSummary[]>;
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
    rowProducts: (rows, matrix, options) => compute(rows.rows * matrix.columns * matrix.d, 'products', async (on) => (await import('./row-products.js')).rowProducts(on, rows, matrix, options)),
  };
}

/** Plain f64 loops, for where there is no backend. */
export const plainOps: Ops = createOps({ backend: null });
