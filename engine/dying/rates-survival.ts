/**
 * How long features stay at or above a density: the product-limit estimate of Kaplan and Meier
 * (JASA 53, 1958), with Greenwood's variance on the scale log(-log S), where its interval stays within [0, 1].
 *
 * A feature's event is the first kept step from which its density is below `below` in every later
 * frame (a feature that comes back has not died yet); it is in the risk set from the first frame in
 * which it is not below, and is censored at the last frame. Between two frames nothing is known: an event is
 * placed at the later one.
 */
import { ShapeError, UsageError } from '../errors.js';
import { ruleOfThree, Z_95 } from '../statistics.js';
import type { RarityCurve } from './rates-reports.js';

export interface RarityInput {
  /** Steps of the frames, ascending. */
  readonly steps: ArrayLike<number>;
  readonly rows: ArrayLike<number>;
  /** By frame: counts of all features. */
  readonly counts: readonly ArrayLike<number>[];
  readonly features: ArrayLike<number>;
  /** Density; 3 / rows of every frame must not exceed it, else a count of 0 would not say that it is below. */
  readonly below: number;
}

/** @throws UsageError where the rows are too few to tell, ShapeError where lengths differ */
export function rarityCurve({ steps, rows, counts, features, below }: RarityInput): RarityCurve {
  const frames = steps.length;
  if (rows.length !== frames || counts.length !== frames) throw new ShapeError(`${frames} steps, ${rows.length} numbers of rows and ${counts.length} frames of counts: expected as many of each`);
  for (let j = 0; j < frames; j++) {
    if (ruleOfThree(rows[j]!) > below) throw new UsageError(`frame ${j} counts ${rows[j]} rows, which cannot tell a density below ${below} from one above it`, { hint: `Count on at least ${Math.ceil(3 / below)} rows, or ask for a larger density.` });
  }
  const entering = new Float64Array(frames + 1);
  const leaving = new Float64Array(frames);
  const censored = new Float64Array(frames);
  let seen = 0;
  for (let at = 0; at < features.length; at++) {
    const i = features[at]!;
    const isBelow = (j: number): boolean => counts[j]![i]! < below * rows[j]!;
    let entry = 0;
    while (entry < frames && isBelow(entry)) entry++;
    if (entry === frames) continue;
    seen++;
    // The last frame in which it is not below; the event is one later.
    let last = frames - 1;
    while (isBelow(last)) last--;
    entering[entry + 1] = entering[entry + 1]! + 1;
    if (last === frames - 1) censored[last] = censored[last]! + 1;
    else leaving[last + 1] = leaving[last + 1]! + 1;
  }
  const curve = { step: [] as number[], share: [] as number[], low: [] as number[], high: [] as number[] };
  let atRisk = 0;
  let share = 1;
  let greenwood = 0;
  let events = 0;
  for (let j = 0; j < frames; j++) {
    atRisk += entering[j]!;
    const gone = leaving[j]!;
    if (gone > 0) {
      events += gone;
      share *= 1 - gone / atRisk;
      greenwood += gone / (atRisk * (atRisk - gone));
      const [low, high] = interval(share, greenwood);
      curve.step.push(steps[j]!);
      curve.share.push(share);
      curve.low.push(low);
      curve.high.push(high);
    }
    atRisk -= gone + censored[j]!;
  }
  return { below, features: seen, events, ...curve };
}

/** S^exp(± z sd(log(-log S))); where nobody is left, the law gives no upper bound but the one before it could not exceed 1. */
function interval(share: number, greenwood: number): [number, number] {
  if (share <= 0) return [0, 1];
  const spread = Math.exp((Z_95 * Math.sqrt(greenwood)) / -Math.log(share));
  return [share ** spread, share ** (1 / spread)];
}
