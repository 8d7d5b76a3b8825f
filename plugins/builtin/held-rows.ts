/** What analyses of rare features do in `finish`, when it is known which features are rare: read the held rows again. */
import { UsageError } from '../../engine/errors.js';
import { featureGroups, type FeatureGroups } from '../../engine/dying/feature-rows.js';
import type { Accumulator, AnalysisResult } from '../../engine/run/accumulator.js';
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
