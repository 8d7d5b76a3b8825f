/** Counts of `sae/density` and the weights, given to engine/dying/clusters.ts. */
import { clusterFeatures } from '../../../engine/dying/clusters.js';
import { PAUSE_EVERY } from '../../../engine/dying/frame-rows.js';
import { readFrame } from '../../../engine/dying/frames.js';
import { Pace } from '../../../engine/pace.js';
import type { Accumulator } from '../../../engine/run/accumulator.js';
import { nullable } from '../dying-columns.js';
import { atTheEnd, streamCounts } from '../held-rows.js';
import type { PluginContext } from '../../types.js';
import type { ClustersSettings } from './index.js';

export function create(ctx: PluginContext<ClustersSettings>): Accumulator {
  return atTheEnd(async (signal) => {
    const { counts, tokens } = streamCounts(ctx);
    const { effective_bias, de } = await readFrame(ctx.sae, { step: 0, rows: tokens, counts, signal });
    const { report, posterior } = await clusterFeatures({ counts, tokens, bias: effective_bias, de, edge: ctx.settings.edge, seed: ctx.seed, pace: new Pace(signal, PAUSE_EVERY) });
    return {
      features: [{ name: 'rare_cluster', type: 'f64', data: nullable(posterior), description: 'Posterior of the cluster of lower density; null where the feature never fired, or where no two clusters could be told apart.' }],
      summary: { ...report },
    };
  });
}
