/** Rows that ignore rules let count: how many there are, and which of a batch. */
import { NumericError } from '../errors.js';
import { ignoreRules, type IgnoreRules } from '../run/ignore.js';
import { defaultContextsPerBatch } from '../run/run.js';
import type { ActivationSource } from '../sources/source.js';

/** How many rows can count, whatever the tokens are. */
export function rowsAtMost({ ignorePositions = [] }: IgnoreRules, { contexts, positions }: Pick<ActivationSource, 'contexts' | 'positions'>): number {
  return contexts * (positions - new Set(ignorePositions).size);
}

/**
 * How many rows count of each `perChunk` contexts.
 * @throws UsageError when a rule cannot apply to the source
 */
export async function countedRows(source: ActivationSource, rules: IgnoreRules, perChunk: number, signal?: AbortSignal): Promise<number[]> {
  const { contexts, positions, tokenIds } = source;
  const count = ignoreRules(rules, source);
  const counts = new Array<number>(Math.ceil(contexts / perChunk)).fill(0);
  const needsTokens = (rules.ignoreTokens ?? []).length > 0;
  const add = (first: number, tokens: Int32Array | null, many: number): void => {
    const { counted } = count(tokens, many);
    for (let context = 0; context < many; context++) {
      const chunk = Math.floor((first + context) / perChunk);
      for (let row = context * positions; row < (context + 1) * positions; row++) counts[chunk] = counts[chunk]! + counted[row]!;
    }
  };
  const size = defaultContextsPerBatch(positions);
  if (needsTokens && tokenIds === undefined) {
    let first = 0;
    for await (const batch of source.batches({ contextsPerBatch: size, signal })) {
      add(first, batch.tokens, batch.contexts);
      first += batch.contexts;
    }
    return counts;
  }
  for (let first = 0; first < contexts; first += size) {
    signal?.throwIfAborted();
    const many = Math.min(size, contexts - first);
    add(first, needsTokens ? await tokenIds!(first, first + many) : null, many);
  }
  return counts;
}

/**
 * The rows of a batch that count, [countedRows, d].
 * @param first number of the batch's first row, for messages
 * @throws NumericError naming the row of a value that is not finite
 */
export function keptRows(x: Float32Array, counted: Uint8Array, rows: number, d: number, first: number): Float32Array {
  const kept = new Float32Array(rows * d);
  let to = 0;
  for (let r = 0; r < counted.length; r++) {
    if (counted[r] === 0) continue;
    const row = x.subarray(r * d, (r + 1) * d);
    if (!row.every(Number.isFinite)) throw new NumericError(`training activations, row ${first + r}: a value is not finite`, { hint: 'Activations must be finite; look at what wrote them.' });
    kept.set(row, to);
    to += d;
  }
  return kept;
}
