/**
 * How far a point is from a convex hull, as a linear programme with proofs of both answers.
 * Of rows x~ (the point at the origin), in coordinates of an orthonormal basis:
 *
 *   primal   max eps          w . x~_r <= -eps for every r, |w_j| <= 1
 *   dual     min ||sum_r lambda_r x~_r||_1      lambda >= 0, sum lambda = 1
 *
 * The dual is solved by the revised simplex method (Dantzig 1951; Bland's rule where it stalls)
 * with an explicit inverse of the basis, d + 1 square. It has a column a row of the data, of which
 * only those that the current w is worst on are looked at between looks at all of them
 * (partial pricing), so that a pivot costs O(d^2) and few cost O(rows d).
 *
 * Kept true: `low` and `high` are computed from the rows with w and lambda as returned, not
 * from the tableau: whatever rounding did inside, they bound the optimum.
 */
import { Pace } from '../pace.js';
import { dot, PAUSE_EVERY, preactivations, type FrameRows } from './frame-rows.js';

export interface HullOptions {
  /** Orthonormal vectors that span what w is sought in; null for all of space. */
  readonly basis?: readonly Float64Array[] | null | undefined;
  /** [rows] 1 where the row is left out. */
  readonly skip?: Uint8Array | null | undefined;
  readonly pivots?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((pivots: number, low: number, high: number) => void) | undefined;
}

export interface HullDistance {
  /** [d], in space; |w_j| <= 1 in the basis. */
  readonly w: Float64Array;
  /** -max w . x~: what w achieves. */
  readonly low: number;
  /** ||sum lambda x~||_1 in the basis: what nothing can exceed. */
  readonly high: number;
  /** Rows with lambda > 0, and their lambda, which sum to 1. */
  readonly support: Uint32Array;
  readonly lambda: Float64Array;
  readonly pivots: number;
  /** False where the limit of pivots ended it. */
  readonly solved: boolean;
}

/** Of reduced costs, for rows scaled to a largest entry of 1. */
const TOLERANCE = 1e-11;
const SMALLEST_PIVOT = 1e-9;
/** Rows that are priced between looks at all of them, as a multiple of d. */
const CANDIDATES = 4;

/** @param scale by which rows are divided inside: their largest entry */
export async function hullDistance(frame: FrameRows, scale: number, options: HullOptions = {}): Promise<HullDistance> {
  const { basis = null, skip = null, signal, onProgress } = options;
  const pace = new Pace(signal, PAUSE_EVERY);
  const k = basis === null ? frame.d : basis.length;
  const n = k + 1;
  const limit = options.pivots ?? 200 * n + 2000;
  const column = new Columns(frame, basis, scale);
  const tableau = new Tableau(n, column, firstRow(skip));
  const z = new Float64Array(frame.rows);
  let best = { w: new Float64Array(frame.d), low: -Infinity };
  let solved = false;
  const candidates: number[] = [];
  while (tableau.pivots < limit) {
    const y = tableau.multipliers();
    let entering = tableau.stalled ? null : bestCandidate(candidates, column, y);
    entering ??= boxColumn(y, column, tableau.stalled);
    if (entering === null) {
      const w = column.inSpace(y);
      await preactivations(frame, w, 0, z, pace);
      const top = worstRows(z, skip, y[k]!, Math.max(64, CANDIDATES * k), candidates);
      // Inside the box, w is feasible and says how much it achieves.
      const size = Math.max(1, y.subarray(0, k).reduce((most, value) => Math.max(most, Math.abs(value)), 0));
      const low = -z[top]! / size;
      if (low > best.low) best = { w: w.map((value) => (value * scale) / size), low };
      onProgress?.(tableau.pivots, best.low * scale, tableau.objective * scale);
      if (z[top]! + y[k]! <= TOLERANCE) {
        solved = true;
        break;
      }
      entering = tableau.stalled ? z.findIndex((value, r) => value + y[k]! > TOLERANCE && skip?.[r] !== 1) : top;
    }
    tableau.pivot(entering);
    if (pace.isDue) await pace.pause();
  }
  const { support, lambda } = tableau.weights(frame.rows);
  const sum = column.combination(support, lambda);
  return { w: best.w, low: best.low * scale, high: sum.reduce((total, value) => total + Math.abs(value), 0) * scale, support, lambda, pivots: tableau.pivots, solved };
}

const firstRow = (skip: Uint8Array | null): number => (skip === null ? 0 : Math.max(0, skip.indexOf(0)));

/** The columns of the dual: rows of the data with a 1 below, and +-e_j of cost 1. Ids: row r; rows + j for e_j, rows + k + j for -e_j. */
class Columns {
  readonly frame: FrameRows;
  readonly #basis: readonly Float64Array[] | null;
  readonly #scale: number;
  readonly k: number;

  constructor(frame: FrameRows, basis: readonly Float64Array[] | null, scale: number) {
    this.frame = frame;
    this.#basis = basis;
    this.#scale = scale;
    this.k = basis === null ? frame.d : basis.length;
  }

  /** A column into [k + 1] out. */
  read(id: number, out: Float64Array): void {
    const { k } = this;
    const { rows, d, x, origin } = this.frame;
    out.fill(0);
    if (id >= rows) {
      const j = id - rows;
      out[j % k] = j < k ? 1 : -1;
      return;
    }
    const at = id * d;
    if (this.#basis === null) for (let c = 0; c < d; c++) out[c] = (x[at + c]! - origin[c]!) / this.#scale;
    else {
      for (const [j, direction] of this.#basis.entries()) {
        let sum = 0;
        for (let c = 0; c < d; c++) sum += direction[c]! * (x[at + c]! - origin[c]!);
        out[j] = sum / this.#scale;
      }
    }
    out[k] = 1;
  }

  /** A fixed order of all columns, for Bland's rule: +-e_j, then rows. */
  rank(id: number): number {
    const j = id - this.frame.rows;
    return j < 0 ? 2 * this.k + id : 2 * (j % this.k) + (j < this.k ? 0 : 1);
  }

  cost(id: number): number {
    return id < this.frame.rows ? 0 : 1;
  }

  /** Of coordinates y, the w over scale with w . x~ = y . (x~'s scaled coordinates). */
  inSpace(y: Float64Array): Float64Array {
    const w = new Float64Array(this.frame.d);
    if (this.#basis === null) for (let c = 0; c < w.length; c++) w[c] = y[c]! / this.#scale;
    else for (const [j, direction] of this.#basis.entries()) for (let c = 0; c < w.length; c++) w[c] = w[c]! + (y[j]! / this.#scale) * direction[c]!;
    return w;
  }

  /** sum lambda x~, scaled, in the basis. */
  combination(rows: Uint32Array, lambda: Float64Array): Float64Array {
    const sum = new Float64Array(this.k);
    const one = new Float64Array(this.k + 1);
    for (const [at, row] of rows.entries()) {
      this.read(row, one);
      for (let j = 0; j < this.k; j++) sum[j] = sum[j]! + lambda[at]! * one[j]!;
    }
    return sum;
  }
}

/** The basis of the simplex method, its inverse, and the values of its columns. */
class Tableau {
  readonly #n: number;
  readonly #column: Columns;
  readonly #ids: Int32Array;
  readonly #inverse: Float64Array;
  readonly #values: Float64Array;
  readonly #entering: Float64Array;
  readonly #direction: Float64Array;
  #stall = 0;
  #sinceFactored = 0;
  pivots = 0;

  /** Row `first` with lambda 1, and what of it remains in +-e_j. */
  constructor(n: number, column: Columns, first: number) {
    this.#n = n;
    this.#column = column;
    this.#ids = new Int32Array(n);
    this.#inverse = new Float64Array(n * n);
    this.#values = new Float64Array(n);
    this.#entering = new Float64Array(n);
    this.#direction = new Float64Array(n);
    const { rows } = column.frame;
    column.read(first, this.#entering);
    for (let j = 0; j < n - 1; j++) this.#ids[j] = rows + (this.#entering[j]! > 0 ? n - 1 + j : j);
    this.#ids[n - 1] = first;
    this.#factor();
  }

  /** Many pivots without progress: the rule must be one that cannot cycle. */
  get stalled(): boolean {
    return this.#stall > this.#n;
  }

  get objective(): number {
    return this.#ids.reduce((sum, id, i) => sum + this.#column.cost(id) * this.#values[i]!, 0);
  }

  /** y' = c_B' B^-1 */
  multipliers(): Float64Array {
    const n = this.#n;
    const y = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      if (this.#column.cost(this.#ids[i]!) === 0) continue;
      for (let j = 0, at = i * n; j < n; j++, at++) y[j] = y[j]! + this.#inverse[at]!;
    }
    return y;
  }

  pivot(id: number): void {
    const n = this.#n;
    this.#column.read(id, this.#entering);
    const direction = this.#direction;
    for (let i = 0; i < n; i++) direction[i] = dot(this.#inverse.subarray(i * n, (i + 1) * n), this.#entering);
    let leaving = -1;
    let least = Infinity;
    for (let i = 0; i < n; i++) {
      if (!(direction[i]! > SMALLEST_PIVOT)) continue;
      const ratio = Math.max(0, this.#values[i]!) / direction[i]!;
      const tie = Math.abs(ratio - least) <= 1e-14;
      // Of equals the largest pivot, for its digits; when stalled the first in a fixed order, which cannot cycle.
      if (ratio < least - 1e-14 || (tie && (this.stalled ? this.#column.rank(this.#ids[i]!) < this.#column.rank(this.#ids[leaving]!) : direction[i]! > direction[leaving]!))) {
        least = Math.min(least, ratio);
        leaving = i;
      }
    }
    this.pivots++;
    // The programme is bounded by 0: no pivot means that rounding has eaten the inverse.
    if (leaving < 0) {
      this.#factor();
      this.#stall++;
      return;
    }
    this.#stall = least > 1e-13 ? 0 : this.#stall + 1;
    const by = direction[leaving]!;
    for (let i = 0; i < n; i++) {
      if (i === leaving) continue;
      const factor = direction[i]! / by;
      if (factor === 0) continue;
      this.#values[i] = this.#values[i]! - factor * this.#values[leaving]!;
      for (let j = 0, at = i * n, from = leaving * n; j < n; j++, at++, from++) this.#inverse[at] = this.#inverse[at]! - factor * this.#inverse[from]!;
    }
    this.#values[leaving] = this.#values[leaving]! / by;
    for (let j = 0, at = leaving * n; j < n; j++, at++) this.#inverse[at] = this.#inverse[at]! / by;
    this.#ids[leaving] = id;
    if (++this.#sinceFactored >= Math.max(64, n)) this.#factor();
  }

  /** Rows of the data in the basis with a weight, and the weights, scaled to a sum of 1. */
  weights(rows: number): { support: Uint32Array; lambda: Float64Array } {
    this.#factor();
    const held = Array.from(this.#ids, (id, i) => ({ id, value: this.#values[i]! })).filter(({ id, value }) => id < rows && value > 1e-12);
    const sum = held.reduce((total, { value }) => total + value, 0);
    return { support: Uint32Array.from(held, ({ id }) => id), lambda: Float64Array.from(held, ({ value }) => value / sum) };
  }

  /** Inverse and values anew: Gauss and Jordan with row pivots. */
  #factor(): void {
    const n = this.#n;
    this.#sinceFactored = 0;
    const b = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      this.#column.read(this.#ids[i]!, this.#entering);
      for (let r = 0; r < n; r++) b[r * n + i] = this.#entering[r]!;
    }
    const inverse = this.#inverse.fill(0);
    for (let i = 0; i < n; i++) inverse[i * n + i] = 1;
    for (let i = 0; i < n; i++) {
      let from = i;
      for (let r = i + 1; r < n; r++) if (Math.abs(b[r * n + i]!) > Math.abs(b[from * n + i]!)) from = r;
      const by = b[from * n + i]!;
      for (let c = 0; c < n; c++) {
        [b[i * n + c], b[from * n + c]] = [b[from * n + c]! / by, from === i ? b[i * n + c]! / by : b[i * n + c]!];
        [inverse[i * n + c], inverse[from * n + c]] = [inverse[from * n + c]! / by, from === i ? inverse[i * n + c]! / by : inverse[i * n + c]!];
      }
      for (let r = 0; r < n; r++) {
        const factor = b[r * n + i]!;
        if (r === i || factor === 0) continue;
        for (let c = 0; c < n; c++) {
          b[r * n + c] = b[r * n + c]! - factor * b[i * n + c]!;
          inverse[r * n + c] = inverse[r * n + c]! - factor * inverse[i * n + c]!;
        }
      }
    }
    // The right-hand side is e_n.
    for (let i = 0; i < n; i++) this.#values[i] = inverse[i * n + n - 1]!;
  }
}

/** Of the rows looked at last, the one that y is worst on; null where none enters. */
function bestCandidate(candidates: readonly number[], column: Columns, y: Float64Array): number | null {
  const one = new Float64Array(column.k + 1);
  let entering: number | null = null;
  let most = TOLERANCE;
  for (const row of candidates) {
    column.read(row, one);
    const value = dot(one, y);
    if (value > most) [most, entering] = [value, row];
  }
  return entering;
}

/** A +-e_j that enters, |y_j| > 1: the worst, or the first. */
function boxColumn(y: Float64Array, { k, frame }: Columns, first: boolean): number | null {
  let most = 1 + TOLERANCE;
  let found: number | null = null;
  for (let j = 0; j < k; j++) {
    if (Math.abs(y[j]!) <= most) continue;
    found = frame.rows + (y[j]! > 0 ? j : k + j);
    if (first) break;
    most = Math.abs(y[j]!);
  }
  return found;
}

/** The row of the largest z; `candidates` become those of the largest z + shift above 0, `count` of them or so. */
function worstRows(z: Float64Array, skip: Uint8Array | null, shift: number, count: number, candidates: number[]): number {
  let top = -1;
  const above: number[] = [];
  for (let r = 0; r < z.length; r++) {
    if (skip?.[r] === 1) continue;
    if (top < 0 || z[r]! > z[top]!) top = r;
    if (z[r]! + shift > 0) above.push(r);
  }
  candidates.length = 0;
  const least = above.length <= count ? -Infinity : Float64Array.from(above, (r) => z[r]!).sort()[above.length - count]!;
  for (const r of above) if (z[r]! >= least) candidates.push(r);
  return top;
}
