/**
 * Is there a direction along which no row fires at b = 0, {w . x~ > 0} empty with w not 0? Decided
 * with a proof either way (hull-simplex.ts):
 *
 *   strict  w . x~_r <= -eps < 0 on every row: w is the proof. With |w_j| <= 1, the largest eps at another
 *           bias b is eps - b: separable there while b < eps.
 *   weak    the origin is in the hull of the rows, but on its boundary: w . x~_r <= 0 with
 *           equality on some. Data in an orthant with the origin as a corner, for one.
 *   none    the origin is a convex combination of rows (Farkas' certificate) whose weights are
 *           positive on rows that span space: every direction fires on one of them.
 *
 * Weak and none are told apart by going down the faces of the hull: a w that fires on no row
 * is 0 on every row of a combination that gives the origin, so the search goes on
 * orthogonally to those rows, at most d times.
 *
 * Caveat that goes with the answer (Cover 1965): n rows in general position in d dimensions
 * are separable by chance with probability 2^(1-n) sum_{k<d} C(n - 1, k), one half at n = 2 d.
 */
import { Pace } from '../pace.js';
import { dot, PAUSE_EVERY, preactivations, reject, unit, type FrameRows } from './frame-rows.js';
import { hullDistance } from './hull-simplex.js';
import { upperTail } from './normal.js';

export type SeparationVerdict = 'strict' | 'weak' | 'none' | 'unknown';

export interface Separation {
  readonly verdict: SeparationVerdict;
  /** Of length 1; fires on no row. Null for none and unknown. */
  readonly w: Float64Array | null;
  /** max w . x~ over the rows for that w, as computed: below 0 where strict, 0 up to rounding where weak. */
  readonly worst: number | null;
  /** Bounds of max eps, |w_j| <= 1, in the units of the rows. */
  readonly epsilon: { readonly low: number; readonly high: number };
  /** Where not strict: rows, weights that sum to 1, of a combination that gives the origin, and the length of what it gives (|.|_1), in units of the largest entry. */
  readonly certificate: { readonly rows: Uint32Array; readonly lambda: Float64Array; readonly residual: number } | null;
  /** Dimensions of the space of w that the certificates leave. */
  readonly free: number;
  readonly pivots: number;
}

export interface SeparationOptions {
  readonly pivots?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((pivots: number, low: number, high: number) => void) | undefined;
}

/** Of rows scaled to a largest entry of 1: what counts as the origin. */
const ZERO = 1e-9;

export async function separate(frame: FrameRows, options: SeparationOptions = {}): Promise<Separation> {
  const { d, rows } = frame;
  const pace = new Pace(options.signal, PAUSE_EVERY);
  const scale = largestEntry(frame);
  const everywhere = Array.from({ length: d }, (_, c) => Float64Array.from({ length: d }, (_, a) => (a === c ? 1 : 0)));
  // All rows are the origin: nothing fires anywhere.
  if (scale === 0) return { verdict: 'weak', w: everywhere[0]!, worst: 0, epsilon: { low: 0, high: 0 }, certificate: { rows: Uint32Array.of(0), lambda: Float64Array.of(1), residual: 0 }, free: d, pivots: 0 };
  const first = await hullDistance(frame, scale, options);
  let { pivots } = first;
  const epsilon = { low: Math.max(0, first.low), high: first.high };
  const z = new Float64Array(rows);
  const answer = async (verdict: SeparationVerdict, w: Float64Array | null, free: number): Promise<Separation> => {
    let worst: number | null = null;
    if (w !== null) {
      await preactivations(frame, w, 0, z, pace);
      worst = z.reduce((most, value) => Math.max(most, value), -Infinity);
      // The proof is checked on the rows: what does not hold is not said.
      if (verdict === 'strict' ? worst >= 0 : worst > ZERO * scale) return { verdict: 'unknown', w: null, worst: null, epsilon, certificate: null, free, pivots };
    }
    return { verdict, w, worst, epsilon, certificate: verdict === 'strict' || verdict === 'unknown' ? null : { rows: first.support, lambda: first.lambda, residual: first.high / scale }, free, pivots };
  };
  if (first.low > 4 * d * Number.EPSILON * scale) return answer('strict', unit(first.w), d);
  if (!first.solved || first.high > ZERO * scale) return answer('unknown', null, d);

  // Down the faces: `held` spans the rows that w must be 0 on.
  const held: Float64Array[] = [];
  let support = first.support;
  for (let face = 0; face <= d; face++) {
    const before = held.length;
    for (const row of support) extend(held, frame, row, scale);
    if (held.length === d) return answer('none', null, 0);
    const basis = complement(held, everywhere);
    const skip = await withinSpan(frame, held, scale, pace);
    if (skip.every((flag) => flag === 1)) return answer('weak', basis[0]!, basis.length);
    if (face > 0 && held.length === before) return answer('unknown', null, basis.length);
    const next = await hullDistance(frame, scale, { ...options, basis, skip });
    pivots += next.pivots;
    if (next.low > ZERO * scale) return answer('weak', unit(next.w), basis.length);
    if (!next.solved || next.high > ZERO * scale) return answer('unknown', null, basis.length);
    ({ support } = next);
  }
  return answer('unknown', null, d - held.length);
}

/** Adds to an orthonormal set what of a row is new. */
function extend(held: Float64Array[], { x, d, origin }: FrameRows, row: number, scale: number): void {
  const v = Float64Array.from({ length: d }, (_, c) => (x[row * d + c]! - origin[c]!) / scale);
  const left = reject(v, held);
  if (Math.sqrt(dot(left, left)) > ZERO) held.push(unit(left)!);
}

/** An orthonormal basis of what is orthogonal to `held`: of each unit vector in turn what is new, the longest first. */
function complement(held: readonly Float64Array[], axes: readonly Float64Array[]): Float64Array[] {
  const left = axes.map((axis) => reject(axis.slice(), held)).sort((a, b) => dot(b, b) - dot(a, a));
  const basis: Float64Array[] = [];
  for (const v of left) {
    if (basis.length === axes.length - held.length) break;
    const rest = reject(v.slice(), basis);
    if (dot(rest, rest) > 1e-12) basis.push(unit(reject(rest, held))!);
  }
  return basis;
}

/** [rows] 1 where x~ lies in the span, up to rounding. */
async function withinSpan({ x, rows, d, origin }: FrameRows, span: readonly Float64Array[], scale: number, pace: Pace): Promise<Uint8Array> {
  const flags = new Uint8Array(rows);
  for (let r = 0; r < rows; r++) {
    const left = reject(Float64Array.from({ length: d }, (_, c) => (x[r * d + c]! - origin[c]!) / scale), span);
    if (Math.sqrt(dot(left, left)) <= ZERO) flags[r] = 1;
    if (pace.isDue) await pace.pause();
  }
  return flags;
}

function largestEntry({ x, rows, d, origin }: FrameRows): number {
  let most = 0;
  for (let r = 0, at = 0; r < rows; r++) for (let c = 0; c < d; c++, at++) most = Math.max(most, Math.abs(x[at]! - origin[c]!));
  return most;
}

/** Cover's probability that n rows in general position are separable by a plane through the origin: P(Binomial(n - 1, 1/2) < d). */
export function separableByChance(n: number, d: number): number {
  if (n <= d) return 1;
  if (n > 20_000) return upperTail((n - 1 - 2 * (d - 0.5)) / Math.sqrt(n - 1));
  let term = (1 - n) * Math.LN2;
  let sum = Math.exp(term);
  for (let k = 1; k < d; k++) {
    term += Math.log((n - k) / k);
    sum += Math.exp(term);
  }
  return Math.min(1, sum);
}

/** Coordinates j along which e_j or -e_j fires on no row at b = 0, with the sign that does not: +1, -1; 0 for the others. */
export function silentAxes({ x, rows, d, origin }: FrameRows): Int8Array {
  const low = new Float64Array(d).fill(Infinity);
  const high = new Float64Array(d).fill(-Infinity);
  for (let r = 0, at = 0; r < rows; r++) {
    for (let c = 0; c < d; c++, at++) {
      const value = x[at]! - origin[c]!;
      if (value < low[c]!) low[c] = value;
      if (value > high[c]!) high[c] = value;
    }
  }
  // A coordinate that never varies at 0 is no direction along which data lie on one side.
  return Int8Array.from({ length: d }, (_, c) => (low[c] === 0 && high[c] === 0 ? 0 : low[c]! >= 0 ? -1 : high[c]! <= 0 ? 1 : 0));
}
