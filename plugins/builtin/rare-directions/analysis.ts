/**
 * Moments of all rows that count, streamed, and the survival curves of the held ones, for
 * engine/dying/direction-nulls.ts and collapse-fit.ts. Rows are as the SAE reads them, after its
 * normalisation and before b_dec.
 */
import type { CollapseFit, RareDirectionsReport } from '../../../engine/dying/anatomy-reports.js';
import { quantile } from '../../../engine/dying/bootstrap.js';
import { collapseFit } from '../../../engine/dying/collapse-fit.js';
import { liveNulls, proposeDirections, scoreDirections, valuesAlong } from '../../../engine/dying/direction-nulls.js';
import { cosine, featureRows, meanRow, type FeatureRows } from '../../../engine/dying/feature-rows.js';
import { PAUSE_EVERY } from '../../../engine/dying/frame-rows.js';
import { firingOffsets, readFrame } from '../../../engine/dying/frames.js';
import { rareDirections } from '../../../engine/dying/rare-direction.js';
import { Pace } from '../../../engine/pace.js';
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../../engine/run/accumulator.js';
import { VectorMoments } from '../../../engine/sketches/vector-moments.js';
import type { RunReader } from '../../../engine/train/run-reader.js';
import { normalisedRows, sampleCaveat, streamGroups } from '../held-rows.js';
import type { PluginContext } from '../../types.js';
import type { RareDirectionsSettings } from './index.js';

type Context = PluginContext<RareDirectionsSettings>;

class RareDirectionsAnalysis implements Accumulator {
  readonly #ctx: Context;
  readonly #moments: VectorMoments;

  constructor(ctx: Context) {
    this.#ctx = ctx;
    this.#moments = new VectorMoments(ctx.sae.d_in, true);
  }

  update({ x, rows, counted }: Batch): void {
    this.#moments.add(normalisedRows(this.#ctx.sae, x, rows, counted), rows, counted);
  }

  save(): StateValue {
    return this.#moments.save();
  }

  merge(saved: StateValue): void {
    this.#moments.merge(saved);
  }

  async finish(signal?: AbortSignal): Promise<AnalysisResult> {
    const ctx = this.#ctx;
    const { sae, settings, seed } = ctx;
    const { d_in: d, d_out } = sae;
    const pace = new Pace(signal, PAUSE_EVERY);
    const { rare, live, counts, tokens } = streamGroups(ctx, settings.edge);
    const weights = await featureRows(sae, signal);
    const frame = await readFrame(sae, { step: 0, rows: tokens, counts, signal });
    // Lengths by feature: a raw row begins to fire feature i at u_i . x = -offset / ||w_i||.
    const raw = firingOffsets(sae, frame, rare);
    const offsets = Float64Array.from(rare, (i, at) => -raw[at]! / frame.encoder_norm[i]!);
    const biases = Array.from(rare, (i, at) => (raw[at]! + frame.bias[i]! - frame.effective_bias[i]!) / frame.encoder_norm[i]!);
    const b = biases.length === 0 ? null : quantile(biases, 0.5);

    const origin = sae.applyBDecToInput ? sae.b_dec : new Float32Array(d);
    const mean = this.#moments.mean.map((value, c) => value - origin[c]!);
    const covariance = Float64Array.from({ length: d * d }, (_, at) => this.#moments.covariance(Math.floor(at / d), at % d));
    const proposals = await proposeDirections({ d, mean, covariance }, b, signal);
    const rbar = rare.length === 0 ? null : meanRow(weights.encoder, rare, d);
    const held = await ctx.rows();
    const x = normalisedRows(sae, held.x, held.rows, null);
    const collapse: CollapseFit[] = [];
    for (const [direction, u] of [['rbar', rbar], ['closed_form', proposals.closedForm?.w ?? null]] as const) {
      if (u === null || rare.length === 0 || !u.some((value) => value !== 0)) continue;
      const values = await valuesAlong(x, held.rows, u, pace);
      collapse.push(await collapseFit({ direction, values, offsets, counts: Float64Array.from(rare, (i) => counts[i]!), tokens, seed, pace }));
    }
    const caveats = [...proposals.caveats, ...sampleCaveat(held.rows, held.total), ...caveatsOf(ctx)];
    const report: RareDirectionsReport = {
      tokens,
      rows: held.rows,
      edge: settings.edge,
      d,
      b,
      nu: proposals.closedForm?.nu ?? null,
      gaussian_probability: proposals.closedForm?.probability ?? null,
      ...groupsOf(ctx, weights, counts, tokens, this.#moments.mean, origin),
      proposed: await scoreDirections(proposals, weights.encoder, rare, d, seed, pace),
      ...(await liveNulls(weights.encoder, weights.decoder, { rare, live }, { d_in: d, d_out }, seed, pace)),
      collapse,
      fossil: ctx.run === null || rbar === null ? null : await fossilOf(ctx.run, rbar, this.#moments.mean, pace),
      caveats,
    };
    return { summary: { ...report } };
  }
}

/** Groups as engine/dying/rare-direction.ts describes them. A transcoder has no D/E: its decoder is left at zeros there. */
function groupsOf({ sae, settings }: Context, { encoder, decoder }: FeatureRows, counts: ArrayLike<number>, tokens: number, mean: Float64Array, origin: Float32Array): Pick<RareDirectionsReport, 'rare' | 'dead' | 'live'> {
  const { d_in: d, d_out, b_enc } = sae;
  const groups = rareDirections({ d, encoder, decoder: d === d_out ? decoder : new Float32Array(encoder.length), bias: b_enc, b_dec: origin, mean, counts, tokens, edge: settings.edge });
  if (d === d_out) return groups;
  const without = { de: null, decoder_leading_share: null };
  return { rare: { ...groups.rare, ...without }, dead: { ...groups.dead, ...without }, live: { ...groups.live, ...without } };
}

/** cos(rbar, -(mu - b_dec)) along the run. */
async function fossilOf(run: RunReader, rbar: Float64Array, mean: Float64Array, pace: Pace): Promise<RareDirectionsReport['fossil']> {
  const d = mean.length;
  const steps: number[] = [];
  const cosines: (number | null)[] = [];
  for (const { step } of run.record.checkpoints) {
    const { b_dec } = await run.sae(step);
    const away = mean.map((value, c) => b_dec[c]! - value);
    const value = b_dec.length === d ? cosine(rbar, 0, away, 0, d) : NaN;
    steps.push(step);
    cosines.push(Number.isFinite(value) ? value : null);
    if (pace.isDue) await pace.pause();
  }
  const best = cosines.reduce<number | null>((most, value) => (value !== null && (most === null || value > most) ? value : most), null);
  return { steps, cosines, best_step: best === null ? null : steps[cosines.indexOf(best)]!, best, last: cosines.at(-1) ?? null };
}

function caveatsOf({ sae }: Context): string[] {
  const caveats: string[] = [];
  if (sae.architecture === 'topk' || sae.architecture === 'batchtopk') caveats.push(`a ${sae.architecture} SAE's features have no boundary of their own: offsets are those of z > 0, which is only one condition of firing`);
  if (sae.normalizeActivations !== 'none') caveats.push(`directions and moments are those of rows after ${sae.normalizeActivations}`);
  return caveats;
}

export function create(ctx: Context): Accumulator {
  return new RareDirectionsAnalysis(ctx);
}
