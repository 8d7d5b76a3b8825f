/**
 * The linear one-class SVM (Scholkopf et al. 2001): the same hyperplane as a quadratic programme.
 *
 *   primal   min ||w||^2 / 2 - rho + 1 / (nu N) sum_r (rho - w . x~_r)_+
 *   dual     min ||sum alpha_r x~_r||^2 / 2      0 <= alpha_r <= 1 / (nu N), sum alpha = 1
 *
 * With w_enc = -w and b = rho its hinge is E relu(w_enc . x~ + b): it minimises a feature's mean
 * activation less nu times its bias, under weight decay, and nu is about the share of rows that
 * fire. At rho = 0 w is 0: the origin lies among the rows, at that nu.
 *
 * Solved in the dual by decomposition: pairs of alpha (SMO, Platt 1998, with the second-order choice of
 * Fan, Chen & Lin 2005) within a working set whose products are held, the sets chosen by the gradient over
 * all rows.
 *
 * Kept true: sum alpha = 1 and the box; `gap` is computed from the rows.
 */
import { UsageError } from '../errors.js';
import { Pace } from '../pace.js';
import { dot, PAUSE_EVERY, preactivations, weightedSum, type FrameRows } from './frame-rows.js';

export interface OneClassSvm {
  readonly nu: number;
  /** [d] sum alpha x~; the feature is w_enc = -w, b = rho. */
  readonly w: Float64Array;
  readonly rho: number;
  /** [rows] */
  readonly alpha: Float64Array;
  readonly primal: number;
  readonly dual: number;
  /** (primal + dual value) / dual value: 0 at the optimum. */
  readonly gap: number;
  /** Largest violation of the optimality conditions: alpha < C needs w . x~ >= rho, alpha > 0 needs w . x~ <= rho. */
  readonly violation: number;
  /** Rows with w . x~ < rho, and with alpha > 0. */
  readonly outside: number;
  readonly support: number;
  /** True where w = 0 is the optimum: the origin lies among the rows at this nu. */
  readonly trivial: boolean;
  readonly converged: boolean;
}

export interface OneClassOptions {
  readonly tolerance?: number | undefined;
  readonly rounds?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((round: number, violation: number) => void) | undefined;
}

/** Rows whose products are held at a time. */
const WORKING = 512;
/** ||w||^2 over the mean ||x~||^2 below which w is 0. */
const TRIVIAL = 1e-10;

/**
 * @param nu of (0, 1]
 * @throws UsageError for a nu outside it, and for weighted rows
 */
export async function oneClassSvm(frame: FrameRows, nu: number, options: OneClassOptions = {}): Promise<OneClassSvm> {
  const { tolerance = 1e-6, rounds = 400, signal, onProgress } = options;
  const { rows, d } = frame;
  if (!(nu > 0 && nu <= 1)) throw new UsageError(`nu is ${nu}, expected more than 0 and 1 at most`);
  if (frame.weights !== null) throw new UsageError('the one-class SVM takes rows that count once each');
  const pace = new Pace(signal, PAUSE_EVERY);
  // Fewer than one row's weight cannot sum to 1.
  const most = Math.max(1 / (nu * rows), 1 / rows);
  const box = Math.min(1, most);
  const alpha = await startingPoint(frame, box, pace);
  const w = new Float64Array(d);
  const gradient = new Float64Array(rows);
  let state: { violation: number; rho: number };
  const least = TRIVIAL * (await meanSquare(frame, pace));
  let round = 0;
  for (; ; round++) {
    await weightedSum(frame, alpha, w, pace);
    await preactivations(frame, w, 0, gradient, pace);
    state = conditions(gradient, alpha, box);
    const scale = Math.max(dot(w, w), least);
    onProgress?.(round, state.violation / scale);
    if (state.violation <= tolerance * scale || dot(w, w) <= least || round === rounds) break;
    const set = workingSet(gradient, alpha, box, WORKING);
    const before = alpha.slice();
    await solvePairs(frame, set, alpha, gradient, box, 0.1 * tolerance * scale, pace);
    if (set.every((r) => alpha[r] === before[r])) break;
  }
  const norm = dot(w, w);
  const trivial = norm <= least;
  if (trivial) {
    // What is left of w is rounding: the optimum is w = 0, rho = 0.
    w.fill(0);
    gradient.fill(0);
    state = { violation: 0, rho: 0 };
  }
  const { rho, violation } = state;
  let hinge = 0;
  let [outside, support] = [0, 0];
  for (let r = 0; r < rows; r++) {
    hinge += Math.max(0, rho - gradient[r]!);
    if (gradient[r]! < rho) outside++;
    if (alpha[r]! > 0) support++;
  }
  const primal = norm / 2 - rho + hinge * most;
  const dual = trivial ? 0 : norm / 2;
  return { nu, w, rho, alpha, primal, dual, gap: dual > 0 ? (primal + dual) / dual : 0, violation, outside, support, trivial, converged: violation <= tolerance * Math.max(norm, least) };
}

/** Mean of ||x~||^2. */
async function meanSquare({ x, rows, d, origin }: FrameRows, pace: Pace): Promise<number> {
  let sum = 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0, at = r * d; c < d; c++, at++) sum += (x[at]! - origin[c]!) ** 2;
    if (pace.isDue) await pace.pause();
  }
  return sum / rows;
}

/** The box filled from the rows nearest to the side that the mean leaves free. */
async function startingPoint(frame: FrameRows, box: number, pace: Pace): Promise<Float64Array> {
  const { rows, d } = frame;
  const alpha = new Float64Array(rows).fill(1 / rows);
  const mean = new Float64Array(d);
  await weightedSum(frame, alpha, mean, pace);
  const z = new Float64Array(rows);
  await preactivations(frame, mean, 0, z, pace);
  const order = Uint32Array.from({ length: rows }, (_, r) => r).sort((a, b) => z[a]! - z[b]!);
  alpha.fill(0);
  let left = 1;
  for (const r of order) {
    alpha[r] = Math.min(box, left);
    left -= alpha[r]!;
    if (left <= 0) break;
  }
  return alpha;
}

/** rho from the rows strictly inside the box, or between the two sides; and how far those overlap. */
function conditions(gradient: Float64Array, alpha: Float64Array, box: number): { violation: number; rho: number } {
  // Rows that may grow want their gradient at rho or above, rows that may shrink at rho or below.
  let [up, down] = [Infinity, -Infinity];
  for (let r = 0; r < alpha.length; r++) {
    if (alpha[r]! < box && gradient[r]! < up) up = gradient[r]!;
    if (alpha[r]! > 0 && gradient[r]! > down) down = gradient[r]!;
  }
  if (up === Infinity) up = down;
  return { violation: Math.max(0, down - up), rho: (up + down) / 2 };
}

/** Half of the rows that most want to grow, half of those that most want to shrink. */
function workingSet(gradient: Float64Array, alpha: Float64Array, box: number, size: number): number[] {
  const half = size / 2;
  const grow = extremes(gradient, (r) => alpha[r]! < box, 1, half);
  const shrink = extremes(gradient, (r) => alpha[r]! > 0, -1, half);
  return [...new Set([...grow, ...shrink])];
}

/** Rows allowed, of the least sign * gradient. */
function extremes(gradient: Float64Array, allowed: (r: number) => boolean, sign: number, count: number): number[] {
  const all: number[] = [];
  for (let r = 0; r < gradient.length; r++) if (allowed(r)) all.push(r);
  if (all.length <= count) return all;
  const edge = Float64Array.from(all, (r) => sign * gradient[r]!).sort()[count - 1]!;
  return all.filter((r) => sign * gradient[r]! <= edge).slice(0, count);
}

/** SMO within the set: alpha and the set's gradient change in place. */
async function solvePairs({ x, d, origin }: FrameRows, set: readonly number[], alpha: Float64Array, gradient: Float64Array, box: number, tolerance: number, pace: Pace): Promise<void> {
  const n = set.length;
  const points = new Float64Array(n * d);
  for (const [i, r] of set.entries()) for (let c = 0; c < d; c++) points[i * d + c] = x[r * d + c]! - origin[c]!;
  const gram = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let c = 0, a = i * d, b = j * d; c < d; c++, a++, b++) sum += points[a]! * points[b]!;
      gram[i * n + j] = gram[j * n + i] = sum;
    }
    if (pace.isDue) await pace.pause();
  }
  const a = Float64Array.from(set, (r) => alpha[r]!);
  const g = Float64Array.from(set, (r) => gradient[r]!);
  for (let step = 0; step < 100 * n; step++) {
    // i grows: the least gradient that may. j shrinks: by the most that the pair gains.
    let i = -1;
    for (let k = 0; k < n; k++) if (a[k]! < box && (i < 0 || g[k]! < g[i]!)) i = k;
    if (i < 0) break;
    let [j, gain, worst] = [-1, 0, 0];
    for (let k = 0; k < n; k++) {
      if (!(a[k]! > 0) || g[k]! <= g[i]!) continue;
      const by = g[k]! - g[i]!;
      worst = Math.max(worst, by);
      const curvature = Math.max(gram[i * n + i]! + gram[k * n + k]! - 2 * gram[i * n + k]!, 1e-300);
      if ((by * by) / curvature > gain) [j, gain] = [k, (by * by) / curvature];
    }
    if (j < 0 || worst <= tolerance) break;
    const curvature = Math.max(gram[i * n + i]! + gram[j * n + j]! - 2 * gram[i * n + j]!, 1e-300);
    const room = Math.min(box - a[i]!, a[j]!);
    const move = Math.min((g[j]! - g[i]!) / curvature, room);
    // To the ends of the box exactly: what is nearly there would count as free.
    const [ai, aj] = [a[i]!, a[j]!];
    a[i] = move === box - ai ? box : ai + move;
    a[j] = move === aj ? 0 : aj - move;
    for (let k = 0, gi = i * n, gj = j * n; k < n; k++, gi++, gj++) g[k] = g[k]! + move * (gram[gi]! - gram[gj]!);
    if (pace.isDue) await pace.pause();
  }
  for (const [k, r] of set.entries()) alpha[r] = a[k]!;
}
