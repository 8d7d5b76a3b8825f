/** A run from where it is to its end: steps, checkpoints, early stop; and time for everybody else between them. */
import { isAbort } from '../errors.js';
import { Pace } from '../pace.js';
import type { Evaluation, TrainEvent } from './events.js';
import { checkpointSteps } from './schedule.js';
import type { Trainer } from './trainer.js';

export interface RunTrainerOptions {
  /** The last step to do; default the recipe's. */
  readonly until?: number | undefined;
  /** What a checkpoint's figures come from; default none. */
  readonly evaluate?: ((trainer: Trainer, signal: AbortSignal | undefined) => Promise<Evaluation>) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Awaited: a checkpoint is written before the next step. */
  readonly onEvent: (event: TrainEvent) => void | Promise<void>;
}

type Ended = TrainEvent & { readonly type: 'end' | 'diverged' };

/**
 * Runs steps until the end. An abort ends it between two steps, with reason `stopped`: what was done is not lost.
 * Checkpoints are at the recipe's steps, the first before step 1, and one at the step at which a run ends early.
 */
export async function runTrainer(trainer: Trainer, { until = trainer.recipe.steps, evaluate, signal, onEvent }: RunTrainerOptions): Promise<Ended> {
  const due = new Set(checkpointSteps(trainer.recipe.checkpoints, trainer.recipe.steps));
  const checkpoint = async (): Promise<void> => {
    const evaluation = evaluate === undefined ? null : await evaluate(trainer, signal);
    // Before it is told of: a state that is saved with it knows.
    trainer.checkpointed = trainer.step;
    await onEvent({ type: 'checkpoint', step: trainer.step, evaluation });
  };
  const end = async (reason: 'steps' | 'early-stop' | 'stopped'): Promise<Ended> => {
    const event = { type: 'end', step: trainer.step, reason } as const;
    await onEvent(event);
    return event;
  };
  await onEvent({ type: 'start', step: trainer.step, scale: trainer.scale, backend: trainer.session.info.description });
  // Where the loop is short of 50 ms, others still get their turn: a page has frames to draw.
  const pace = new Pace(undefined);
  try {
    // The first one, or one that was due when the run was stopped.
    if (due.has(trainer.step) && trainer.checkpointed !== trainer.step) await checkpoint();
    while (trainer.step < until) {
      if (signal?.aborted === true) return await end('stopped');
      if (pace.isDue) await pace.pause();
      for (const event of await trainer.advance(signal)) {
        await onEvent(event);
        if (event.type === 'diverged') return event;
      }
      const saved = due.has(trainer.step);
      if (saved) await checkpoint();
      if (trainer.stalled) {
        if (!saved) await checkpoint();
        return await end('early-stop');
      }
    }
  } catch (error) {
    if (signal?.aborted === true && isAbort(error)) return end('stopped');
    throw error;
  }
  return end(trainer.done ? 'steps' : 'stopped');
}
