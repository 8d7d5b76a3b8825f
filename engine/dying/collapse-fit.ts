/**
 * Are the rare features one feature with different offsets? If each w_i / ||w_i|| is the same u, all
 * densities lie on one survival curve,
 *
 *   p_i = S(-b_i / ||w_i||),   S(c) = P(u . x > c)
 *
 * with b_i the effective bias for raw x. The fit is judged by the RMS of log10 of observed over
 * predicted, counts raised by 1/2 so that a prediction of no firing is finite, beside what offsets
 * dealt out anew give, and beside what counting alone would leave.
 */
import type { Pace } from '../pace.js';
import { createRandom } from '../random.js';
import { logGamma } from '../statistics.js';
import type { CollapseFit } from './anatomy-reports.js';
import { affordable, bootstrapAll, nullRange, shuffle, spearman } from './bootstrap.js';

export interface CollapseInput {
  readonly direction: CollapseFit['direction'];
  /** [m] u . x of rows, any order. */
  readonly values: Float64Array;
  /** [features] -b_i / ||w_i||: where each begins to fire along u. */
  readonly offsets: ArrayLike<number>;
  /** [features] firings among `tokens`. */
  readonly counts: ArrayLike<number>;
  readonly tokens: number;
  /** Draws of offsets dealt out anew; default 199. */
  readonly replicates?: number | undefined;
  readonly seed: number;
  readonly pace: Pace;
}

export async function collapseFit({ direction, values, offsets, counts, tokens, replicates = 199, seed, pace }: CollapseInput): Promise<CollapseFit> {
  const n = counts.length;
  const sorted = Float64Array.from(values).sort();
  // In firings among `tokens`, whatever the sample's size.
  const expected = Float64Array.from(offsets, (c) => (above(sorted, c) * tokens) / sorted.length);
  const floor = (0.5 * tokens) / sorted.length;
  const predicted = expected.map((count) => Math.log10(count + floor));
  const observed = Float64Array.from(counts, (count) => Math.log10(count + 0.5));
  const rms = (items: ArrayLike<number>): number => {
    let sum = 0;
    for (let at = 0; at < items.length; at++) sum += (observed[items[at]!]! - predicted[items[at]!]!) ** 2;
    return Math.sqrt(sum / items.length);
  };
  const [error, correlation] = await bootstrapAll(n, 2, (items) => [rms(items), spearmanOf(items, observed, predicted)], { seed, replicates: affordable(n * 200), pace });
  const random = createRandom(seed);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  const shuffled: number[] = [];
  for (let replicate = 0; n > 1 && replicate < replicates; replicate++) {
    shuffle(order, random);
    let sum = 0;
    for (let i = 0; i < n; i++) sum += (observed[i]! - predicted[order[i]!]!) ** 2;
    shuffled.push(Math.sqrt(sum / n));
    if (pace.isDue) await pace.pause();
  }
  let [bias, counting] = [0, 0];
  for (let i = 0; i < n; i++) {
    bias += (observed[i]! - predicted[i]!) / n;
    counting += countingVariance(Math.max(expected[i]!, floor)) / n;
  }
  return {
    direction,
    features: n,
    rms: error!,
    bias: n === 0 ? null : bias,
    counting_rms: n === 0 ? null : Math.sqrt(counting),
    shuffled: nullRange(shuffled, error!.value),
    rank_correlation: correlation!,
  };
}

/** How many of ascending values are above c. */
function above(sorted: Float64Array, c: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! > c) high = middle;
    else low = middle + 1;
  }
  return sorted.length - low;
}

/** E (log10((K + 1/2) / (mean + 1/2)))^2 of a Poisson count. */
export function countingVariance(mean: number): number {
  // Beyond, the normal approximation: relative errors of 1 / mean.
  if (mean > 500) return 1 / (mean * Math.LN10 ** 2);
  const last = Math.ceil(mean + 12 * Math.sqrt(mean) + 20);
  let sum = 0;
  for (let k = 0; k <= last; k++) sum += Math.exp(k * Math.log(mean) - mean - logFactorial(k)) * Math.log10((k + 0.5) / (mean + 0.5)) ** 2;
  return sum;
}

const logFactorial = (k: number): number => (k < 2 ? 0 : logGamma(k + 1));

function spearmanOf(items: Uint32Array, a: Float64Array, b: Float64Array): number {
  return spearman(Float64Array.from(items, (i) => a[i]!), Float64Array.from(items, (i) => b[i]!));
}
