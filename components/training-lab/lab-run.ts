/** One of the lab's runs: the trainer in its worker, and the record that its views draw. */
import type { DataPlane } from '../../engine/dying/data-plane.js';
import { LiveRecord } from '../../engine/dying/live-record.js';
import type { DyingRecord } from '../../engine/dying/record.js';
import type { Evaluation } from '../../engine/train/events.js';
import { createLiveTrainer, type LiveData, type LiveEventsEvent, type LiveFailureEvent, type LiveTrainer, type LiveTrainerOptions, type RecipePatch } from '../../engine/train/live.js';
import type { RunName } from './settings.js';

export interface RunOptions {
  readonly name: RunName;
  readonly recipe: RecipePatch & { readonly d_sae: number };
  readonly data: LiveData;
  /** Held-out rows of each frame. */
  readonly rows: number;
  /** Of the same data, where it is known. */
  readonly plane: DataPlane | null;
  readonly text: readonly string[] | null;
  readonly worker: LiveTrainerOptions['worker'];
  /** Something is new; `frames` says whether the record is. */
  readonly changed: (run: LabRun, frames: boolean) => void;
}

/** Batches of events a second: a frame more often than that cannot be looked at. */
const EVENTS_PER_SECOND = 5;
/** Of states to go back to, for each run. */
const HISTORY_BYTES = 32 * 2 ** 20;
const all = (n: number): number[] => Array.from({ length: n }, (_, feature) => feature);

export class LabRun {
  readonly name: RunName;
  readonly live: LiveTrainer;
  readonly plane: DataPlane;
  /** By frame's step: what the evaluation said besides counts. */
  readonly #figures = new Map<number, Pick<Evaluation, 'l0' | 'fvu'>>();
  readonly #records: LiveRecord;
  readonly #changed: RunOptions['changed'];
  failure: unknown = null;
  /** What it diverged of. */
  diverged: string | null = null;

  /** `LabRun.open` and `branch` make them. */
  private constructor(name: RunName, live: LiveTrainer, plane: DataPlane, records: LiveRecord, changed: RunOptions['changed']) {
    this.name = name;
    this.live = live;
    this.plane = plane;
    this.#records = records;
    this.#changed = changed;
    live.addEventListener('events', this.#onEvents);
    live.addEventListener('status', this.#onStatus);
    live.addEventListener('failure', this.#onFailure);
  }

  /** A run that rests before its first step. @throws what is wrong with its recipe or its data */
  static async open({ name, recipe, data, rows, plane, text, worker, changed }: RunOptions): Promise<LabRun> {
    const live = await createLiveTrainer({ recipe, data, worker, watch: all(recipe.d_sae), evaluateRows: rows, eventsPerSecond: EVENTS_PER_SECOND, historyBytes: HISTORY_BYTES });
    try {
      const known = plane ?? (await live.plane());
      return new LabRun(name, live, known, new LiveRecord({ name, recipe: live.recipe, d: live.status.d, plane: known, text }), changed);
    } catch (error) {
      await live.dispose();
      throw error;
    }
  }

  /** A second run from `step` of this one, which goes on. */
  async branch(name: RunName, patch: RecipePatch, step: number): Promise<LabRun> {
    const live = await this.live.branch(patch, { at: step });
    const run = new LabRun(name, live, this.plane, this.#records.branch(name, live.recipe, step), this.#changed);
    for (const [at, figures] of this.#figures) if (at <= step) run.#figures.set(at, figures);
    return run;
  }

  get record(): DyingRecord | null {
    return this.#records.record;
  }

  /** Steps of the frames. */
  get steps(): number[] {
    return this.#records.steps;
  }

  /** L0 and FVU of a frame. */
  figures(step: number): Pick<Evaluation, 'l0' | 'fvu'> | null {
    return this.#figures.get(step) ?? null;
  }

  /** Ends it, and frees its worker. */
  async close(): Promise<void> {
    this.live.removeEventListener('events', this.#onEvents as (event: Event) => void);
    this.live.removeEventListener('status', this.#onStatus);
    this.live.removeEventListener('failure', this.#onFailure as unknown as (event: Event) => void);
    await this.live.dispose();
  }

  readonly #onEvents = ({ events }: LiveEventsEvent): void => {
    let frames = false;
    for (const event of events) {
      if (this.#records.add(event)) frames = true;
      if (event.type === 'checkpoint' && event.evaluation !== null) this.#figures.set(event.step, { l0: event.evaluation.l0, fvu: event.evaluation.fvu });
      else if (event.type === 'diverged') this.diverged = event.message;
      else if (event.type === 'rewound') this.diverged = this.failure = null;
    }
    if (frames) {
      const steps = new Set(this.steps);
      for (const step of this.#figures.keys()) if (!steps.has(step)) this.#figures.delete(step);
    }
    this.#changed(this, frames);
  };

  readonly #onStatus = (): void => this.#changed(this, false);

  readonly #onFailure = ({ error }: LiveFailureEvent): void => {
    this.failure = error;
    this.#changed(this, false);
  };
}
