/**
 * `saekit/train`: training SAEs from a program or a page. `train` is the whole job with a folder on
 * disk; `Trainer` one run, a step at a time; `createLiveTrainer` a run in a worker that a page starts, pauses,
 * rewinds and branches. docs/training.md has every knob.
 */
export { chooseTrainBackend } from '../choose-train-backend.js';
export { saelensFiles, type SaelensFiles, type WriteSaelensOptions } from '../formats/write-saelens.js';
export type { TrainData, Truth } from './data.js';
export { evaluate, type EvaluateOptions } from './evaluate.js';
export type { DensityWindow, Evaluation, FeatureSnapshot, StepMetrics, TrainEvent } from './events.js';
export { heldData, type HeldRows } from './held-data.js';
export { KNOBS, type Knob } from './knobs.js';
export { createLiveTrainer } from './live.js';
export type { Objective, Optimizer } from './objective.js';
export { openTrainData, type TrainDataOptions } from './open-data.js';
export type { PresetName, Recipe, RecipeArchitecture } from './recipe.js';
export { objectiveOf, optimizerOf, resolveRecipe } from './resolve-recipe.js';
export { openRun, type CheckpointDensity, type RunReader } from './run-reader.js';
export type { CheckpointRecord, RunRecord, RunStatus } from './run-record.js';
export { runTrainer, type RunTrainerOptions } from './run-trainer.js';
export { checkpointSteps } from './schedule.js';
export type { Parameters, StepControls, StepResult, TrainBackend, TrainSession, TrainState } from './session.js';
export { train, type TrainOptions, type TrainReport } from './train.js';
export { Trainer, type TrainerOptions } from './trainer.js';
