/** The filters of the dashboard together: which features pass. */
import type { FeatureClass } from '../../engine/pack/schema.js';
import type { PackSummary } from '../../engine/pack/reader.js';
import type { FeatureTest } from '../feature-table/filter.js';

export interface Filters {
  /** Classes that were chosen; none means all. */
  readonly classes: ReadonlySet<FeatureClass>;
  /** Features inside the histogram's brush; null without one. */
  readonly brushed: readonly number[] | null;
  /** What was typed. */
  readonly test: FeatureTest | null;
}

/** Features that pass every filter, ascending; null when nothing filters. */
export function filterFeatures(summary: PackSummary, { classes, brushed, test }: Filters): Uint32Array | null {
  if (classes.size === 0 && brushed === null && test === null) return null;
  const candidates = brushed ?? Array.from({ length: summary.rows }, (_, feature) => feature);
  return Uint32Array.from(candidates.filter((feature) => (classes.size === 0 || classes.has(summary.classes[feature] as FeatureClass)) && (test === null || test(feature))));
}

/** The feature that is opened when nobody asked for one: the first that lives, else the first. */
export function firstFeature(summary: PackSummary): number | null {
  if (summary.rows === 0) return null;
  return Math.max(0, summary.classes.indexOf('live'));
}
