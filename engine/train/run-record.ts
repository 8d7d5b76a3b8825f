/**
 * What a run's folder holds, and how it is written and read:
 *
 *   run.json               status, recipe, provenance, checkpoints with their figures
 *   recipe.json            the recipe, whole: `--config recipe.json` runs it again
 *   metrics.jsonl          a StepMetrics a line
 *   densities.safetensors  steps [C], tokens [C], counts [C, d_sae]: firings at each checkpoint
 *   step_00297/            the SAE at that step as SAELens saves it, with its densities
 *   state.bin              what the run goes on from (engine/state.ts)
 */
import { FormatError } from '../errors.js';
import type { Evaluation } from './events.js';
import type { Recipe } from './recipe.js';
import type { Resampling } from './saved-run.js';

export type RunStatus = 'running' | 'done' | 'early-stop' | 'stopped' | 'diverged';

/** A checkpoint as run.json has it; figures are null where it was not evaluated. */
export interface CheckpointRecord {
  readonly step: number;
  readonly folder: string;
  readonly tokens: number | null;
  readonly l0: number | null;
  readonly fvu: number | null;
  readonly mse: number | null;
  readonly classes: Evaluation['classes'] | null;
  readonly below_1e_5: number | null;
  readonly below_1e_4: number | null;
}

export interface RunRecord {
  readonly saekit: string;
  readonly format: 1;
  readonly status: RunStatus;
  /** Why, where it diverged. */
  readonly message: string | null;
  readonly recipe: Recipe;
  readonly provenance: Readonly<Record<string, unknown>>;
  readonly backend: string;
  readonly activation_scale: number;
  readonly d: number;
  /** Steps done, and rows seen. */
  readonly step: number;
  readonly tokens: number;
  /** Of computing, over all the times that it was resumed. */
  readonly seconds: number;
  readonly checkpoints: readonly CheckpointRecord[];
  /** Absent where nothing was resampled. */
  readonly resampled?: readonly Resampling[];
}

/** `step_00297` */
export function checkpointFolder(step: number): string {
  return `step_${String(step).padStart(5, '0')}`;
}

export function checkpointRecord(step: number, evaluation: Evaluation | null): CheckpointRecord {
  const { tokens = null, l0 = null, fvu = null, mse = null, classes = null, below_1e_5 = null, below_1e_4 = null } = evaluation ?? {};
  return { step, folder: checkpointFolder(step), tokens, l0, fvu, mse, classes, below_1e_5, below_1e_4 };
}

/** @throws FormatError where it is not a run's */
export function parseRunRecord(name: string, value: unknown): RunRecord {
  const record = value as Partial<RunRecord> | null;
  if (typeof record !== 'object' || record === null || typeof record.status !== 'string' || typeof record.recipe !== 'object' || !Array.isArray(record.checkpoints)) {
    throw new FormatError(`${name}: is not the run.json of a training run`, { hint: 'saekit train writes it into the folder that --out names.' });
  }
  if (record.format !== 1) throw new FormatError(`${name}: is of format ${String(record.format)}, expected 1`);
  return record as RunRecord;
}
