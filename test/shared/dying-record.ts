/**
 * Records of dying features for tests of what draws them: nothing in them is made up beside the
 * model, so that every figure has a closed form to be held against.
 *
 *   data       x ~ N(mu, diag(sigma^2)), w* = -Sigma^-1 mu / ||.||
 *   features   z_i = w_i . x + b_i is normal: p_i = Q(-(w_i . mu + b_i) / sqrt(sum w^2 sigma^2))
 *   counts     a binomial draw of p_i on `rows` rows
 *   dying      turn onto w* by `turn` of the way, and back off from the data, frame by frame
 *   others     stay where they are, but for their norm
 *
 * Effective biases are b_enc - w . b_dec, as the record has them.
 */
import type { DyingFrame, DyingPlane, DyingRecord } from '../../engine/dying/record.js';
import { upperTail } from '../../engine/dying/normal.js';
import { gaussian, uniform } from './random.js';

export interface RecordOptions {
  readonly features?: number;
  readonly d?: number;
  /** Steps of the frames. */
  readonly steps?: readonly number[];
  /** Held-out rows of the counts. */
  readonly rows?: number;
  /** Share of the features that die. */
  readonly dying?: number;
  /** How far dying features have turned onto w* at the end, 0 to 1. */
  readonly turn?: number;
  readonly seed?: number;
  readonly plane?: boolean;
  readonly cohorts?: boolean;
  /** Rows of `plane.x`. */
  readonly sampled?: number;
  /** Features whose weights are kept. */
  readonly kept?: number;
}

/** What the record was made from. */
export interface KnownRecord extends DyingRecord {
  /** By frame: [features] the probability that each fires. */
  readonly probability: readonly Float64Array[];
  readonly sigma: Float64Array;
  /** [features] whether it dies. */
  readonly dies: Uint8Array;
}

export function knownRecord(options: RecordOptions = {}): KnownRecord {
  const { features: n = 512, d = 12, steps = [0, 250, 500, 1000, 2000, 4000], rows = 20_000, dying = 0.4, turn = 0.96, seed = 7, plane: withPlane = true, cohorts: withCohorts = true, sampled = 400, kept = Math.min(n, 64) } = options;
  const next = uniform(seed);
  const normal = gaussian(seed + 1);
  const mean = Float64Array.from({ length: d }, (_, c) => 0.9 * Math.cos(1 + 2.3 * c));
  const sigma = Float64Array.from({ length: d }, (_, c) => 0.5 + 0.5 / (1 + c));
  const direction = unit(mean.map((value, c) => -value / sigma[c]! ** 2));
  const complement = widest(sigma, direction);
  const b_dec = Float32Array.from({ length: d }, (_, c) => 0.2 * Math.sin(c));
  const own = Array.from({ length: n }, () => unit(Float64Array.from({ length: d }, normal)));
  const dies = Uint8Array.from({ length: n }, () => (next() < dying ? 1 : 0));
  const start = Float64Array.from({ length: n }, () => 1.2 + 1.4 * next());
  const scale = Float64Array.from({ length: n }, () => 0.7 + 0.8 * next());
  const speed = Float64Array.from({ length: n }, () => 0.4 + 2.6 * next());
  const share = Float64Array.from({ length: n }, (_, i) => (dies[i] === 1 ? 0.12 * normal() : 0.65 + 0.1 * normal()));
  const features = Uint32Array.from({ length: withPlane ? kept : 0 }, (_, j) => Math.floor((j * n) / kept));
  const encoder: Float32Array[] = [];
  const offset: Float32Array[] = [];
  const probability: Float64Array[] = [];
  const last = Math.max(1, steps.at(-1) ?? 1);

  const frames = steps.map((step, f): DyingFrame => {
    const progress = Math.log1p(step) / Math.log1p(last);
    const arrays = { counts: new Float64Array(n), bias: new Float32Array(n), effective_bias: new Float32Array(n), encoder_norm: new Float32Array(n), de: new Float32Array(n), de_cosine: new Float32Array(n), direction_cosine: new Float32Array(n) };
    const p = new Float64Array(n);
    const w = new Float32Array(features.length * d);
    const b = new Float32Array(features.length);
    const draw = uniform(seed + 100 + f);
    for (let i = 0, j = 0; i < n; i++) {
      const part = dies[i] === 1 ? turn * progress : 0;
      const norm = scale[i]! * (dies[i] === 1 ? 1 - 0.4 * progress : 1 + 0.5 * progress);
      const row = Float32Array.from(unit(own[i]!.map((value, c) => (1 - part) * value + part * direction[c]!)), (value) => value * norm);
      const [along, spread] = [dotOf(row, mean), Math.sqrt(row.reduce((sum, value, c) => sum + (value * sigma[c]!) ** 2, 0))];
      // The margin, in standard deviations of z: its mean lies so far below zero.
      const margin = start[i]! + (dies[i] === 1 ? speed[i]! * progress : 0);
      const effective = Math.fround(-along - margin * spread);
      arrays.effective_bias[i] = effective;
      arrays.bias[i] = effective + dotOf(row, b_dec);
      arrays.encoder_norm[i] = Math.sqrt(dotOf(row, row));
      arrays.de_cosine[i] = Math.max(-1, Math.min(1, share[i]! * (dies[i] === 1 ? 1 : 0.6 + 0.4 * progress)));
      arrays.de[i] = arrays.de_cosine[i]! * norm;
      arrays.direction_cosine[i] = withPlane ? dotOf(row, direction) / norm : NaN;
      p[i] = upperTail(-(along + effective) / spread);
      arrays.counts[i] = binomial(rows, p[i]!, draw);
      if (features[j] === i) {
        w.set(row, j * d);
        b[j++] = effective;
      }
    }
    encoder.push(w);
    offset.push(b);
    probability.push(p);
    return { step, tokens: step * 256, rows, b_dec, ...arrays };
  });

  const plane = withPlane ? planeOf({ mean, sigma, direction, complement, sampled, features, encoder, offset, normal }) : null;
  const cohorts = withCohorts ? Uint8Array.from(dies, (die) => (die === 1 && next() < 0.5 ? (next() < 0.4 ? 2 : 1) : 0)) : null;
  return { name: 'known record', features: n, d, frames, cohorts, recipe: { arch: 'standard', d_sae: n, batch: 256, beta2: 0.999, resample_spare: withCohorts ? 0.4 : 0 }, plane, verdict: null, certificates: null, probability, sigma, dies };
}

interface PlaneParts extends Pick<DyingPlane, 'mean' | 'direction' | 'complement' | 'features' | 'encoder' | 'offset'> {
  readonly sigma: Float64Array;
  readonly sampled: number;
  readonly normal: () => number;
}

/** The survival curve is of 50,000 draws of w* . x, which is normal. */
function planeOf({ sigma, sampled, normal, ...plane }: PlaneParts): DyingPlane {
  const { mean, direction } = plane;
  const d = mean.length;
  const x = new Float32Array(sampled * d);
  for (let at = 0; at < x.length; at++) x[at] = mean[at % d]! + sigma[at % d]! * normal();
  const centre = dotOf(direction, mean);
  const spread = Math.sqrt(direction.reduce((sum, value, c) => sum + (value * sigma[c]!) ** 2, 0));
  const drawn = Float64Array.from({ length: 50_000 }, () => centre + spread * normal()).sort();
  const [c, p]: number[][] = [[], []];
  for (let tail = 0.5; Math.round(tail * drawn.length) >= 1; tail /= 1.15) {
    const rank = drawn.length - Math.round(tail * drawn.length) - 1;
    if (drawn[rank]! <= (c!.at(-1) ?? -Infinity)) continue;
    c!.push(drawn[rank]!);
    p!.push((drawn.length - rank - 1) / drawn.length);
  }
  const words = ['the', 'cat', '·ran', 'once', '⏎', 'upon', 'a', 'time'];
  return { ...plane, x, m: sampled, chosen: 0, text: Array.from({ length: sampled }, (_, r) => words[r % words.length]!), survival: { c: Float64Array.from(c!), p: Float64Array.from(p!), rows: drawn.length } };
}

/** The direction of most variance orthogonal to `direction`: power iteration. */
function widest(sigma: Float64Array, direction: Float64Array): Float64Array {
  let v: Float64Array = Float64Array.from(sigma, (_, c) => Math.cos(1 + c));
  for (let round = 0; round < 500; round++) {
    v = v.map((value, c) => value * sigma[c]! ** 2);
    const along = dotOf(v, direction);
    v = unit(v.map((value, c) => value - along * direction[c]!));
  }
  return v;
}

/** A count of `rows` draws: by waiting times where it is small, by the normal approximation where it is large. */
function binomial(rows: number, p: number, draw: () => number): number {
  if (rows * p > 50) {
    const z = Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
    return Math.max(0, Math.min(rows, Math.round(rows * p + z * Math.sqrt(rows * p * (1 - p)))));
  }
  let count = -1;
  for (let at = 0; at <= rows; count++) at += p > 0 ? Math.floor(Math.log(1 - draw()) / Math.log1p(-p)) + 1 : Infinity;
  return count;
}

const dotOf = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let c = 0; c < a.length; c++) sum += a[c]! * b[c]!;
  return sum;
};

function unit(v: Float64Array): Float64Array {
  const length = Math.sqrt(dotOf(v, v));
  return v.map((value) => value / length);
}
