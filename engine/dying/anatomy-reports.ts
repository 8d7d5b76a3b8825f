/**
 * What is reported of how dying features are made up: their gradients, what they do together, and
 * how they differ from the others. The shapes that plugins write into a pack's manifest and that
 * a verdict reads. JSON only: a number that could not be had is null.
 *
 * Groups: `rare` features fired, but on less than `edge` of the rows; `live` ones on at least as
 * many; `dead` ones never. x~ = x - b_dec where b_dec is subtracted, mu~ its mean; w_i a feature's
 * encoder column, d_i its decoder row, r = xhat - x, rbar the mean of the rare features' w_i.
 */
import type { Quartiles, RareDirections } from './rare-direction.js';
import type { Estimate } from './rates-reports.js';

export type { Estimate, Quartiles, RareDirections };

/** A statistic of replicates in which what is asked about has been destroyed. */
export interface NullRange {
  readonly replicates: number;
  /** Median and the central 95 % of the replicates; null without any. */
  readonly median: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** (1 + replicates at least as large as what was observed) / (1 + replicates). */
  readonly p_above: number | null;
  /** The same for at least as small. */
  readonly p_below: number | null;
}

/** A group's gradients. Quartiles are over its features that fired; null where there are none. */
export interface GradientGroup {
  readonly features: number;
  /** ||g_L1|| / (||g_L1|| + ||g_rec||), g_L1 = lambda E[1_i x~], g_rec = E[1_i 2 (d_i . r) x~]. */
  readonly share: Quartiles | null;
  /** cos(g_L1, dL/dw_i), dL/dw_i = g_L1 + g_rec. */
  readonly cos_l1_encoder: Quartiles | null;
  /** cos(dL/dw_i, dL/dd_i), the decoder's with its part along d_i taken out. */
  readonly cos_encoder_decoder: Quartiles | null;
  /** dL/db_i = E[1_i (2 d_i . r + lambda)]. */
  readonly bias: Quartiles | null;
  /** ||dL/dw_i|| */
  readonly encoder_norm: Quartiles | null;
}

/** Features of a decade of density. */
export interface GradientDecade extends GradientGroup {
  /** low <= log10 density < low + 1 */
  readonly low: number;
}

/** The mean over features of -dL/dw_i: which way a step moves encoder columns; cosine with rbar. */
export interface MeanGradient {
  readonly over: 'all' | 'rare';
  /** Each feature alike. */
  readonly cos_unweighted: Estimate;
  /** Each by the density of its pre-activation at 0: how often a small step makes it flip. */
  readonly cos_weighted: Estimate;
}

/** What an optimiser would turn w_i to by the penalty alone: SGD -E[x~ | fire], Adam -E[x~_j | fire] / sqrt(E[x~_j^2 | fire]). */
export interface OptimiserDirection {
  /** `everywhere`: as if every row fired, as when training begins with large biases; `firing`: the rows where the feature fires now. */
  readonly rows: 'everywhere' | 'firing';
  readonly optimiser: 'sgd' | 'adam';
  /** cos(w_i, direction) over the rare features. */
  readonly cos_features: Quartiles | null;
  /** cos(rbar, mean of the unit directions), intervals by drawing features again. */
  readonly cos_mean: Estimate;
}

/** Summary of `sae/gradient-anatomy`. */
export interface GradientReport {
  readonly rows: number;
  readonly edge: number;
  readonly architecture: string;
  /** Coefficient of f_i beside the squared error summed over dims; null where it is unknown. */
  readonly lambda: number | null;
  /** `implied`: the median over live features of -E[2 d_i . r | fire], which is lambda where dL/db_i = 0; `none`: the architecture has no such term. */
  readonly lambda_from: 'setting' | 'run' | 'implied' | 'none';
  /** -E[2 d_i . r | fire] over live features. */
  readonly lambda_implied: Quartiles | null;
  readonly rare: GradientGroup;
  readonly live: GradientGroup;
  /** Ascending. */
  readonly decades: readonly GradientDecade[];
  /** Spearman's correlation of share and density over the features that fired; negative where the share grows as they get rarer. */
  readonly share_density: Estimate;
  /** sd of the cosine of two unrelated directions, 1 / sqrt(d). */
  readonly cos_null: number;
  /** ||dL/db_dec||: 0 where b_dec has settled. */
  readonly b_dec_norm: number | null;
  readonly mean_gradients: readonly MeanGradient[];
  readonly optimisers: readonly OptimiserDirection[];
  readonly caveats: readonly string[];
}

/** Summary of `sae/conspiracy`: mean squared errors summed over dims, mean over rows. */
export interface ConspiracyReport {
  readonly rows: number;
  /** Whether these are all rows that counted. */
  readonly whole: boolean;
  readonly contexts: number;
  readonly edge: number;
  /** Rare features, and those of them that fire on these rows. */
  readonly features: number;
  readonly firing: number;
  readonly mse: number;
  /** Sum over the group of E f_i^2 ||d_i||^2. */
  readonly mass: number;
  /** MSE without the whole group, less MSE: intervals by drawing contexts again. */
  readonly ablation: Estimate;
  /** Sum of the Delta_i of one feature alone. */
  readonly alone: Estimate;
  /** Their difference, sum over i < j of C_ij = 2 E[f_i f_j] d_i . d_j. */
  readonly interaction: Estimate;
  /** ablation / mass: 1 where what a group adds is reconstructed by nothing else and r = 0; 0 or less where it is of no use. */
  readonly per_mass: Estimate;
  /** The interaction with the group's decoder rows dealt out anew, and the ablation with them. */
  readonly shuffled: { readonly interaction: NullRange; readonly ablation: NullRange };
  /** Firings of live features drawn at random up to the group's mass: their ablation per mass. */
  readonly live: { readonly per_mass: NullRange; readonly features: number };
  readonly pairs: number;
  /** Pairs of the group with the largest |C_ij| are in the table `conspiracy`. */
  readonly largest: number | null;
  readonly caveats: readonly string[];
}

/** Summary of `sae/rare-cofiring`. */
export interface RareCofiringReport {
  readonly rows: number;
  readonly whole: boolean;
  readonly contexts: number;
  readonly edge: number;
  readonly features: number;
  readonly firing: number;
  /** Firings of the group on these rows. */
  readonly firings: number;
  /** Var K_t / E K_t, K_t the rare features that fire on row t: 1 or just below if they are independent. Interval by drawing contexts again. */
  readonly fano: Estimate;
  readonly fano_null: NullRange;
  /** max_t K_t / features, and the row of the stream. */
  readonly max_share: number | null;
  readonly max_row: number | null;
  readonly max_share_null: NullRange;
  /** |A and B| / min(|A|, |B|) over pairs with at least `min_firings` each: mean (1: firing sets are nested), its null and the pairs. */
  readonly nestedness: Estimate;
  readonly nestedness_null: NullRange;
  /** Share of these pairs that are nested in full. */
  readonly fully_nested: number | null;
  readonly pairs: number;
  readonly min_firings: number;
  /** histogram[k] = rows on which k rare features fire, from 0 on. */
  readonly histogram: readonly number[];
  readonly caveats: readonly string[];
}

/** How far a group's firings prefer tokens, against half-spaces that fire as often. */
export interface InterpretabilityGroup {
  readonly features: number;
  /** Those that were compared: with enough firings, at most so many as were asked for. */
  readonly compared: number;
  /** Entropy of the firing tokens in nats, of the features and of their half-spaces (median of each feature's). */
  readonly entropy: Quartiles | null;
  readonly null_entropy: Quartiles | null;
  /** KL(tokens where it fires || all tokens) in nats. */
  readonly enrichment: Quartiles | null;
  readonly null_enrichment: Quartiles | null;
  /** Share of the features whose enrichment is above 95 % of their own half-spaces'; 0.05 where they are like them. Wilson's interval. */
  readonly above_null: Estimate;
  /** Mean over features of the share of their half-spaces with less enrichment: 0.5 where they are like them. Interval by drawing features again. */
  readonly rank: Estimate;
}

/** Summary of `sae/interpretability-null`. */
export interface InterpretabilityReport {
  readonly rows: number;
  readonly whole: boolean;
  readonly edge: number;
  readonly halfspaces: number;
  readonly min_firings: number;
  readonly tokens: number;
  readonly rare: InterpretabilityGroup;
  /** The positive control. */
  readonly live: InterpretabilityGroup;
  readonly caveats: readonly string[];
}

/** One component of a mixture. */
export interface ClusterComponent {
  readonly weight: number;
  /** By the axes of the fit. */
  readonly centre: readonly number[];
  readonly sd: readonly number[];
}

/** One or two components, on some axes. */
export interface ClusterFit {
  readonly axes: readonly string[];
  readonly features: number;
  /** The two components, that of lower density first. */
  readonly components: readonly ClusterComponent[];
  /** BIC of one component less that of two: above 0 two are better. */
  readonly bic_gain: number;
  /** Mean over features of the lesser posterior: the share that the fit expects to misplace. */
  readonly expected_error: number;
  /** Hartigan's dip of log10 density, or along the axis that tells the components apart (chosen on one half, tested on the other), and the p-value of a unimodal law. */
  readonly dip: number;
  readonly p_value: number;
  /** Whether two are told apart: p < 0.05 and BIC for two. */
  readonly split: boolean;
}

/** Summary of `sae/clusters`. */
export interface ClusterReport {
  readonly tokens: number;
  /** Features that never fired: the atom at 0 counts, and how many the fitted densities would leave without a firing. */
  readonly dead: number;
  readonly expected_dead: number | null;
  readonly firing: number;
  /** log10 density alone; null where too few features fired. */
  readonly density: ClusterFit | null;
  /** log10 density, effective bias, D/E. */
  readonly joint: ClusterFit | null;
  /** Features in the rarer cluster of the fit that was split (the joint one where both are), by posterior above 1/2; null where neither is. */
  readonly rare_cluster: number | null;
  /** Of these, and of the features with density below `edge`, how many are both. */
  readonly edge: number;
  readonly below_edge: number;
  readonly both: number | null;
  readonly caveats: readonly string[];
}

/** The cosine of rbar with a direction that was proposed for it. */
export interface ProposedDirection {
  readonly name: 'closed_form' | 'inverse_covariance' | 'minus_mean' | 'top_component' | 'random';
  /** Of rbar; interval by drawing rare features again. For `top_component` the absolute value; for `random` the median |cos| and its central 95 %. */
  readonly cosine: Estimate;
  /** cos(w_i, direction) over the rare features. */
  readonly features: Quartiles | null;
}

/** p_i against S(-b_i / ||w_i||), S(c) = P(u . x > c) along one direction u, b_i the effective bias for raw x. */
export interface CollapseFit {
  readonly direction: 'rbar' | 'closed_form';
  readonly features: number;
  /** RMS over rare features of log10 of observed over predicted density, both counts raised by 1/2. */
  readonly rms: Estimate;
  /** Mean of that log10: below 0 where features fire less than the curve says. */
  readonly bias: number | null;
  /** What counting alone would leave: RMS of log10 with Poisson counts of the predicted mean. */
  readonly counting_rms: number | null;
  /** With the offsets dealt out anew among the features. */
  readonly shuffled: NullRange;
  /** Spearman's correlation of observed and predicted. */
  readonly rank_correlation: Estimate;
}

/** Summary of `sae/rare-directions`. */
export interface RareDirectionsReport extends RareDirections {
  readonly tokens: number;
  readonly rows: number;
  readonly edge: number;
  readonly d: number;
  /** b of the closed form: the median of the rare features' (b_enc / ||w_i||) in the frame of b_dec. */
  readonly b: number | null;
  readonly nu: number | null;
  /** Firing rate that a Gaussian of these moments gives the closed form. */
  readonly gaussian_probability: number | null;
  readonly proposed: readonly ProposedDirection[];
  /** Own cosine's median, by drawing rare features again; and of as many live features drawn at random. */
  readonly own_cosine: Estimate;
  readonly live_own_cosine: NullRange;
  /** Leading share, of the encoder and of the decoder rows: of as many live features drawn at random. */
  readonly live_encoder_share: NullRange;
  readonly live_decoder_share: NullRange;
  readonly collapse: readonly CollapseFit[];
  /** cos(rbar, -(mu - b_dec)) with b_dec as it was at each checkpoint; null without a run. */
  readonly fossil: { readonly steps: readonly number[]; readonly cosines: readonly (number | null)[]; readonly best_step: number | null; readonly best: number | null; readonly last: number | null } | null;
  readonly caveats: readonly string[];
}
