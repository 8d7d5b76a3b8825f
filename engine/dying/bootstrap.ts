/**
 * Intervals by drawing again, ranges of a null hypothesis, and rank correlation, as the reports on
 * dying features use them (engine/dying/anatomy-reports.ts).
 *
 *   bootstrap    the central 95 % of a statistic of n items drawn with replacement (Efron 1979),
 *                the percentile form; items are contexts, or features, never rows of one context
 *   null range   the central 95 % of replicates without the structure, and the p-value of
 *                Davison and Hinkley (1997), (1 + as extreme) / (1 + replicates): never 0
 *   spearman     Pearson's correlation of ranks, ties at their mean rank
 *
 * Draws come from engine/random.ts: the same seed gives the same interval.
 */
import type { Pace } from '../pace.js';
import { createRandom, type Random } from '../random.js';
import type { Estimate, NullRange } from './anatomy-reports.js';

export interface BootstrapOptions {
  readonly seed: number;
  /** Default 1,000. */
  readonly replicates?: number | undefined;
  readonly pace: Pace;
}

/**
 * A statistic of n items with its interval.
 * @param statistic of items by index; NaN where it is not defined. Replicates where it is not are left out.
 * @returns nulls of no items, and where the statistic of the items themselves is not defined; no bounds of one item
 */
export async function bootstrap(n: number, statistic: (items: Uint32Array) => number, { seed, replicates = 1000, pace }: BootstrapOptions): Promise<Estimate> {
  const [estimate] = await bootstrapAll(n, 1, (items) => [statistic(items)], { seed, replicates, pace });
  return estimate!;
}

/** The same of several statistics on the same draws. */
export async function bootstrapAll(n: number, count: number, statistics: (items: Uint32Array) => readonly number[], { seed, replicates = 1000, pace }: BootstrapOptions): Promise<Estimate[]> {
  const none: Estimate = { value: null, low: null, high: null };
  if (n === 0) return Array.from({ length: count }, () => none);
  const own = statistics(Uint32Array.from({ length: n }, (_, i) => i));
  const drawn = Array.from({ length: count }, (): number[] => []);
  const random = createRandom(seed);
  const items = new Uint32Array(n);
  for (let replicate = 0; n > 1 && replicate < replicates; replicate++) {
    for (let i = 0; i < n; i++) items[i] = random.below(n);
    statistics(items).forEach((value, at) => {
      if (Number.isFinite(value)) drawn[at]!.push(value);
    });
    if (pace.isDue) await pace.pause();
  }
  return own.map((value, at) => {
    if (!Number.isFinite(value)) return none;
    // Where most draws leave the statistic undefined, those that do not are no fair sample.
    const enough = drawn[at]!.length >= replicates / 2 && n > 1;
    return { value, low: enough ? quantile(drawn[at]!, 0.025) : null, high: enough ? quantile(drawn[at]!, 0.975) : null };
  });
}

/** Replicates that are affordable: 1,000, or as many as `work` operations each allow within `most`, at least 100. */
export function affordable(work: number, most = 2e9): number {
  return Math.max(100, Math.min(1000, Math.floor(most / Math.max(1, work))));
}

/** What replicates of a null hypothesis say of an observed value; those that are not finite are left out. */
export function nullRange(replicates: ArrayLike<number>, observed: number | null): NullRange {
  const values = Array.from(replicates).filter(Number.isFinite);
  if (values.length === 0) return { replicates: 0, median: null, low: null, high: null, p_above: null, p_below: null };
  const p = (extreme: (value: number) => boolean): number => (1 + values.filter(extreme).length) / (1 + values.length);
  return {
    replicates: values.length,
    median: quantile(values, 0.5),
    low: quantile(values, 0.025),
    high: quantile(values, 0.975),
    p_above: observed === null ? null : p((value) => value >= observed),
    p_below: observed === null ? null : p((value) => value <= observed),
  };
}

/** By linear interpolation between order statistics; NaN of none. */
export function quantile(values: ArrayLike<number>, p: number): number {
  const sorted = Float64Array.from(values).sort();
  const place = p * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] ?? NaN;
  return low + ((sorted[below + 1] ?? low) - low) * (place - below);
}

/** NaN where one of them is constant, or of fewer than two. */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return pearson(ranks(a), ranks(b));
}

function pearson(a: Float64Array, b: Float64Array): number {
  const n = a.length;
  if (n < 2) return NaN;
  let [ma, mb] = [0, 0];
  for (let i = 0; i < n; i++) {
    ma += a[i]! / n;
    mb += b[i]! / n;
  }
  let [aa, bb, ab] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    aa += (a[i]! - ma) ** 2;
    bb += (b[i]! - mb) ** 2;
    ab += (a[i]! - ma) * (b[i]! - mb);
  }
  return aa > 0 && bb > 0 ? Math.max(-1, Math.min(1, ab / Math.sqrt(aa * bb))) : NaN;
}

/** Ranks from 0, ties at their mean. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((i, j) => values[i]! - values[j]!);
  const out = new Float64Array(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let at = from; at < to; at++) out[order[at]!] = (from + to - 1) / 2;
    from = to;
  }
  return out;
}

/** Puts items in a random order, in place (Fisher and Yates). */
export function shuffle<T extends { length: number; [index: number]: number }>(items: T, random: Random): T {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

/** A draw of the normal distribution: Box and Muller. */
export function normalDraw(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
}
