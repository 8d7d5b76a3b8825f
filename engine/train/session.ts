/**
 * The contract between the trainer and whatever does its arithmetic: a session
 * holds the parameters and the optimiser's moments and carries out steps. Two
 * implementations: engine/wasm/train/ over AssemblyScript and gpu/train/ over WGSL,
 * both held to the float64 oracle of test/shared/train-oracle.ts.
 *
 * A session is deterministic: the same state, rows and controls give the same bits
 * on the same backend, so that a run that is resumed from a saved state equals one
 * that was never interrupted.
 */
import type { BackendInfo } from '../backend.js';
import type { Objective, Optimizer, ParameterName } from './objective.js';

/** f32 arrays by name: `parametersOf(objective)`, each of `sizeOf` values; W_enc and W_dec by feature, [d_sae, d]. */
export type Parameters = Readonly<Partial<Record<ParameterName, Float32Array>>>;

/** Everything that a step changes. */
export interface TrainState {
  readonly parameters: Parameters;
  /** First moments (adam's m, sgd's momentum). */
  readonly m: Parameters;
  /** Second moments; zeros under sgd. */
  readonly v: Parameters;
}

/** What changes from step to step. */
export interface StepControls {
  /** 1 for the first step: Adam's t. */
  readonly step: number;
  readonly lr: number;
  /** What the penalty's mean over rows is multiplied by. */
  readonly coefficient: number;
  /** p of an `lp` penalty; else ignored. */
  readonly p: number;
  /** A second p at which the penalty is reported as `penaltyNext` (p-annealing compares the two); null for none. */
  readonly pNext: number | null;
  /** k of topk and batchtopk; else ignored. */
  readonly k: number;
  /** [d_sae] 1 where a feature counts as dead, for AuxK, ghost gradients and the pre-activation loss; null where none does or none of them is used. */
  readonly dead: Uint8Array | null;
}

/** Figures of one batch, before the update. Means are over its rows. All finite unless the run diverges. */
export interface StepResult {
  /** L, with all of its terms. */
  readonly loss: number;
  /** mean_rows ||r||^2 of the last group: summed over dims whatever `objective.mse` says. */
  readonly squaredError: number;
  /** mean_rows of the penalty, without the coefficient; for l0-target (L0 / target - 1)^2. */
  readonly penalty: number;
  /** The same at `pNext`; null where there is none. */
  readonly penaltyNext: number | null;
  /** AuxK, ghost, gated's and the pre-activation loss together, as they enter L. */
  readonly auxiliary: number;
  /** mean_rows of the number of f_i > 0. */
  readonly l0: number;
  /** [d_sae] rows in which f_i > 0, exact. Belongs to the caller. */
  readonly fired: Uint32Array;
  /** topk and batchtopk: the least f > 0 of the batch; and the mean over rows of the row's least f > 0 (rows without any left out). Infinity where nothing fired; null for the others. */
  readonly leastActive: number | null;
  readonly meanLeastActive: number | null;
  /** Norm of the whole gradient before clipping, over what is trained. */
  readonly gradientNorm: number;
}

/** What `forward` gives: no update, no auxiliary terms. */
export interface ForwardResult {
  /** [rows] ||xhat - x||^2 of the last group. */
  readonly rowErrors: Float32Array;
  /** [rows] how many f_i > 0. */
  readonly rowL0: Uint32Array;
  /** [d_sae] rows in which f_i > 0. */
  readonly fired: Uint32Array;
}

export interface TrainSession {
  readonly info: BackendInfo;
  readonly objective: Objective;
  /** The largest number of rows of a call. */
  readonly maxRows: number;
  /**
   * One optimisation step: gradients of L on x, and the update.
   * @param x [rows, d] f32, normalised; the caller may reuse it after the promise settles
   * @returns figures of the batch under the parameters before the update. Where the loss
   *   or the gradient's norm is not finite the parameters stay as they were.
   */
  step(x: Float32Array, rows: number, controls: StepControls): Promise<StepResult>;
  /** The gradients that `step` would use, before `clip` and `removeParallel`; nothing changes. */
  gradients(x: Float32Array, rows: number, controls: StepControls): Promise<{ readonly result: StepResult; readonly gradients: Parameters }>;
  forward(x: Float32Array, rows: number, controls: Pick<StepControls, 'k'>): Promise<ForwardResult>;
  /** A copy of the whole state. */
  read(): Promise<TrainState>;
  /** Replaces the state; what `state` leaves out stays. Arrays are copied. */
  write(state: Partial<TrainState>): Promise<void>;
  dispose(): void;
}

/** Opens sessions; `engine/choose-train-backend.ts` knows both. */
export interface TrainBackend {
  readonly info: BackendInfo;
  /** @throws ShapeError naming a parameter whose length does not fit; UsageError for a combination that `checkObjective` refuses; BackendError */
  start(objective: Objective, optimizer: Optimizer, state: TrainState): Promise<TrainSession>;
  dispose(): Promise<void>;
}
