/**
 * Mixtures of multivariate t distributions by EM (Peel and McLachlan, Statistics and Computing 10,
 * 2000), with degrees of freedom held fixed: what lies far out weighs less, so that a few odd
 * features do not make a cluster of their own. Each component has a full covariance; a small multiple of
 * the data's own variances is added to it, so that none shrinks onto a point.
 */
import { NumericError } from '../errors.js';
import type { Pace } from '../pace.js';
import { createRandom } from '../random.js';
import { logGamma } from '../statistics.js';
import { cholesky } from './cholesky.js';

/** Degrees of freedom of every component. */
const NU = 10;
const RIDGE = 1e-4;
const MOST_STEPS = 500;

export interface Component {
  readonly weight: number;
  /** [d] */
  readonly centre: Float64Array;
  /** [d, d] scale matrix; the covariance is nu / (nu - 2) times it. */
  readonly scale: Float64Array;
}

export interface Mixture {
  readonly d: number;
  readonly components: readonly Component[];
  readonly logLikelihood: number;
  /** -2 logLikelihood + parameters log n */
  readonly bic: number;
}

/** Component's variance by its scale. */
export const VARIANCE_OF_SCALE = NU / (NU - 2);

/**
 * @param points [n, d] finite
 * @param starts of random responsibilities split along a random direction; the best is kept
 * @throws NumericError where an axis has no spread
 */
export async function fitMixture(points: Float64Array, d: number, count: 1 | 2, { seed, starts = 6, pace }: { readonly seed: number; readonly starts?: number; readonly pace: Pace }): Promise<Mixture> {
  const n = points.length / d;
  const [mean, variance] = momentsOf(points, d);
  if (!variance.every((value) => value > 0)) throw new NumericError('an axis has no spread: there is nothing to tell clusters apart by');
  const standard = points.map((value, at) => (value - mean[at % d]!) / Math.sqrt(variance[at % d]!));
  const random = createRandom(seed);
  let best: { components: Component[]; logLikelihood: number } | null = null;
  for (let start = 0; start < (count === 1 ? 1 : starts); start++) {
    // The first d starts split along an axis, the others anywhere.
    const direction = Float64Array.from({ length: d }, (_, c) => (start < d ? Number(c === start) : random.uniform() - 0.5));
    const along = Float64Array.from({ length: n }, (_, r) => direction.reduce((sum, value, c) => sum + value * standard[r * d + c]!, 0));
    const middle = Float64Array.from(along).sort()[Math.floor(n * (0.3 + 0.4 * random.uniform()))]!;
    const posterior = Float64Array.from({ length: count * n }, (_, at) => (count === 1 ? 1 : (along[at % n]! > middle ? at >= n : at < n) ? 0.95 : 0.05));
    const found = await climb(standard, d, count, posterior, pace);
    if (found !== null && (best === null || found.logLikelihood > best.logLikelihood)) best = found;
  }
  if (best === null) throw new NumericError('no mixture could be fitted');
  const sd = variance.map(Math.sqrt);
  const components = best.components.map(({ weight, centre, scale }) => ({ weight, centre: centre.map((value, c) => mean[c]! + value * sd[c]!), scale: scale.map((value, at) => value * sd[Math.floor(at / d)]! * sd[at % d]!) }));
  const logLikelihood = best.logLikelihood - n * sd.reduce((sum, value) => sum + Math.log(value), 0);
  const parameters = count - 1 + count * (d + (d * (d + 1)) / 2);
  return { d, components, logLikelihood, bic: -2 * logLikelihood + parameters * Math.log(n) };
}

/** EM from responsibilities; null where a component runs empty. */
async function climb(points: Float64Array, d: number, count: number, posterior: Float64Array, pace: Pace): Promise<{ components: Component[]; logLikelihood: number } | null> {
  const n = points.length / d;
  const reach = new Float64Array(count * n).fill(1);
  let previous = -Infinity;
  for (let step = 0; ; step++) {
    const components: Component[] = [];
    for (let k = 0; k < count; k++) {
      const component = maximise(points, d, posterior.subarray(k * n, (k + 1) * n), reach.subarray(k * n, (k + 1) * n));
      if (component === null) return null;
      components.push(component);
    }
    const densities = components.map((component) => logDensities(points, d, component));
    let total = 0;
    for (let r = 0; r < n; r++) {
      const largest = Math.max(...densities.map(({ log }) => log[r]!));
      let sum = 0;
      for (const { log } of densities) sum += Math.exp(log[r]! - largest);
      total += largest + Math.log(sum);
      for (const [k, { log, distance }] of densities.entries()) {
        posterior[k * n + r] = Math.exp(log[r]! - largest) / sum;
        reach[k * n + r] = (NU + d) / (NU + distance[r]!);
      }
    }
    if (pace.isDue) await pace.pause();
    if (step >= MOST_STEPS || Math.abs(total - previous) <= 1e-9 * Math.abs(total)) return { components, logLikelihood: total };
    previous = total;
  }
}

function maximise(points: Float64Array, d: number, posterior: Float64Array, reach: Float64Array): Component | null {
  const n = posterior.length;
  let [size, weight] = [0, 0];
  const centre = new Float64Array(d);
  for (let r = 0; r < n; r++) {
    const own = posterior[r]! * reach[r]!;
    size += posterior[r]!;
    weight += own;
    for (let c = 0; c < d; c++) centre[c] = centre[c]! + own * points[r * d + c]!;
  }
  // Fewer features than a covariance has directions say nothing of it.
  if (size < d + 2) return null;
  for (let c = 0; c < d; c++) centre[c] = centre[c]! / weight;
  const scale = new Float64Array(d * d);
  for (let r = 0; r < n; r++) {
    const own = (posterior[r]! * reach[r]!) / size;
    for (let a = 0; a < d; a++) for (let b = 0; b < d; b++) scale[a * d + b] = scale[a * d + b]! + own * (points[r * d + a]! - centre[a]!) * (points[r * d + b]! - centre[b]!);
  }
  for (let c = 0; c < d; c++) scale[c * d + c] = scale[c * d + c]! + RIDGE;
  return { weight: size / n, centre, scale };
}

/** log(weight density) of each point, and its squared distance from the centre. */
function logDensities(points: Float64Array, d: number, { weight, centre, scale }: Component): { log: Float64Array; distance: Float64Array } {
  const n = points.length / d;
  const l = cholesky(scale, d);
  if (l === null) throw new NumericError("a component's covariance is singular");
  let constant = Math.log(weight) + logGamma((NU + d) / 2) - logGamma(NU / 2) - (d / 2) * Math.log(NU * Math.PI);
  for (let c = 0; c < d; c++) constant -= Math.log(l[c * d + c]!);
  const [log, distance] = [new Float64Array(n), new Float64Array(n)];
  const y = new Float64Array(d);
  for (let r = 0; r < n; r++) {
    let squares = 0;
    for (let a = 0; a < d; a++) {
      let value = points[r * d + a]! - centre[a]!;
      for (let b = 0; b < a; b++) value -= l[a * d + b]! * y[b]!;
      y[a] = value / l[a * d + a]!;
      squares += y[a]! ** 2;
    }
    distance[r] = squares;
    log[r] = constant - ((NU + d) / 2) * Math.log1p(squares / NU);
  }
  return { log, distance };
}

/** [components, n] posterior of each point. */
export function posteriors({ d, components }: Pick<Mixture, 'd' | 'components'>, points: Float64Array): Float64Array {
  const n = points.length / d;
  const logs = components.map((component) => logDensities(points, d, component).log);
  return Float64Array.from({ length: components.length * n }, (_, at) => {
    const [k, r] = [Math.floor(at / n), at % n];
    return 1 / logs.reduce((sum, log) => sum + Math.exp(log[r]! - logs[k]![r]!), 0);
  });
}

function momentsOf(points: Float64Array, d: number): [Float64Array, Float64Array] {
  const n = points.length / d;
  const [mean, variance] = [new Float64Array(d), new Float64Array(d)];
  for (let at = 0; at < points.length; at++) mean[at % d] = mean[at % d]! + points[at]! / n;
  for (let at = 0; at < points.length; at++) variance[at % d] = variance[at % d]! + (points[at]! - mean[at % d]!) ** 2 / n;
  return [mean, variance];
}
