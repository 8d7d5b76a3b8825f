/** Codes of the held rows, given to engine/dying/rare-cofiring.ts; which features are rare is what `sae/density` says. */
import type { RareCofiringReport } from '../../../engine/dying/anatomy-reports.js';
import { PAUSE_EVERY } from '../../../engine/dying/frame-rows.js';
import { FiringCollector, rowContexts } from '../../../engine/dying/group-firings.js';
import { cofiringFigures } from '../../../engine/dying/rare-cofiring.js';
import { Pace } from '../../../engine/pace.js';
import type { Accumulator } from '../../../engine/run/accumulator.js';
import { atTheEnd, sampleCaveat, streamGroups } from '../held-rows.js';
import type { PluginContext } from '../../types.js';
import type { RareCofiringSettings } from './index.js';

/** 2 million pairs. */
const MOST_PAIRED = 2000;

export function create(ctx: PluginContext<RareCofiringSettings>): Accumulator {
  return atTheEnd(async (signal) => {
    const { sae, settings, seed, positions, ops } = ctx;
    const { rare } = streamGroups(ctx, settings.edge);
    const { x, rows, total, whole, index } = await ctx.rows();
    const collector = new FiringCollector(rare, sae.d_sae);
    for await (const { codes } of ops.encode(sae, x, rows, { signal })) collector.add(codes);
    const contexts = rowContexts(index, positions);
    const { max_at, paired, ...figures } = await cofiringFigures(collector.finish(), contexts, { minFirings: settings.min_firings, replicates: settings.replicates, mostPaired: MOST_PAIRED, seed, pace: new Pace(signal, PAUSE_EVERY) });
    const caveats = sampleCaveat(rows, total);
    if (paired === MOST_PAIRED) caveats.push(`nestedness is over the pairs of ${MOST_PAIRED} features, drawn at random where there are more`);
    if (rare.length > 0 && paired < 2) caveats.push(`fewer than two rare features fire ${settings.min_firings} times on the held rows: nothing is said of nestedness`);
    const report: RareCofiringReport = { rows, whole, contexts: contexts.contexts, edge: settings.edge, features: rare.length, ...figures, max_row: max_at === null ? null : index[max_at]!, caveats };
    return { summary: { ...report } };
  });
}
