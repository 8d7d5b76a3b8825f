/**
 * Rates below 1 / N: how often a feature fires that fired on none of the rows seen, or on few.
 * Two estimates, each under an assumption that it names:
 *
 *   tail       z = w . x~ + b beyond its largest values goes on as one of the laws fitted to them
 *              (tail-fit.ts); the interval is over all laws that the tail does not rule out.
 *   smoothed   data are the rows seen, each with Gaussian noise of covariance h^2 Sigma about it and drawn
 *              in to keep Sigma: x = mu + (x_r - mu + h e) / sqrt(1 + h^2). h -> 0 is the rows
 *              themselves, h -> infinity a Gaussian. For one half-space the rate is a mean of normal tails;
 *              for any other event (the gate of a gated SAE, a place among the k largest, two
 *              features at once) it is had by importance sampling: rows are drawn by
 *              e^(theta z_r), noise is shifted along Sigma w, and draws are weighted back
 *              (exponential tilting, Siegmund 1976), theta such that z is 0 in the mean.
 *
 * The tilted weights of the rows say which tokens would fire first.
 */
import { UsageError } from '../errors.js';
import { Pace } from '../pace.js';
import { createRandom } from '../random.js';
import { clopperPearson, Z_95 } from '../statistics.js';
import { cholesky } from './cholesky.js';
import { deviation } from './data-hyperplane.js';
import { dot, PAUSE_EVERY, preactivations, type FrameRows, type RowMoments } from './frame-rows.js';
import type { RareEventReport } from './hyperplane-report.js';
import { logUpperTail } from './normal.js';
import { fitTail } from './tail-fit.js';

export interface HalfSpace {
  /** [d] */
  readonly w: Float64Array;
  readonly b: number;
}

/** The rate of {z > 0} from the values of z seen: exact where rows fire, by the tail's laws in any case. */
export async function tailRate(name: string, z: Float64Array, signal?: AbortSignal): Promise<RareEventReport> {
  const firing = z.reduce((count, value) => count + (value > 0 ? 1 : 0), 0);
  const observed = { value: firing / z.length, ...clopperPearson(firing, z.length) };
  const tail = await fitTail(z, { level: 0, signal });
  const models = tail.models.flatMap(({ model, parameters, probability, aic }) => (probability === null ? [] : [{ model, shape: parameters.xi ?? parameters.beta ?? 2, rate: probability, aic }]));
  const assumption = `Beyond its largest ${tail.exceedances} values z goes on as one of the laws fitted to them (${models.map(({ model }) => model).join(', ')}); rows are independent.`;
  return { name, observed, firing, rows: z.length, rate: tail.envelope ?? { value: null, low: null, high: null }, assumption, models };
}

export interface SmoothedOptions {
  readonly moments: RowMoments;
  /** Noise about each row, in sd of the data; default Scott's N^(-1/5) for one direction. */
  readonly h?: number | undefined;
}

/** log P(z > 0) under smoothing, in closed form. */
export function smoothedLogRate(z: Float64Array, meanZ: number, sd: number, h: number): number {
  const shrink = 1 / Math.sqrt(1 + h * h);
  const noise = h * sd * shrink;
  // log mean exp of log tails, about the largest.
  const logs = Float64Array.from(z, (value) => logUpperTail(-(meanZ + (value - meanZ) * shrink) / noise));
  const top = logs.reduce((most, value) => Math.max(most, value), -Infinity);
  return top + Math.log(logs.reduce((sum, value) => sum + Math.exp(value - top), 0) / z.length);
}

export interface TiltedEstimate {
  /** P(event), with its 95 % interval by the weights' spread, of the smoothed model. */
  readonly probability: number;
  readonly low: number;
  readonly high: number;
  /** Relative standard error. */
  readonly relative_error: number;
  readonly draws: number;
  /** (sum of weights)^2 / sum of squares among draws where the event happened. */
  readonly effective: number;
  readonly theta: number;
  readonly h: number;
  /** [rows] probability with which each row is drawn: large for those that would fire first. */
  readonly rowWeights: Float64Array;
}

export interface TiltedOptions extends SmoothedOptions {
  /** Default 20,000. */
  readonly draws?: number | undefined;
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether the event happens at x~ (b_dec subtracted); default the half-space itself. The array is used again. */
  readonly event?: ((x: Float64Array) => boolean) | undefined;
}

/**
 * P(event) under smoothing, by sampling tilted towards a half-space in or near which it happens.
 * @throws UsageError where the covariance is not positive definite, or no tilt centres z
 */
export async function tiltedRate(frame: FrameRows, { w, b }: HalfSpace, options: TiltedOptions): Promise<TiltedEstimate> {
  const { moments, draws = 20_000, seed = 0, signal } = options;
  const { rows, d, x, origin } = frame;
  const { mean, covariance } = moments;
  const h = options.h ?? rows ** -0.2;
  const pace = new Pace(signal, PAUSE_EVERY);
  const l = cholesky(covariance, d);
  if (l === null || !(h > 0)) throw new UsageError(l === null ? 'the covariance is singular' : `h is ${h}, expected more than 0`);
  const shrink = 1 / Math.sqrt(1 + h * h);
  const meanZ = dot(w, mean) + b;
  const sd = deviation(moments, w);
  const noise = h * sd * shrink;
  const z = new Float64Array(rows);
  await preactivations(frame, w, b, z, pace);
  for (let r = 0; r < rows; r++) z[r] = meanZ + (z[r]! - meanZ) * shrink;
  const { theta, weights, logMoment } = tilt(z, noise);
  const cumulative = new Float64Array(rows);
  let sum = 0;
  for (let r = 0; r < rows; r++) cumulative[r] = sum += weights[r]!;
  // e = L g with g shifted by theta noise along L' w: the noise's part of the tilt.
  const along = new Float64Array(d);
  for (let c = 0; c < d; c++) for (let a = c; a < d; a++) along[c] = along[c]! + l[a * d + c]! * w[a]!;
  const shift = theta * h * shrink;
  const random = createRandom(seed);
  const point = new Float64Array(d);
  const g = new Float64Array(d);
  const event = options.event ?? ((at: Float64Array): boolean => dot(w, at) + b > 0);
  let [total, squares, hits] = [0, 0, 0];
  for (let i = 0; i < draws; i++) {
    const r = lowerBound(cumulative, random.uniform() * sum);
    for (let c = 0; c < d; c += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
      const angle = 2 * Math.PI * random.uniform();
      g[c] = radius * Math.cos(angle) + shift * along[c]!;
      if (c + 1 < d) g[c + 1] = radius * Math.sin(angle) + shift * along[c + 1]!;
    }
    for (let a = 0; a < d; a++) {
      let e = 0;
      for (let c = 0, at = a * d; c <= a; c++, at++) e += l[at]! * g[c]!;
      point[a] = mean[a]! + (x[r * d + a]! - origin[a]! - mean[a]! + h * e) * shrink;
    }
    if (event(point)) {
      // e^(log M(theta) - theta z): what the tilt made too likely.
      const weight = Math.exp(logMoment - theta * (dot(w, point) + b));
      total += weight;
      squares += weight * weight;
      hits++;
    }
    if (pace.isDue) await pace.pause();
  }
  const probability = total / draws;
  const error = probability > 0 ? Math.sqrt(Math.max(0, squares / draws - probability ** 2) / draws) / probability : Infinity;
  // On the scale of logarithms: a rate has no negative end.
  const factor = Math.exp(Z_95 * error);
  return { probability, low: probability / factor, high: probability * factor, relative_error: error, draws, effective: hits === 0 ? 0 : (total * total) / squares, theta, h, rowWeights: weights.map((value) => value / sum) };
}

/** theta with E_theta z = 0 for rows z plus normal noise, and the rows' weights; log M(theta) = log mean e^(theta z_r) + theta^2 noise^2 / 2. */
function tilt(z: Float64Array, noise: number): { theta: number; weights: Float64Array; logMoment: number } {
  const top = z.reduce((most, value) => Math.max(most, value), -Infinity);
  const at = (theta: number): { mean: number; weights: Float64Array; logMoment: number } => {
    const weights = z.map((value) => Math.exp(theta * (value - top)));
    let [sum, moment] = [0, 0];
    for (let r = 0; r < z.length; r++) {
      sum += weights[r]!;
      moment += weights[r]! * z[r]!;
    }
    return { mean: moment / sum + theta * noise * noise, weights, logMoment: theta * top + Math.log(sum / z.length) + (theta * noise) ** 2 / 2 };
  };
  let [low, high] = [0, 1 / noise];
  if (at(0).mean >= 0) return { theta: 0, ...at(0) };
  for (let steps = 0; at(high).mean < 0; steps++) {
    if (steps === 60) throw new UsageError('no tilt brings z to 0: the boundary is too far from every row', { hint: 'A wider smoothing (h) reaches further.' });
    low = high;
    high *= 2;
  }
  for (let steps = 0; steps < 60; steps++) {
    const middle = (low + high) / 2;
    if (at(middle).mean < 0) low = middle;
    else high = middle;
  }
  return { theta: high, ...at(high) };
}

/** First place whose cumulative sum exceeds a value. */
function lowerBound(cumulative: Float64Array, value: number): number {
  let [low, high] = [0, cumulative.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cumulative[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
