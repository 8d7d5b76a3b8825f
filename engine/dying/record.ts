/**
 * What every view of dying draws: the features of one SAE at the steps of its training
 * that were kept, the data projected on the direction they die along, and what was
 * concluded. It is read from a pack (read-record.ts) or kept up to date from a live run.
 *
 * Conventions: feature i reads the raw activation x as z_i = w_i . x + effective_bias_i;
 * effective_bias = b_enc - w . b_dec where the SAE subtracts b_dec from its input.
 */
import type { Recipe } from '../train/recipe.js';
import type { PredictionResult } from './predictions.js';

/** All features at one step. Arrays are [features]. */
export interface DyingFrame {
  /** Steps done. */
  readonly step: number;
  /** Rows of training seen; null where it is not known. */
  readonly tokens: number | null;
  /** Held-out rows that `counts` is over. */
  readonly rows: number;
  /** Firings, z > threshold strictly. */
  readonly counts: Float64Array;
  /** b_enc */
  readonly bias: Float32Array;
  readonly effective_bias: Float32Array;
  /** ||w_i|| */
  readonly encoder_norm: Float32Array;
  /** w_i . d_i */
  readonly de: Float32Array;
  /** cos(w_i, d_i) */
  readonly de_cosine: Float32Array;
  /** cos(w_i, plane.direction); NaN where there is no plane. */
  readonly direction_cosine: Float32Array;
  /** [d] */
  readonly b_dec: Float32Array;
}

/** What resampling did to a feature: 0 nothing, 1 reset at least once, 2 chosen for reset and spared (the control). */
export type Cohort = 0 | 1 | 2;

/** The data seen along the direction in which features die, and what a boundary needs to be drawn there. */
export interface DyingPlane {
  /** [d] of length 1: w*, the direction of least firing. */
  readonly direction: Float64Array;
  /** [d] of length 1, orthogonal to `direction`: of most variance there. */
  readonly complement: Float64Array;
  /** [d] mean of the data */
  readonly mean: Float64Array;
  /** [m, d] sampled raw activations */
  readonly x: Float32Array;
  readonly m: number;
  /** Of the m rows so many, at the end, were chosen because a feature below fires on them; 0 for none. */
  readonly chosen: number;
  /** Text of the token of each sampled row. */
  readonly text: readonly string[] | null;
  /** [k] features whose weights are kept, ascending. */
  readonly features: Uint32Array;
  /** By frame: [k, d], row j is w of features[j]. */
  readonly encoder: readonly Float32Array[];
  /** By frame: [k] effective biases. */
  readonly offset: readonly Float32Array[];
  /** P(w* . x > c) over `rows` rows, c ascending. */
  readonly survival: { readonly c: Float64Array; readonly p: Float64Array; readonly rows: number };
}

export interface DyingRecord {
  readonly name: string;
  /** d_sae */
  readonly features: number;
  readonly d: number;
  /** By ascending step; at least one. */
  readonly frames: readonly DyingFrame[];
  /** [features] of `Cohort`; null where nothing was resampled. */
  readonly cohorts: Uint8Array | null;
  /** Knobs of the run, as far as they are known. */
  readonly recipe: Partial<Recipe> | null;
  readonly plane: DyingPlane | null;
  /** What was found of each prediction. */
  readonly verdict: readonly PredictionResult[] | null;
  /** [features] cause of death, in a word; empty for features that live. */
  readonly certificates: readonly string[] | null;
}
