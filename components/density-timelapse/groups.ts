/**
 * Features in groups whose densities are drawn together, with the middle of each: by what
 * resampling did to them where it did anything, else by the class they end in.
 *
 * Kept true: a quantile of a group is over all its features, those without a firing included; where it
 * falls among these it is below what the rows can show, and null.
 */
import type { DyingFrame, DyingRecord } from '../../engine/dying/record.js';
import { classOf } from '../../engine/statistics.js';

export type GroupName = 'never reset' | 'reset' | 'spared' | 'end dead' | 'end rare' | 'end live' | 'end dense';

/** Style of a group: one of the classes of the theme, and dashes. */
export interface GroupStyle {
  readonly name: GroupName;
  readonly color: 'dead' | 'rare' | 'live' | 'dense' | 'ultralow';
  readonly dash: string;
}

export interface Group extends GroupStyle {
  readonly features: Uint32Array;
  /** By frame: quartiles of density; null below the resolution. */
  readonly q25: readonly (number | null)[];
  readonly median: readonly (number | null)[];
  readonly q75: readonly (number | null)[];
  /** By frame: features without a firing. */
  readonly silent: readonly number[];
}

const BY_COHORT: readonly GroupStyle[] = [
  { name: 'never reset', color: 'live', dash: '' },
  { name: 'reset', color: 'dense', dash: '7 4' },
  { name: 'spared', color: 'rare', dash: '2 3' },
];
const BY_CLASS: readonly GroupStyle[] = [
  { name: 'end dead', color: 'dead', dash: '2 3' },
  { name: 'end rare', color: 'rare', dash: '7 4' },
  { name: 'end live', color: 'live', dash: '' },
  { name: 'end dense', color: 'dense', dash: '9 3 2 3' },
];

/** The groups that have features. */
export function groupsOf({ frames, cohorts }: Pick<DyingRecord, 'frames' | 'cohorts'>): Group[] {
  const last = frames.at(-1) as DyingFrame;
  const styles = cohorts === null ? BY_CLASS : BY_COHORT;
  const member = (i: number): number => {
    if (cohorts !== null) return cohorts[i] ?? 0;
    const name = classOf(last.counts[i]!, last.rows);
    return name === 'dead' ? 0 : name === 'live' ? 2 : name === 'dense' ? 3 : 1;
  };
  const of = Uint8Array.from(last.counts, (_, i) => member(i));
  return styles.flatMap((style, at) => {
    const features = Uint32Array.from(of.keys()).filter((i) => of[i] === at);
    return features.length === 0 ? [] : [{ ...style, features, ...quantiles(frames, features) }];
  });
}

function quantiles(frames: readonly DyingFrame[], features: Uint32Array): Pick<Group, 'q25' | 'median' | 'q75' | 'silent'> {
  const rows = frames.map(({ counts, rows: n }) => {
    const sorted = Float64Array.from(features, (i) => counts[i]!).sort();
    const at = (p: number): number | null => {
      const place = p * (sorted.length - 1);
      const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
      // Between two densities on a log scale; next to a silent feature there is no such place.
      return low > 0 ? (low / n) * (high / low) ** (place - Math.floor(place)) : null;
    };
    return { q25: at(0.25), median: at(0.5), q75: at(0.75), silent: sorted.filter((count) => count === 0).length };
  });
  return { q25: rows.map(({ q25 }) => q25), median: rows.map(({ median }) => median), q75: rows.map(({ q75 }) => q75), silent: rows.map(({ silent }) => silent) };
}
