/**
 * The float64 oracle of encode and decode, and the SAEs and rows to hold it
 * against. Plain loops over the definitions in engine/sae.ts, sharing no code
 * with a backend; it throws plain errors, so that every test runner can call it.
 *
 * Tolerances are bounds, not guesses: a sum of n products in f32, in any order,
 * differs from the exact one by at most gamma_n * sum |a||b|, with
 * gamma_n = n u / (1 - n u) and u = 2^-24 (Higham, Accuracy and Stability of
 * Numerical Algorithms, §3.1).
 */
import type { SparseCodes } from '../../engine/codes.js';
import type { Architecture, Sae } from '../../engine/sae.js';
import { gaussian } from './random.js';

export interface SaeShape {
  readonly architecture: Architecture;
  readonly d_in: number;
  readonly d_sae: number;
  /** Default d_in. */
  readonly d_out?: number;
  /** topk and batchtopk; default min(8, d_sae). */
  readonly k?: number;
  readonly seed: number;
  readonly rescaleActsByDecoderNorm?: boolean;
}

/** A random SAE: Gaussian weights of unit expected column norm, biases that keep part of the features silent. */
export function makeSae(shape: SaeShape): Sae {
  const { architecture, d_in, d_sae, d_out = d_in, seed } = shape;
  const next = gaussian(seed);
  const fill = (length: number, scale: number, shift = 0) => Float32Array.from({ length }, () => shift + scale * next());
  return {
    architecture,
    d_in,
    d_sae,
    d_out,
    W_enc: fill(d_in * d_sae, 1 / Math.sqrt(d_in)),
    b_enc: fill(d_sae, 0.2, -0.1),
    W_dec: fill(d_sae * d_out, 1 / Math.sqrt(d_out)),
    b_dec: fill(d_out, 0.3),
    // Some thresholds are negative: z > 0 must hold all the same.
    threshold: architecture === 'jumprelu' ? fill(d_sae, 0.4, 0.3) : null,
    k: architecture === 'topk' || architecture === 'batchtopk' ? (shape.k ?? Math.min(8, d_sae)) : null,
    gate: architecture === 'gated' ? { r_mag: fill(d_sae, 0.5), b_gate: fill(d_sae, 0.2, -0.1) } : null,
    applyBDecToInput: true,
    normalizeActivations: 'none',
    rescaleActsByDecoderNorm: shape.rescaleActsByDecoderNorm ?? false,
    metadata: { name: `random-${seed}`, model_name: null, hook_name: null, source: 'test/shared/oracle.ts', format: 'random', sha256: null },
    conventions: [],
  };
}

/** Standard normal rows, [rows, d] f32. */
export function randomRows(rows: number, d: number, seed: number): Float32Array {
  const next = gaussian(seed);
  return Float32Array.from({ length: rows * d }, () => next());
}

/** Codes with float64 values. */
export interface OracleCodes extends Omit<SparseCodes, 'values'> {
  readonly values: Float64Array;
}

/** What decides and bounds one row, in float64. */
export interface OracleRow {
  /** [d_sae] pre-activations, times the decoder norms where the SAE rescales. */
  readonly z: Float64Array;
  /** [d_sae] what is compared with an edge: z, and for gated the smaller of gate and magnitude, whose z is the magnitude. */
  readonly decision: Float64Array;
  /** [d_sae] the largest error an f32 z may have. */
  readonly bound: Float64Array;
  /** tol_r of engine/codes.ts. */
  readonly tolerance: number;
  /** The features that fire, ascending. */
  readonly fires: number[];
}

/** gamma_n for f32. */
export function gamma(n: number): number {
  const nu = n * 2 ** -24;
  return nu / (1 - nu);
}

/** ||W_dec[i]|| for every feature, or ones where the SAE does not rescale. */
function scales(sae: Sae): Float64Array {
  return Float64Array.from({ length: sae.d_sae }, (_, i) => {
    if (!sae.rescaleActsByDecoderNorm) return 1;
    let sum = 0;
    for (let o = 0; o < sae.d_out; o++) sum += sae.W_dec[i * sae.d_out + o]! ** 2;
    return Math.sqrt(sum);
  });
}

/** Roundings on the way of one term: the products' sum, the bias, and with rescaling or gates the factor and the product with it. */
function terms(sae: Sae): number {
  return sae.d_in + 1 + (sae.rescaleActsByDecoderNorm || sae.gate ? 2 : 0);
}

/** Every row's pre-activations, bounds and decisions, one row at a time. */
export function* oracleRows(sae: Sae, xbar: Float32Array, rows: number): Generator<OracleRow> {
  const { d_in, d_sae } = sae;
  const scale = scales(sae);
  let maxNorm = 0;
  let maxBias = 0;
  for (let i = 0; i < d_sae; i++) {
    let sum = 0;
    for (let d = 0; d < d_in; d++) sum += sae.W_enc[d * d_sae + i]! ** 2;
    maxNorm = Math.max(maxNorm, Math.sqrt(sum) * scale[i]! * Math.max(1, Math.exp(sae.gate?.r_mag[i] ?? 0)));
    maxBias = Math.max(maxBias, Math.abs(sae.b_enc[i]!) * scale[i]!, Math.abs(sae.gate?.b_gate[i] ?? 0));
  }
  const g = gamma(terms(sae));
  for (let r = 0; r < rows; r++) {
    const z = sae.gate ? new Float64Array(d_sae) : Float64Array.from(sae.b_enc);
    const bound = z.map(Math.abs);
    let norm = 0;
    for (let d = 0; d < d_in; d++) {
      const x = xbar[r * d_in + d]!;
      norm += x * x;
      for (let i = 0; i < d_sae; i++) {
        const product = x * sae.W_enc[d * d_sae + i]!;
        z[i]! += product;
        bound[i]! += Math.abs(product);
      }
    }
    for (let i = 0; i < d_sae; i++) {
      z[i]! *= scale[i]!;
      bound[i]! *= scale[i]! * g;
    }
    let decision = z;
    if (sae.gate) {
      const { r_mag, b_gate } = sae.gate;
      decision = z.map((product, i) => Math.min(product + b_gate[i]!, product * Math.exp(r_mag[i]!) + sae.b_enc[i]!));
      for (let i = 0; i < d_sae; i++) {
        z[i] = z[i]! * Math.exp(r_mag[i]!) + sae.b_enc[i]!;
        bound[i] = bound[i]! * Math.exp(r_mag[i]!) + g * Math.abs(sae.b_enc[i]!);
      }
    }
    const compared = sae.architecture === 'topk' || sae.architecture === 'batchtopk';
    yield { z, decision, bound, tolerance: (compared ? 2 : 1) * g * (Math.sqrt(norm) * maxNorm + maxBias), fires: sae.architecture === 'batchtopk' ? [] : fires(sae, decision) };
  }
}

/** The definition of firing: engine/sae.ts, ties in a selection to the lowest feature. */
function fires(sae: Sae, z: Float64Array): number[] {
  const all = Array.from(z.keys());
  if (sae.architecture === 'standard' || sae.architecture === 'gated') return all.filter((i) => z[i]! > 0);
  if (sae.architecture === 'jumprelu') return all.filter((i) => z[i]! > sae.threshold![i]! && z[i]! > 0);
  const order = all.sort((a, b) => (z[a] === z[b] ? a - b : z[b]! > z[a]! ? 1 : -1));
  return order.slice(0, sae.k!).filter((i) => z[i]! > 0).sort((a, b) => a - b);
}

/** Encodes in float64. `nearTies` is not the oracle's to say: 0. */
export function oracleEncode(sae: Sae, xbar: Float32Array, rows: number): OracleCodes {
  const offsets = [0];
  const features: number[] = [];
  const values: number[] = [];
  for (const row of oracleRows(sae, xbar, rows)) {
    for (const i of row.fires) {
      features.push(i);
      values.push(row.z[i]!);
    }
    offsets.push(features.length);
  }
  return {
    rows,
    d_sae: sae.d_sae,
    offsets: Uint32Array.from(offsets),
    features: Uint32Array.from(features),
    values: Float64Array.from(values),
    nearTies: 0,
  };
}

/** f @ W_dec + b_dec in float64, [rows, d_out]; f is divided by the decoder norms where the SAE rescales. */
export function oracleDecode(sae: Sae, codes: SparseCodes | OracleCodes): Float64Array {
  return decodeWithBound(sae, codes).y;
}

function decodeWithBound(sae: Sae, codes: SparseCodes | OracleCodes): { y: Float64Array; bound: Float64Array } {
  const { d_out } = sae;
  const scale = scales(sae);
  const y = new Float64Array(codes.rows * d_out);
  const bound = new Float64Array(codes.rows * d_out);
  for (let r = 0; r < codes.rows; r++) {
    const from = codes.offsets[r]!;
    const to = codes.offsets[r + 1]!;
    const g = gamma(to - from + (sae.rescaleActsByDecoderNorm ? 3 : 1));
    for (let o = 0; o < d_out; o++) {
      let sum = sae.b_dec[o]!;
      let size = Math.abs(sum);
      for (let e = from; e < to; e++) {
        const i = codes.features[e]!;
        const product = (codes.values[e]! / (scale[i]! === 0 ? 1 : scale[i]!)) * sae.W_dec[i * d_out + o]!;
        sum += product;
        size += Math.abs(product);
      }
      y[r * d_out + o] = sum;
      bound[r * d_out + o] = g * size;
    }
  }
  return { y, bound };
}

/**
 * Holds a backend's codes against the oracle: the CSR invariants, every value
 * within its bound, every decision as the oracle's unless within `tol_r`, and
 * no more such differences than the backend itself announced in `nearTies`.
 *
 * @param exact for inputs whose f32 arithmetic is exact (small integers): no tolerance at all
 * @throws Error naming row and feature
 */
export function assertCodesMatch(sae: Sae, xbar: Float32Array, rows: number, codes: SparseCodes, { exact = false } = {}): void {
  assertCsr(sae, rows, codes);
  let differences = 0;
  let r = 0;
  for (const { z, decision, bound, tolerance, fires } of oracleRows(sae, xbar, rows)) {
    const tol = exact ? 0 : tolerance;
    const got = new Map<number, number>();
    for (let e = codes.offsets[r]!; e < codes.offsets[r + 1]!; e++) got.set(codes.features[e]!, codes.values[e]!);
    const expected = new Set(fires);
    const edges = boundaries(sae, z, r);
    let differs = 0;
    for (const [i, value] of got) {
      const error = Math.abs(value - z[i]!);
      if (error > (exact ? 0 : bound[i]!)) throw new Error(`row ${r}, feature ${i}: value ${value}, expected ${z[i]} within ${bound[i]}`);
    }
    for (const i of new Set([...expected, ...got.keys()])) {
      if (expected.has(i) === got.has(i)) continue;
      const distance = Math.min(...edges(i).map((edge) => Math.abs(decision[i]! - edge)));
      if (!(distance < tol)) {
        throw new Error(`row ${r}, feature ${i}: ${got.has(i) ? 'fires and should not' : 'should fire and does not'}; z = ${z[i]}, ${distance} from a boundary, tolerance ${tol}`);
      }
      differs++;
    }
    if (sae.architecture === 'topk' && got.size > sae.k!) throw new Error(`row ${r}: ${got.size} features fire, k = ${sae.k}`);
    differences += sae.architecture === 'topk' ? Math.min(1, differs) : differs;
    r++;
  }
  if (differences > codes.nearTies) throw new Error(`${differences} decisions differ from the oracle's, but only ${codes.nearTies} near ties were announced`);
}

/** The values of z at which a feature's firing flips. */
function boundaries(sae: Sae, z: Float64Array, row: number): (i: number) => number[] {
  if (sae.architecture === 'standard' || sae.architecture === 'gated') return () => [0];
  if (sae.architecture === 'jumprelu') return (i) => [Math.max(0, sae.threshold![i]!)];
  if (z.some(Number.isNaN)) throw new Error(`row ${row}: NaN in the oracle`);
  const sorted = Float64Array.from(z).sort().reverse();
  const kth = sorted[sae.k! - 1];
  const after = sorted[sae.k!];
  // A feature inside flips where it meets the first one outside, and the other way round.
  return (i) => [0, ...(z[i]! >= (kth ?? Infinity) ? [after ?? 0] : [kth ?? 0])];
}

/** What engine/codes.ts keeps true. */
export function assertCsr(sae: Sae, rows: number, codes: SparseCodes): void {
  if (codes.rows !== rows || codes.d_sae !== sae.d_sae) throw new Error(`codes are ${codes.rows} x ${codes.d_sae}, expected ${rows} x ${sae.d_sae}`);
  if (codes.offsets.length !== rows + 1 || codes.offsets[0] !== 0) throw new Error(`offsets: ${codes.offsets.length} entries from ${codes.offsets[0]}, expected ${rows + 1} from 0`);
  const nnz = codes.offsets[rows]!;
  if (codes.features.length !== nnz || codes.values.length !== nnz) throw new Error(`offsets end at ${nnz}, but there are ${codes.features.length} features and ${codes.values.length} values`);
  for (let r = 0; r < rows; r++) {
    let last = -1;
    for (let e = codes.offsets[r]!; e < codes.offsets[r + 1]!; e++) {
      const i = codes.features[e]!;
      if (i <= last || i >= sae.d_sae) throw new Error(`row ${r}: feature ${i} after ${last}, d_sae ${sae.d_sae}`);
      if (!(codes.values[e]! > 0)) throw new Error(`row ${r}, feature ${i}: value ${codes.values[e]} is not above 0`);
      last = i;
    }
  }
}

/** Holds a decoded batch against the oracle. @throws Error naming row and column */
export function assertDecodeMatches(sae: Sae, codes: SparseCodes, got: Float32Array): void {
  const { y, bound } = decodeWithBound(sae, codes);
  if (got.length !== y.length) throw new Error(`decode gave ${got.length} values, expected ${y.length}`);
  y.forEach((value, at) => {
    if (!(Math.abs(got[at]! - value) <= bound[at]!)) {
      throw new Error(`row ${Math.floor(at / sae.d_out)}, column ${at % sae.d_out}: ${got[at]}, expected ${value} within ${bound[at]}`);
    }
  });
}
