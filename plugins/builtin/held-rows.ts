/** What analyses of rare features do in `finish`, when it is known which features are rare: read the held rows again. */
import { UsageError } from '../../engine/errors.js';
import { featureGroups, type FeatureGroups } from '../../engine/dying/feature-rows.js';
import { prepareInput } from '../../engine/prepare.js';
import type { Accumulator, AnalysisResult } from '../../engine/run/accumulator.js';
import type { Sae } from '../../engine/sae.js';
import type { PluginContext } from '../types.js';

/** Firings in the whole stream, from `sae/density`. @throws UsageError where it did not run */
export function streamCounts(ctx: Pick<PluginContext, 'result'>): { counts: ArrayLike<number>; tokens: number } {
  const density = ctx.result('sae/density');
  const counts = density?.features?.find(({ name }) => name === 'count')?.data as ArrayLike<number> | undefined;
  const tokens = density?.summary?.tokens;
  if (counts === undefined || typeof tokens !== 'number') throw new UsageError('which features are rare is what sae/density says, and it did not run or failed', { hint: 'Do not leave it out (--without).' });
  return { counts, tokens };
}

/** Rare, live and dead features by their counts in the whole stream. */
export function streamGroups(ctx: Pick<PluginContext, 'result'>, edge: number): FeatureGroups & { readonly counts: ArrayLike<number>; readonly tokens: number } {
  const { counts, tokens } = streamCounts(ctx);
  return { ...featureGroups(counts, tokens, edge), counts, tokens };
}

/** An accumulator that keeps nothing of its own: the host holds the rows. */
export function atTheEnd(finish: (signal: AbortSignal | undefined) => Promise<AnalysisResult>): Accumulator {
  return { update: () => undefined, save: () => null, merge: () => undefined, finish: (signal) => finish(signal) };
}

/** Said where not every row that counted was held. */
export function sampleCaveat(rows: number, total: number): string[] {
  return rows === total ? [] : [`on ${rows} of the ${total} rows, drawn at random (--hold-rows holds more): features that are rare in the stream may not fire on them`];
}

/**
 * Rows as the SAE reads them, normalised, before b_dec is subtracted; the rows themselves where it does
 * not normalise. Rows that do not count are zeros (a norm may not exist there).
 * @param counted [rows]; null where all count
 */
export function normalisedRows(sae: Sae, x: Float32Array, rows: number, counted: Uint8Array | null): Float32Array {
  if (sae.normalizeActivations === 'none') return x;
  const { d_in } = sae;
  // Not a copy: the matrices of an SAE that is read piece by piece may not be looked at.
  const plain = Object.create(sae, { applyBDecToInput: { value: false } }) as Sae;
  if (counted === null) return prepareInput(plain, x, rows).xbar;
  const kept = Array.from({ length: rows }, (_, row) => row).filter((row) => counted[row] !== 0);
  const packed = new Float32Array(kept.length * d_in);
  for (const [at, row] of kept.entries()) packed.set(x.subarray(row * d_in, (row + 1) * d_in), at * d_in);
  const { xbar } = prepareInput(plain, packed, kept.length);
  const all = new Float32Array(rows * d_in);
  for (const [at, row] of kept.entries()) all.set(xbar.subarray(at * d_in, (at + 1) * d_in), row * d_in);
  return all;
}
