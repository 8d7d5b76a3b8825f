/**
 * Every knob once: its type, what it means, its group. The program's flags, the check of a
 * configuration file and the table in docs/training.md are made from this, so they cannot drift.
 */
import type { Recipe } from './recipe.js';

export type Knob = { readonly group: 'loss' | 'death' | 'optimiser' | 'start' | 'run'; readonly text: string; readonly nullable?: boolean } & (
  | { readonly type: 'integer' | 'number'; readonly min?: number; readonly above?: number; readonly max?: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'enum'; readonly values: readonly string[] }
  | { readonly type: 'string'; readonly pattern: RegExp; readonly example: string }
  | { readonly type: 'integers' | 'numbers'; readonly min: number }
);

export const ARCHITECTURES = ['standard', 'topk', 'batchtopk', 'jumprelu', 'gated', 'matryoshka', 'p-anneal'] as const;
export const PRESETS = ['saelens', 'dictionary-learning', 'openai', 'sparsify', 'towards-monosemanticity', 'nanda'] as const;

export const KNOBS: Readonly<Record<keyof Recipe, Knob>> = {
  arch: { group: 'loss', type: 'enum', values: ARCHITECTURES, text: 'architecture and loss' },
  preset: { group: 'loss', type: 'enum', values: PRESETS, nullable: true, text: "take another tool's values for what is not given" },
  d_sae: { group: 'loss', type: 'integer', min: 1, text: 'features' },
  mse: { group: 'loss', type: 'enum', values: ['sum', 'mean'], text: 'squared errors of a row: their sum over dims, or their mean' },
  l1: { group: 'loss', type: 'number', min: 0, text: "the sparsity penalty's coefficient: of L1, L_p, L0 or tanh" },
  l1_reduction: { group: 'loss', type: 'enum', values: ['mean', 'sum'], text: 'the penalty over the rows of a batch' },
  l1_decoder_norm: { group: 'loss', type: 'boolean', text: 'weigh activations with ||d_i|| in the L1 term' },
  l1_warmup: { group: 'loss', type: 'integer', min: 0, text: 'steps in which the coefficient rises linearly from 0' },
  k: { group: 'loss', type: 'number', above: 0, nullable: true, text: "topk: a row's active features; batchtopk, matryoshka: the average of a batch" },
  k_anneal: { group: 'loss', type: 'integer', min: 0, text: 'steps in which k falls linearly to its value' },
  k_anneal_from: { group: 'loss', type: 'integer', min: 1, nullable: true, text: 'k at first (default d)' },
  rescale_acts_by_decoder_norm: { group: 'loss', type: 'boolean', text: 'topk family: rank by z ||d_i||' },
  groups: { group: 'loss', type: 'integers', min: 1, nullable: true, text: 'matryoshka: prefix widths, ascending to d_sae' },
  group_weights: { group: 'loss', type: 'numbers', min: 0, nullable: true, text: "matryoshka: what each prefix's error counts (default 1)" },
  selection: { group: 'loss', type: 'enum', values: ['topk', 'batchtopk'], text: 'matryoshka: how codes are selected' },
  threshold_init: { group: 'loss', type: 'number', min: 0, text: 'jumprelu: first threshold' },
  bandwidth: { group: 'loss', type: 'number', above: 0, text: 'jumprelu: width of the straight-through window' },
  jumprelu_penalty: { group: 'loss', type: 'enum', values: ['l0', 'l0-target', 'tanh'], text: 'jumprelu: what is penalised' },
  target_l0: { group: 'loss', type: 'number', above: 0, nullable: true, text: 'jumprelu, l0-target: the L0 to reach' },
  tanh_scale: { group: 'loss', type: 'number', above: 0, text: 'jumprelu, tanh: c of tanh(c f ||d||)' },
  ste_one_sided: { group: 'loss', type: 'boolean', text: "jumprelu: the straight-through window is above the threshold alone" },
  ste_to_input: { group: 'loss', type: 'boolean', text: "jumprelu: the threshold's gradient goes to the pre-activation too" },
  pre_act_loss: { group: 'loss', type: 'number', min: 0, text: 'jumprelu: coefficient of relu(threshold - z) ||d|| over dead features' },
  gated_detach: { group: 'loss', type: 'boolean', text: 'gated: the auxiliary reconstruction does not train the decoder' },
  p_start: { group: 'loss', type: 'number', above: 0, text: 'p-anneal: first p' },
  p_end: { group: 'loss', type: 'number', min: 0, text: 'p-anneal: last p' },
  p_anneal_from: { group: 'loss', type: 'integer', min: 0, text: 'p-anneal: step of the first change' },
  p_anneal_changes: { group: 'loss', type: 'integer', min: 1, text: 'p-anneal: how many changes until the end' },
  p_root: { group: 'loss', type: 'boolean', text: 'p-anneal: (sum f^p)^(1/p) instead of sum f^p' },
  p_queue: { group: 'loss', type: 'integer', min: 1, text: 'p-anneal: steps whose penalties are compared when p changes' },
  dead_after: { group: 'death', type: 'integer', min: 1, text: 'rows without firing after which a feature counts as dead' },
  auxk: { group: 'death', type: 'number', min: 0, text: "AuxK's coefficient; 0 for none" },
  auxk_k: { group: 'death', type: 'integer', min: 1, nullable: true, text: 'dead features a row that AuxK takes (default d / 2)' },
  auxk_relu: { group: 'death', type: 'boolean', text: 'AuxK: relu what is selected' },
  auxk_scale_by_dead: { group: 'death', type: 'boolean', text: 'AuxK: times min(dead / k, 1)' },
  auxk_normalize: { group: 'death', type: 'enum', values: ['none', 'variance'], text: 'AuxK: over the variance of the residual' },
  auxk_b_dec: { group: 'death', type: 'boolean', text: 'AuxK: the reconstruction includes b_dec' },
  ghost_grads: { group: 'death', type: 'boolean', text: 'ghost gradients for dead features' },
  resample: { group: 'death', type: 'enum', values: ['none', 'anthropic', 'dictionary-learning', 'nanda'], text: 'how dead features are replaced' },
  resample_at: { group: 'death', type: 'integers', min: 1, text: 'steps after which that is done' },
  resample_window: { group: 'death', type: 'integer', min: 1, text: 'steps before each over which firings are counted' },
  resample_rows: { group: 'death', type: 'integer', min: 1, text: 'rows whose losses are looked at' },
  resample_scale: { group: 'death', type: 'number', above: 0, text: 'encoder rows get this times the mean norm of live ones' },
  resample_below: { group: 'death', type: 'number', above: 0, text: 'nanda: features below this density are re-initialised' },
  resample_warmup: { group: 'death', type: 'integer', min: 0, text: 'steps in which the learning rate rises again' },
  resample_spare: { group: 'death', type: 'number', min: 0, max: 1, text: 'share of the features due that is left alone: a control cohort' },
  optimizer: { group: 'optimiser', type: 'enum', values: ['adam', 'sgd'], text: 'optimiser' },
  lr: { group: 'optimiser', type: 'number', above: 0, text: 'learning rate' },
  beta1: { group: 'optimiser', type: 'number', min: 0, max: 1, text: 'adam' },
  beta2: { group: 'optimiser', type: 'number', min: 0, max: 1, text: 'adam' },
  eps: { group: 'optimiser', type: 'number', min: 0, text: 'adam' },
  momentum: { group: 'optimiser', type: 'number', min: 0, max: 1, text: 'sgd' },
  warmup: { group: 'optimiser', type: 'integer', min: 0, text: 'steps in which the learning rate rises linearly' },
  lr_schedule: { group: 'optimiser', type: 'enum', values: ['constant', 'cosine'], text: 'after the warm-up' },
  lr_end: { group: 'optimiser', type: 'number', min: 0, text: 'cosine: where it ends' },
  decay: { group: 'optimiser', type: 'integer', min: 0, text: 'steps at the end in which the rate falls linearly to 0' },
  clip: { group: 'optimiser', type: 'number', above: 0, nullable: true, text: "largest norm of the whole gradient ('none' for no limit)" },
  remove_parallel: { group: 'optimiser', type: 'boolean', text: "take the part parallel to d_i out of its gradient" },
  decoder_norm: { group: 'optimiser', type: 'enum', values: ['free', 'unit', 'at-most-unit'], text: "decoder rows' lengths after each step" },
  noise: { group: 'optimiser', type: 'number', min: 0, text: 'after each step the encoder gets Gaussian noise of this standard deviation times the learning rate' },
  deflate: { group: 'optimiser', type: 'string', pattern: /^(none|mean|[-+\d.eE]+(,[-+\d.eE]+)*(;[-+\d.eE]+(,[-+\d.eE]+)*)*)$/, example: 'none, mean (the data\'s mean less b_dec), or d numbers joined by commas', text: 'directions kept out of W_enc and its gradient' },
  batch: { group: 'optimiser', type: 'integer', min: 1, text: 'rows a step' },
  steps: { group: 'optimiser', type: 'integer', min: 1, text: 'steps' },
  encoder_init: { group: 'start', type: 'string', pattern: /^(decoder(:[\d.eE+-]+)?|(kaiming|normal):[\d.eE+-]+)$/, example: 'decoder, decoder:0.5, kaiming:1 or normal:0.1', text: "encoder rows: the decoder's, times a number; U(-a, a) S with a = sqrt(6 / d); or normal" },
  decoder_init: { group: 'start', type: 'enum', values: ['kaiming', 'normal', 'orthogonal'], text: 'decoder rows, before they get their length' },
  decoder_init_norm: { group: 'start', type: 'number', above: 0, text: "decoder rows' first length" },
  b_enc_init: { group: 'start', type: 'enum', values: ['zero', 'uniform'], text: 'b_enc at first: zeros, or U(-1 / sqrt(d), 1 / sqrt(d))' },
  b_dec: { group: 'start', type: 'enum', values: ['zero', 'mean', 'geometric-median'], text: 'b_dec at first' },
  freeze_b_dec: { group: 'start', type: 'boolean', text: 'b_dec stays there' },
  apply_b_dec_to_input: { group: 'start', type: 'boolean', text: 'the encoder sees x - b_dec' },
  normalize: { group: 'start', type: 'enum', values: ['none', 'expected_average_only_in'], text: 'rows times sqrt(d) / mean ||x||; saved weights are folded' },
  threshold_rate: { group: 'loss', type: 'number', above: 0, max: 1, text: 'topk family: rate of the running threshold' },
  threshold_from: { group: 'loss', type: 'integer', min: 0, text: 'topk family: first step of the running threshold' },
  seed: { group: 'start', type: 'integer', min: 0, text: 'seed of the weights and the order of rows' },
  checkpoints: { group: 'run', type: 'string', pattern: /^(log:\d+|every:\d+|last|\d+(,\d+)*)$/, example: 'log:24, every:1000, last or 0,100,1000', text: 'steps at which the SAE is saved' },
  log_every: { group: 'run', type: 'integer', min: 1, text: 'steps between two lines of metrics' },
  density_window: { group: 'run', type: 'integer', min: 1, text: 'rows over which densities are counted while it trains' },
  early_stop: { group: 'run', type: 'integer', min: 0, text: 'stop when the mean loss of so many steps has not fallen within as many again; 0 for never' },
  early_stop_ratio: { group: 'run', type: 'number', min: 0, max: 1, text: 'by this share of it' },
};
