/**
 * Which rows count. Tokens such as BOS, and the first positions of a context,
 * have activations of quite another size, and would bend every statistic.
 */
import { UsageError } from '../errors.js';
import type { ActivationSource } from '../sources/source.js';

export interface IgnoreRules {
  /** Token ids that are left out wherever they stand. */
  readonly ignoreTokens?: readonly number[] | undefined;
  /** Positions of a context that are left out, from 0. */
  readonly ignorePositions?: readonly number[] | undefined;
}

/** Marks the rows of a batch: 1 where the row counts. */
export type CountRows = (tokens: Int32Array | null, contexts: number) => { readonly counted: Uint8Array; readonly countedRows: number };

/** @throws UsageError when a rule cannot apply to this source */
export function ignoreRules(rules: IgnoreRules, source: Pick<ActivationSource, 'positions' | 'hasTokens'>): CountRows {
  const { positions, hasTokens } = source;
  const tokenSet = new Set(rules.ignoreTokens ?? []);
  const positionSet = new Set(rules.ignorePositions ?? []);
  if (tokenSet.size > 0 && !hasTokens) {
    throw new UsageError('tokens are to be ignored, but the activations come without tokens', { hint: 'Give the tokens too (--tokens), or ignore positions (--ignore-positions).' });
  }
  for (const position of positionSet) {
    if (!Number.isInteger(position) || position < 0 || position >= positions) {
      throw new UsageError(`position ${position} is to be ignored, but contexts have the positions 0 to ${positions - 1}`);
    }
  }
  const keptPositions = Uint8Array.from({ length: positions }, (_, position) => (positionSet.has(position) ? 0 : 1));
  return (tokens, contexts) => {
    const counted = new Uint8Array(contexts * positions);
    let countedRows = 0;
    for (let row = 0; row < counted.length; row++) {
      if (keptPositions[row % positions] === 0) continue;
      if (tokens !== null && tokenSet.size > 0 && tokenSet.has(tokens[row] ?? -1)) continue;
      counted[row] = 1;
      countedRows++;
    }
    return { counted, countedRows };
  };
}
