/**
 * What is reported of the hyperplanes that useless features could die along: the summary of
 * the plugin `sae/hyperplane`, which packs carry and a verdict reads. JSON only: a number that
 * could not be had is null.
 *
 * Frame: x~ = x - b_dec, and w of length 1, so that a feature (w_i, b_i) of any size is at
 * w = w_i / ||w_i||, b = b_i / ||w_i||; it fires where w . x~ + b > 0, strictly. An SAE that does
 * not subtract b_dec has its origin at 0. Directions are in the table `hyperplane`, by name.
 */
import type { Estimate } from './rates-reports.js';

export type { Estimate };

/** rate: P(w . x~ + b > 0). activation: E relu(w . x~ + b). */
export type HyperplaneObjective = 'rate' | 'activation';

/** The least firing direction found on rows, at one bias. */
export interface HyperplaneSolution {
  /** Row of the table `hyperplane`. */
  readonly name: string;
  readonly objective: HyperplaneObjective;
  readonly b: number;
  /** Rows that fire, of how many, and their share with its exact 95 % interval given w (it does not allow for w having been chosen on these rows: `nulls` does). */
  readonly firing: number;
  readonly rows: number;
  readonly probability: Estimate;
  /** E relu(w . x~ + b) over the rows. */
  readonly activation: number;
  /** -(w . mu~ + b) / sqrt(w' Sigma w): how many sd the boundary is away from the mean. */
  readonly kappa: number;
  /** What a Gaussian of the same moments fires there. */
  readonly gaussian_probability: number;
  /** With the closed form of a Gaussian at the same b and objective, with -Sigma^-1 mu~, and with -mu~; null where there is none. */
  readonly cos_closed_form: number | null;
  readonly cos_inverse_covariance: number | null;
  readonly cos_mean: number | null;
  readonly starts: readonly HyperplaneStart[];
  /** Cosines between what the starts ended in, by the order of `starts`. */
  readonly cosines: readonly (readonly number[])[];
  /** Ends further than 0.99 from each other whose objective is within 5 % of the best. */
  readonly optima: number;
  /** Rows that fire nearest to the plane's far side: w . x~ + b descending, at most 64; index of the row in the stream. */
  readonly violating: readonly { readonly row: number; readonly token: number | null; readonly z: number }[];
  /** Rows by z: counts[i] of edges[i] <= z < edges[i + 1]; the last bin holds its upper edge too. */
  readonly margins: { readonly edges: readonly number[]; readonly counts: readonly number[] };
}

export interface HyperplaneStart {
  readonly from: string;
  readonly activation: number;
  readonly probability: number;
  readonly evaluations: number;
}

/** Whether a direction exists that fires on no row at b = 0, proved either way. */
export interface SeparationReport {
  readonly rows: number;
  readonly d: number;
  /** strict: w . x~ < 0 on every row. weak: <= 0, with equality on some. none: every direction fires on some row. unknown: rounding or the limit of pivots decides. */
  readonly verdict: 'strict' | 'weak' | 'none' | 'unknown';
  /** Bounds of the largest eps with w . x~ <= -eps on every row and |w_j| <= 1, of rows scaled to a largest entry of 1. */
  readonly epsilon: { readonly low: number; readonly high: number };
  /** Rows of which b_dec is a convex combination, where it is: the proof that no direction separates. */
  readonly support: number;
  readonly pivots: number;
  /** Rows of any distribution without point masses are separable by chance: more likely than not where rows < 2 d (Cover 1965). */
  readonly by_chance: number;
  /** Coordinates j for which e_j or -e_j fires on no row at b = 0: mutually orthogonal directions (all of them for x~ in an orthant). */
  readonly perfect_axes: number;
}

/** w*(b) along a path of biases. */
export interface PathPoint {
  readonly b: number;
  readonly probability: number;
  readonly activation: number;
  /** With w*(0) of the rows, with -mu~, with the direction of least variance; each up to the sign for the last. */
  readonly cos_zero: number;
  readonly cos_mean: number;
  readonly cos_least_variance: number;
  /** With the Gaussian's closed form at this b, and that form's own cosine with its w*(0). */
  readonly cos_closed_form: number | null;
  readonly closed_form_cos_zero: number | null;
}

/** w_{k+1}: the least firing direction orthogonal to w_1 .. w_k, at b = 0. */
export interface SequencePoint {
  readonly k: number;
  readonly name: string;
  readonly probability: number;
  readonly activation: number;
  /** -w . mu~ / s, and the kappa_k of a Gaussian of the same moments; null beyond its end. */
  readonly kappa: number;
  readonly gaussian_kappa: number | null;
  readonly gaussian_probability: number | null;
}

export interface SequenceReport {
  readonly points: readonly SequencePoint[];
  /** Directions of the sequence that fire on no row. */
  readonly perfect: number;
  /** kappa_2^2 = m_1 - m_2^2 / m_3, m_j = mu~' Sigma^-j mu~, of the moments. */
  readonly kappa_2: number | null;
}

/** Halfspace depth of b_dec: the least firing rate of any feature with b = 0. */
export interface DepthReport {
  readonly rows: number;
  /** Least P(w . x~ >= 0) found over directions: an upper bound of the depth, exact where `exact`. */
  readonly depth: number;
  readonly exact: boolean;
  /** What a centred log-concave law cannot be below, 1/e (Grunbaum 1960); the mean's own depth found on the rows. */
  readonly log_concave_floor: number;
  readonly mean_depth: number;
  /** Rate with w chosen on one half of the rows, on the other half. */
  readonly held_out: Estimate;
}

/** psi(beta) = min over w of P(w . x~ > beta), on a grid, and where the SAE's features lie. */
export interface ProfileReport {
  readonly beta: readonly number[];
  /** Least rate found: an upper bound of psi. */
  readonly psi: readonly number[];
  /** The same of a Gaussian with the rows' moments; null where it has no such form. */
  readonly gaussian: readonly (number | null)[];
  /** Features of density below the edge, at beta_i = -b_i / ||w_i||; of more than 128, so many evenly spaced by rate. */
  readonly points: readonly { readonly feature: number; readonly beta: number; readonly probability: number; readonly psi: number }[];
  /** Points whose rate is below what the solver alone had found at their beta (they bound psi, then, too), and the largest ratio psi / p of those. */
  readonly below: number;
  readonly worst: number | null;
}

/** What solving the same problem on data without the structure gives. */
export interface HyperplaneNull {
  readonly name: 'gaussian' | 'permuted';
  readonly replicates: number;
  /** Least rate and E relu found on each replicate, at b = 0. */
  readonly probability: readonly number[];
  readonly activation: readonly number[];
  /** Share of replicates whose least rate is no larger than the rows', (1 + count) / (1 + replicates). */
  readonly p_value: number;
}

export interface NullsReport {
  readonly nulls: readonly HyperplaneNull[];
  /** w* of one half of the rows: its rate there, and on the other half. */
  readonly split: { readonly rows: number; readonly in_sample: number; readonly held_out: Estimate; readonly cosine: number };
  /** sqrt(d / rows): the order of how far choosing w on the rows biases rates down, relative. */
  readonly bias_scale: number;
}

/** w* in the basis of singular vectors of a matrix. */
export interface SpectrumReport {
  readonly matrix: 'rows' | 'centred_rows' | 'W_enc' | 'W_dec' | 'W_U';
  readonly rank: number;
  /** Descending. */
  readonly singular_values: readonly number[];
  /** |cos(w*, v_j)| by the same order. */
  readonly cosines: readonly number[];
  readonly largest: { readonly cosine: number; readonly index: number };
  /** 1 / sum cos^4: from 1 (one vector) to d (all alike); d / 3 or so for a random direction: 3 / (d + 2) is the mean of sum cos^4. */
  readonly participation: number;
  /** The same for directions drawn evenly: [median, 2.5 %, 97.5 %] of `largest`, and of participation. */
  readonly random: { readonly largest: readonly [number, number, number]; readonly participation: readonly [number, number, number] };
}

/** The linear one-class SVM: its hyperplane is -w, rho. */
export interface OneClassReport {
  readonly nu: number;
  readonly rho: number;
  /** Rows outside, w . x < rho: nu at most, but for rows at the boundary. */
  readonly outside: number;
  readonly support: number;
  /** Relative duality gap, and the largest violation of the optimality conditions over rho. */
  readonly gap: number;
  readonly violation: number;
  /** cos(-w, w*). */
  readonly cosine: number;
}

/** The least firing direction where no row fires, or few: what tails say of its rate. */
export interface RareEventReport {
  readonly name: string;
  readonly observed: Estimate;
  readonly firing: number;
  readonly rows: number;
  /** Rate by the laws fitted to the tail: least low and greatest high of those that the tail does not rule out. */
  readonly rate: Estimate;
  readonly assumption: string;
  readonly models: readonly { readonly model: string; readonly shape: number; readonly rate: Estimate; readonly aic: number }[];
}

/** Summary of `sae/hyperplane`. */
export interface HyperplaneReport {
  readonly d: number;
  /** Rows that were solved on, and those that counted in the stream. */
  readonly rows: number;
  readonly total: number;
  readonly origin: 'b_dec' | 'zero';
  /** ||mu~||, sqrt(trace Sigma), and their ratio. */
  readonly mean_norm: number;
  readonly sd_norm: number;
  readonly gamma: number;
  /** Features that fired on less than `edge` of the rows but did fire, and the median of b_i / ||w_i||; null where there are none. */
  readonly rare: { readonly edge: number; readonly features: number; readonly median_b: number | null };
  /** At b = 0 by both objectives, and at the rare features' median b. */
  readonly solutions: readonly HyperplaneSolution[];
  readonly separation: SeparationReport;
  readonly path: readonly PathPoint[];
  readonly sequence: SequenceReport;
  readonly depth: DepthReport;
  readonly profile: ProfileReport;
  readonly nulls: NullsReport;
  readonly spectra: readonly SpectrumReport[];
  readonly one_class: readonly OneClassReport[];
  readonly rare_events: readonly RareEventReport[];
  /** Cosine of w* (activation, b = 0) with the mean encoder column of the rare features; null without any. */
  readonly cos_rare_mean: number | null;
  readonly caveats: readonly string[];
}
