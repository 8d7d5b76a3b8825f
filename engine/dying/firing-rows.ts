/**
 * Rows on which rare features fire. A sample of a few thousand rows holds next to none of them; a view of
 * one feature's boundary has nothing to light without.
 */
import { Pace } from '../pace.js';
import type { HeldRows } from './run-frames.js';

export interface FiringRow {
  /** Of the held rows. */
  readonly row: number;
  /** The feature that it was taken for: it may fire others. */
  readonly feature: number;
  /** w . x + offset of that feature. */
  readonly z: number;
}

interface Boundaries {
  /** [k] */
  readonly features: ArrayLike<number>;
  /** [k, d] rows w, and [k] offsets: a feature fires where w . x + offset > 0. */
  readonly encoder: Float32Array;
  readonly offset: Float32Array;
}

/**
 * For each feature the `each` rows with its largest z > 0 (ties: the earlier row), each row once.
 * @returns by ascending row
 */
export async function firingRows({ x, rows, d }: HeldRows, { features, encoder, offset }: Boundaries, { each = 8, signal }: { readonly each?: number; readonly signal?: AbortSignal | undefined } = {}): Promise<FiringRow[]> {
  const pace = new Pace(signal);
  const taken = new Map<number, FiringRow>();
  for (let j = 0; j < features.length; j++) {
    const w = encoder.subarray(j * d, (j + 1) * d);
    // By descending z, at most `each`.
    const best: FiringRow[] = [];
    for (let row = 0, at = 0; row < rows; row++, at += d) {
      let z = offset[j]!;
      for (let c = 0; c < d; c++) z += w[c]! * x[at + c]!;
      if (row % 4096 === 4095 && pace.isDue) await pace.pause();
      if (!(z > 0) || (best.length === each && z <= best[each - 1]!.z)) continue;
      const place = best.findIndex((other) => other.z < z);
      best.splice(place < 0 ? best.length : place, 0, { row, feature: features[j]!, z });
      best.length = Math.min(best.length, each);
    }
    for (const one of best) if ((taken.get(one.row)?.z ?? 0) < one.z) taken.set(one.row, one);
  }
  return [...taken.values()].sort((a, b) => a.row - b.row);
}
