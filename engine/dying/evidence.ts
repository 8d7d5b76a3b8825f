/** What a verdict rests on: the reports of the instruments that ran. What did not run is null, and the predictions that need it cannot be told. */
import type { Recipe } from '../train/recipe.js';
import type { ConspiracyReport, GradientReport, RareCofiringReport, RareDirectionsReport } from './anatomy-reports.js';
import type { EvolutionReport, RunFigures } from './evolution-report.js';
import type { HyperplaneReport } from './hyperplane-report.js';
import type { Estimate } from './rates-reports.js';

/** Another run. */
export interface ComparedEvidence {
  readonly name: string;
  readonly recipe: Partial<Recipe>;
  /** The model's output that it was trained on; null where it is not known, or the data were generated. */
  readonly hook: string | null;
  /** The generator that made its data, as JSON; null for activations of a model. */
  readonly generator: string | null;
  readonly figures: RunFigures;
  /** Where rare features were planted in its data. */
  readonly planted: PlantedEvidence | null;
}

/** What became of the features that read planted ones. */
export interface PlantedEvidence {
  /** Planted features with a rate below 1 %, and how many of them a decoder row of the last SAE points along, with a cosine above 0.9. */
  readonly features: number;
  readonly found: number;
  /** The largest rate of one that was not found; null where all were. */
  readonly missed: number | null;
  /** Density of the rows that found them, over the planted rate, in the last frame: the median. */
  readonly ratio: number | null;
  /** Their slope, d log p / d log step, from this step on: the last half of the run. */
  readonly from: number;
  readonly slope: Estimate | null;
}

export interface DyingEvidence {
  /** Rows that counted. */
  readonly tokens: number;
  readonly recipe: Partial<Recipe> | null;
  readonly hook: string | null;
  /** The generator that made its data, as JSON; null for activations of a model. */
  readonly generator: string | null;
  readonly directions: RareDirectionsReport | null;
  readonly hyperplane: HyperplaneReport | null;
  readonly cofiring: RareCofiringReport | null;
  readonly gradients: GradientReport | null;
  readonly conspiracy: ConspiracyReport | null;
  readonly evolution: EvolutionReport | null;
  /** Figures of the SAE's own run, by the measure of the compared ones. */
  readonly own: RunFigures | null;
  readonly compared: readonly ComparedEvidence[];
}

export const NO_EVIDENCE: DyingEvidence = { tokens: 0, recipe: null, hook: null, generator: null, directions: null, hyperplane: null, cofiring: null, gradients: null, conspiracy: null, evolution: null, own: null, compared: [] };
