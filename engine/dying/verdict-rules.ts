/** How an interval decides, and what is said where it does not. */
import { CLAIMS } from './claims.js';
import type { Quartiles } from './rare-direction.js';
import type { Outcome, PredictionId, PredictionResult } from './predictions.js';
import type { Estimate } from './rates-reports.js';

/** Half the width of a normal's central 95 %, in sd. */
const Z95 = 1.959963984540054;
/** Never asked for: nobody has so many. */
const MOST_TOKENS = 1e13;

/** An estimate whose bounds are all there. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The estimate where it decides anything: a value with both bounds. */
export function whole(estimate: Estimate | null | undefined): Interval | null {
  if (estimate === null || estimate === undefined) return null;
  const { value, low, high } = estimate;
  return value === null || low === null || high === null ? null : { value, low, high };
}

export const below = (x: Interval, limit: number): boolean => x.high < limit;
export const above = (x: Interval, limit: number): boolean => x.low > limit;
export const within = (x: Interval, low: number, high: number): boolean => x.low >= low && x.high <= high;

/** Of a - b, for independent estimates: bounds add in quadrature (Newcombe's square-and-add). */
export function difference(a: Interval, b: Interval): Interval {
  const value = a.value - b.value;
  return { value, low: value - Math.hypot(a.value - a.low, b.high - b.value), high: value + Math.hypot(a.high - a.value, b.value - b.low) };
}

/** Of the ratio of two binomial shares, on a log scale (Katz), with half a count added to each so that 0 has an interval. */
export function ratioOfShares(a: number, n: number, b: number, m: number): Interval | null {
  if (n === 0 || m === 0) return null;
  const value = (a + 0.5) / (n + 0.5) / ((b + 0.5) / (m + 0.5));
  const sd = Math.sqrt(1 / (a + 0.5) - 1 / (n + 0.5) + 1 / (b + 0.5) - 1 / (m + 0.5));
  return { value, low: value * Math.exp(-Z95 * sd), high: value * Math.exp(Z95 * sd) };
}

/** Wilson's interval of a share. */
export function share(count: number, n: number): Interval | null {
  if (n === 0) return null;
  const p = count / n;
  const zz = (Z95 * Z95) / n;
  const centre = (p + zz / 2) / (1 + zz);
  const half = (Z95 * Math.sqrt((p * (1 - p)) / n + zz / (4 * n))) / (1 + zz);
  return { value: p, low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/** The median of `n` values with these quartiles: its sd is sqrt(pi / 2) sd / sqrt(n), sd = IQR / 1.349, as for a normal. */
export function medianOf(quartiles: Quartiles | null | undefined, n: number): Interval | null {
  if (quartiles === null || quartiles === undefined || n === 0) return null;
  const { q25, median, q75 } = quartiles;
  const half = (Z95 * 1.2533141373155 * (q75 - q25)) / 1.3489795 / Math.sqrt(n);
  return { value: median, low: median - half, high: median + half };
}

/**
 * Rows after which an interval whose width falls as 1 / sqrt(rows) would clear a limit, if the value stays.
 * Null where the value lies on the limit.
 */
export function rowsToTell({ value, low, high }: Interval, limit: number, rows: number): number | null {
  const distance = Math.abs(value - limit);
  const half = Math.max(value - low, high - value);
  if (!(distance > 0) || rows === 0) return null;
  const needed = rows * Math.max(1, half / distance) ** 2;
  return needed > MOST_TOKENS ? null : Math.ceil(needed / 1000) * 1000;
}

interface Finding {
  readonly value?: number | null;
  readonly interval?: Interval | null;
  readonly nullValue?: number | null;
  readonly nullName?: string;
  readonly outcome: Outcome;
  readonly reason: string;
  readonly needs?: number | null;
}

/** A result under the claim of that prediction. */
export function result(id: PredictionId, { value, interval = null, nullValue = null, nullName = '', outcome, reason, needs = null }: Finding): PredictionResult {
  return {
    id,
    claim: CLAIMS[id].claim,
    quantity: CLAIMS[id].quantity,
    value: value ?? interval?.value ?? null,
    interval: interval === null ? null : [interval.low, interval.high],
    null_value: nullValue,
    null_name: nullName,
    outcome,
    reason,
    needs_tokens: outcome === 'cannot-tell' ? needs : null,
  };
}

/** Nothing to go on: which instrument or run is missing. */
export const missing = (id: PredictionId, reason: string): PredictionResult => result(id, { outcome: 'cannot-tell', reason });

export function outcomeOf(supports: boolean, refutes: boolean): Outcome {
  return supports ? 'supports' : refutes ? 'refutes' : 'cannot-tell';
}

/** A number in a sentence: three digits, a true minus. */
export function num(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined) return '–';
  const text = Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits)));
  return text.replace('-', '−');
}
