/**
 * The hyperplane of least firing on real rows: on ||w|| = 1, for a given b,
 *
 *   w*(b) = argmin E relu(w . x~ + b)   or   argmin P(w . x~ + b > 0)
 *
 * by minimising its logarithm on the sphere (sphere-lbfgs.ts) down a ladder of smoothings
 * (smooth-firing.ts): tau from the sd of w . x~ to a thousandth of it, the narrow ones on the rows
 * that can come near the boundary. The problem has several
 * local minima in general, so it is solved from several starts: the Gaussian's closed form, -mu~,
 * -Sigma^-1 mu~, and random directions; the cosines between the ends say whether the data
 * have one such hyperplane or many.
 *
 * Kept true: of what the starts ended in and the starts themselves, the best by the exact
 * objective over all rows is returned (ties: the other objective, then the widest margin).
 */
import { UsageError } from '../errors.js';
import { Pace } from '../pace.js';
import { createRandom } from '../random.js';
import { cholesky, choleskySolve } from './cholesky.js';
import { chooseRows, cosine, dot, PAUSE_EVERY, reject, rowMoments, unit, type FrameRows, type RowMoments } from './frame-rows.js';
import { leastHyperplane, type Hyperplane } from './gaussian-hyperplane.js';
import type { HyperplaneObjective } from './hyperplane-report.js';
import { normalQuantile } from './normal.js';
import { FiringEvaluator } from './smooth-firing.js';
import { minimiseOnSphere } from './sphere-lbfgs.js';

export interface StartDirection {
  readonly from: string;
  readonly w: Float64Array;
}

export interface HyperplaneOptions {
  /** Of w . x~ + b with w of length 1; default 0. */
  readonly b?: number | undefined;
  readonly objective?: HyperplaneObjective | undefined;
  /** Of these rows, where they are known already. */
  readonly moments?: RowMoments | undefined;
  /** Orthonormal directions that w stays orthogonal to. */
  readonly orthogonalTo?: readonly Float64Array[] | undefined;
  /** Directions to start from besides those of the moments. */
  readonly starts?: readonly StartDirection[] | undefined;
  /** False: only from `starts`. */
  readonly momentStarts?: boolean | undefined;
  /** Random directions to start from; default 4. */
  readonly random?: number | undefined;
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Starts done, of how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What a start ended in. */
export interface FoundHyperplane {
  readonly from: string;
  readonly w: Float64Array;
  readonly probability: number;
  /** Share of rows with w . x~ + b = 0. */
  readonly boundary: number;
  readonly activation: number;
  /** Rows that fire. */
  readonly firing: number;
  /** log F at the last smoothing. */
  readonly smooth: number;
  readonly evaluations: number;
}

export interface DataHyperplane {
  readonly b: number;
  readonly objective: HyperplaneObjective;
  readonly best: FoundHyperplane;
  /** In the order of the starts. */
  readonly ends: readonly FoundHyperplane[];
  /** [ends, ends] */
  readonly cosines: readonly (readonly number[])[];
  /** Ends further apart than cos 0.99 whose exact objective is within 5 % of the best. */
  readonly optima: number;
  /** -(w . mu~ + b) / s by the rows' moments. */
  readonly kappa: number;
}

/** tau over the sd of w . x~, rung by rung. */
const WIDE = [1, 0.3, 0.1] as const;
const NARROW = [0.03, 0.01, 0.003, 0.001] as const;
/** How far a direction may go before rows that were left out are looked at again, and how often. */
const NEAR = 0.05;
const REPEATS = 6;
/** Starts whose wide rungs end in one direction go on as one. */
const JOINED = 0.9999;
/** Rows that starts are tried on before all rows have their say. */
const SCREEN_ROWS = 4096;
const SAME = 0.99;
const AS_GOOD = 1.05;

/** @throws UsageError where nothing is left to start from: every direction is excluded */
export async function dataHyperplane(frame: FrameRows, options: HyperplaneOptions = {}): Promise<DataHyperplane> {
  const { b = 0, objective = 'activation', signal, orthogonalTo = [], onProgress } = options;
  const moments = options.moments ?? (await rowMoments(frame, signal));
  const starts = startDirections(frame.d, moments, b, objective, options);
  if (starts.length === 0) throw new UsageError('no direction is left to start from', { hint: 'Leave fewer directions out.' });
  const pace = new Pace(signal, PAUSE_EVERY);
  const all = new FiringEvaluator(frame, pace);
  const coarse = frame.rows > 2 * SCREEN_ROWS ? new FiringEvaluator(everyNth(frame, SCREEN_ROWS), pace) : null;
  const norms = rowNorms(frame);
  const on: Descent = { all, coarse, norms, pace, b, objective, moments, orthogonalTo };
  const ends: FoundHyperplane[] = [];
  const gone: { readonly to: Float64Array; readonly end: FoundHyperplane }[] = [];
  for (const [at, start] of starts.entries()) {
    onProgress?.(at, starts.length);
    const screened = await screen(start, on);
    const same = gone.find(({ to }) => cosine(to, screened.to) > JOINED);
    const end = same === undefined ? await descend(screened, on) : await joined(screened, same.end, on);
    if (same === undefined) gone.push({ to: screened.to, end });
    ends.push(end);
  }
  onProgress?.(starts.length, starts.length);
  const best = ends.reduce((a, c) => (better(c, a, objective) ? c : a));
  const value = (end: FoundHyperplane): number => (objective === 'rate' ? end.probability : end.activation);
  const distinct: FoundHyperplane[] = [];
  for (const end of ends) {
    if (value(end) <= AS_GOOD * value(best) && distinct.every(({ w }) => cosine(w, end.w) < SAME)) distinct.push(end);
  }
  return {
    b,
    objective,
    best,
    ends,
    cosines: ends.map((a) => ends.map((c) => cosine(a.w, c.w))),
    optima: distinct.length,
    kappa: -(dot(best.w, moments.mean) + b) / deviation(moments, best.w),
  };
}

interface Descent {
  readonly all: FiringEvaluator;
  readonly coarse: FiringEvaluator | null;
  readonly norms: Float64Array;
  readonly pace: Pace;
  readonly b: number;
  readonly objective: HyperplaneObjective;
  readonly moments: RowMoments;
  readonly orthogonalTo: readonly Float64Array[];
}

interface Screened extends StartDirection {
  /** Where the start's own direction led at the wide smoothings. */
  readonly to: Float64Array;
  readonly evaluations: number;
}

/** The end of a start that came to where another had: that one's, or the start itself if it is better. */
async function joined({ from, w, evaluations }: Screened, end: FoundHyperplane, { all, b, objective }: Descent): Promise<FoundHyperplane> {
  const start: FoundHyperplane = { from, w, ...(await all.exact(w, b)), smooth: Infinity, evaluations };
  return better(start, end, objective) ? start : { ...end, from, evaluations };
}

/** Down the wide rungs of the ladder, on a part of the rows where there are many. */
async function screen(start: StartDirection, { all, coarse, b, objective, moments, orthogonalTo }: Descent): Promise<Screened> {
  let to = start.w;
  let evaluations = 0;
  for (const share of WIDE) {
    const tau = share * Math.max(deviation(moments, to), Number.MIN_VALUE);
    const found = await minimiseOnSphere((at) => (coarse ?? all).smooth(at, b, tau, objective), to, { orthogonalTo, iterations: 60, gain: 1e-5 });
    to = found.w;
    evaluations += found.evaluations;
  }
  return { ...start, to, evaluations };
}

/** Down the narrow rungs. The best of the rungs and the start itself, by the exact objective over all rows. */
async function descend({ from, w: start, to, evaluations: before }: Screened, on: Descent): Promise<FoundHyperplane> {
  const { all, b, objective, moments, orthogonalTo } = on;
  let evaluations = before;
  const at = async (w: Float64Array, smooth: number): Promise<FoundHyperplane> => ({ from, w, ...(await all.exact(w, b)), smooth, evaluations });
  let best = await at(start, Infinity);
  let w = to;
  for (const [rung, share] of NARROW.entries()) {
    const last = rung === NARROW.length - 1;
    const tau = share * Math.max(deviation(moments, w), Number.MIN_VALUE);
    let smooth = Infinity;
    // Rows that cannot come near the boundary while w stays near are left out; where it does not, again.
    for (let around = 0; around < REPEATS; around++) {
      const centre = w;
      const near = await nearRows(w, tau, on);
      const found = await minimiseOnSphere((v) => near.smooth(v, b, tau, objective), w, { orthogonalTo, iterations: last ? 150 : 60, gain: last ? 1e-10 : 1e-6 });
      ({ w, value: smooth } = found);
      evaluations += found.evaluations;
      if (Math.hypot(...w.map((value, c) => value - centre[c]!)) <= NEAR) break;
    }
    const found = await at(w, smooth);
    if (better(found, best, objective)) best = found;
  }
  return { ...best, evaluations };
}

/**
 * Rows that have a part of at least e^-40 of the largest in F for every direction within NEAR
 * of w: |z_r(v) - z_r(w)| <= ||v - w|| ||x~_r||.
 */
async function nearRows(w: Float64Array, tau: number, { all, norms, pace, b }: Descent): Promise<FiringEvaluator> {
  const { frame } = all;
  await all.exact(w, b);
  const { z } = all;
  let top = -Infinity;
  for (let r = 0; r < frame.rows; r++) top = Math.max(top, z[r]! - NEAR * norms[r]!);
  const least = Math.min(0, top) - 40 * tau;
  const chosen: number[] = [];
  for (let r = 0; r < frame.rows; r++) if (z[r]! + NEAR * norms[r]! > least) chosen.push(r);
  if (chosen.length > frame.rows / 2) return all;
  // The whole's weight: F is of all rows.
  return new FiringEvaluator({ ...chooseRows(frame, chosen), total: frame.total }, pace);
}

/** By the objective, then the other one, then by how far the nearest row is (the smooth objective says so where none fires). */
function better(a: FoundHyperplane, than: FoundHyperplane, objective: HyperplaneObjective): boolean {
  const keys = objective === 'rate' ? (['probability', 'activation', 'smooth'] as const) : (['activation', 'probability', 'smooth'] as const);
  for (const key of keys) if (a[key] !== than[key]) return a[key] < than[key];
  return false;
}

function startDirections(d: number, moments: RowMoments, b: number, objective: HyperplaneObjective, options: HyperplaneOptions): StartDirection[] {
  const { orthogonalTo = [], starts = [], momentStarts = true, random = 4, seed = 0 } = options;
  const found: StartDirection[] = [];
  const offer = (from: string, v: ArrayLike<number> | null): void => {
    if (v === null) return;
    const before = dot(v, v);
    const left = reject(Float64Array.from(v), orthogonalTo);
    // What an excluded direction leaves of itself is rounding.
    if (!(dot(left, left) > 1e-20 * before)) return;
    const w = unit(left);
    if (w !== null) found.push({ from, w });
  };
  for (const { from, w } of starts) offer(from, w);
  if (momentStarts) {
    offer('closed form', closedForm(moments, b, objective)?.w ?? null);
    offer('-mu', moments.mean.map((value) => -value));
    offer('-Sigma^-1 mu', inverseCovarianceDirection(moments));
  }
  const draw = createRandom(seed);
  for (let i = 0; i < random; i++) offer(`random ${i + 1}`, Float64Array.from({ length: d }, () => normalQuantile((draw.uint32() + 0.5) / 2 ** 32)));
  return found;
}

/** The Gaussian's hyperplane for these moments; null where there is none (a singular covariance, a mean of 0, a b too large). */
export function closedForm({ d, mean, covariance }: RowMoments, b: number, minimise: HyperplaneObjective): Hyperplane | null {
  try {
    return leastHyperplane({ d, mean, covariance }, b, minimise);
  } catch (error) {
    if (error instanceof UsageError) return null;
    throw error;
  }
}

/** -Sigma^-1 mu~ of length 1; a covariance that is singular gets a millionth of its mean variance. Null where the mean is 0. */
export function inverseCovarianceDirection({ d, mean, covariance }: RowMoments): Float64Array | null {
  let trace = 0;
  for (let c = 0; c < d; c++) trace += covariance[c * d + c]!;
  const l = cholesky(covariance, d) ?? cholesky(covariance, d, (1e-6 * trace) / d);
  if (l === null) return null;
  return unit(choleskySolve(l, d, mean).map((value) => -value));
}

/** sqrt(w' Sigma w) */
export function deviation({ d, covariance }: RowMoments, w: Float64Array): number {
  let sum = 0;
  for (let a = 0; a < d; a++) {
    let row = 0;
    for (let c = 0, at = a * d; c < d; c++, at++) row += covariance[at]! * w[c]!;
    sum += row * w[a]!;
  }
  return Math.sqrt(Math.max(0, sum));
}

/** ||x~|| of each row. */
function rowNorms({ x, rows, d, origin }: FrameRows): Float64Array {
  const norms = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    let sum = 0;
    for (let c = 0, at = r * d; c < d; c++, at++) sum += (x[at]! - origin[c]!) ** 2;
    norms[r] = Math.sqrt(sum);
  }
  return norms;
}

/** About `count` rows, evenly over the stream. */
function everyNth(frame: FrameRows, count: number): FrameRows {
  const step = frame.rows / count;
  return chooseRows(frame, Float64Array.from({ length: count }, (_, i) => Math.floor(i * step)));
}
