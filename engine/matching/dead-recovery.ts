/** What became of features that were dead: the share of those without a firing in one window that fire in a later one. */
import { ShapeError } from '../errors.js';

export interface DeadRecovery {
  /** Without a firing in the first window. */
  readonly dead: number;
  /** Of those, with a firing in the second. */
  readonly recovered: number;
  /** recovered / dead; null where none was dead. */
  readonly share: number | null;
}

/** @param before, after [d_sae] firings in two windows @throws ShapeError where they differ in length */
export function deadRecovery(before: ArrayLike<number>, after: ArrayLike<number>): DeadRecovery {
  if (before.length !== after.length) throw new ShapeError(`deadRecovery: ${before.length} features before, ${after.length} after`);
  let [dead, recovered] = [0, 0];
  for (let i = 0; i < before.length; i++) {
    if (before[i] !== 0) continue;
    dead++;
    if (after[i]! > 0) recovered++;
  }
  return { dead, recovered, share: dead === 0 ? null : recovered / dead };
}
