/**
 * What became of each feature over the frames since it was made: when it fired most, when it stopped,
 * and whether it fell. All frames are on the same rows.
 *
 * The fall is tested exactly: of k1 + k2 firings in two frames of N1 and N2 rows, k2 are binomial with
 * N2 / (N1 + N2) where the density is one and the same; it fell where the Clopper-Pearson interval of
 * k2's share lies below that. The first frame is chosen as the largest of up to F, so that the level is
 * 5 % / F (Bonferroni). The rows being the same, the two counts are positively correlated and the test is conservative.
 */
import { ShapeError } from '../errors.js';
import { clopperPearson } from '../statistics.js';
import type { Resampling } from '../train/saved-run.js';
import type { FeatureLife } from './certificate.js';
import type { DyingFrame } from './record.js';

/** A life with the places in `frames` that other evidence is taken from; -1 for none. */
export interface LifePlaces {
  readonly life: FeatureLife;
  /** First frame of the life, and the one in which it fired most (the first of equals). */
  readonly first: number;
  readonly prime: number;
  /** The same after step 0, where it fired: rows that it had found, not those that chance gave it. */
  readonly learnt: number;
  /** The first frame from which on it fired no more; the last one where it fires. */
  readonly end: number;
  /** The last frame with so many firings. */
  readonly lastFirings: (least: number) => number;
}

type CountedFrame = Pick<DyingFrame, 'step' | 'rows' | 'counts'>;

/** Steps at which features were replaced last, and spared first; -1 for never. @throws ShapeError for a feature that is not there */
export function resamplingSteps(resampled: readonly Resampling[], features: number): { readonly reset: Float64Array; readonly spared: Float64Array } {
  const [reset, spared] = [new Float64Array(features).fill(-1), new Float64Array(features).fill(-1)];
  for (const one of resampled) {
    for (const i of [...one.features, ...one.spared]) if (!(i >= 0 && i < features)) throw new ShapeError(`feature ${i} was resampled, of ${features}`);
    for (const i of one.features) reset[i] = Math.max(reset[i]!, one.step);
    for (const i of one.spared) if (spared[i] === -1 || one.step < spared[i]!) spared[i] = one.step;
  }
  return { reset, spared };
}

/**
 * @param frames by ascending step; at least one
 * @param reset step at which it was replaced last, -1 for never: what came before was another feature
 */
export function lifeOf(frames: readonly CountedFrame[], feature: number, reset = -1, spared = -1): LifePlaces {
  const last = frames.length - 1;
  // One of the very step is as it was replaced, or, where the run was interrupted there, as it was before.
  const found = frames.findIndex(({ step }) => step > reset);
  const first = found < 0 ? frames.length : found;
  const count = (at: number): number => frames[at]!.counts[feature]!;
  const density = (at: number): number => count(at) / Math.max(1, frames[at]!.rows);
  let [prime, learnt, ever, rows] = [first, -1, 0, Infinity];
  for (let at = first; at <= last; at++) {
    if (density(at) > density(prime)) prime = at;
    if (frames[at]!.step > 0 && count(at) > 0 && (learnt < 0 || density(at) > density(learnt))) learnt = at;
    ever += count(at);
    rows = Math.min(rows, frames[at]!.rows);
  }
  let end = last;
  while (end > first && count(end) === 0 && count(end - 1) === 0) end--;
  const inLife = frames.length - first;
  const at = (place: number): FeatureLife['prime'] => (place > last ? { step: frames[last]!.step, count: 0 } : { step: frames[place]!.step, count: count(place) });
  return {
    life: {
      frames: inLife,
      rows: inLife === 0 ? 0 : rows,
      fromStart: reset < 0 && frames[0]!.step === 0,
      reset: reset < 0 ? null : reset,
      spared: spared < 0 ? null : spared,
      ever,
      prime: at(prime),
      last: at(inLife === 0 ? frames.length : last),
      fell: inLife >= 2 && prime < last && isLower(count(prime), frames[prime]!.rows, count(last), frames[last]!.rows, 0.05 / (inLife - 1)),
    },
    first: inLife === 0 ? -1 : first,
    prime: inLife === 0 ? -1 : prime,
    learnt,
    end: inLife === 0 ? -1 : end,
    lastFirings: (least) => {
      for (let place = last; place >= first; place--) if (count(place) >= least) return place;
      return -1;
    },
  };
}

/** Whether the second density is below the first, by the two-sided exact test at this level. */
export function isLower(before: number, beforeRows: number, after: number, afterRows: number, level: number): boolean {
  if (before + after === 0) return false;
  return clopperPearson(after, before + after, level).high < afterRows / (beforeRows + afterRows);
}
