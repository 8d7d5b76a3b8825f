/**
 * Limited-memory BFGS on the unit sphere of a subspace: minimises f(w) over ||w|| = 1, w
 * orthogonal to some given directions. Steps go along the tangent and are normalised back
 * (a retraction); earlier steps and changes of gradient are carried to the new tangent by
 * projection, which keeps the curvature condition s . y > 0 wherever it is still checked
 * (Absil, Mahony & Sepulchre, "Optimization Algorithms on Matrix Manifolds", 2008, ch. 8;
 * Nocedal & Wright, "Numerical Optimization", 2006, algorithm 7.4).
 *
 * Kept true: the value never rises from one iterate to the next.
 */
import { dot, reject, unit } from './frame-rows.js';

/** f and its gradient in space; the gradient's array is the caller's to keep. */
export type SphereFunction = (w: Float64Array) => Promise<{ readonly value: number; readonly gradient: Float64Array }>;

export interface SphereOptions {
  /** Orthonormal directions that w stays orthogonal to. */
  readonly orthogonalTo?: readonly Float64Array[] | undefined;
  readonly iterations?: number | undefined;
  /** Stops where the tangent gradient is no longer than this, or two steps in a row gained less than `gain`. */
  readonly gradient?: number | undefined;
  readonly gain?: number | undefined;
}

export interface SphereMinimum {
  readonly w: Float64Array;
  readonly value: number;
  readonly evaluations: number;
  /** Length of the tangent gradient. */
  readonly gradient: number;
}

const MEMORY = 10;
/** Radians, about, of the longest step: further the tangent says little. */
const LONGEST = 0.5;
const SUFFICIENT = 1e-4;

/** Minimises from `start`, which need not have length 1. */
export async function minimiseOnSphere(f: SphereFunction, start: Float64Array, options: SphereOptions = {}): Promise<SphereMinimum> {
  const { orthogonalTo = [], iterations = 200, gradient: enough = 1e-9, gain = 1e-12 } = options;
  const d = start.length;
  const onSphere = (v: Float64Array): Float64Array => unit(reject(v, orthogonalTo)) ?? Float64Array.from(start);
  const tangent = (v: Float64Array, w: Float64Array): Float64Array => {
    reject(v, orthogonalTo);
    return reject(v, [w]);
  };
  let w = onSphere(Float64Array.from(start));
  let evaluations = 1;
  let { value, gradient } = await f(w);
  gradient = tangent(gradient, w);
  let memory: { s: Float64Array; y: Float64Array; sy: number }[] = [];
  let small = 0;
  for (let iteration = 0; iteration < iterations; iteration++) {
    const length = Math.sqrt(dot(gradient, gradient));
    if (length <= enough) break;
    let direction = descent(gradient, memory);
    let slope = dot(direction, gradient);
    if (!(slope < 0)) {
      memory = [];
      direction = gradient.map((g) => -g);
      slope = -length * length;
    }
    const size = Math.sqrt(dot(direction, direction));
    let step = Math.min(1, LONGEST / size, memory.length === 0 ? 0.1 / size : Infinity);
    let next: { w: Float64Array; value: number; gradient: Float64Array } | null = null;
    for (let tries = 0; tries < 25; tries++) {
      const at = onSphere(Float64Array.from({ length: d }, (_, c) => w[c]! + step * direction[c]!));
      const found = await f(at);
      evaluations++;
      if (found.value <= value + SUFFICIENT * step * slope) {
        next = { w: at, ...found };
        break;
      }
      // The parabola through what is known; where it is no use, a tenth to a half.
      const guess = (-slope * step * step) / (2 * (found.value - value - slope * step));
      step = Number.isFinite(guess) ? Math.max(0.1 * step, Math.min(0.5 * step, guess)) : 0.1 * step;
    }
    if (next === null) {
      if (memory.length === 0) break;
      memory = [];
      continue;
    }
    const y = tangent(next.gradient.slice(), next.w);
    const s = tangent(Float64Array.from({ length: d }, (_, c) => next.w[c]! - w[c]!), next.w);
    const before = tangent(gradient, next.w);
    const change = Float64Array.from({ length: d }, (_, c) => y[c]! - before[c]!);
    const sy = dot(s, change);
    for (const pair of memory) {
      tangent(pair.s, next.w);
      tangent(pair.y, next.w);
      pair.sy = dot(pair.s, pair.y);
    }
    memory = memory.filter((pair) => pair.sy > 1e-14 * dot(pair.y, pair.y));
    if (sy > 1e-10 * Math.sqrt(dot(s, s) * dot(change, change))) memory.push({ s, y: change, sy });
    if (memory.length > MEMORY) memory.shift();
    small = value - next.value < gain * Math.max(1, Math.abs(value)) ? small + 1 : 0;
    ({ w, value } = next);
    gradient = y;
    if (small >= 2) break;
  }
  return { w, value, evaluations, gradient: Math.sqrt(dot(gradient, gradient)) };
}

/** -H g by the two loops. */
function descent(gradient: Float64Array, memory: readonly { readonly s: Float64Array; readonly y: Float64Array; readonly sy: number }[]): Float64Array {
  const q = gradient.slice();
  const add = (scale: number, v: Float64Array): void => {
    for (let c = 0; c < q.length; c++) q[c] = q[c]! + scale * v[c]!;
  };
  const alphas: number[] = [];
  for (let i = memory.length - 1; i >= 0; i--) {
    const { s, y, sy } = memory[i]!;
    alphas[i] = dot(s, q) / sy;
    add(-alphas[i]!, y);
  }
  const last = memory.at(-1);
  const scale = last === undefined ? 1 : last.sy / dot(last.y, last.y);
  for (let c = 0; c < q.length; c++) q[c] = q[c]! * scale;
  for (const [i, { s, y, sy }] of memory.entries()) add(alphas[i]! - dot(y, q) / sy, s);
  for (let c = 0; c < q.length; c++) q[c] = -q[c]!;
  return q;
}
