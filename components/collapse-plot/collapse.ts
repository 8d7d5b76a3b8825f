/**
 * The one-curve test: are the rare features all one feature with different offsets?
 *
 * A feature whose unit encoder column is w* fires where w* . x > c_i, c_i = -effective_bias_i / ||w_i||, so that
 *
 *   p_i = S(c_i),   S(c) = P(w* . x > c)
 *
 * and the rare features of an SAE that all die along w* lie on the one survival curve of the data.
 *
 *   residual    r_i = log10 p_i - log10 S(c_i), for features that fired and a curve above zero
 *   rms         sqrt(mean r^2); counting alone leaves about sqrt(mean 1 / k_i) / ln 10 of it, k_i the firings
 *   within      S(c_i) lies in the 95 % interval of p_i: Wilson's, [0, 3/N] where it did not fire; beyond
 *               the sample's end S is not told from zero, and [0, 3/rows] meets the interval
 *   shuffled    the same rms with the offsets dealt out to the features at random: what is left when
 *               offsets say nothing
 *   gaussian    the rms from Q((c - w*.mu) / s), s the deviation of w* . x over the sampled rows
 */
import { upperTail } from '../../engine/dying/normal.js';
import type { DyingFrame, DyingPlane } from '../../engine/dying/record.js';
import { densityInterval, ruleOfThree, type Interval } from '../../engine/statistics.js';

/** Dealings of the shuffled null. */
const SHUFFLES = 200;

export interface CollapsePoint {
  readonly feature: number;
  /** -effective_bias / ||w|| */
  readonly c: number;
  readonly count: number;
  readonly p: number;
  readonly interval: Interval;
  /** S(c); NaN where the curve does not reach. */
  readonly curve: number;
  /** log10 p - log10 S(c); NaN where one of them is zero or unknown. */
  readonly residual: number;
  /** Whether the curve lies inside the interval; null where the curve does not reach. */
  readonly within: boolean | null;
}

export interface Collapse {
  /** By ascending c. */
  readonly points: readonly CollapsePoint[];
  /** Density below which a feature is rare. */
  readonly edge: number;
  /** Features with a residual, and those that can be held against their interval. */
  readonly measured: number;
  readonly judged: number;
  /** Features that fired where the curve is zero: no sampled row lies so far out. They have no residual. */
  readonly beyond: number;
  /** In decades of density; null where nothing is measured. */
  readonly rms: number | null;
  readonly counting: number | null;
  /** Median residual: above 0 where features fire more than the curve says. */
  readonly median: number | null;
  readonly within: number;
  /** Median over the dealings, and the share of them whose rms is no larger than the features' own; null below 3 features. */
  readonly shuffled: { readonly rms: number; readonly share: number } | null;
  readonly gaussian: number | null;
}

/** A curve P(w* . x > c). */
export type Curve = (c: number) => number;

/** The sampled survival curve: log-linear between its points, 0 beyond the last, NaN before a first that is not the least row. */
export function survivalCurve({ c, p, rows }: DyingPlane['survival']): Curve {
  const n = c.length;
  return (at) => {
    if (n === 0 || Number.isNaN(at)) return NaN;
    if (at < c[0]!) return p[0]! >= 1 - 2 / rows ? 1 : NaN;
    if (at >= c[n - 1]!) return at === c[n - 1] ? p[n - 1]! : 0;
    let [low, high] = [0, n - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (c[middle]! <= at) low = middle;
      else high = middle;
    }
    const [a, b] = [p[low]!, p[high]!];
    // The last row but none: the curve is a step there.
    return b > 0 ? a * (b / a) ** ((at - c[low]!) / (c[high]! - c[low]!)) : a;
  };
}

/** The normal distribution of the same mean and spread. */
export function gaussianCurve({ direction, mean, x, m: all, chosen }: Pick<DyingPlane, 'direction' | 'mean' | 'x' | 'm' | 'chosen'>): Curve {
  const d = direction.length;
  const m = all - chosen;
  let centre = 0;
  for (let k = 0; k < d; k++) centre += direction[k]! * mean[k]!;
  let squares = 0;
  for (let r = 0; r < m; r++) {
    let along = -centre;
    for (let k = 0; k < d; k++) along += direction[k]! * x[r * d + k]!;
    squares += along * along;
  }
  const spread = Math.sqrt(squares / Math.max(1, m));
  return (c) => (spread > 0 ? upperTail((c - centre) / spread) : NaN);
}

/** 1e-4, or a hundred firings where rows are too few for that. */
export const rareEdge = (rows: number): number => Math.min(1, Math.max(1e-4, 100 / Math.max(1, rows)));

export function offsetOf({ effective_bias, encoder_norm }: DyingFrame, feature: number): number {
  return encoder_norm[feature]! > 0 ? -effective_bias[feature]! / encoder_norm[feature]! : NaN;
}

export function collapse(frame: DyingFrame, plane: DyingPlane, below: number | null = null): Collapse {
  const { rows, counts } = frame;
  const edge = below ?? rareEdge(rows);
  const curve = survivalCurve(plane.survival);
  const zero = ruleOfThree(Math.max(1, plane.survival.rows));
  const points: CollapsePoint[] = [];
  for (let feature = 0; feature < counts.length && rows > 0; feature++) {
    const count = counts[feature]!;
    const c = offsetOf(frame, feature);
    if (!(count / rows < edge) || !Number.isFinite(c)) continue;
    const interval = densityInterval(count, rows);
    const expected = curve(c);
    points.push({
      feature,
      c,
      count,
      p: count / rows,
      interval,
      curve: expected,
      residual: count > 0 && expected > 0 ? Math.log10(count / rows) - Math.log10(expected) : NaN,
      within: Number.isNaN(expected) ? null : expected > 0 ? expected >= interval.low && expected <= interval.high : interval.low <= zero,
    });
  }
  points.sort((a, b) => a.c - b.c || a.feature - b.feature);
  const measured = points.filter(({ residual }) => !Number.isNaN(residual));
  const judged = points.filter(({ within }) => within !== null);
  const gaussian = gaussianCurve(plane);
  const rms = rootMeanSquare(measured.map(({ residual }) => residual));
  const sorted = measured.map(({ residual }) => residual).sort((a, b) => a - b);
  return {
    points,
    edge,
    measured: measured.length,
    judged: judged.length,
    beyond: points.filter(({ count, curve: expected }) => count > 0 && expected === 0).length,
    rms,
    counting: measured.length === 0 ? null : Math.sqrt(measured.reduce((sum, { count }) => sum + 1 / count, 0) / measured.length) / Math.LN10,
    median: sorted.length === 0 ? null : (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2,
    within: judged.filter(({ within }) => within).length,
    shuffled: rms === null || measured.length < 3 ? null : shuffledNull(measured, rms),
    gaussian: rootMeanSquare(measured.flatMap(({ p, c }) => (gaussian(c) > 0 ? [Math.log10(p / gaussian(c))] : []))),
  };
}

function rootMeanSquare(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

/** Seeded: the same record gives the same figures. */
function shuffledNull(points: readonly CollapsePoint[], own: number): { rms: number; share: number } {
  const n = points.length;
  const logs = Float64Array.from(points, ({ p }) => Math.log10(p));
  const curves = Float64Array.from(points, ({ curve }) => Math.log10(curve));
  let state = 0x9e3779b9;
  const draw = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  const found = new Float64Array(n > 10_000 ? SHUFFLES / 4 : SHUFFLES);
  for (let round = 0; round < found.length; round++) {
    let squares = 0;
    for (let i = n - 1; i >= 0; i--) {
      const j = draw(i + 1);
      [curves[i], curves[j]] = [curves[j]!, curves[i]!];
      squares += (logs[i]! - curves[i]!) ** 2;
    }
    found[round] = Math.sqrt(squares / n);
  }
  found.sort();
  return { rms: (found[(found.length - 1) >> 1]! + found[found.length >> 1]!) / 2, share: found.filter((value) => value <= own * (1 + 1e-12)).length / found.length };
}
