/**
 * A recipe: every knob of a training run, as a flat JSON object whose names are
 * those of `saekit train`'s flags with underscores (`--b-dec zero` is `"b_dec": "zero"`).
 * A run's folder holds the recipe that it used, complete: it depends on no default of
 * a later version. `resolveRecipe` (resolve-recipe.ts) fills in what is left out, from a
 * preset or from the architecture's own defaults, and refuses what does not fit together.
 */

export type RecipeArchitecture = 'standard' | 'topk' | 'batchtopk' | 'jumprelu' | 'gated' | 'matryoshka' | 'p-anneal';

/** Recipes of the tools that SAEs are trained with; each sets the knobs to that tool's values. */
export type PresetName = 'saelens' | 'dictionary-learning' | 'openai' | 'sparsify' | 'towards-monosemanticity' | 'nanda';

export interface Recipe {
  readonly arch: RecipeArchitecture;
  readonly preset: PresetName | null;
  readonly d_sae: number;

  // What a row costs.
  /** Squared errors of a row: their sum over dims, or their mean. */
  readonly mse: 'sum' | 'mean';
  /** The penalty's coefficient: L1 (standard, gated), L_p (p-anneal), L0 or tanh (jumprelu); 0 for topk, batchtopk and matryoshka. */
  readonly l1: number;
  /** Over the rows of a batch the penalty's mean, or its sum (Nanda's code: effectively `batch` times the coefficient). */
  readonly l1_reduction: 'mean' | 'sum';
  /** Whether the L1 term weighs f_i with ||d_i|| (SAELens v6). */
  readonly l1_decoder_norm: boolean;
  /** Steps in which the coefficient rises linearly from 0. */
  readonly l1_warmup: number;
  /** topk: a row's; batchtopk and matryoshka: the batch's average. */
  readonly k: number | null;
  /** Steps over which k falls linearly from `k_anneal_from` (default d) to k; 0 for none. */
  readonly k_anneal: number;
  readonly k_anneal_from: number | null;
  /** topk, batchtopk, matryoshka: rank by z ||d_i|| (SAELens' rescale_acts_by_decoder_norm). */
  readonly rescale_acts_by_decoder_norm: boolean;
  /** matryoshka: prefix widths, ascending, the last is d_sae; and a weight for each. */
  readonly groups: readonly number[] | null;
  readonly group_weights: readonly number[] | null;
  /** matryoshka: how its codes are selected. */
  readonly selection: 'topk' | 'batchtopk';
  /** jumprelu: first threshold, width of the straight-through window, and the penalty. */
  readonly threshold_init: number;
  readonly bandwidth: number;
  readonly jumprelu_penalty: 'l0' | 'l0-target' | 'tanh';
  readonly target_l0: number | null;
  readonly tanh_scale: number;
  /** jumprelu: whether the window is on f (dictionary_learning) instead of z, and whether the threshold's gradient goes to z too. */
  readonly ste_one_sided: boolean;
  readonly ste_to_input: boolean;
  /** jumprelu: coefficient of relu(theta - z) ||d|| over dead features; 0 for none. */
  readonly pre_act_loss: number;
  /** gated: whether the auxiliary reconstruction's decoder is detached (the paper) or not (SAELens v6). */
  readonly gated_detach: boolean;
  /** p-anneal: first and last p, first step, how many changes until the end; (sum f^p)^(1/p) instead of sum f^p. */
  readonly p_start: number;
  readonly p_end: number;
  readonly p_anneal_from: number;
  readonly p_anneal_changes: number;
  readonly p_root: boolean;
  /** p-anneal: how many steps' penalties are compared when p changes, so that the penalty keeps its size. */
  readonly p_queue: number;

  // What is done against death.
  /** A feature is dead when it has not fired for so many rows. */
  readonly dead_after: number;
  /** AuxK's coefficient; 0 for none. */
  readonly auxk: number;
  readonly auxk_k: number | null;
  readonly auxk_relu: boolean;
  readonly auxk_scale_by_dead: boolean;
  readonly auxk_normalize: 'none' | 'variance';
  readonly auxk_b_dec: boolean;
  readonly ghost_grads: boolean;
  /** `anthropic`: Towards Monosemanticity; `dictionary-learning`: its code; `nanda`: re-initialises features rarer than `resample_below`. */
  readonly resample: 'none' | 'anthropic' | 'dictionary-learning' | 'nanda';
  /** Steps after which dead features are resampled. */
  readonly resample_at: readonly number[];
  /** Steps before each of those over which firings are counted. */
  readonly resample_window: number;
  /** Rows whose losses are looked at (anthropic: 819,200). */
  readonly resample_rows: number;
  /** Encoder rows get this times the mean norm of live ones. */
  readonly resample_scale: number;
  /** nanda: features below this density are re-initialised. */
  readonly resample_below: number;
  /** Steps of linear learning-rate warm-up after each resampling; 0 for none. */
  readonly resample_warmup: number;
  /** Share of the features due that is left alone, chosen by the seed: a control cohort. */
  readonly resample_spare: number;

  // The optimiser.
  readonly optimizer: 'adam' | 'sgd';
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly momentum: number;
  /** Steps of linear rise from 0: step t (1 for the first) has lr min(1, t / warmup). */
  readonly warmup: number;
  readonly lr_schedule: 'constant' | 'cosine';
  /** cosine: where it ends. */
  readonly lr_end: number;
  /** Steps at the end in which the rate falls linearly to 0. */
  readonly decay: number;
  /** Largest norm of the whole gradient; null for none. */
  readonly clip: number | null;
  readonly remove_parallel: boolean;
  readonly decoder_norm: 'free' | 'unit' | 'at-most-unit';
  /** After each step of rate lr the encoder's weights and biases get noise lr N(0, 1); 0 for none (encoder-hooks.ts). */
  readonly noise: number;
  /** Directions that W_enc and its gradient are kept orthogonal to: `none`, `mean` for mu - b_dec as it starts, or d numbers joined by commas, several joined by semicolons. */
  readonly deflate: string;
  readonly batch: number;
  readonly steps: number;

  // Where it starts.
  /** `kaiming:S`: U(-a, a) S, a = sqrt(6 / d); `decoder` or `decoder:S`: W_dec's rows times S; `normal:S`. */
  readonly encoder_init: string;
  /** `kaiming`, `normal` or `orthogonal`; rows then get length `decoder_init_norm`. */
  readonly decoder_init: 'kaiming' | 'normal' | 'orthogonal';
  readonly decoder_init_norm: number;
  /** zeros, or U(-1 / sqrt(d), 1 / sqrt(d)). */
  readonly b_enc_init: 'zero' | 'uniform';
  /** b_dec at first: zeros, the data's mean, or its geometric median. */
  readonly b_dec: 'zero' | 'mean' | 'geometric-median';
  /** Keep b_dec there. */
  readonly freeze_b_dec: boolean;
  /** Whether the encoder sees x - b_dec. */
  readonly apply_b_dec_to_input: boolean;
  /** `expected_average_only_in`: rows times sqrt(d) / mean ||x||. The saved weights are folded: raw activations go in. */
  readonly normalize: 'none' | 'expected_average_only_in';
  /** batchtopk and topk: rate of the running threshold, t += rate (least active - t); and the first step it is kept from. */
  readonly threshold_rate: number;
  readonly threshold_from: number;
  readonly seed: number;

  // What is kept, and when it ends.
  /** `log:N`: 0, N log-spaced steps and the last; `every:N`; `last`; or steps joined by commas. */
  readonly checkpoints: string;
  /** Steps between two lines of metrics. */
  readonly log_every: number;
  /** Rows of the window in which densities are counted while it trains. */
  readonly density_window: number;
  /** Stop when the loss, averaged over this many steps, has not fallen by `early_stop_ratio` within as many again; 0 for never. */
  readonly early_stop: number;
  readonly early_stop_ratio: number;
}
