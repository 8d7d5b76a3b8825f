/**
 * Products of rows with the columns of a matrix, each row boiled down to its
 * extremes, median and histogram as soon as it is there: never rows x columns.
 *
 * A strip of rows is computed in f32 by the backend (screen.ts) and summarised with
 * f64 sums where its rounding bound could decide otherwise (row-summary.ts): the
 * result is that of plain f64 loops, to the bit, on every backend. Memory: a strip,
 * the matrix once more with its columns as rows, and what the backend packs.
 */
import type { Backend } from '../backend.js';
import { dotTile, packPanels, PANEL, panelBuffer } from '../dot-tiles.js';
import { BackendError, ShapeError } from '../errors.js';
import { Pace } from '../pace.js';
import { checkMatrix, dotRows, productBound, rowNorms, transposed, type ColumnMatrix, type RowMatrix } from './matrix.js';
import { summariseExact, summariseScreened, SummaryScratch, type RowSummary, type SummaryShape } from './row-summary.js';
import { loadScreen } from './screen.js';

export interface RowProductsOptions extends SummaryShape {
  /** [d], multiplied into the rows; null for none. */
  readonly scale?: Float32Array | null | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onRows?: ((done: number) => void) | undefined;
  readonly report?: RowProductsReport | undefined;
}

export interface RowProductsReport {
  /** Products that were summed again in f64. */
  exact: number;
}

/** Products that are held at a time. */
const HELD = 1 << 23;
/** Rows of a strip. */
const STRIP = 256;
/** Values of a packed block of the matrix: 1 MiB. */
const BLOCK_VALUES = 1 << 17;

/**
 * Summaries of row @ matrix for every row.
 *
 * @param backend null for plain f64 loops
 * @throws ShapeError where shapes do not fit; BackendError where the backend fails or gives no
 *   pre-activations; the signal's reason
 */
export async function rowProducts(backend: Pick<Backend, 'load' | 'info'> | null, rows: RowMatrix, matrix: ColumnMatrix, options: RowProductsOptions): Promise<RowSummary[]> {
  checkMatrix('the rows', rows, rows.rows);
  checkMatrix('the matrix', matrix, matrix.columns);
  if (rows.d !== matrix.d) throw new ShapeError(`rows of ${rows.d} values and a matrix of ${matrix.d} rows have no product`);
  if (matrix.columns < 1) throw new ShapeError('the matrix has no columns');
  const { scale = null } = options;
  if (scale !== null && scale.length !== rows.d) throw new ShapeError(`the scale has ${scale.length} values, expected ${rows.d}`);
  return backend === null ? plainProducts(rows, matrix, options) : screenedProducts(backend, rows, matrix, options);
}

async function screenedProducts(backend: Pick<Backend, 'load' | 'info'>, rows: RowMatrix, matrix: ColumnMatrix, options: RowProductsOptions): Promise<RowSummary[]> {
  const { d, columns } = matrix;
  const { scale = null, signal, onRows, report } = options;
  const others = transposed(matrix);
  const most = largestOf(rowNorms({ data: others, rows: columns, d }));
  const loaded = await loadScreen(backend, matrix.data, d, columns, null, signal);
  try {
    if (loaded.preactivations === undefined) throw new BackendError(`${backend.info.description} gives no pre-activations`);
    const pace = new Pace(signal);
    const strip = Math.max(1, Math.min(STRIP, loaded.maxRows, Math.floor(HELD / columns)));
    const scratch = new SummaryScratch(columns);
    const summaries: RowSummary[] = [];
    for (let first = 0; first < rows.rows; first += strip) {
      const count = Math.min(strip, rows.rows - first);
      const { exact, rounded } = scaledRows(rows, first, count, scale);
      const z = await loaded.preactivations(rounded, count, { signal });
      for (let r = 0; r < count; r++) {
        const row = exact.subarray(r * d, (r + 1) * d);
        const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
        const exactly = (ids: Uint32Array, n: number, sums: Float64Array): void => {
          // The products of a row of zeros are known, and all of them would be asked for.
          if (norm === 0) return void sums.fill(0, 0, n);
          if (report) report.exact += n;
          dotRows(row, others, ids, n, sums);
        };
        const summary = summariseScreened(z.subarray(r * columns, (r + 1) * columns), productBound(d, norm, most, backend.info.kind), exactly, scratch, options);
        if (summary === null) throw new BackendError('products overflow f32');
        summaries.push(summary);
        if (pace.isDue) await pace.pause();
      }
      onRows?.(first + count);
    }
    return summaries;
  } finally {
    loaded.dispose();
  }
}

/** In f64 throughout, four rows and columns at a time. */
async function plainProducts(rows: RowMatrix, matrix: ColumnMatrix, options: RowProductsOptions): Promise<RowSummary[]> {
  const { d, columns } = matrix;
  const { scale = null, signal, onRows } = options;
  const pace = new Pace(signal);
  const held = Math.max(PANEL, Math.min(STRIP, Math.floor(HELD / columns / PANEL) * PANEL));
  const block = Math.max(PANEL, Math.min(256, Math.floor(BLOCK_VALUES / d / PANEL) * PANEL));
  const left = panelBuffer(held, d);
  const right = panelBuffer(block, d);
  const products = new Float64Array(held * columns);
  const scratch = new Float64Array(columns);
  const sums = new Float64Array(PANEL * PANEL);
  const summaries: RowSummary[] = [];
  for (let first = 0; first < rows.rows; first += held) {
    const count = Math.min(held, rows.rows - first);
    packPanels(left, count, d, { data: rows.data, start: first * d, rowStride: d, stride: 1, scale });
    for (let from = 0; from < columns; from += block) {
      const width = Math.min(block, columns - from);
      packPanels(right, width, d, { data: matrix.data, start: from, rowStride: 1, stride: columns });
      for (let i = 0; i < count; i += PANEL) {
        for (let j = 0; j < width; j += PANEL) {
          dotTile(left, i * d, right, j * d, d, sums);
          for (let a = 0; a < Math.min(PANEL, count - i); a++) {
            for (let b = 0; b < Math.min(PANEL, width - j); b++) products[(i + a) * columns + from + j + b] = sums[a * PANEL + b]!;
          }
        }
        if (pace.isDue) await pace.pause();
      }
    }
    for (let r = 0; r < count; r++) {
      summaries.push(summariseExact(products.subarray(r * columns, (r + 1) * columns), scratch, options));
      if (pace.isDue) await pace.pause();
    }
    onRows?.(first + count);
  }
  return summaries;
}

/** Rows times the scale: exact (a product of two f32 is, in f64), and rounded to f32. */
function scaledRows({ data, d }: RowMatrix, first: number, count: number, scale: Float32Array | null): { exact: Float64Array; rounded: Float32Array } {
  const part = data.subarray(first * d, (first + count) * d);
  const exact = Float64Array.from(part);
  if (scale !== null) for (let at = 0; at < exact.length; at++) exact[at] = exact[at]! * scale[at % d]!;
  return { exact, rounded: scale === null ? part : Float32Array.from(exact) };
}

function largestOf(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}
