/**
 * Recipes of other tools, as far as their code or papers say: what a preset leaves out is the
 * architecture's default (resolve-recipe.ts). Where a value follows from the shape it is a function of it.
 *
 *   saelens                  SAELens v6 (sae_lens/saes/*.py, training configurations)
 *   dictionary-learning      saprmarks/dictionary_learning (trainers/*.py)
 *   openai                   openai/sparse_autoencoder (train.py), Gao et al. 2024
 *   sparsify                 EleutherAI/sparsify (config.py, trainer.py), with its adam
 *   towards-monosemanticity  Bricken et al. 2023, "Autoencoder training" and "Neuron resampling"
 *   nanda                    neelnanda-io/1L-Sparse-Autoencoder (train.py, utils.py)
 */
import type { PresetName, Recipe, RecipeArchitecture } from './recipe.js';

type Values = Partial<Recipe>;

export interface PresetShape {
  readonly arch: RecipeArchitecture;
  readonly d: number;
  readonly d_sae: number;
  readonly batch: number | undefined;
}

const ranked = (arch: RecipeArchitecture): boolean => arch === 'topk' || arch === 'batchtopk' || arch === 'matryoshka';
/** 2e-4 at 2^14 features, falling with the square root (Gao et al., section 3.1). */
const byWidth = (d_sae: number): number => 2e-4 / Math.sqrt(d_sae / 2 ** 14);

const PRESET_VALUES: Readonly<Record<PresetName, (shape: PresetShape) => Values>> = {
  saelens: ({ arch, batch = 4096 }) => ({
    batch,
    lr: 3e-4,
    warmup: 0,
    lr_end: 3e-5,
    clip: 1,
    decoder_norm: 'free',
    remove_parallel: false,
    decoder_init_norm: 0.1,
    encoder_init: 'decoder',
    b_dec: 'zero',
    l1_decoder_norm: true,
    rescale_acts_by_decoder_norm: ranked(arch),
    dead_after: 1000 * batch,
    ...(ranked(arch) ? { auxk: 1, auxk_relu: false, auxk_scale_by_dead: true, auxk_normalize: 'none' as const, auxk_b_dec: false } : {}),
    gated_detach: false,
    threshold_init: 0.01,
    bandwidth: 0.05,
    threshold_rate: 0.01,
    threshold_from: 0,
  }),
  'dictionary-learning': ({ arch, d_sae }) => ({
    lr: ranked(arch) ? byWidth(d_sae) : arch === 'jumprelu' ? 7e-5 : 1e-3,
    warmup: 1000,
    l1_warmup: 2000,
    clip: ranked(arch) ? 1 : null,
    decoder_norm: 'unit',
    remove_parallel: true,
    b_dec: 'geometric-median',
    dead_after: 10_000_000,
    ...(ranked(arch) ? { auxk: 1 / 32, auxk_relu: true, auxk_scale_by_dead: false, auxk_normalize: 'variance' as const } : {}),
    ...(arch === 'jumprelu' ? { beta1: 0, bandwidth: 0.001, threshold_init: 0.001, jumprelu_penalty: 'l0-target' as const, ste_one_sided: true } : {}),
    threshold_rate: 0.001,
    threshold_from: 1000,
    resample_scale: 0.2,
  }),
  openai: ({ batch = 131_072 }) => ({ batch, lr: 1e-4, eps: 6.25e-10, warmup: 0, clip: null, k: 32, decoder_norm: 'unit', remove_parallel: true, encoder_init: 'decoder', b_dec: 'geometric-median', dead_after: 10_000_000, auxk: 1 / 32, auxk_k: 256, auxk_relu: true, auxk_scale_by_dead: false, auxk_normalize: 'variance' }),
  sparsify: ({ d_sae }) => ({ lr: byWidth(d_sae), warmup: 1000, k: 32, decoder_norm: 'unit', remove_parallel: true, encoder_init: 'decoder', b_dec: 'mean', dead_after: 10_000_000, auxk: 0, auxk_relu: true, auxk_scale_by_dead: true, auxk_normalize: 'variance' }),
  'towards-monosemanticity': ({ batch = 8192 }) => ({ batch, mse: 'mean', lr: 1e-4, warmup: 0, encoder_init: 'kaiming:1', decoder_init: 'kaiming', decoder_norm: 'unit', remove_parallel: true, b_dec: 'geometric-median', resample: 'anthropic', resample_at: [25_000, 50_000, 75_000, 100_000], resample_window: 12_500, resample_rows: 819_200, resample_scale: 0.2 }),
  // torch takes the fan-in from the second dimension, which is d_sae for his W_enc [d, d_sae].
  nanda: ({ batch = 4096, d, d_sae }) => ({ batch, lr: 1e-4, beta2: 0.99, warmup: 0, l1: 3e-4, l1_reduction: 'sum', encoder_init: `kaiming:${Math.sqrt(d / d_sae)}`, decoder_init: 'kaiming', decoder_norm: 'unit', remove_parallel: true, b_dec: 'zero', resample: 'nanda', resample_at: [30_000, 60_000, 90_000, 120_000], resample_window: 1000, resample_below: 10 ** -5.5 }),
};

/** A preset's values for a shape; empty for none. */
export function presetValues(preset: PresetName | null, shape: PresetShape): Values {
  return preset === null ? {} : PRESET_VALUES[preset](shape);
}
