/**
 * How fast features die: the slope of log density over log step, of each feature and of a cohort,
 * from counts of firings on held-out rows at the steps that were kept.
 *
 *   log p_ij = a_i + s log step_j + sigma eps_ij,   k_ij | p_ij ~ Poisson(N_j p_ij)
 *
 * A slope of 0 is an equilibrium; the law of a useless feature is -1 / (1 + xi) (density-law.ts).
 * Zero counts are kept: the likelihood censors them at the resolution of N rows, where leaving
 * them out would make every feature seem to level off (rates-counts.ts). sigma is common to all,
 * by maximum likelihood with its own s for each feature, times frames / (frames - 2) for the two
 * parameters that were fitted. A feature that fires in no frame says nothing and is counted as silent.
 *
 * Features differ: s_i ~ N(s, spread^2), and the pooled slope is s, by maximum likelihood with each feature's profile
 * likelihood for its likelihood. One slope for all would be the slope of those that can be counted longest.
 *
 * Each feature's slope has a profile likelihood interval. All frames of a feature are on the same held-out
 * rows and no trajectory is straight, so that the interval of the pooled slope is not the likelihood's but a
 * bootstrap over whole features (percentiles); with fewer than ten features it is the wider of the two.
 */
import { ShapeError, UsageError } from '../errors.js';
import { Pace } from '../pace.js';
import { CountLikelihood } from './rates-counts.js';
import { GRID, LEAST, peakOf, pooledSlope, SPACING, spreadOf, vertex } from './rates-profile.js';
import type { FeatureSlope, SlopeReport } from './rates-reports.js';

export interface SlopeInput {
  /** Steps of the frames, ascending; frames at step 0 are left out. */
  readonly steps: ArrayLike<number>;
  /** Held-out rows of each frame. */
  readonly rows: ArrayLike<number>;
  /** By frame: counts of all features. */
  readonly counts: readonly ArrayLike<number>[];
  /** The cohort. */
  readonly features: ArrayLike<number>;
  /** First and last step to use. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export interface SlopeOptions {
  readonly seed?: number;
  /** Bootstrap samples; default 500. */
  readonly samples?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Features and slopes that sigma is estimated from. */
const FOR_SIGMA = 80;
const COARSE = 6;

interface Trajectory {
  readonly feature: number;
  readonly k: Float64Array;
  readonly silent: number;
}

/**
 * Slopes of a cohort.
 * @throws UsageError where fewer than three frames are left, ShapeError where lengths differ
 */
export async function cohortSlope(input: SlopeInput, options: SlopeOptions = {}): Promise<SlopeReport> {
  const { seed = 0, samples = 500, signal } = options;
  const { frames, x, logRows } = framesOf(input);
  const trajectories: Trajectory[] = [];
  let silent = 0;
  for (let at = 0; at < input.features.length; at++) {
    const feature = input.features[at]!;
    const k = Float64Array.from(frames, (j) => input.counts[j]![feature]!);
    if (k.some((count) => count > 0)) trajectories.push({ feature, k, silent: k.reduce((sum, count) => sum + (count === 0 ? 1 : 0), 0) });
    else silent++;
  }
  const pace = new Pace(signal, 20);
  const sigma = await scatterOf(trajectories, x, logRows, pace);
  const law = new CountLikelihood(sigma);
  const profiles: Float64Array[] = [];
  const by_feature: FeatureSlope[] = [];
  for (const { feature, k, silent: zeros } of trajectories) {
    const profile = profileOf(k, x, logRows, law, 1);
    profiles.push(profile);
    by_feature.push({ feature, slope: peakOf(profile), silent: zeros, frames: k.length });
    if (pace.isDue) await pace.pause();
  }
  const steps = frames.map((j) => input.steps[j]!);
  const own = by_feature.flatMap(({ slope }) => (slope.value === null ? [] : [slope.value])).sort((a, b) => a - b);
  const { spread, widened } = await spreadOf(profiles, pace);
  return {
    features: trajectories.length,
    silent,
    frames: frames.length,
    from: steps[0]!,
    to: steps[steps.length - 1]!,
    pooled: await pooledSlope(widened, { seed, samples, pace }),
    median: own.length === 0 ? null : (own[(own.length - 1) >> 1]! + own[own.length >> 1]!) / 2,
    falling: by_feature.filter(({ slope }) => slope.high !== null && slope.high < 0).length,
    level: by_feature.filter(({ slope }) => (slope.high === null || slope.high >= 0) && (slope.low === null || slope.low <= 0)).length,
    rising: by_feature.filter(({ slope }) => slope.low !== null && slope.low > 0).length,
    spread,
    scatter: sigma,
    by_feature,
  };
}

/** The frames to use, log step about its mean, and log rows. */
function framesOf({ steps, rows, counts, from = 1, to = Infinity }: SlopeInput): { frames: number[]; x: Float64Array; logRows: Float64Array } {
  if (steps.length !== rows.length || steps.length !== counts.length) throw new ShapeError(`${steps.length} steps, ${rows.length} numbers of rows and ${counts.length} frames of counts: expected as many of each`);
  const frames = Array.from({ length: steps.length }, (_, j) => j).filter((j) => steps[j]! > 0 && steps[j]! >= from && steps[j]! <= to && rows[j]! > 0);
  if (frames.length < 3) throw new UsageError(`a slope needs at least 3 frames after step 0, there are ${frames.length}`, { hint: 'Keep more checkpoints, or widen the range of steps.' });
  const logs = frames.map((j) => Math.log(steps[j]!));
  const mean = logs.reduce((sum, value) => sum + value, 0) / logs.length;
  return { frames, x: Float64Array.from(logs, (value) => value - mean), logRows: Float64Array.from(frames, (j) => Math.log(rows[j]!)) };
}

/** [GRID / stride] log likelihood of each slope, at the intercept that is best for it. */
function profileOf(k: Float64Array, x: Float64Array, logRows: Float64Array, law: CountLikelihood, stride: number): Float64Array {
  const out = new Float64Array(2);
  const score = (a: number, s: number): number => {
    let value = 0;
    let slope = 0;
    for (let j = 0; j < k.length; j++) {
      law.at(k[j]!, a + s * x[j]! + logRows[j]!, out);
      value += out[0]!;
      slope += out[1]!;
    }
    out[0] = value;
    out[1] = slope;
    return slope;
  };
  const profile = new Float64Array(Math.ceil(GRID / stride));
  const total = k.reduce((sum, count) => sum + count, 0);
  let a = Math.log(total) - Math.log(logRows.reduce((sum, value) => sum + Math.exp(value), 0));
  for (let i = 0; i < profile.length; i++) {
    const s = LEAST + i * stride * SPACING;
    a = rootFrom(a, (at) => score(at, s));
    score(a, s);
    profile[i] = out[0]!;
  }
  return profile;
}

/** The root of a falling function, near a guess: bracketed by doubling steps, then Illinois' false position. */
function rootFrom(guess: number, f: (a: number) => number): number {
  let [low, atLow] = [guess, f(guess)];
  if (atLow === 0) return guess;
  let [high, atHigh] = [low, atLow];
  for (let step = 0.1; step < 1e4; step *= 2) {
    if (atLow < 0) {
      [high, atHigh] = [low, atLow];
      low -= step;
      atLow = f(low);
    } else if (atHigh > 0) {
      [low, atLow] = [high, atHigh];
      high += step;
      atHigh = f(high);
    } else break;
  }
  let side = 0;
  for (let i = 0; i < 60 && high - low > 1e-9; i++) {
    const middle = (low * atHigh - high * atLow) / (atHigh - atLow);
    const value = f(middle);
    if (Math.abs(value) < 1e-9) return middle;
    if (value > 0) {
      [low, atLow] = [middle, value];
      if (side === 1) atHigh /= 2;
      side = 1;
    } else {
      [high, atHigh] = [middle, value];
      if (side === -1) atLow /= 2;
      side = -1;
    }
  }
  return (low + high) / 2;
}

/** sigma: golden section on its logarithm, over features that fire in three frames or more. */
async function scatterOf(trajectories: readonly Trajectory[], x: Float64Array, logRows: Float64Array, pace: Pace): Promise<number> {
  const telling = trajectories.filter(({ k, silent }) => k.length - silent >= 3);
  if (telling.length === 0) return 0.5;
  const stride = Math.max(1, Math.floor(telling.length / FOR_SIGMA));
  const chosen = telling.filter((_, i) => i % stride === 0);
  const likelihood = async (logSigma: number): Promise<number> => {
    const law = new CountLikelihood(Math.exp(logSigma));
    let sum = 0;
    for (const { k } of chosen) {
      sum += vertex(profileOf(k, x, logRows, law, COARSE)).value;
      if (pace.isDue) await pace.pause();
    }
    return sum;
  };
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [low, high] = [Math.log(0.02), Math.log(3)];
  let [a, b] = [high - ratio * (high - low), low + ratio * (high - low)];
  let [atA, atB] = [await likelihood(a), await likelihood(b)];
  while (high - low > 0.1) {
    if (atA > atB) {
      [high, b, atB] = [b, a, atA];
      a = high - ratio * (high - low);
      atA = await likelihood(a);
    } else {
      [low, a, atA] = [a, b, atB];
      b = low + ratio * (high - low);
      atB = await likelihood(b);
    }
  }
  const frames = chosen.reduce((sum, { k, silent }) => sum + k.length - silent, 0) / chosen.length;
  return Math.exp((low + high) / 2) * Math.sqrt(frames / Math.max(1, frames - 2));
}
