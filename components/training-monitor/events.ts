/** What a person did with the monitor. As all events of the elements they bubble and cross shadow boundaries. */
import type { LiveTrainer, RecipePatch } from '../../engine/train/live.js';

export type TrainAction = 'start' | 'pause' | 'step' | 'rewind' | 'branch' | 'stop';

/** A control was used; `preventDefault()` keeps the element from doing it itself. */
export class SaeTrainEvent extends Event {
  readonly action: TrainAction;
  readonly live: LiveTrainer;
  /** Where to: of `rewind` and `branch`. */
  readonly step: number | null;
  /** Other knobs: of `branch`. */
  readonly patch: RecipePatch | null;

  constructor(action: TrainAction, live: LiveTrainer, step: number | null = null, patch: RecipePatch | null = null) {
    super('sae-train', { bubbles: true, composed: true, cancelable: true });
    this.action = action;
    this.live = live;
    this.step = step;
    this.patch = patch;
  }
}

/** The element has made a branch and shows it; whoever disposes of runs disposes of this one, too. */
export class SaeBranchEvent extends Event {
  readonly live: LiveTrainer;
  readonly from: LiveTrainer;

  constructor(live: LiveTrainer, from: LiveTrainer) {
    super('sae-branch', { bubbles: true, composed: true });
    this.live = live;
    this.from = from;
  }
}

/** A person moved the slider to a checkpoint; null: back to the latest. */
export class SaeCheckpointEvent extends Event {
  readonly step: number | null;
  /** Name of the run. */
  readonly run: string;
  /** The checkpoint's folder, where the run lies in one. */
  readonly folder: string | null;

  constructor(step: number | null, run: string, folder: string | null) {
    super('sae-checkpoint', { bubbles: true, composed: true });
    this.step = step;
    this.run = run;
    this.folder = folder;
  }
}

declare global {
  interface HTMLElementEventMap {
    'sae-train': SaeTrainEvent;
    'sae-branch': SaeBranchEvent;
    'sae-checkpoint': SaeCheckpointEvent;
  }
}
