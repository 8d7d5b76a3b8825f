/** A feature of a frame in words: for the tooltip, the live region and the table. */
import type { DyingFrame, DyingRecord } from '../../engine/dying/record.js';
import { FEATURE_CLASSES } from '../../engine/pack/schema.js';
import { formatCount, formatDensities, formatDensity, formatNumber, formatSigned } from '../internal/format.js';
import type { CloudAxes, CloudPoints } from './points.js';
import { floorOf, intervalOf, type Quantity } from './quantities.js';

const COHORTS = ['', 'reset by resampling', 'spared from resampling'] as const;

const firings = (count: number, rows: number): string => `${count === 0 ? 'no firing' : count === 1 ? '1 firing' : `${formatCount(count)} firings`} in ${formatCount(rows)} rows`;

/** The density with its interval, or that it cannot be told from zero. */
export function densityWords(frame: DyingFrame, feature: number): string {
  const count = frame.counts[feature]!;
  const floor = floorOf(frame);
  if (!(frame.rows > 0)) return 'density unknown';
  if (count / frame.rows < floor) return `${firings(count, frame.rows)}: below the floor 3/N = ${formatDensity(floor)}`;
  const { low, high } = intervalOf(frame, feature);
  const [a, value, b] = formatDensities(low, count / frame.rows, high);
  return `density ${value} (${a} to ${b})`;
}

export const valueWords = ({ scale, of }: Quantity, frame: DyingFrame, feature: number): string => {
  const value = of(frame, feature);
  return scale === 'log' ? formatDensity(value) : Number.isFinite(value) && Math.abs(value) < 100 ? formatSigned(value, Math.abs(value) < 0.1 ? 4 : 3) : formatNumber(value);
};

/** Name and lines of what is known of a feature. */
export function describeFeature(record: DyingRecord, frame: DyingFrame, points: CloudPoints, axes: CloudAxes, feature: number): { readonly title: string; readonly lines: readonly string[] } {
  const lines = [densityWords(frame, feature)];
  const named = new Set<string>(['density']);
  for (const { quantity } of axes) {
    if (named.has(quantity.name)) continue;
    named.add(quantity.name);
    lines.push(`${quantity.label} ${valueWords(quantity, frame, feature)}`);
  }
  const cohort = COHORTS[record.cohorts?.[feature] ?? 0];
  if (cohort) lines.push(cohort);
  const cause = record.certificates?.[feature];
  if (cause) lines.push(cause);
  return { title: `feature ${feature} · ${FEATURE_CLASSES[points.classes[feature]!]}`, lines };
}
