/** What a run tells while it goes: plain data that structured clone carries and JSON holds. */
import type { FeatureClass } from '../pack/schema.js';

/** Figures of one step, before its update; those of dead and rare features are of the window before it. */
export interface StepMetrics {
  /** Steps done when this one is: 1 for the first. */
  readonly step: number;
  /** Rows seen so far. */
  readonly tokens: number;
  readonly loss: number;
  /** mean_rows ||xhat - x||^2, in the scale that is trained in. */
  readonly mse: number;
  /** Of this batch: sum ||r||^2 / sum ||x - mean of the batch||^2. */
  readonly fvu: number;
  readonly l0: number;
  /** Without its coefficient. */
  readonly penalty: number;
  readonly auxiliary: number;
  readonly gradient_norm: number;
  readonly lr: number;
  readonly coefficient: number;
  /** p-anneal only. */
  readonly p: number | null;
  /** topk family only. */
  readonly k: number | null;
  /** Features that have not fired for `dead_after` rows. */
  readonly dead: number;
  /** The running threshold, where there is one. */
  readonly threshold: number | null;
}

/** Densities over the last whole window of `density_window` rows. */
export interface DensityWindow {
  readonly step: number;
  /** Rows of the window. */
  readonly rows: number;
  /** [d_sae] firings. */
  readonly counts: Uint32Array;
}

/** The SAE at a step, over all data (or the evaluation's share of it). */
export interface Evaluation {
  readonly step: number;
  readonly tokens: number;
  readonly l0: number;
  /** mean ||xhat - x||^2 of raw activations. */
  readonly mse: number;
  /** E||x - xhat||^2 / (E||x||^2 - ||E x||^2), streaming, f64. */
  readonly fvu: number;
  readonly classes: Readonly<Record<FeatureClass, number>>;
  /** Features that fired, on less than 1e-5 and 1e-4 of the tokens; dead ones, which never fired, are not among them. */
  readonly below_1e_5: number;
  readonly below_1e_4: number;
  /** [d_sae] firings. */
  readonly counts: Float64Array;
}

/** Chosen features as they are now, in the scale of raw activations. */
export interface FeatureSnapshot {
  readonly step: number;
  readonly features: readonly number[];
  /** [features, d] by feature. */
  readonly encoder: Float32Array;
  readonly decoder: Float32Array;
  /** [features] */
  readonly bias: Float32Array;
  /** [d] */
  readonly b_dec: Float32Array;
  /** Firings since they were last told, and the rows. */
  readonly counts: Uint32Array;
  readonly rows: number;
}

export type TrainEvent =
  | { readonly type: 'start'; readonly step: number; readonly scale: number; readonly backend: string }
  | { readonly type: 'metrics'; readonly metrics: StepMetrics }
  | { readonly type: 'densities'; readonly window: DensityWindow }
  | { readonly type: 'resampled'; readonly step: number; readonly features: readonly number[]; readonly spared: readonly number[] }
  | { readonly type: 'checkpoint'; readonly step: number; readonly evaluation: Evaluation | null }
  | { readonly type: 'snapshot'; readonly snapshot: FeatureSnapshot }
  | { readonly type: 'diverged'; readonly step: number; readonly message: string }
  | { readonly type: 'end'; readonly step: number; readonly reason: 'steps' | 'early-stop' | 'stopped' };
