/**
 * Streams rows into engine/dying/gradient-anatomy.ts: exact over all rows that count. Figures are in the
 * space in which the SAE reads its input (normalised, where it normalises), and of the loss with the
 * squared error summed over dimensions: a mean over them, a penalty summed over a batch and activations that
 * were scaled in training are brought to that form by lambda.
 */
import { UsageError } from '../../../engine/errors.js';
import { decodingRows, featureRows, type FeatureRows } from '../../../engine/dying/feature-rows.js';
import { GradientSums } from '../../../engine/dying/gradient-anatomy.js';
import { gradientReport, type GradientReportInput } from '../../../engine/dying/gradient-report.js';
import { Pace } from '../../../engine/pace.js';
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../../engine/run/accumulator.js';
import type { Sae } from '../../../engine/sae.js';
import type { RunRecord } from '../../../engine/train/run-record.js';
import { nullable } from '../dying-columns.js';
import { normalisedRows } from '../held-rows.js';
import type { PluginContext } from '../../types.js';
import type { GradientAnatomySettings } from './index.js';

type Context = PluginContext<GradientAnatomySettings>;

class GradientAnatomy implements Accumulator {
  readonly #ctx: Context;
  readonly #weights: FeatureRows;
  readonly #sums: GradientSums;

  constructor(ctx: Context, weights: FeatureRows) {
    this.#ctx = ctx;
    this.#weights = weights;
    this.#sums = new GradientSums(ctx.sae, weights.decoder, ctx.sae.b_dec);
  }

  async update({ x, rows, codes, counted }: Batch): Promise<void> {
    const { sae, signal } = this.#ctx;
    const target = normalisedRows(sae, x, rows, counted);
    const input = sae.applyBDecToInput ? target.map((value, at) => value - sae.b_dec[at % sae.d_in]!) : target;
    await this.#sums.add({ input, target, codes, counted }, new Pace(signal));
  }

  save(): StateValue {
    return this.#sums.save();
  }

  merge(saved: StateValue): void {
    this.#sums.merge(saved);
  }

  async finish(signal?: AbortSignal): Promise<AnalysisResult> {
    const { sae, settings, seed, run } = this.#ctx;
    const { report, figures } = await gradientReport({ sums: this.#sums, ...this.#weights, architecture: sae.architecture, subtracted: sae.applyBDecToInput, edge: settings.edge, lambda: lambdaOf(this.#ctx), caveats: caveatsOf(sae, run?.record ?? null), seed, signal });
    const column = (name: string, data: Float64Array, description: string) => ({ name, type: 'f64' as const, data: nullable(data), description });
    return {
      features: [
        column('gradient_l1_share', figures.share, '||g_L1|| / (||g_L1|| + ||g_rec||), g_L1 = lambda E[1_i x~], g_rec = E[1_i 2 (d_i . r) x~], r = xhat - x: the part of the encoder gradient that the penalty has. Null where the feature never fired or lambda is unknown.'),
        column('gradient_l1_cosine', figures.cosL1Encoder, 'cos(g_L1, g_L1 + g_rec).'),
        column('gradient_decoder_cosine', figures.cosEncoderDecoder, "cos of the encoder's gradient with the decoder's, 2 E[f_i r] less its part along d_i."),
        column('gradient_bias', figures.bias, 'dL/db_enc = E[1_i (2 d_i . r + lambda)]: above 0 the bias falls.'),
        column('gradient_norm', figures.norm, '||dL/dw_i||'),
        column('flip_density', figures.densityAtZero, 'Density of the pre-activation at 0, from above: flips per unit by which it is moved.'),
      ],
      summary: { ...report },
    };
  }
}

function lambdaOf({ sae, settings, run }: Context): GradientReportInput['lambda'] {
  if (sae.architecture !== 'standard') return 'none';
  if (settings.l1 >= 0) return { value: settings.l1, from: 'setting', byDecoderNorm: false };
  return run === null ? null : lambdaOfRun(run.record);
}

/** The run's penalty for raw activations, errors summed over dims and means over rows; null where its loss has another form. */
export function lambdaOfRun({ recipe, d, activation_scale: scale }: Pick<RunRecord, 'recipe' | 'd' | 'activation_scale'>): GradientReportInput['lambda'] {
  if (recipe.arch !== 'standard') return null;
  const mean = recipe.l1 * (recipe.l1_reduction === 'sum' ? recipe.batch : 1) * (recipe.mse === 'mean' ? d : 1);
  // Errors grow by scale^2 in training; the folded decoder's rows are the trained ones over scale.
  return { value: mean / (recipe.l1_decoder_norm ? scale : scale * scale), from: 'run', byDecoderNorm: recipe.l1_decoder_norm };
}

function caveatsOf(sae: Sae, record: RunRecord | null): string[] {
  const caveats: string[] = [];
  if (sae.architecture === 'gated') caveats.push("of a gated SAE these are the gradients of its magnitudes with the gate held fixed; its penalty acts on the gate");
  else if (sae.architecture !== 'standard') caveats.push(`no penalty reaches the encoder of a ${sae.architecture} SAE: the gradient is the reconstruction's alone, on the rows where the feature is selected`);
  if (record?.recipe.arch === 'p-anneal') caveats.push('the run has a penalty on f^p, whose gradient is not lambda');
  if (record !== null && (record.recipe.auxk > 0 || record.recipe.ghost_grads)) caveats.push('auxiliary losses for dead features are not in these gradients');
  if (sae.normalizeActivations !== 'none') caveats.push(`gradients are of the loss after ${sae.normalizeActivations}`);
  return caveats;
}

/** @throws UsageError where the SAE's output is not a reconstruction of its input */
export async function create(ctx: Context): Promise<Accumulator> {
  const { sae, signal } = ctx;
  if (sae.d_in !== sae.d_out) throw new UsageError(`the SAE maps ${sae.d_in} dimensions to ${sae.d_out}: without the target that it was trained on it has no gradient`);
  const { encoder, decoder } = await featureRows(sae, signal);
  return new GradientAnatomy(ctx, { encoder, decoder: decodingRows(sae, decoder) });
}
