/**
 * Do the ultra-rare features share an encoder direction? The analysis of Nanda
 * ("Open Source Replication & Commentary on Anthropic's Dictionary Learning Paper",
 * 2023, analysis.py) with what the hyperplane hypothesis adds: if features die by
 * turning until all data lie on their far side, their encoder columns agree with each
 * other and with -(mu - b_dec), while their decoder rows, which nothing rewards, need not.
 *
 * With R the rare features' encoder columns, rbar their mean and mu~ = mu - b_dec:
 *
 *   own cosine       cos(w_i, rbar) of each rare feature
 *   offset cosine    cos(rbar, -mu~)
 *   leading share    sigma_1^2 / sum sigma^2 of the columns scaled to length 1: 1 where they
 *                    are one direction, about 1 / min(count, d) where they are spread evenly
 *
 * Sums in f64 over f32 weights.
 */
import { ShapeError } from '../errors.js';

/** The first quartile, the median and the third, by linear interpolation between order statistics (numpy's default). */
export interface Quartiles {
  readonly q25: number;
  readonly median: number;
  readonly q75: number;
}

/** What is said of a group of features; null where the group is empty. */
export interface GroupDirections {
  readonly features: number;
  /** w_i . d_i */
  readonly de: Quartiles | null;
  /** b_enc */
  readonly bias: Quartiles | null;
  /** cos(w_i, mean of the group's w) */
  readonly own_cosine: Quartiles | null;
  /** Share of the group with an own cosine above 0.95. */
  readonly above_95: number | null;
  /** cos(mean of the group's w, -(mu - b_dec)) */
  readonly offset_cosine: number | null;
  /** sigma_1^2 / sum sigma^2 of unit encoder columns, and of unit decoder rows. */
  readonly encoder_leading_share: number | null;
  readonly decoder_leading_share: number | null;
}

export interface RareDirections {
  /** Features that fired, on less than `edge` of the tokens. */
  readonly rare: GroupDirections;
  /** Those that never fired. */
  readonly dead: GroupDirections;
  /** All others. */
  readonly live: GroupDirections;
}

/** What is looked at. Matrices by feature, [d_sae, d]: row i of `encoder` is w_i. */
export interface RareInput {
  readonly d: number;
  readonly encoder: Float32Array;
  readonly decoder: Float32Array;
  /** [d_sae] b_enc */
  readonly bias: Float32Array;
  /** [d] */
  readonly b_dec: Float32Array;
  /** [d] mean activation */
  readonly mean: ArrayLike<number>;
  /** [d_sae] firings among `tokens`. */
  readonly counts: ArrayLike<number>;
  readonly tokens: number;
  /** Density below which a feature is rare; default 1e-4 (Nanda). */
  readonly edge?: number | undefined;
}

/** @throws ShapeError where lengths do not fit */
export function rareDirections(input: RareInput): RareDirections {
  const { d, encoder, decoder, bias, b_dec, mean, counts, tokens, edge = 1e-4 } = input;
  const n = counts.length;
  for (const [name, length, expected] of [['encoder', encoder.length, n * d], ['decoder', decoder.length, n * d], ['bias', bias.length, n], ['b_dec', b_dec.length, d], ['mean', mean.length, d]] as const) {
    if (length !== expected) throw new ShapeError(`${name} has ${length} values, expected ${expected} (${n} features, d ${d})`);
  }
  const groups = { rare: [] as number[], dead: [] as number[], live: [] as number[] };
  for (let i = 0; i < n; i++) groups[counts[i] === 0 ? 'dead' : counts[i]! < edge * tokens ? 'rare' : 'live'].push(i);
  const offset = Float64Array.from({ length: d }, (_, c) => b_dec[c]! - mean[c]!);
  const describe = (features: readonly number[]): GroupDirections => {
    const rbar = meanRow(encoder, features, d);
    const own = features.map((i) => cosine(encoder, i * d, rbar, d));
    const some = features.length > 0;
    return {
      features: features.length,
      de: quartiles(features.map((i) => dot(encoder, i * d, decoder, i * d, d))),
      bias: quartiles(features.map((i) => bias[i]!)),
      own_cosine: quartiles(own),
      above_95: some ? own.filter((value) => value > 0.95).length / own.length : null,
      offset_cosine: some ? cosine(rbar, 0, offset, d) : null,
      encoder_leading_share: some ? leadingShare(encoder, features, d) : null,
      decoder_leading_share: some ? leadingShare(decoder, features, d) : null,
    };
  };
  return { rare: describe(groups.rare), dead: describe(groups.dead), live: describe(groups.live) };
}

/** Quartiles of some numbers; null of none. */
export function quartiles(values: readonly number[]): Quartiles | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const at = (p: number): number => {
    const place = p * (sorted.length - 1);
    const below = Math.floor(place);
    const low = sorted[below]!;
    return low + ((sorted[below + 1] ?? low) - low) * (place - below);
  };
  return { q25: at(0.25), median: at(0.5), q75: at(0.75) };
}

type Vector = Float32Array | Float64Array;

function dot(a: Vector, atA: number, b: Vector, atB: number, d: number): number {
  let sum = 0;
  for (let c = 0; c < d; c++) sum += a[atA + c]! * b[atB + c]!;
  return sum;
}

/** 0 where one of them is zero. */
function cosine(a: Vector, at: number, b: Vector, d: number): number {
  const norms = Math.sqrt(dot(a, at, a, at, d) * dot(b, 0, b, 0, d));
  return norms > 0 ? dot(a, at, b, 0, d) / norms : 0;
}

function meanRow(matrix: Float32Array, rows: readonly number[], d: number): Float64Array {
  const mean = new Float64Array(d);
  for (const i of rows) for (let c = 0; c < d; c++) mean[c] = mean[c]! + matrix[i * d + c]! / rows.length;
  return mean;
}

const MOST_ITERATIONS = 1000;

/**
 * The largest eigenvalue of U^T U over its trace, by power iteration on the unit rows U;
 * rows of length 0 are left out.
 */
export function leadingShare(matrix: Float32Array, rows: readonly number[], d: number): number {
  const units: Float64Array[] = [];
  for (const i of rows) {
    const norm = Math.sqrt(dot(matrix, i * d, matrix, i * d, d));
    if (norm > 0) units.push(Float64Array.from(matrix.subarray(i * d, (i + 1) * d), (value) => value / norm));
  }
  if (units.length === 0) return 0;
  const product = (v: Float64Array): Float64Array => {
    const sum = new Float64Array(d);
    for (const unit of units) {
      const weight = dot(unit, 0, v, 0, d);
      for (let c = 0; c < d; c++) sum[c] = sum[c]! + weight * unit[c]!;
    }
    return sum;
  };
  // Every row has a part in the start, none a negative one: it is orthogonal to the leading direction only by an accident of these weights.
  let v: Float64Array = new Float64Array(d);
  for (const [at, unit] of units.entries()) {
    const sign = dot(unit, 0, v, 0, d) < 0 ? -1 : 1;
    for (let c = 0; c < d; c++) v[c] = v[c]! + (sign * unit[c]!) / (1 + (at % 7) / 10);
  }
  let value = 0;
  for (let iteration = 0; iteration < MOST_ITERATIONS; iteration++) {
    const norm = Math.sqrt(dot(v, 0, v, 0, d));
    if (norm === 0) return 0;
    const unit = v.map((x) => x / norm);
    v = product(unit);
    const next = dot(unit, 0, v, 0, d);
    const settled = Math.abs(next - value) <= 1e-13 * next;
    value = next;
    if (settled) break;
  }
  return value / units.length;
}
