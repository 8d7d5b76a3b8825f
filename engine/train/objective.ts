/**
 * What one optimisation step does, as data: the loss, the selection rule and the
 * optimiser. Both training backends (engine/wasm/train/, gpu/train/) carry out this
 * description and nothing else; what changes from step to step (learning rate,
 * warmed-up coefficients, which features count as dead) comes in `StepControls`
 * (session.ts), and the policies that decide on it (schedules, resampling,
 * trackers) live above, in the trainer.
 *
 * Notation, for a batch of B rows x of width d, and n = d_sae features. W_enc and
 * W_dec are held by feature here, so that what a sparse step touches lies together:
 * w_i is row i of W_enc [n, d], d_i row i of W_dec [n, d].
 *
 *   xbar   = x - b_dec                  where applyBDecToInput, else x
 *   z_i    = w_i . xbar + b_enc_i
 *   f      = the selection's activations, below; sparse
 *   xhat_g = b_dec + sum over i < width_g of f_i d_i        one for each group (matryoshka), else one
 *   r_g    = xhat_g - x
 *
 *   L = sum_g weight_g  mean_rows  s ||r_g||^2              s = 1 ('sum' over dims) or 1 / d ('mean')
 *     + coefficient  mean_rows  penalty
 *     + auxiliary losses
 *
 * Gradients are those of L by the chain rule, selections held fixed; whatever a
 * term says is detached is held fixed too. b_dec receives the gradient of both of
 * its places (as output bias, and through xbar where applyBDecToInput).
 *
 * Sources: ../../docs/training.md names the paper and the code of each variant.
 */

/** How pre-activations become activations f. Ties go to the lowest row, then the lowest feature, as in inference. */
export type Selection =
  /** f = relu(z). */
  | { readonly kind: 'relu' }
  /**
   * f = relu(z) where z is among the row's k largest. k comes with each step's
   * controls, because it may be annealed. With `byDecoderNorm` the ranking is by
   * z_i ||d_i|| (SAELens' rescale_acts_by_decoder_norm), the value still z_i.
   */
  | { readonly kind: 'topk'; readonly byDecoderNorm: boolean }
  /** The same over the batch: the floor(k B) largest relu(z) of all rows together. */
  | { readonly kind: 'batchtopk'; readonly byDecoderNorm: boolean }
  /**
   * f = z [z > theta_i], with straight-through gradients (Rajamanoharan et al. 2024,
   * arXiv 2407.14435), rect(u) = [-1/2 < u < 1/2], for an incoming gradient g = dL/df_i of the row:
   *   dL/dz      = g [z > theta]                  (plus g_theta's negative with `steToInput`)
   *   dL/dtheta += -(theta / bandwidth) rect((z - theta) / bandwidth) g
   * `oneSided` is about the step of the l0 penalties: their rect is evaluated at f instead of z
   * (dictionary_learning applies the step to the activation after the jump): only z > theta contributes.
   * Under a negative theta f may be negative; it does not count as firing then.
   */
  | { readonly kind: 'jumprelu'; readonly bandwidth: number; readonly oneSided: boolean; readonly steToInput: boolean }
  /**
   * Gate pi_i = w_i . xbar + b_gate_i, magnitude m_i = exp(r_mag_i) (w_i . xbar) + b_enc_i
   * (Rajamanoharan et al. 2024, arXiv 2404.16014): f = relu(m) [pi > 0]. Its penalty is on
   * relu(pi), and it always has the auxiliary loss
   *   mean_rows s ||b_dec + sum_i relu(pi_i) d_i - x||^2
   * in which d_i and b_dec are detached where `detachAuxDecoder` (the paper,
   * dictionary_learning) and not where it is false (SAELens v6). The xbar of the
   * pre-activations is never detached.
   */
  | { readonly kind: 'gated'; readonly detachAuxDecoder: boolean };

/** Per-row penalty; `coefficient` (after warm-up) multiplies its mean over rows. */
export type Penalty =
  | { readonly kind: 'none' }
  /** sum_i f_i (relu(pi_i) for gated), or with `byDecoderNorm` sum_i f_i ||d_i||, through which d_i gets its gradient. */
  | { readonly kind: 'l1'; readonly byDecoderNorm: boolean }
  /** sum_i f_i^p, p from the controls (p-annealing, Karvonen et al. 2024, arXiv 2408.00113); `root` takes (sum_i f_i^p)^(1/p) of each row. Firing features only. */
  | { readonly kind: 'lp'; readonly root: boolean }
  /** jumprelu: sum_i [z_i > theta_i], whose gradient is dtheta += -(1 / bandwidth) rect((z - theta) / bandwidth). */
  | { readonly kind: 'l0' }
  /** jumprelu: (L0 / target - 1)^2 with L0 the batch's mean (dictionary_learning); its gradient goes through `l0`'s. */
  | { readonly kind: 'l0-target'; readonly target: number }
  /** jumprelu: sum_i tanh(scale f_i ||d_i||), through which z, theta (as f's gradient does) and d_i get theirs (SAELens, after Anthropic's January 2025 update). */
  | { readonly kind: 'tanh'; readonly scale: number };

/** AuxK: the features that count as dead reconstruct what the others leave (Gao et al. 2024, arXiv 2406.04093, section A.2). */
export interface AuxK {
  /** The row's `k` largest z of dead features; fewer where fewer are dead. */
  readonly k: number;
  /** alpha. */
  readonly coefficient: number;
  /** relu the selected z (Gao, dictionary_learning), or take them as they are (SAELens). */
  readonly relu: boolean;
  /** Multiply by min(dead / k, 1) (SAELens, sparsify). */
  readonly scaleByDead: boolean;
  /**
   * mean_rows sum_d (ehat - e)^2, e = x - xhat of the last group, detached; divided by:
   *   'none'      1 (SAELens)
   *   'variance'  mean_rows sum_d (e - mean_rows e)^2 (dictionary_learning, Gao); the term is 0 where that is 0
   */
  readonly normalize: 'none' | 'variance';
  /** Whether ehat includes b_dec (SAELens 6.18), which then gets a gradient from it. */
  readonly includeBDec: boolean;
}

/**
 * Ghost gradients (SAELens v5, after Jermyn and Templeton 2024), over dead features only:
 *   a = exp(z), g = sum a_i d_i, e = x - xhat (detached), c = ||e|| / (2 ||g|| + 1e-6) per row (detached), ghat = c g
 *   L_ghost = mean over rows and dims of  m (ghat - e)^2,   m = (r^2 / ((ghat - e)^2 + 1e-6)) elementwise, detached, r = xhat - x
 * All rows share one term; 0 where no feature is dead. z is clipped at 30 before exp, so that it stays finite; beyond, it has no gradient.
 */
export interface Objective {
  readonly d: number;
  readonly d_sae: number;
  readonly applyBDecToInput: boolean;
  readonly selection: Selection;
  readonly penalty: Penalty;
  /** Squared errors summed over dims, or their mean. */
  readonly mse: 'sum' | 'mean';
  /** Prefix widths, ascending, the last is d_sae; `[d_sae]` where there is one dictionary. Not for gated. */
  readonly groups: readonly number[];
  /** One weight for each group. */
  readonly groupWeights: readonly number[];
  readonly auxk: AuxK | null;
  readonly ghost: boolean;
  /**
   * jumprelu: coefficient mean_rows sum over dead i of relu(theta_i - z_i) ||d_i||
   * (Anthropic, SAELens' pre_act_loss); ||d_i|| detached. 0 for none.
   */
  readonly preActivationCoefficient: number;
}

export type ParameterName = 'W_enc' | 'b_enc' | 'W_dec' | 'b_dec' | 'threshold' | 'r_mag' | 'b_gate';

/** Order of operations of an update: gradients, `clip`, `removeParallel`, the optimiser, `renormalize`. */
export interface Optimizer {
  /**
   * adam: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, p -= lr mhat / (sqrt(vhat) + eps), with
   *   mhat = m / (1 - b1^t), vhat = v / (1 - b2^t), t the controls' `step` (Kingma and Ba 2014; torch's form).
   * sgd: m = momentum m + g, p -= lr m (torch's form, no dampening).
   */
  readonly kind: 'adam' | 'sgd';
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly momentum: number;
  /** Scales all gradients by min(1, clip / (norm + 1e-6)), norm over every trained parameter (torch's clip_grad_norm_); null for none. */
  readonly clip: number | null;
  /** Takes the part of d_i's gradient that is parallel to d_i out: g -= (g . d_i / ||d_i||^2) d_i. */
  readonly removeParallel: boolean;
  /** Rows of W_dec are brought back to length 1 after each step; 'at-most' only those that are longer. */
  readonly renormalize: 'never' | 'always' | 'at-most';
  /** Parameters that keep their first values; they do not count for `clip` either. */
  readonly frozen: readonly ParameterName[];
}

/** The parameters that an objective has, in the order in which files, clipping and states list them. */
export function parametersOf(objective: Objective): ParameterName[] {
  const common: ParameterName[] = ['W_enc', 'b_enc', 'W_dec', 'b_dec'];
  if (objective.selection.kind === 'jumprelu') return [...common, 'threshold'];
  if (objective.selection.kind === 'gated') return [...common, 'r_mag', 'b_gate'];
  return common;
}

/** How many numbers a parameter has. */
export function sizeOf(objective: Objective, name: ParameterName): number {
  const { d, d_sae } = objective;
  if (name === 'W_enc' || name === 'W_dec') return d_sae * d;
  return name === 'b_dec' ? d : d_sae;
}
