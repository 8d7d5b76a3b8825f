/**
 * Which way features died between two frames: through the bias, or by turning. A feature's mean
 * pre-activation m = b_enc + w . mu~, mu~ = mu - b_dec, fell by
 *
 *   Dm = Db + D(w . mu~),   D(w . mu~) = Dw . (mu~ + mu~') / 2 - (w + w') / 2 . Db_dec
 *
 * exactly: by the bias, by the encoder, and by b_dec moving under it. The bias's share is Db / Dm. Where the L1
 * term alone acts, SGD changes b by -lambda p lr and w by -lambda p lr mu+ a step, mu+ = E[x~ | fires], and Adam
 * every parameter by as much, with the sign of mu+. Measured along a direction a of the data, w . a with a = mu~ as
 * above, or a = mu+ for the margin over the rows where it fires, the share is then
 *
 *   1 / (1 + mu+ . a) (SGD),   1 / (1 + sign(mu+) . a) (Adam):   1 / (1 + ||mu+||^2) and 1 / (1 + ||mu+||_1) for a = mu+
 *
 * The two agree where mu+ is about mu~: for features that fire often, or a mean that is large against the spread.
 */
import { ShapeError } from '../errors.js';
import { createRandom } from '../random.js';
import { quartiles } from './rare-direction.js';
import type { BiasShareReport, Estimate } from './rates-reports.js';

/** An SAE's encoder at one step; row i of `encoder` is w_i. */
export interface EncoderFrame {
  /** [n, d] */
  readonly encoder: Float32Array;
  /** [n] b_enc */
  readonly bias: Float32Array;
  /** [d]; zeros where the SAE does not subtract it. */
  readonly b_dec: Float32Array;
}

/** What one feature's mean pre-activation changed by. */
export interface BiasLedger {
  readonly feature: number;
  /** Dm, the sum of the three below. */
  readonly change: number;
  readonly bias: number;
  readonly encoder: number;
  readonly b_dec: number;
}

/** The ledger of each feature. @param mean [d] of the data @throws ShapeError where lengths differ */
export function biasLedger(before: EncoderFrame, after: EncoderFrame, mean: ArrayLike<number>, features: ArrayLike<number>): BiasLedger[] {
  const d = mean.length;
  for (const [name, frame] of [['first', before], ['second', after]] as const) {
    if (frame.b_dec.length !== d || frame.encoder.length !== frame.bias.length * d) throw new ShapeError(`the ${name} frame has an encoder of ${frame.encoder.length}, biases of ${frame.bias.length} and b_dec of ${frame.b_dec.length} values, expected n x ${d}, n and ${d}`);
  }
  return Array.from(features, (i) => {
    let encoder = 0;
    let b_dec = 0;
    for (let c = 0, at = i * d; c < d; c++, at++) {
      const [w, later] = [before.encoder[at]!, after.encoder[at]!];
      encoder += (later - w) * (mean[c]! - (before.b_dec[c]! + after.b_dec[c]!) / 2);
      b_dec -= ((w + later) / 2) * (after.b_dec[c]! - before.b_dec[c]!);
    }
    const bias = after.bias[i]! - before.bias[i]!;
    return { feature: i, change: bias + encoder + b_dec, bias, encoder, b_dec };
  });
}

/** What the share should be, by SGD and by Adam. @param firingMean [d] mu+ @param along [d] a; default mu+ */
export function predictedShare(firingMean: ArrayLike<number>, along: ArrayLike<number> = firingMean): { readonly sgd: number; readonly adam: number } {
  let product = 0;
  let sum = 0;
  for (let c = 0; c < firingMean.length; c++) {
    product += firingMean[c]! * along[c]!;
    sum += Math.sign(firingMean[c]!) * along[c]!;
  }
  return { sgd: 1 / (1 + product), adam: 1 / (1 + sum) };
}

/** [features.length, d] E[x - b_dec | z_i > 0] of some features on rows; NaN where a feature does not fire. */
export function firingMeans({ encoder, bias, b_dec }: EncoderFrame, x: Float32Array, rows: number, features: ArrayLike<number>): Float64Array {
  const d = b_dec.length;
  if (x.length < rows * d) throw new ShapeError(`x has ${x.length} values, expected ${rows} x ${d}`);
  const sums = new Float64Array(features.length * d);
  const counts = new Float64Array(features.length);
  const row = new Float64Array(d);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < d; c++) row[c] = x[r * d + c]! - b_dec[c]!;
    for (let j = 0; j < features.length; j++) {
      const i = features[j]!;
      let z = bias[i]!;
      for (let c = 0, at = i * d; c < d; c++, at++) z += encoder[at]! * row[c]!;
      if (!(z > 0)) continue;
      counts[j] = counts[j]! + 1;
      for (let c = 0, at = j * d; c < d; c++, at++) sums[at] = sums[at]! + row[c]!;
    }
  }
  for (let j = 0; j < features.length; j++) for (let c = 0, at = j * d; c < d; c++, at++) sums[at] = sums[at]! / counts[j]!;
  return sums;
}

export interface BiasShareOptions {
  /** [features, d] mu+ of each, e.g. `firingMeans` of the first frame; without it nothing is predicted. */
  readonly firing?: Float64Array | undefined;
  /** [d] mu~, between the frames. */
  readonly mean?: ArrayLike<number> | undefined;
  readonly seed?: number | undefined;
  readonly samples?: number | undefined;
}

/** The report of a cohort: shares by feature; pooled, sum of Db over sum of Dm, with a bootstrap interval over features; and medians of what they should be. */
export function biasShare(ledger: readonly BiasLedger[], { firing, mean, seed = 0, samples = 1000 }: BiasShareOptions = {}): BiasShareReport {
  const moved = ledger.filter(({ change }) => change !== 0);
  const d = firing === undefined ? 0 : firing.length / ledger.length;
  const means = firing === undefined ? [] : ledger.map((_, j) => firing.subarray(j * d, (j + 1) * d)).filter((row) => row.every(Number.isFinite));
  const median = (values: readonly number[]): number | null => quartiles(values)?.median ?? null;
  return {
    features: ledger.length,
    share: quartiles(moved.map(({ bias, change }) => bias / change)),
    pooled: pooledShare(moved, seed, samples),
    sgd: median(means.map((row) => predictedShare(row).sgd)),
    adam: median(means.map((row) => predictedShare(row).adam)),
    sgd_along_mean: mean === undefined ? null : median(means.map((row) => predictedShare(row, mean).sgd)),
    adam_along_mean: mean === undefined ? null : median(means.map((row) => predictedShare(row, mean).adam)),
  };
}

function pooledShare(ledger: readonly BiasLedger[], seed: number, samples: number): Estimate {
  const n = ledger.length;
  const ratio = (rows: readonly BiasLedger[]): number => rows.reduce((sum, { bias }) => sum + bias, 0) / rows.reduce((sum, { change }) => sum + change, 0);
  if (n === 0) return { value: null, low: null, high: null };
  if (n < 2) return { value: ratio(ledger), low: null, high: null };
  const random = createRandom(seed);
  const draws = Float64Array.from({ length: samples }, () => ratio(Array.from(ledger, () => ledger[random.below(n)]!))).sort();
  return { value: ratio(ledger), low: draws[Math.floor(0.025 * (samples - 1))]!, high: draws[Math.ceil(0.975 * (samples - 1))]! };
}
