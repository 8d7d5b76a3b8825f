/**
 * Is it the same work? Every peer's result is held against ours before anything
 * is timed, with bounds and not by eye: a sum of n products in f32 is off by at
 * most gamma_n sum |a||b| in any order, fused or not (Higham, Accuracy and
 * Stability of Numerical Algorithms, §3.1), and both sides may be.
 */
import type { SparseCodes } from '../engine/codes.js';
import { gamma, tieTolerance } from '../engine/ties.js';
import { saeOf } from './arrays.js';
import type { DecodeProblem, DenseProblem, EncodeProblem, Sparse, TopkProblem } from './peers/peer.js';
import { firingThreshold } from './peers/onnx.js';

/** Two results that should be one are not. */
export class Disagreement extends Error {}

function norm(row: Float32Array): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return Math.sqrt(sum);
}

/** Per row, how far two f32 pre-activations of the same row and feature may lie apart. */
export function denseBounds({ rows, d_in, d_sae, x, W, b }: DenseProblem): Float64Array {
  const { perNorm, constant } = tieTolerance(saeOf({ architecture: 'standard', d_in, d_sae, W_enc: W, b_enc: b, W_dec: EMPTY }));
  return Float64Array.from({ length: rows }, (_, r) => 2 * (perNorm * norm(x.subarray(r * d_in, (r + 1) * d_in)) + constant));
}
const EMPTY = new Float32Array(0);

/** @throws Disagreement naming the first value that lies outside its bound */
export function sameDense(name: string, ours: Float32Array, theirs: Float32Array, width: number, bounds: Float64Array): void {
  if (ours.length !== theirs.length) throw new Disagreement(`${name}: ${theirs.length} values, expected ${ours.length}`);
  for (let at = 0; at < ours.length; at++) {
    const bound = bounds[Math.floor(at / width)]!;
    // Written so that NaN fails.
    if (!(Math.abs(ours[at]! - theirs[at]!) <= bound)) {
      throw new Disagreement(`${name}: row ${Math.floor(at / width)}, column ${at % width}: ${theirs[at]} where saekit has ${ours[at]}; rounding explains ${bound.toExponential(2)}`);
    }
  }
}

/** The selected values must be the k largest of the row, and each index must name its value. Equal values may be chosen differently. */
export function sameTopk(name: string, ours: Sparse, theirs: Sparse, { rows, n, z }: TopkProblem): void {
  for (let row = 0; row < rows; row++) {
    const [a, b] = [ours, theirs].map(({ offsets, values }) => values.slice(offsets[row], offsets[row + 1]).sort());
    if (a!.length !== b!.length || !a!.every((value, at) => value === b![at])) throw new Disagreement(`${name}: row ${row}: its largest values are not saekit's`);
    const seen = new Set<number>();
    for (let at = theirs.offsets[row]!; at < theirs.offsets[row + 1]!; at++) {
      const feature = theirs.features[at]!;
      if (seen.has(feature) || z[row * n + feature] !== theirs.values[at]) throw new Disagreement(`${name}: row ${row}: index ${feature} does not hold ${theirs.values[at]}, or comes twice`);
      seen.add(feature);
    }
  }
}

/** Codes may differ only in entries nearer to their threshold, or to the row's k-th value, than rounding explains. */
export function sameCodes(name: string, ours: Sparse, theirs: Sparse, { rows, x, sae }: EncodeProblem): void {
  const { d_in, d_sae, W_enc, b_enc } = sae;
  const bounds = denseBounds({ rows, d_in, d_sae, x, W: W_enc, b: b_enc });
  const threshold = sae.architecture === 'topk' ? null : firingThreshold(sae);
  for (let row = 0; row < rows; row++) {
    const bound = bounds[row]!;
    const [a, b] = [rowOf(ours, row), rowOf(theirs, row)];
    const least = Math.min(...a.values());
    const unexplained = (feature: number, value: number): boolean => Math.abs(value - (threshold?.[feature] ?? least)) > 2 * bound;
    for (const [feature, value] of b) {
      const own = a.get(feature);
      if (own === undefined ? unexplained(feature, value) : !(Math.abs(own - value) <= bound)) throw new Disagreement(`${name}: row ${row}, feature ${feature}: ${value} where saekit has ${own ?? 'nothing'}; rounding explains ${bound.toExponential(2)}`);
    }
    for (const [feature, value] of a) {
      if (!b.has(feature) && unexplained(feature, value)) throw new Disagreement(`${name}: row ${row}, feature ${feature}: nothing where saekit has ${value}`);
    }
  }
}

function rowOf({ offsets, features, values }: Sparse, row: number): Map<number, number> {
  const entries = new Map<number, number>();
  for (let at = offsets[row]!; at < offsets[row + 1]!; at++) entries.set(features[at]!, values[at]!);
  return entries;
}

/** Bitwise: what two ways of saekit's own must give. */
export function identicalCodes(name: string, ours: Sparse, theirs: Sparse): void {
  const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);
  const equal = (a: Uint32Array, b: Uint32Array): boolean => a.length === b.length && a.every((value, at) => value === b[at]);
  if (!equal(ours.offsets, theirs.offsets) || !equal(ours.features, theirs.features) || !equal(bits(ours.values), bits(theirs.values))) {
    throw new Disagreement(`${name}: its codes are not, bit for bit, those of saekit's dense path`);
  }
}

/** Per row, how far two decodings may lie apart: zeros add nothing, so n is the row's entries and the bias. */
export function decodeBounds({ codes, sae }: DecodeProblem): Float64Array {
  let [weight, bias] = [0, 0];
  for (const value of sae.W_dec) weight = Math.max(weight, Math.abs(value));
  for (const value of sae.b_dec) bias = Math.max(bias, Math.abs(value));
  return Float64Array.from({ length: codes.rows }, (_, row) => {
    const [begin, end] = [codes.offsets[row]!, codes.offsets[row + 1]!];
    let sum = 0;
    for (let at = begin; at < end; at++) sum += Math.abs(codes.values[at]!);
    return 2 * gamma(end - begin + 1) * (sum * weight + bias);
  });
}

/**
 * Losses of the first steps of training. Adam divides a gradient by its own size, so that
 * where one is rounding noise its step is noise too: no bound of rounding holds from step to
 * step. A gradient term that is missing moves the losses by more than this (test/node/bench.test.ts).
 */
export const LOSS_TOLERANCE = 2e-4;

/** @throws Disagreement naming the first step whose losses differ by more than their share `LOSS_TOLERANCE` */
export function sameLosses(name: string, ours: Float64Array, theirs: Float64Array): void {
  ours.forEach((loss, at) => {
    // Written so that NaN fails.
    if (!(Math.abs(theirs[at]! - loss) <= LOSS_TOLERANCE * loss)) throw new Disagreement(`${name}: the loss of step ${at + 1} is ${theirs[at]} where saekit has ${loss}`);
  });
}

/** Codes as the dense matrix that others multiply, [rows, d_sae]. */
export function denseCodes({ rows, d_sae, offsets, features, values }: SparseCodes): Float32Array {
  const f = new Float32Array(rows * d_sae);
  for (let row = 0; row < rows; row++) {
    for (let at = offsets[row]!; at < offsets[row + 1]!; at++) f[row * d_sae + features[at]!] = values[at]!;
  }
  return f;
}
