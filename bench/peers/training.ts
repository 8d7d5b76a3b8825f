/**
 * What a training step is compared on, and how a peer's steps become a task: the
 * first few are made when the task is, and their losses kept, so that the same
 * loss, gradients and optimiser are behind what is timed afterwards.
 */
import type { Task } from './peer.js';

/**
 * L = mean_rows ||xhat - x||^2 + l1 mean_rows sum f, xhat = f D + c, z = W (x - c) + b; f = relu(z) of all
 * features or of the row's k largest. Adam with (0.9, 0.999), eps 1e-8, on all four parameters.
 */
export interface TrainProblem {
  readonly rows: number;
  readonly d: number;
  readonly d_sae: number;
  /** Null: every z > 0. */
  readonly k: number | null;
  readonly l1: number;
  readonly lr: number;
  /** Each [rows, d]; steps take them in turn. */
  readonly batches: readonly Float32Array[];
  /** [d_sae, d] and [d_sae]; c begins at zeros. */
  readonly W: Float32Array;
  readonly b: Float32Array;
  readonly D: Float32Array;
}

export const BETAS = [0.9, 0.999] as const;
export const EPS = 1e-8;

/** Steps whose losses are compared. */
export const COMPARED = 8;

export interface Step {
  readonly loss: number;
  /** By the clock of another process. */
  readonly seconds?: number;
  /** Mean number of features that fired, where it is known. */
  readonly l0?: number;
}

/** @param step makes one on a batch; `t` is 1 for the first */
export async function trainTask(problem: TrainProblem, step: (batch: number, t: number) => Promise<Step>, { how, dispose }: { how?: string; dispose?: () => void | Promise<void> } = {}): Promise<Task<Float64Array>> {
  const losses = new Float64Array(COMPARED);
  let t = 0;
  let l0: number | undefined;
  const next = async (): Promise<Step> => {
    const made = await step(t % problem.batches.length, t + 1);
    if (t < COMPARED) losses[t] = made.loss;
    t++;
    l0 = made.l0;
    return made;
  };
  while (t < COMPARED - 1) await next();
  return {
    ...(how === undefined ? {} : { how }),
    note: () => (l0 === undefined ? '' : `L0 ${l0.toFixed(1)} after ${t} steps`),
    async run() {
      const { seconds } = await next();
      return { value: () => losses.slice(), ...(seconds === undefined ? {} : { seconds }) };
    },
    ...(dispose === undefined ? {} : { dispose }),
  };
}
