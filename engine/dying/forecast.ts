/**
 * How many features are dead before training begins (Simon et al. 2026, arXiv 2605.31518): with
 *
 *   gamma = ||mu|| / ||sigma||,   mu the mean of the rows, ||sigma||^2 their total variance,
 *
 * and encoder columns whose direction is random, w . x is w . mu plus noise of sd about ||w|| ||sigma|| / sqrt(d),
 * and w . mu is itself normal over features, gamma times as wide. A feature that must fire on none of N rows is
 * one whose w . mu lies below the largest noise of N, C = Phi^-1(1 - 1 / N); under TopK it must stay below the
 * threshold that the k largest of n features set, t_k = Phi^-1(1 - k / n) sds of w . mu:
 *
 *   P(dead ReLU) = Phi(-C / gamma),      P(dead TopK) = Phi(t_k - C / gamma)
 *
 * Both take the rows for Gaussian and isotropic about their mean. The second also takes the threshold to be t_k ||mu||;
 * a row is sqrt(||mu||^2 + ||sigma||^2) long, which gives, for gamma of about 1 too,
 *
 *   P(dead TopK) = Phi(t_k sqrt(1 + 1 / gamma^2) - C / gamma)
 *
 * `countBornDead` assumes none of this: it draws features and counts those that never fire on the rows themselves.
 */
import { ShapeError, UsageError } from '../errors.js';
import { RowRandom } from '../generate/row-random.js';
import { Pace } from '../pace.js';
import { clopperPearson } from '../statistics.js';
import { upperTail, upperTailQuantile } from './normal.js';
import type { DeathCount, DeathForecast, Estimate } from './rates-reports.js';

/** ||mean - centre|| / sqrt(total variance): 0 for a mean at the centre, infinite where nothing varies. @param variances [d] */
export function gammaOf(mean: ArrayLike<number>, variances: ArrayLike<number>, centre?: ArrayLike<number>): number {
  if (mean.length !== variances.length || (centre !== undefined && centre.length !== mean.length)) throw new ShapeError(`mean of ${mean.length}, ${variances.length} variances, centre of ${centre?.length ?? mean.length}: expected as many of each`);
  let squares = 0;
  let total = 0;
  for (let c = 0; c < mean.length; c++) {
    squares += (mean[c]! - (centre?.[c] ?? 0)) ** 2;
    total += variances[c]!;
  }
  return squares === 0 ? 0 : Math.sqrt(squares / total);
}

/** C: the quantile that the largest of N standard normal numbers is about. @param tokens N, at least 2 */
const largestOf = (tokens: number): number => upperTailQuantile(-Math.log(tokens));

/** P(dead ReLU) on N rows. */
export function deadRelu(gamma: number, tokens: number): number {
  return gamma === 0 ? 0 : upperTail(largestOf(tokens) / gamma);
}

/** P(dead TopK) on N rows, as published: for gamma well above 1. @param k features of `n` that fire on a row */
export function deadTopK(gamma: number, tokens: number, k: number, n: number): number {
  return k >= n || gamma === 0 ? 0 : upperTail(largestOf(tokens) / gamma - upperTailQuantile(Math.log(k / n)));
}

/** The same with the threshold that rows of a finite gamma set. */
export function deadTopKFinite(gamma: number, tokens: number, k: number, n: number): number {
  return k >= n || gamma === 0 ? 0 : upperTail(largestOf(tokens) / gamma - upperTailQuantile(Math.log(k / n)) * Math.sqrt(1 + 1 / (gamma * gamma)));
}

/** All of them for one gamma. */
export function forecastDeath(gamma: number, { tokens, k, features }: { readonly tokens: number; readonly k: number | null; readonly features: number }): DeathForecast {
  if (!(tokens >= 2)) throw new UsageError(`a feature is called dead after ${tokens} rows: expected at least 2`);
  return {
    gamma,
    relu: deadRelu(gamma, tokens),
    topk: k === null ? null : deadTopK(gamma, tokens, k, features),
    topk_finite: k === null ? null : deadTopKFinite(gamma, tokens, k, features),
  };
}

/** Each row with mean 0 and variance 1 over its dims, as a LayerNorm without weights leaves it; constant rows become 0. */
export function layerNormRows(x: Float32Array, rows: number, d: number): Float32Array {
  const out = new Float32Array(rows * d);
  for (let at = 0; at < rows * d; at += d) {
    let mean = 0;
    for (let c = 0; c < d; c++) mean += x[at + c]! / d;
    let variance = 0;
    for (let c = 0; c < d; c++) variance += (x[at + c]! - mean) ** 2 / d;
    const scale = variance > 0 ? 1 / Math.sqrt(variance) : 0;
    for (let c = 0; c < d; c++) out[at + c] = (x[at + c]! - mean) * scale;
  }
  return out;
}

export interface BornDeadOptions {
  /** [rows, d] */
  readonly x: Float32Array;
  readonly rows: number;
  readonly d: number;
  /** Random columns of N(0, 1) to draw, or the columns themselves: [features, d], row i is w_i. */
  readonly features: number;
  readonly encoder?: Float32Array | undefined;
  /** [features] b_enc; default zeros. */
  readonly bias?: Float32Array | undefined;
  /** [d] b_dec; default zeros. */
  readonly centre?: ArrayLike<number> | undefined;
  /** Features among `features` that fire on a row; null for ReLU alone. */
  readonly k: number | null;
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Share of features that fire on none of the rows, counted, with exact intervals. f64 sums; fires where z > 0, under TopK if also among the k largest. */
export async function countBornDead({ x, rows, d, features, encoder, bias, centre, k, seed = 0, signal }: BornDeadOptions): Promise<DeathCount> {
  if (x.length < rows * d) throw new ShapeError(`x has ${x.length} values, expected ${rows} x ${d}`);
  if (encoder !== undefined && encoder.length !== features * d) throw new ShapeError(`encoder has ${encoder.length} values, expected ${features} x ${d}`);
  const w = encoder ?? randomColumns(features, d, seed);
  const row = new Float64Array(d);
  const z = new Float64Array(features);
  const sorted = new Float64Array(features);
  const fired = new Uint8Array(features);
  const selected = new Uint8Array(features);
  const pace = new Pace(signal, 20);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < d; c++) row[c] = x[r * d + c]! - (centre?.[c] ?? 0);
    for (let i = 0; i < features; i++) {
      // Without a k a feature that has fired has nothing more to say.
      if (k === null && fired[i] === 1) continue;
      let sum = bias?.[i] ?? 0;
      for (let c = 0, at = i * d; c < d; c++, at++) sum += w[at]! * row[c]!;
      z[i] = sum;
      if (sum > 0) fired[i] = 1;
    }
    if (k !== null) {
      sorted.set(z);
      const least = Math.max(sorted.sort()[features - Math.min(k, features)]!, Number.MIN_VALUE);
      for (let i = 0; i < features; i++) if (z[i]! >= least) selected[i] = 1;
    }
    if (pace.isDue) await pace.pause();
  }
  return { features, rows, relu: shareDead(fired), topk: k === null ? null : shareDead(selected) };
}

function shareDead(alive: Uint8Array): Estimate {
  const dead = alive.reduce((sum, value) => sum + 1 - value, 0);
  return { value: dead / alive.length, ...clopperPearson(dead, alive.length) };
}

/** [features, d] of N(0, 1): column i is a function of (seed, i). */
function randomColumns(features: number, d: number, seed: number): Float32Array {
  const random = new RowRandom(seed, 0x666f7265);
  const w = new Float32Array(features * d);
  for (let i = 0; i < features; i++) {
    random.seek(i);
    for (let c = 0; c < d; c++) w[i * d + c] = random.normal();
  }
  return w;
}
