/** The held rows under the SAE, then under half-spaces, by engine/dying/interpretability-null.ts. */
import { UsageError } from '../../../engine/errors.js';
import type { InterpretabilityReport } from '../../../engine/dying/anatomy-reports.js';
import { featureRows } from '../../../engine/dying/feature-rows.js';
import { PAUSE_EVERY } from '../../../engine/dying/frame-rows.js';
import { collect, interpretabilityGroup, MOST_FIRINGS, TopRows } from '../../../engine/dying/interpretability-null.js';
import { Pace } from '../../../engine/pace.js';
import type { Accumulator } from '../../../engine/run/accumulator.js';
import { atTheEnd, normalisedRows, sampleCaveat, streamGroups } from '../held-rows.js';
import type { PluginContext } from '../../types.js';
import type { InterpretabilityNullSettings } from './index.js';

export function create(ctx: PluginContext<InterpretabilityNullSettings>): Accumulator {
  return atTheEnd(async (signal) => {
    const { sae, settings, seed, ops } = ctx;
    const { rare, live } = streamGroups(ctx, settings.edge);
    const { x, rows, total, whole, tokens } = await ctx.rows();
    if (tokens === null) throw new UsageError('the rows come without token ids');
    const top = new Map<number, TopRows>();
    for (const i of [...rare, ...live]) top.set(i, new TopRows(MOST_FIRINGS));
    for await (const { first, codes } of ops.encode(sae, x, rows, { signal })) collect(codes, first, (feature) => top.get(feature));
    const firings = new Map<number, readonly number[]>();
    for (const [feature, found] of top) if (found.rows().length >= settings.min_firings) firings.set(feature, found.rows());
    const { encoder } = await featureRows(sae, signal);
    const held = { x: normalisedRows(sae, x, rows, null), rows, d: sae.d_in, tokens };
    const group = { firings, encoder, most: settings.features, halfspaces: settings.halfspaces, seed, ops, pace: new Pace(signal, PAUSE_EVERY), signal };
    const caveats = sampleCaveat(rows, total);
    if (sae.architecture === 'topk' || sae.architecture === 'batchtopk') caveats.push(`features of a ${sae.architecture} SAE are no half-spaces: whether one fires depends on the others`);
    const report: InterpretabilityReport = {
      rows,
      whole,
      edge: settings.edge,
      halfspaces: settings.halfspaces,
      min_firings: settings.min_firings,
      tokens: new Set(tokens).size,
      rare: await interpretabilityGroup(held, { ...group, features: rare }),
      live: await interpretabilityGroup(held, { ...group, features: live }),
      caveats,
    };
    return { summary: { ...report } };
  });
}
