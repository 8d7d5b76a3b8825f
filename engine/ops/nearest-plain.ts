/**
 * Nearest rows by cosine in plain f64: the reference, what small matrices take, and
 * what decides rows that a screen does not. Products are summed in the order of the
 * columns; equal cosines go to the lower index; a zero row has no neighbours and is
 * nobody's. Memory: two blocks of rows in f64, and the lists.
 */
import { dotTile, packPanels, PANEL, panelBuffer } from '../dot-tiles.js';
import { Pace } from '../pace.js';
import type { RowMatrix } from './matrix.js';
import type { Nearest } from './nearest.js';

/** Values of a packed block: 128 Ki in f64 are 1 MiB. */
const BLOCK_VALUES = 1 << 17;

/** Sorted lists of fixed length, one a row. */
export class NearestLists {
  readonly #k: number;
  readonly #cosines: Float64Array;
  readonly #rows: Uint32Array;
  readonly #counts: Uint32Array;

  constructor(rows: number, k: number) {
    this.#k = k;
    this.#cosines = new Float64Array(rows * k);
    this.#rows = new Uint32Array(rows * k);
    this.#counts = new Uint32Array(rows);
  }

  clear(row: number): void {
    this.#counts[row] = 0;
  }

  /** The k-th cosine; -Infinity while there are fewer. */
  last(row: number): number {
    return this.#counts[row] === this.#k ? this.#cosines[(row + 1) * this.#k - 1]! : -Infinity;
  }

  offer(row: number, other: number, cosine: number): void {
    const k = this.#k;
    const base = row * k;
    let at = base + this.#counts[row]!;
    const before = (i: number): boolean => cosine > this.#cosines[i]! || (cosine === this.#cosines[i] && other < this.#rows[i]!);
    if (at === base + k) {
      if (!before(at - 1)) return;
      at--;
    } else {
      this.#counts[row] = at - base + 1;
    }
    for (; at > base && before(at - 1); at--) {
      this.#cosines[at] = this.#cosines[at - 1]!;
      this.#rows[at] = this.#rows[at - 1]!;
    }
    this.#cosines[at] = cosine;
    this.#rows[at] = other;
  }

  lists(): Nearest {
    const cut = <T>(slice: (from: number, to: number) => T): T[] => Array.from(this.#counts, (count, i) => slice(i * this.#k, i * this.#k + count));
    return { neighbours: cut((from, to) => this.#rows.slice(from, to)), cosines: cut((from, to) => this.#cosines.slice(from, to)) };
  }
}

/** All rows: each pair's product is computed once, in blocks that stay in cache, and offered to both of its rows. */
export async function plainNearest(matrix: RowMatrix, norms: Float64Array, k: number, signal: AbortSignal | undefined): Promise<Nearest> {
  const { rows, d } = matrix;
  const lists = new NearestLists(rows, k);
  if (k === 0) return lists.lists();
  const blocks = new Blocks(matrix);
  const pace = new Pace(signal);
  for (let first = 0; first < rows; first += blocks.size) {
    const count = blocks.pack(blocks.left, first);
    for (let other = first; other < rows; other += blocks.size) {
      const others = blocks.pack(blocks.right, other);
      for (let i = 0; i < count; i += PANEL) {
        for (let j = other === first ? i : 0; j < others; j += PANEL) {
          dotTile(blocks.left, i * d, blocks.right, j * d, d, blocks.sums);
          blocks.eachPair(i, Math.min(PANEL, count - i), j, Math.min(PANEL, others - j), (left, right, sum) => {
            const a = first + left;
            const b = other + right;
            const scale = norms[a]! * norms[b]!;
            if (b <= a || scale === 0) return;
            const cosine = Math.max(-1, Math.min(1, sum / scale));
            lists.offer(a, b, cosine);
            lists.offer(b, a, cosine);
          });
        }
        if (pace.isDue) await pace.pause();
      }
    }
  }
  return lists.lists();
}

/** Lists the neighbours of some rows anew, out of all others. */
export async function wholeRows(matrix: RowMatrix, norms: Float64Array, chosen: Uint32Array, lists: NearestLists, signal: AbortSignal | undefined): Promise<void> {
  if (chosen.length === 0) return;
  const { rows, d } = matrix;
  for (const row of chosen) lists.clear(row);
  const blocks = new Blocks(matrix);
  const pace = new Pace(signal);
  for (let first = 0; first < chosen.length; first += blocks.size) {
    const part = chosen.subarray(first, first + blocks.size);
    blocks.gather(blocks.left, part);
    for (let other = 0; other < rows; other += blocks.size) {
      const others = blocks.pack(blocks.right, other);
      for (let i = 0; i < part.length; i += PANEL) {
        for (let j = 0; j < others; j += PANEL) {
          dotTile(blocks.left, i * d, blocks.right, j * d, d, blocks.sums);
          blocks.eachPair(i, Math.min(PANEL, part.length - i), j, Math.min(PANEL, others - j), (left, right, sum) => {
            const a = part[left]!;
            const b = other + right;
            const scale = norms[a]! * norms[b]!;
            if (b !== a && scale !== 0) lists.offer(a, b, Math.max(-1, Math.min(1, sum / scale)));
          });
        }
        if (pace.isDue) await pace.pause();
      }
    }
  }
}

/** Two blocks of packed rows, and a tile of products. */
class Blocks {
  readonly size: number;
  readonly left: Float64Array;
  readonly right: Float64Array;
  readonly sums = new Float64Array(PANEL * PANEL);
  readonly #matrix: RowMatrix;

  constructor(matrix: RowMatrix) {
    this.#matrix = matrix;
    this.size = Math.max(PANEL, Math.min(256, Math.floor(BLOCK_VALUES / matrix.d / PANEL) * PANEL));
    this.left = panelBuffer(this.size, matrix.d);
    this.right = panelBuffer(this.size, matrix.d);
  }

  /** @returns how many rows there are from `first`, at most a block of them */
  pack(panels: Float64Array, first: number): number {
    const { data, rows, d } = this.#matrix;
    const count = Math.min(this.size, rows - first);
    packPanels(panels, count, d, { data, start: first * d, rowStride: d, stride: 1 });
    return count;
  }

  gather(panels: Float64Array, chosen: Uint32Array): void {
    const { data, d } = this.#matrix;
    const gathered = new Float32Array(chosen.length * d);
    chosen.forEach((row, at) => gathered.set(data.subarray(row * d, (row + 1) * d), at * d));
    packPanels(panels, chosen.length, d, { data: gathered, start: 0, rowStride: d, stride: 1 });
  }

  eachPair(i: number, rows: number, j: number, others: number, use: (left: number, right: number, sum: number) => void): void {
    for (let a = 0; a < rows; a++) for (let b = 0; b < others; b++) use(i + a, j + b, this.sums[a * PANEL + b]!);
  }
}
