/**
 * The predictions T1 to T17 in words: what is claimed, which number decides, by which rule.
 * They follow from one hypothesis: that ultra-rare features are useless ones, which an L1 penalty
 * moves along argmin_w E relu(w . x + b), ever more slowly the more rarely they fire
 * (nostalgebraist's comment on Towards Monosemanticity, 2023; the rate law in density-law.ts).
 *
 * `rule` is what verdict-sae.ts and verdict-runs.ts do. Its limits are conventions, the same for all runs:
 * an interval must lie wholly on one side to decide. They were set before a run was looked at. What T4 says of data
 * that end, T5's window and T7's cohort came after, because the first forms measured something else
 * (docs/decisions/0018-dying.md).
 */
import type { PredictionId } from './predictions.js';

export interface Claim {
  readonly claim: string;
  readonly quantity: string;
  readonly rule: string;
}

export const CLAIMS: Readonly<Record<PredictionId, Claim>> = {
  T1: {
    claim: 'The rare features share the direction −(Σ + νI)⁻¹μ̃, more than the mean alone, −μ̃, says, and more than the leading principal component or chance do.',
    quantity: 'cos(r̄, −(Σ + νI)⁻¹μ̃)',
    rule: 'Supports: its interval lies above those of −μ̃, of the leading component and of random directions. Refutes: it lies below that of −μ̃, or within that of random directions.',
  },
  T2: {
    claim: 'The densities of the rare features lie on one curve: that of the data along the one direction, at each feature’s own offset.',
    quantity: 'RMS of log₁₀ density about the curve',
    rule: 'Supports: below 1.5 times what counting alone leaves, and below that of offsets dealt out anew. Refutes: above 1.5 times what counting leaves.',
  },
  T3: {
    claim: 'Rare features fire together, on nested sets of tokens.',
    quantity: 'Fano factor of rare firings',
    rule: 'Supports: above 2 and above its null, and firing sets are nested above their null. Refutes: not above the null of independent features.',
  },
  T4: {
    claim: 'Rare features that nothing resets go on falling, as a power of the step: −1/(1 + ξ) where Adam has forgotten the last firing (and under SGD), −1/(½ + ξ) between 1/B and (1 − β₂)/B.',
    quantity: 'd log p / d log step, un-reset cohort',
    rule: 'Supports: below 0, and within a factor of 1.5 of the law. Refutes: slower than half of the law (equilibrium is 0), or faster than twice. Where the data end along w* (½ + ξ or 1 + ξ below 0.1) there is no power: supports where it falls at least as steeply as the law of an exponential tail, less a factor of 1.5.',
  },
  T5: {
    claim: 'Rare features that are useful do not fall: reconstruction pays for them.',
    quantity: 'd log p / d log step, planted rare features',
    rule: 'Features whose decoder row points along a planted one, over the last half of the run: all features begin at a density of one half, and their way from there is not death. Supports: within ±0.1 of 0. Refutes: below −0.1.',
  },
  T6: {
    claim: 'The mode of the rare cluster’s log density moves by one decade for each decade of steps.',
    quantity: 'd mode(log₁₀ p) / d log₁₀ step',
    rule: 'Supports: below 0 and within a factor of 1.5 of −1. Refutes: slower than −0.5, or faster than −2.',
  },
  T7: {
    claim: 'Under Adam the density of dying features at a step does not depend on the L1 coefficient; under SGD it falls with it.',
    quantity: 'shift of median log₁₀ p between two coefficients',
    rule: 'Features that end rare or dead, at the last step at which the medians of both runs can be told. SGD’s law shifts it by −log₁₀(ratio)/(1 + ξ). For Adam, supports: nearer to 0 than half of that; refutes: beyond half. For SGD the reverse.',
  },
  T8: {
    claim: 'With the shared direction taken out of the encoder, features can only be as rare as the second hyperplane allows: the cluster shrinks.',
    quantity: 'rare and dead features, deflated / as it was',
    rule: 'Supports: below 0.5. Refutes: above 0.8.',
  },
  T9: {
    claim: 'With b_dec at the mean there is no direction away from the data: the cluster shrinks, or its shared direction weakens and its biases grow.',
    quantity: 'rare and dead features, b_dec at the mean / at zero',
    rule: 'Supports: below 0.5; or the rare features’ own cosines and their biases have moved apart from those of the other run, quartiles and all. Refutes: above 0.8, and neither has.',
  },
  T10: {
    claim: 'On a residual stream or an MLP’s output, more of the features that die do so for good than on an MLP’s activations.',
    quantity: 'dead / (dead + rare), this target − MLP activations',
    rule: 'Supports: above 0. Refutes: below 0.',
  },
  T11: {
    claim: 'Nothing holds the encoder and decoder of a rare feature together: D/E is about 0, where live features have 1 (or 1/m of m that share a direction).',
    quantity: 'median D/E of rare features',
    rule: 'Supports: within a tenth of the live features’ median of 0. Refutes: beyond a quarter of it.',
  },
  T12: {
    claim: 'What moves a rare feature is the L1 penalty, the more so the rarer it is, and it moves encoder and decoder along unrelated directions.',
    quantity: 'share of L1 in the encoder’s gradient, rare features',
    rule: 'Supports: above 0.5, falling with density, encoder’s and decoder’s gradients within 0.25 of orthogonal. Refutes: below 0.5.',
  },
  T13: {
    claim: 'The rare features are of no use together either: taking all of them out costs nothing.',
    quantity: 'ΔMSE of the rare cluster, per its own mass',
    rule: 'Supports: below a quarter of what live features of the same mass cost. Refutes: above.',
  },
  T14: {
    claim: 'Linear algebra does not show the direction: it is spread over the data’s principal components, not among the first.',
    quantity: '|cos(w*, first principal component)|',
    rule: 'Supports: below 0.5, no component above 0.7, and at least three take part. Refutes: some component above 0.9.',
  },
  T15: {
    claim: 'Isotropic noise revives rare features, where the noise of minibatches does not: with it they stop falling.',
    quantity: 'd log p / d log step with noise',
    rule: 'Supports: nearer to 0 than half of the slope without noise. Refutes: beyond half of it.',
  },
  T16: {
    claim: 'How rare a feature can be at its offset is what the data allow, ψ(β), and the rare ones are close to it.',
    quantity: 'median log₁₀ (p / ψ(β))',
    rule: 'Supports: below 1: within ten times of what is possible. Refutes: above 2.',
  },
  T17: {
    claim: 'Features that TopK never selects get no gradient: they are frozen, and do not go on falling.',
    quantity: 'd log p / d log step, TopK',
    rule: 'Supports: within ±0.25 of 0. Refutes: below −0.25.',
  },
};

/** Seventeen tests at 95 % are not one. */
export const MULTIPLE_TESTING = 'Each interval is at 95 % by itself. Of 17 predictions that are all false, about one would be supported or refuted by chance; the verdict is the pattern, not any one line.';
