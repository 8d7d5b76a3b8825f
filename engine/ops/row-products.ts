/**
 * Products of rows with the columns of a matrix, each row boiled down to its
 * extremes, median and histogram as soon as it is there: never rows x columns.
 *
 * A strip of rows is computed in f32 by the backend (screen.ts) and summarised with
 * f64 sums where its rounding bound could decide otherwise (row-summary.ts): the
 * result is that of plain f64 loops, to the bit, on every backend. Memory: a strip,
 * the matrix once more with its columns as rows, and what the backend packs.
 */
import type { Backend, LoadedSae } from '../backend.js';
import { dotTile, packPanels, PANEL, panelBuffer } from '../dot-tiles.js';
import { BackendError, NumericError, ShapeError } from '../errors.js';
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
const HELD = 1 << 22;
/** Rows of a strip. */
const STRIP = 256;
/** Dimensions that are summed in f32 at a time. */
const DEPTH = 192;
/** Values of a packed block of the matrix: 1 MiB. */
const BLOCK_VALUES = 1 << 17;

/**
 * Summaries of row @ matrix for every row.
 *
 * @param backend null for plain f64 loops
 * @throws ShapeError where shapes do not fit; NumericError where f32 overflows; BackendError where the backend fails or gives no
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
  const slices = new Slices(backend, matrix);
  try {
    await slices.load(signal);
    const pace = new Pace(signal);
    const strip = Math.max(1, Math.min(STRIP, slices.maxRows, Math.floor(HELD / columns)));
    const z = new Float64Array(strip * columns);
    const scratch = new SummaryScratch(columns);
    const summaries: RowSummary[] = [];
    for (let first = 0; first < rows.rows; first += strip) {
      const count = Math.min(strip, rows.rows - first);
      const exact = scaledRows(rows, first, count, scale);
      await slices.products(exact, count, z, signal);
      for (let r = 0; r < count; r++) {
        const row = exact.subarray(r * d, (r + 1) * d);
        const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
        const exactly = (ids: Uint32Array, n: number, sums: Float64Array): void => {
          // The products of a row of zeros are known, and all of them would be asked for.
          if (norm === 0) return void sums.fill(0, 0, n);
          if (report) report.exact += n;
          dotRows(row, others, ids, n, sums);
        };
        const bound = productBound(slices.depth, norm, most, backend.info.kind, slices.count);
        summaries.push(summariseScreened(z.subarray(r * columns, (r + 1) * columns), bound, exactly, scratch, options));
        if (pace.isDue) await pace.pause();
      }
      onRows?.(first + count);
    }
    return summaries;
  } finally {
    slices.dispose();
  }
}

/**
 * The product by slices of the shared dimension, whose f32 products are added in
 * f64: by Cauchy-Schwarz over the slices the bound is that of one slice's depth,
 * gamma_{depth} ||a|| ||b||, and what must be summed again falls with it.
 */
class Slices {
  readonly depth: number;
  readonly count: number;
  readonly #backend: Pick<Backend, 'load' | 'info'>;
  readonly #matrix: ColumnMatrix;
  readonly #loaded: LoadedSae[] = [];

  constructor(backend: Pick<Backend, 'load' | 'info'>, matrix: ColumnMatrix) {
    this.#backend = backend;
    this.#matrix = matrix;
    this.count = Math.ceil(matrix.d / DEPTH);
    this.depth = Math.ceil(matrix.d / this.count);
  }

  get maxRows(): number {
    return Math.min(...this.#loaded.map(({ maxRows }) => maxRows));
  }

  async load(signal: AbortSignal | undefined): Promise<void> {
    const { data, d, columns } = this.#matrix;
    for (let from = 0; from < d; from += this.depth) {
      const depth = Math.min(this.depth, d - from);
      const loaded = await loadScreen(this.#backend, data.subarray(from * columns, (from + depth) * columns), depth, columns, null, signal);
      this.#loaded.push(loaded);
      if (loaded.preactivations === undefined) throw new BackendError(`${this.#backend.info.description} gives no pre-activations`);
    }
  }

  /** @param z [count, columns] and more: written */
  async products(rows: Float64Array, count: number, z: Float64Array, signal: AbortSignal | undefined): Promise<void> {
    const { d, columns } = this.#matrix;
    z.fill(0, 0, count * columns);
    for (const [slice, loaded] of this.#loaded.entries()) {
      const from = slice * this.depth;
      const depth = Math.min(this.depth, d - from);
      const x = new Float32Array(count * depth);
      for (let r = 0; r < count; r++) x.set(rows.subarray(r * d + from, r * d + from + depth), r * depth);
      const part = await loaded.preactivations!(x, count, { signal });
      for (let at = 0; at < part.length; at++) z[at] = z[at]! + part[at]!;
    }
    let poison = 0;
    for (let at = 0; at < count * columns; at++) poison += z[at]! * 0;
    if (poison !== 0) throw new NumericError('products overflow f32');
  }

  dispose(): void {
    for (const loaded of this.#loaded) loaded.dispose();
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

/** Rows times the scale: a product of two f32 is exact in f64. */
function scaledRows({ data, d }: RowMatrix, first: number, count: number, scale: Float32Array | null): Float64Array {
  const exact = Float64Array.from(data.subarray(first * d, (first + count) * d));
  if (scale !== null) for (let at = 0; at < exact.length; at++) exact[at] = exact[at]! * scale[at % d]!;
  return exact;
}

function largestOf(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}
