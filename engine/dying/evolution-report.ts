/**
 * What is reported of a training run's features over its checkpoints: the summary of the
 * plugin `sae/evolution`, which packs carry and a verdict reads. JSON only: a number that could not
 * be had is null. Arrays `by frame` have one entry for each of `steps`.
 */
import type { Recipe } from '../train/recipe.js';
import type { GroupDirections } from './rare-direction.js';
import type { BiasShareReport, Estimate, RarityCurve, SlopeReport } from './rates-reports.js';

export type { Estimate };

/**
 * A group of features whose densities are followed.
 *
 *   never    those that resampling did not touch (all, where nothing was resampled)
 *   reset    replaced by resampling at least once
 *   spared   due for it and left alone: the control
 *   rare     of never and spared, those that fired on less than `edge` of the rows at `chosen_step`, or not at all
 *   adrift   of never, those that fired on `edge` or more then, with D/E of at most 0.5: not, or not any more, of use
 *   live     of never, those that fired on `edge` or more then, with D/E above 0.5: they reconstruct something
 *   final    rare or dead in the last frame: chosen by how they end, so that their slopes are not evidence
 */
export type CohortName = 'never' | 'reset' | 'spared' | 'rare' | 'adrift' | 'live' | 'final';

/** A slope of a whole cohort; the table `dying_slopes` has those of its features. */
export type CohortSlope = Omit<SlopeReport, 'by_feature'>;

export interface CohortReport {
  readonly name: CohortName;
  readonly features: number;
  /** By frame: median of log10(count / rows) over the cohort; null where half of it or more did not fire. */
  readonly median_log10: readonly (number | null)[];
  /** By frame: its 95 % interval by order statistics, as other features would give; null where that reaches to features that did not fire, or of fewer than 6. */
  readonly median_interval: readonly (readonly [low: number, high: number] | null)[];
  /** By frame: how many did not fire on any row. */
  readonly silent: readonly number[];
  /** d log p / d log step from `from` on, of reset, spared, rare, adrift and live; null with fewer than 3 frames there, or where none fired. */
  readonly slope: CohortSlope | null;
  /** First step of the frames that the slope is over: after the step by which the cohort was chosen or last reset. */
  readonly from: number;
  /** The same over the frames whose median density lies above 1 / B, between the knees, and below (1 - beta2) / B; Adam only. */
  readonly regimes: readonly { readonly regime: 'above' | 'between' | 'below'; readonly from: number; readonly to: number; readonly slope: CohortSlope | null }[];
  /** Until they stay below a density, for each one that the rows can tell. */
  readonly survival: readonly RarityCurve[];
}

/** Where the distribution of log p of the `final` cohort has its mode (T6). */
export interface ModeReport {
  /** By frame: mode of a kernel estimate of log10 p over those that fired; null where fewer than 10 did. */
  readonly mode: readonly (number | null)[];
  /** By frame: features that fired, and that did not. */
  readonly firing: readonly number[];
  readonly silent: readonly number[];
  /** By frame: true where a tenth of the cohort is silent or the mode lies below 10 / rows, so that it says where the rows end. */
  readonly censored: readonly boolean[];
  /** d mode / d log10 step over the uncensored frames from `from` on, interval by bootstrap over features; null with fewer than 3. */
  readonly slope: Estimate | null;
  readonly from: number;
  readonly frames: number;
}

/** Summary of `sae/evolution`. */
export interface EvolutionReport {
  /** Name of the run; null where there was none, and one frame of the SAE itself. */
  readonly run: string | null;
  readonly status: string | null;
  readonly recipe: Partial<Recipe> | null;
  readonly d: number;
  readonly features: number;
  /** Rows that every frame's counts are over. */
  readonly rows: number;
  /** Density below which a feature is rare. */
  readonly edge: number;
  readonly steps: readonly number[];
  /** Rows of training seen, by frame. */
  readonly tokens: readonly (number | null)[];
  /** By frame: never fired; fired below 1e-5, 1e-4 of the rows; at or above `edge`. */
  readonly dead: readonly number[];
  readonly below_1e_5: readonly number[];
  readonly below_1e_4: readonly number[];
  readonly live: readonly number[];
  /** Densities at which Adam's rate law changes: 1 / B and (1 - beta2) / B; null for SGD or without a recipe. */
  readonly knees: { readonly batch: number; readonly memory: number } | null;
  /** Step at which `rare`, `adrift` and `live` were chosen (cohorts.ts); null where fewer than three frames follow. */
  readonly chosen_step: number | null;
  readonly cohorts: readonly CohortReport[];
  readonly mode: ModeReport | null;
  /** By frame: ||mu - b_dec||, mu the mean of the rows. */
  readonly mean_distance: readonly number[];
  /** By frame: cos(mean encoder column of the frame's rare features, -(mu - b_dec of the frame)); null without any, or where mu = b_dec. */
  readonly rare_offset_cosine: readonly (number | null)[];
  /** The fossil record: cos(mean encoder column of the last frame's rare features, -(mu - b_dec of each frame)). */
  readonly fossil: { readonly cosine: readonly (number | null)[]; readonly best_step: number | null } | null;
  /** Features that fell from above the edge to below it between the first and the last frame, never reset. */
  readonly bias_share: BiasShareReport | null;
  readonly caveats: readonly string[];
}

/** Figures of one run for comparison with others (T6 to T10, T15, T17). */
export interface RunFigures {
  readonly name: string;
  readonly evolution: EvolutionReport;
  /** The last frame's features by class on these rows, as packs class them. */
  readonly classes: Readonly<Record<'dead' | 'ultralow' | 'rare' | 'live' | 'dense', number>>;
  /** Of the last frame: D/E, bias and cosines of rare, dead and live features. */
  readonly groups: { readonly rare: GroupDirections; readonly dead: GroupDirections; readonly live: GroupDirections };
  /** Medians of b_enc - w . b_dec, and of ||w||, of the same. */
  readonly effective_bias: { readonly rare: number | null; readonly dead: number | null; readonly live: number | null };
  readonly encoder_norm: { readonly rare: number | null; readonly dead: number | null; readonly live: number | null };
  /** [d] mean encoder column of the rare features, of length 1: to compare between runs; null without any. */
  readonly rare_direction: readonly number[] | null;
  /** [d] */
  readonly mean: readonly number[];
  readonly b_dec: readonly number[];
  /** ||mu - b_dec|| / sqrt(tr Sigma) at the end. */
  readonly gamma: number;
  /** From the run's own record; null where it was not evaluated. */
  readonly l0: number | null;
  readonly fvu: number | null;
}
