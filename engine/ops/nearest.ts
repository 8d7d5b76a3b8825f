/**
 * Nearest rows of all rows of a matrix by cosine, never as a matrix of cosines.
 *
 * Screened: the rows divided by their norms are the columns of a topk encoder
 * (screen.ts), and encoding them gives each row's k + MARGIN largest cosines in
 * f32, off by at most e (`productBound`). Those within 2e of the k-th are summed
 * again in f64; a row is decided when its k-th exact cosine lies above everything
 * that was not listed, by more than e. Rows that are not decided (clusters of equal
 * rows, or fewer than k positive cosines) get longer lists, and then f64 sums over all.
 *
 * So the result is that of plain f64 loops, cosines to the bit and ties to the
 * lowest index, on every backend.
 */
import type { Backend } from '../backend.js';
import { Pace } from '../pace.js';
import { checkMatrix, dotRows, productBound, rowNorms, transposed, type RowMatrix } from './matrix.js';
import { NearestLists, plainNearest, wholeRows } from './nearest-plain.js';
import { loadScreen } from './screen.js';

/** The lists of all rows, nearest first; shorter than k where there are not so many rows that are not zero. */
export interface Nearest {
  readonly neighbours: Uint32Array[];
  readonly cosines: Float64Array[];
}

/** How it went, for benchmarks and tests. */
export interface NearestReport {
  /** Rows whose first list left something undecided. */
  again: number;
  /** Rows that were compared with all others in f64. */
  whole: number;
}

export interface NearestOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onRows?: ((done: number) => void) | undefined;
  readonly report?: NearestReport | undefined;
}

/** Entries beyond k that a first list holds. */
const MARGIN = 8;
/** How much longer the second lists are. */
const LONGER = 8;
/** Rows of one call of `encode`. */
const ROWS = 1024;
/** Multiply-adds in f64 below which undecided rows are not worth another screen. */
const FEW = 5e8;

/**
 * @param backend null for plain f64 loops
 * @throws ShapeError; BackendError where the backend fails; the signal's reason
 */
export async function nearestRows(backend: Pick<Backend, 'load' | 'info'> | null, matrix: RowMatrix, k: number, options: NearestOptions = {}): Promise<Nearest> {
  const { rows, d } = matrix;
  checkMatrix('the matrix', matrix, rows);
  const norms = rowNorms(matrix);
  if (backend === null || k === 0 || rows < 2) return plainNearest(matrix, norms, k, options.signal);
  const lists = new NearestLists(rows, k);
  const screen = new Screen(backend, matrix, norms, k, lists, options);
  let open = Uint32Array.from({ length: rows }, (_, row) => row).filter((row) => norms[row]! > 0);
  open = await screen.pass(open, Math.min(rows, k + 1 + MARGIN));
  if (options.report) options.report.again = open.length;
  if (open.length * rows * d > FEW && k + 1 + MARGIN < rows) open = await screen.pass(open, Math.min(rows, LONGER * (k + 1 + MARGIN)));
  if (options.report) options.report.whole = open.length;
  await wholeRows(matrix, norms, open, lists, options.signal);
  return lists.lists();
}

class Screen {
  readonly #backend: Pick<Backend, 'load' | 'info'>;
  readonly #matrix: RowMatrix;
  readonly #norms: Float64Array;
  readonly #k: number;
  readonly #lists: NearestLists;
  readonly #options: NearestOptions;
  #done = 0;

  constructor(backend: Pick<Backend, 'load' | 'info'>, matrix: RowMatrix, norms: Float64Array, k: number, lists: NearestLists, options: NearestOptions) {
    this.#backend = backend;
    this.#matrix = matrix;
    this.#norms = norms;
    this.#k = k;
    this.#lists = lists;
    this.#options = options;
  }

  /** Lists the neighbours of these rows from their `length` largest cosines in f32. @returns the rows that this does not decide */
  async pass(open: Uint32Array<ArrayBuffer>, length: number): Promise<Uint32Array<ArrayBuffer>> {
    const { data, rows, d } = this.#matrix;
    const { signal, onRows } = this.#options;
    if (open.length === 0) return open;
    const units = new Float32Array(rows * d);
    for (let r = 0; r < rows; r++) {
      const norm = this.#norms[r]!;
      if (norm > 0) for (let at = r * d; at < (r + 1) * d; at++) units[at] = data[at]! / norm;
    }
    // [d, rows]: what is a row here is a latent there.
    const W = transposed({ data: units, d: rows, columns: d });
    const loaded = await loadScreen(this.#backend, W, d, rows, length, signal);
    const undecided: number[] = [];
    try {
      const bound = productBound(d, 1 + 2 ** -20, 1 + 2 ** -20, this.#backend.info.kind);
      const most = Math.min(ROWS, loaded.maxRows);
      const pace = new Pace(signal);
      const row = new Float64Array(d);
      const ids = new Uint32Array(length);
      const sums = new Float64Array(length);
      for (let from = 0; from < open.length; from += most) {
        const part = open.subarray(from, from + most);
        const x = new Float32Array(part.length * d);
        part.forEach((r, at) => x.set(units.subarray(r * d, (r + 1) * d), at * d));
        const { offsets, features, values } = await loaded.encode(x, part.length, { signal });
        for (let at = 0; at < part.length; at++) {
          const r = part[at]!;
          const begin = offsets[at]!;
          const end = offsets[at + 1]!;
          const { floor, unlisted } = this.#levels(r, features, values, begin, end, length);
          let count = 0;
          for (let e = begin; e < end; e++) if (features[e] !== r && values[e]! >= floor - 2 * bound) ids[count++] = features[e]!;
          for (let c = 0; c < d; c++) row[c] = data[r * d + c]!;
          dotRows(row, data, ids, count, sums);
          this.#lists.clear(r);
          for (let i = 0; i < count; i++) this.#lists.offer(r, ids[i]!, cosine(sums[i]!, this.#norms[r]! * this.#norms[ids[i]!]!));
          if (!(this.#lists.last(r) > unlisted + bound)) undecided.push(r);
        }
        this.#done += part.length;
        onRows?.(this.#done);
        if (pace.isDue) await pace.pause();
      }
    } finally {
      loaded.dispose();
    }
    return Uint32Array.from(undecided);
  }

  /** The k-th largest listed cosine of another row (-Infinity where there are fewer), and what no unlisted one exceeds. */
  #levels(r: number, features: Uint32Array, values: Float32Array, begin: number, end: number, length: number): { floor: number; unlisted: number } {
    const sorted: number[] = [];
    let least = Infinity;
    for (let e = begin; e < end; e++) {
      least = Math.min(least, values[e]!);
      if (features[e] !== r) sorted.push(values[e]!);
    }
    sorted.sort((a, b) => b - a);
    // A list that is not full holds all that are positive; one of all rows leaves nothing out.
    const unlisted = end - begin === this.#matrix.rows ? -Infinity : end - begin === length ? least : 0;
    return { floor: sorted[this.#k - 1] ?? -Infinity, unlisted };
  }
}

/** Rounding must not leave [-1, 1]. */
function cosine(sum: number, norms: number): number {
  return Math.max(-1, Math.min(1, sum / norms));
}
