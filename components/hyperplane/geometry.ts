/**
 * The data and a feature's boundary in the plane of the dying direction u (across) and the direction
 * v of most variance orthogonal to it (up), through the mean mu of the data. Pure.
 *
 *   a row x stands at           a = x . u,  c = (x - mu) . v: across it is the offset of the survival curve
 *   the boundary w . x + b = 0  a (w . u) + c (w . v) + (w . mu + b - (w . u) (u . mu)) = 0 where x is mu in all other directions
 *   a row fires                 where w . x + b > 0, in all d dimensions: rows may fire on either side of the line
 *
 * Kept true: what fires is decided in f64 from the f32 weights, never from the projection.
 */
import type { DyingPlane } from '../../engine/dying/record.js';

/** Of the extent of the data. */
const ROOM = 0.06;
const FAR_ROOM = 0.3;

export interface Projected {
  /** [m] along u and v. */
  readonly across: Float64Array;
  readonly up: Float64Array;
  /** Least and greatest of each, with a margin. */
  readonly acrossDomain: readonly [number, number];
  readonly upDomain: readonly [number, number];
}

export function project({ x, m, mean, direction, complement }: Pick<DyingPlane, 'x' | 'm' | 'mean' | 'direction' | 'complement'>): Projected {
  const d = mean.length;
  const [across, up] = [new Float64Array(m), new Float64Array(m)];
  for (let r = 0; r < m; r++) {
    for (let c = 0; c < d; c++) {
      const value = x[r * d + c]! - mean[c]!;
      across[r] = across[r]! + x[r * d + c]! * direction[c]!;
      up[r] = up[r]! + value * complement[c]!;
    }
  }
  return { across, up, acrossDomain: domainOf(across, FAR_ROOM), upDomain: domainOf(up) };
}

/** @param far more room on the high side: that is where boundaries go */
function domainOf(values: Float64Array, far = ROOM): readonly [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (!(high > low)) [low, high] = [(values[0] ?? 0) - 1, (values[0] ?? 0) + 1];
  return [low - ROOM * (high - low), high + far * (high - low)];
}

/** A feature at a frame, as the plane sees it. */
export interface Boundary {
  /** w . u, w . v, w . mu + b - (w . u) (u . mu): the line is a * across + c * up + constant = 0. */
  readonly across: number;
  readonly up: number;
  readonly constant: number;
  readonly norm: number;
  /** cos(w, u); 0 where w is. */
  readonly cosine: number;
  /** -b / ||w||: where along its own direction it begins to fire, for raw x. */
  readonly offset: number;
}

/** @param at index into `plane.features` */
export function boundaryOf({ encoder, offset, mean, direction, complement }: Pick<DyingPlane, 'encoder' | 'offset' | 'mean' | 'direction' | 'complement'>, frame: number, at: number): Boundary {
  const d = mean.length;
  const w = encoder[frame]!.subarray(at * d, (at + 1) * d);
  const b = offset[frame]![at]!;
  let [wu, wv, wm, ww, um] = [0, 0, 0, 0, 0];
  for (let c = 0; c < d; c++) {
    wu += w[c]! * direction[c]!;
    wv += w[c]! * complement[c]!;
    wm += w[c]! * mean[c]!;
    ww += w[c]! * w[c]!;
    um += direction[c]! * mean[c]!;
  }
  const norm = Math.sqrt(ww);
  return { across: wu, up: wv, constant: wm + b - wu * um, norm, cosine: norm > 0 ? wu / norm : 0, offset: norm > 0 ? -b / norm : Infinity };
}

/** Pre-activations of all sampled rows, [m], in f64. */
export function preActivations({ x, m, encoder, offset, mean }: Pick<DyingPlane, 'x' | 'm' | 'encoder' | 'offset' | 'mean'>, frame: number, at: number): Float64Array {
  const d = mean.length;
  const w = encoder[frame]!.subarray(at * d, (at + 1) * d);
  const b = offset[frame]![at]!;
  const z = new Float64Array(m);
  for (let r = 0; r < m; r++) {
    let sum = 0;
    for (let c = 0; c < d; c++) sum += x[r * d + c]! * w[c]!;
    z[r] = sum + b;
  }
  return z;
}

export interface Segment {
  readonly from: readonly [across: number, up: number];
  readonly to: readonly [across: number, up: number];
}

/** The boundary's piece within a box; null where it does not cross it. */
export function clip({ across, up, constant }: Pick<Boundary, 'across' | 'up' | 'constant'>, [left, right]: readonly [number, number], [low, high]: readonly [number, number]): Segment | null {
  const points: [number, number][] = [];
  const add = (x: number, y: number): void => {
    const inside = x >= left - 1e-9 * (right - left) && x <= right + 1e-9 * (right - left) && y >= low - 1e-9 * (high - low) && y <= high + 1e-9 * (high - low);
    if (inside && !points.some(([px, py]) => Math.abs(px - x) <= 1e-9 * (right - left) && Math.abs(py - y) <= 1e-9 * (high - low))) points.push([x, y]);
  };
  if (up !== 0) for (const x of [left, right]) add(x, -(across * x + constant) / up);
  if (across !== 0) for (const y of [low, high]) add(-(up * y + constant) / across, y);
  return points.length < 2 ? null : { from: points[0]!, to: points[1]! };
}
