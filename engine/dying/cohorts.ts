/**
 * Who is followed: features that resampling replaced, those that it was to replace and spared
 * (the un-reset control), and the rest. The spared ones are a random share of those that were due, so
 * that they differ from the reset ones by nothing but the reset.
 */
import { UsageError } from '../errors.js';
import type { RunRecord } from '../train/run-record.js';
import type { CohortName } from './evolution-report.js';
import type { Cohort, DyingFrame } from './record.js';

export interface Cohorts {
  /** [features] of `Cohort`. */
  readonly of: Uint8Array;
  /** Steps at which something was replaced or spared, ascending; empty for none. */
  readonly steps: readonly number[];
}

/**
 * From a run's record; null where nothing was resampled. A feature that was ever replaced is `reset`, one that was ever
 * spared is `spared`: the draw is by feature, so that none is both.
 * @throws UsageError for a feature that the SAE does not have
 */
export function cohortsOf({ resampled = [] }: Pick<RunRecord, 'resampled'>, features: number): Cohorts | null {
  const told = resampled.filter((one) => one.features.length + one.spared.length > 0);
  if (told.length === 0) return null;
  const of = new Uint8Array(features);
  const mark = (chosen: readonly number[], cohort: Cohort): void => {
    for (const i of chosen) {
      if (!Number.isInteger(i) || i < 0 || i >= features) throw new UsageError(`the run's record says that feature ${i} was resampled, of ${features}`);
      of[i] = cohort;
    }
  };
  for (const { spared } of told) mark(spared, 2);
  for (const one of told) mark(one.features, 1);
  return { of, steps: told.map(({ step }) => step).sort((a, b) => a - b) };
}

/** A cohort's features, ascending, and the first step from which its densities are looked at. */
export interface CohortMembers {
  readonly name: CohortName;
  readonly features: Uint32Array;
  readonly from: number;
}

/** D/E above which a feature is taken to reconstruct something. */
export const LIVE_DE = 0.5;
/** Frames that must follow the choosing one: fewer have no slope. */
const LATER = 3;

/**
 * The frame at which `rare`, `adrift` and `live` features are told apart: the first after step 0 with so many rare ones
 * that they can be followed (20, or 2 % of all), else the first at or after the square root of the last step.
 * What came before it decides, and nothing of what comes after. Later frames alone enter the slopes: the
 * counts by which features were chosen must not, or these would return to their mean.
 * @returns -1 where fewer than three frames follow
 */
export function choosingFrame(frames: readonly Pick<DyingFrame, 'step' | 'rows' | 'counts'>[], edge: number): number {
  const within = (at: number): boolean => at >= 0 && frames.length - 1 - at >= LATER;
  const enough = Math.max(20, frames[0]!.counts.length / 50);
  const crowded = frames.findIndex(({ step, rows, counts }) => step >= 1 && counts.reduce((sum, count) => sum + (count < edge * rows ? 1 : 0), 0) >= enough);
  if (within(crowded)) return crowded;
  const last = frames.at(-1)?.step ?? 0;
  const middle = frames.findIndex(({ step }) => step >= 1 && step >= Math.sqrt(last));
  return within(middle) ? middle : -1;
}

/** @param edge density below which a feature is rare */
export function cohortMembers(frames: readonly Pick<DyingFrame, 'step' | 'rows' | 'counts' | 'de'>[], cohorts: Cohorts | null, edge: number): CohortMembers[] {
  const n = frames[0]!.counts.length;
  const select = (name: CohortName, from: number, holds: (i: number) => boolean): CohortMembers => ({ name, from, features: Uint32Array.from(Array.from({ length: n }, (_, i) => i).filter(holds)) });
  const cohort = (i: number): number => cohorts?.of[i] ?? 0;
  const rareIn = (at: number) => (i: number): boolean => frames[at]!.counts[i]! < edge * frames[at]!.rows;
  const members = [select('never', 1, (i) => cohort(i) === 0)];
  if (cohorts !== null) {
    members.push(select('reset', (cohorts.steps.at(-1) ?? 0) + 1, (i) => cohort(i) === 1));
    members.push(select('spared', (cohorts.steps[0] ?? 0) + 1, (i) => cohort(i) === 2));
  }
  const at = choosingFrame(frames, edge);
  if (at >= 0) {
    const rare = rareIn(at);
    const from = frames[at]!.step + 1;
    // NaN, where D/E does not exist: then what fires is live.
    const isAdrift = (i: number): boolean => frames[at]!.de[i]! <= LIVE_DE;
    members.push(
      select('rare', from, (i) => cohort(i) !== 1 && rare(i)),
      select('adrift', from, (i) => cohort(i) === 0 && !rare(i) && isAdrift(i)),
      select('live', from, (i) => cohort(i) === 0 && !rare(i) && !isAdrift(i)),
    );
  }
  const ends = rareIn(frames.length - 1);
  members.push(select('final', 1, (i) => cohort(i) !== 1 && ends(i)));
  return members;
}
