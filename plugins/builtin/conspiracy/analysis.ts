/**
 * Two passes over the held rows through engine/dying/conspiracy.ts: the group, then as much of live
 * features. Errors are those of the space that the SAE's loss is in (normalised, where it normalises).
 */
import { UsageError } from '../../../engine/errors.js';
import type { ConspiracyReport } from '../../../engine/dying/anatomy-reports.js';
import { conspiracyNulls, GroupAblation, massOf, RandomAblation, type ConspiracyPair } from '../../../engine/dying/conspiracy.js';
import { decodingRows, dot, featureRows } from '../../../engine/dying/feature-rows.js';
import { PAUSE_EVERY } from '../../../engine/dying/frame-rows.js';
import { rowContexts } from '../../../engine/dying/group-firings.js';
import { Pace } from '../../../engine/pace.js';
import type { Accumulator } from '../../../engine/run/accumulator.js';
import type { Table } from '../../../engine/run/table.js';
import type { Sae } from '../../../engine/sae.js';
import { atTheEnd, normalisedRows, sampleCaveat, streamGroups } from '../held-rows.js';
import type { PluginContext } from '../../types.js';
import type { ConspiracySettings } from './index.js';

/** @throws UsageError where the SAE's output is not a reconstruction of its input */
export function create(ctx: PluginContext<ConspiracySettings>): Accumulator {
  const { sae, settings, seed, positions, ops } = ctx;
  if (sae.d_in !== sae.d_out) throw new UsageError(`the SAE maps ${sae.d_in} dimensions to ${sae.d_out}: without the target that it was trained on it has no error`);
  return atTheEnd(async (signal) => {
    const { rare, live } = streamGroups(ctx, settings.edge);
    const { x, rows, total, whole, index } = await ctx.rows();
    const pace = new Pace(signal, PAUSE_EVERY);
    const decoder = decodingRows(sae, (await featureRows(sae, signal)).decoder);
    const shape = { ...sizes(sae), decoder, b_dec: sae.b_dec };
    const contexts = rowContexts(index, positions);
    const group = new GroupAblation(shape, rare, contexts);
    const squares = Float64Array.from({ length: sae.d_sae }, (_, i) => dot(decoder, i * sae.d_out, decoder, i * sae.d_out, sae.d_out));
    const isLive = new Uint8Array(sae.d_sae);
    for (const i of live) isLive[i] = 1;
    let liveMass = 0;
    const target = (first: number, count: number): Float32Array => normalisedRows(sae, x.subarray(first * sae.d_in, (first + count) * sae.d_in), count, null);
    for await (const { first, codes } of ops.encode(sae, x, rows, { signal })) {
      liveMass += massOf(codes, isLive, squares);
      await group.add(codes, target(first, codes.rows), pace);
    }
    const caveats = sampleCaveat(rows, total);
    const random = new RandomAblation(shape, live, liveMass > 0 ? group.mass / liveMass : 0, group.mass > 0 && liveMass > 0 ? settings.replicates : 0, seed);
    if (group.mass > liveMass) caveats.push('the rare features have more mass than all live ones together: the live null is all of these');
    if (group.mass > 0 && liveMass > 0) for await (const { first, codes } of ops.encode(sae, x, rows, { signal })) await random.add(codes, target(first, codes.rows), pace);
    const figures = await group.figures(seed, pace);
    const fires = group.counts.reduce((sum, count) => sum + Number(count > 0), 0);
    const shuffled = fires > 1 ? await group.shuffled(settings.replicates, seed, pace) : { interaction: [], ablation: [] };
    const pairs = group.pairs();
    if (pairs === null) caveats.push('too many pairs fire together to be listed; the sums are over all of them');
    const report: ConspiracyReport = {
      rows,
      whole,
      contexts: contexts.contexts,
      edge: settings.edge,
      features: rare.length,
      firing: fires,
      ...figures,
      ...conspiracyNulls(shuffled, random.perMass(), live.length, figures),
      pairs: pairs?.length ?? 0,
      largest: pairs?.[0]?.c ?? null,
      caveats,
    };
    return { tables: [pairTable((pairs ?? []).slice(0, settings.top))], summary: { ...report } };
  });
}

const sizes = ({ d_sae, d_out }: Sae): { d_sae: number; d_out: number } => ({ d_sae, d_out });

function pairTable(pairs: readonly ConspiracyPair[]): Table {
  return {
    name: 'conspiracy',
    rows: pairs.length,
    columns: [
      { name: 'feature', type: 'u32', data: pairs.map(({ a }) => a), description: 'Index of a rare feature.' },
      { name: 'other', type: 'u32', data: pairs.map(({ b }) => b), description: 'Index of one that fires together with it; larger than `feature`.' },
      { name: 'count', type: 'u64', data: pairs.map(({ rows }) => rows), description: 'Held rows on which both fire.' },
      { name: 'c', type: 'f64', data: pairs.map(({ c }) => c), description: 'C_ij = 2 E[f_i f_j] d_i . d_j: how much more the squared error grows by taking both away than by each alone. The largest in size first.' },
    ],
  };
}
