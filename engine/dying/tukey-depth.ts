/**
 * Halfspace depth (Tukey 1975) of the origin among rows, HD = min over w of P(w . x~ >= 0): the least firing rate
 * of any feature with b = 0, up to rows on the boundary. At the deepest point it is at least
 * 1 / (d + 1); at the mean of a log-concave law at least 1 / e (Grunbaum 1960): no feature without
 * a bias dies there. And with a bias, the profile
 *
 *   psi(beta) = min over w of length 1 of P(w . x~ > beta)
 *
 * below which no feature (w_i, b_i) with beta_i = -b_i / ||w_i|| can lie.
 *
 * Exact in two dimensions, by a sweep over angles; in more the problem is NP-hard, and what is
 * returned is the least that minimisation and random directions found, an upper bound.
 */
import { Pace } from '../pace.js';
import { createRandom } from '../random.js';
import { ShapeError } from '../errors.js';
import { closedForm, dataHyperplane, type StartDirection } from './data-hyperplane.js';
import { dot, PAUSE_EVERY, preactivations, rowMoments, unit, type FrameRows, type RowMoments } from './frame-rows.js';
import { normalQuantile } from './normal.js';
import { FiringEvaluator } from './smooth-firing.js';

export interface TukeyDepth {
  /** P(w . x~ >= 0) at w. */
  readonly depth: number;
  readonly w: Float64Array;
  readonly exact: boolean;
}

export interface DepthOptions {
  readonly moments?: RowMoments | undefined;
  readonly starts?: readonly StartDirection[] | undefined;
  /** Random directions to minimise from; default 4. */
  readonly random?: number | undefined;
  /** Directions drawn at random, each with its opposite; default 200. */
  readonly directions?: number | undefined;
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export async function tukeyDepth(frame: FrameRows, options: DepthOptions = {}): Promise<TukeyDepth> {
  const { d } = frame;
  if (d === 2) return depthInPlane(frame);
  const { directions = 200, seed = 0, signal } = options;
  const moments = options.moments ?? (await rowMoments(frame, signal));
  const found = await dataHyperplane(frame, { ...options, moments, objective: 'rate', b: 0 });
  let best: TukeyDepth = { depth: Infinity, w: found.best.w, exact: false };
  const consider = (depth: number, w: Float64Array): void => {
    if (depth < best.depth) best = { depth, w, exact: depth === 0 };
  };
  for (const { w, probability, boundary } of found.ends) consider(probability + boundary, w);
  const random = createRandom(seed);
  const evaluator = new FiringEvaluator(frame, new Pace(signal, PAUSE_EVERY));
  for (let i = 0; i < directions; i++) {
    const w = unit(Float64Array.from({ length: d }, () => normalQuantile((random.uint32() + 0.5) / 2 ** 32)))!;
    const { probability, boundary } = await evaluator.exact(w, 0);
    consider(probability + boundary, w);
    consider(1 - probability, w.map((value) => -value));
  }
  return best;
}

/**
 * Exact, in O(n log n): as a closed half-plane turns, its weight changes where its boundary meets a row;
 * between those it is the weight of the rows within the half turn.
 * @throws ShapeError where d is not 2
 */
export function depthInPlane({ x, rows, d, origin, weights, total }: FrameRows): TukeyDepth {
  if (d !== 2) throw new ShapeError(`d is ${d}, expected 2`);
  const points: { readonly px: number; readonly py: number; readonly angle: number; weight: number }[] = [];
  let always = 0;
  for (let r = 0; r < rows; r++) {
    const [px, py] = [x[2 * r]! - origin[0]!, x[2 * r + 1]! - origin[1]!];
    const weight = weights === null ? 1 : weights[r]!;
    if (px === 0 && py === 0) always += weight;
    else points.push({ px, py, angle: Math.atan2(py, px), weight });
  }
  points.sort((a, b) => a.angle - b.angle);
  // One of each direction.
  const rays: typeof points = [];
  for (const point of points) {
    const last = rays.at(-1);
    if (last !== undefined && last.px * point.py === last.py * point.px && last.px * point.px + last.py * point.py > 0) last.weight += point.weight;
    else rays.push(point);
  }
  const n = rays.length;
  const before = new Float64Array(2 * n + 1);
  for (let i = 0; i < 2 * n; i++) before[i + 1] = before[i]! + rays[i % n]!.weight;
  let best = { inside: n === 0 ? 0 : Infinity, angle: 0 };
  let end = 0;
  for (let i = 0; i < n; i++) {
    // The half turn that begins just behind ray i: it is out, one opposite to it is in.
    const { px, py, angle } = rays[i]!;
    end = Math.max(end, i + 1);
    while (end < i + n) {
      const { px: qx, py: qy } = rays[end % n]!;
      const cross = px * qy - py * qx;
      if (cross < 0) break;
      end++;
    }
    const inside = before[end]! - before[i + 1]!;
    if (inside >= best.inside) continue;
    // Halfway to where the next ray leaves or enters.
    const turn = (to: number): number => (((rays[to % n]!.angle - angle) % (2 * Math.PI)) + 2 * Math.PI) % (2 * Math.PI);
    const leaves = n === 1 ? Math.PI : turn(i + 1);
    const enters = end < i + n ? turn(end) - Math.PI : Math.PI;
    best = { inside, angle: angle + Math.PI / 2 + Math.min(leaves, Math.max(enters, 0)) / 2 };
  }
  return { depth: (always + best.inside) / total, w: Float64Array.of(Math.cos(best.angle), Math.sin(best.angle)), exact: true };
}

export interface RateProfile {
  readonly beta: Float64Array;
  /** Least P(w . x~ > beta) found, falling with beta. */
  readonly psi: Float64Array;
  /** The directions found, by beta; every one of them was tried at every beta. */
  readonly directions: readonly Float64Array[];
  /** z = w . x~ of each direction, ascending. */
  readonly sorted: readonly Float64Array[];
}

/**
 * psi on a grid, an upper bound of it. A direction found at one beta bounds psi at all others.
 * @param beta ascending
 */
export async function rateProfile(frame: FrameRows, beta: ArrayLike<number>, options: DepthOptions & { readonly onProgress?: (done: number, total: number) => void } = {}): Promise<RateProfile> {
  const { signal, starts = [], seed = 0, onProgress } = options;
  const moments = options.moments ?? (await rowMoments(frame, signal));
  const directions: Float64Array[] = [];
  const sorted: Float64Array[] = [];
  const pace = new Pace(signal, PAUSE_EVERY);
  const keep = async (w: Float64Array): Promise<void> => {
    if (directions.some((held) => dot(held, w) > 1 - 1e-12)) return;
    const z = new Float64Array(frame.rows);
    await preactivations(frame, w, 0, z, pace);
    directions.push(w);
    sorted.push(z.sort());
  };
  for (const { w } of starts) await keep(w);
  for (let i = 0; i < beta.length; i++) {
    onProgress?.(i, beta.length);
    // psi falls: where it was 0 it stays.
    if (profileAt({ sorted }, beta[i]!) === 0) continue;
    const last = directions.at(-1);
    const form = closedForm(moments, -beta[i]!, 'rate');
    const from = [...(last === undefined ? [] : [{ from: 'before', w: last }]), ...(form === null ? [] : [{ from: 'closed form', w: form.w }])];
    const found = await dataHyperplane(frame, { b: -beta[i]!, objective: 'rate', moments, momentStarts: false, random: from.length === 0 ? 2 : 0, seed, signal, starts: from });
    await keep(found.best.w);
  }
  onProgress?.(beta.length, beta.length);
  const profile: RateProfile = { beta: Float64Array.from(beta), psi: new Float64Array(beta.length), directions, sorted };
  for (let i = 0; i < beta.length; i++) profile.psi[i] = profileAt(profile, beta[i]!);
  return profile;
}

/** The least rate at any beta, of the directions of a profile; 1 without any. Rows count once each. */
export function profileAt({ sorted }: Pick<RateProfile, 'sorted'>, beta: number): number {
  return sorted.reduce((least, z) => Math.min(least, shareAbove(z, beta)), 1);
}

/** Share of ascending values above c, strictly. */
export function shareAbove(ascending: ArrayLike<number>, c: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! > c) high = middle;
    else low = middle + 1;
  }
  return (ascending.length - low) / ascending.length;
}
