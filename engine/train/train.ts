/**
 * The whole job of `saekit train`: data, recipe, backend, the run, and its folder. Node and Deno;
 * pages drive a `Trainer` themselves, or through live.ts.
 */
import { UsageError } from '../errors.js';
import { VERSION } from '../version.js';
import type { Evaluation, StepMetrics, TrainEvent } from './events.js';
import { openTrainData, type TrainDataOptions } from './open-data.js';
import type { Recipe } from './recipe.js';
import { resolveRecipe } from './resolve-recipe.js';
import type { CheckpointRecord, RunRecord, RunStatus } from './run-record.js';
import { runTrainer } from './run-trainer.js';
import type { TrainBackend } from './session.js';
import { savedRecipe } from './saved-run.js';
import { Trainer } from './trainer.js';
import { evaluate } from './evaluate.js';

export interface TrainOptions extends Omit<TrainDataOptions, 'seed'> {
  /** Knobs, as many as are given; when resuming, those that differ from the run's are refused. */
  readonly recipe: Readonly<Record<string, unknown>>;
  /** What the recipe came from, for messages. */
  readonly recipeName?: string | undefined;
  /** The run's folder. */
  readonly out: string;
  /** Go on with the run in `out`, where there is one. */
  readonly resume?: boolean | undefined;
  /** Remove a run that is in `out`. */
  readonly overwrite?: boolean | undefined;
  readonly backend: TrainBackend;
  /** Rows that checkpoints before the last are evaluated on; the last is on all. Default 65,536; 0 for no evaluation. */
  readonly evaluateRows?: number | undefined;
  readonly model_name?: string | undefined;
  readonly onEvent?: ((event: TrainEvent, recipe: Recipe) => void) | undefined;
}

export interface TrainReport {
  readonly status: Exclude<RunStatus, 'running'>;
  /** Why, where it diverged. */
  readonly message: string | null;
  readonly recipe: Recipe;
  readonly steps: number;
  readonly tokens: number;
  /** Of the last step that was logged; null where none was. */
  readonly last: StepMetrics | null;
  /** The last checkpoint; null where there is none. */
  readonly checkpoint: CheckpointRecord | null;
  /** Of this call, training alone, and its rate. */
  readonly seconds: number;
  readonly tokens_per_second: number;
  readonly out: string;
}

/** Milliseconds after which the state is saved between checkpoints. */
const SAVE_EVERY = 60_000;
const EVALUATE_ROWS = 65_536;

/**
 * Trains until the end, an abort, or divergence; the folder holds everything that was reached.
 * @throws UsageError, FormatError, ShapeError for what cannot be trained; files are not touched then
 */
export async function train(options: TrainOptions): Promise<TrainReport> {
  const { RunFolder } = await import('./run-folder-node.js');
  const before = options.resume === true ? await RunFolder.resume(options.out) : null;
  const saved = before === null ? null : savedRecipe(before.state);
  // The order of rows has the recipe's seed, before there is a recipe: its width comes from the data.
  const seed = saved?.seed ?? (typeof options.recipe.seed === 'number' ? options.recipe.seed : 0);
  const data = await openTrainData({ ...options, seed });
  try {
    const recipe = saved ?? resolveRecipe(options.recipe, { d: data.d, where: options.recipeName ?? 'the recipe' });
    if (saved !== null) checkSame(saved, options, data.d);
    const folder = before?.folder ?? (await RunFolder.create(options.out, options.overwrite));
    const { backend, signal } = options;
    const trainer = before === null ? await Trainer.create({ recipe, data, backend, signal }) : await Trainer.restore({ saved: before.state, data, backend, signal });
    try {
      return await new Job(options, trainer, folder, before?.record.seconds ?? 0).run();
    } finally {
      trainer.dispose();
      await folder.close();
    }
  } finally {
    await data.close();
  }
}

/** @throws UsageError naming a knob that was given and is another in the run */
function checkSame(saved: Recipe, { recipe: given, out, recipeName }: TrainOptions, d: number): void {
  const wanted = resolveRecipe({ ...saved, ...given }, { d, where: recipeName ?? 'the recipe' });
  for (const name of Object.keys(given) as (keyof Recipe)[]) {
    if (JSON.stringify(wanted[name]) !== JSON.stringify(saved[name])) {
      throw new UsageError(`${name} is ${JSON.stringify(wanted[name])}, and the run in ${out} has ${JSON.stringify(saved[name])}`, { hint: 'A run goes on with the knobs it has: leave it out, or start another run.' });
    }
  }
}

type Folder = Awaited<ReturnType<(typeof import('./run-folder-node.js'))['RunFolder']['create']>>;

class Job {
  readonly #options: TrainOptions;
  readonly #trainer: Trainer;
  readonly #folder: Folder;
  readonly #secondsBefore: number;
  readonly #firstStep: number;
  readonly #started = performance.now();
  /** Milliseconds that went into evaluation and files. */
  #besides = 0;
  #lastSaved = performance.now();
  #last: StepMetrics | null;

  constructor(options: TrainOptions, trainer: Trainer, folder: Folder, secondsBefore: number) {
    this.#options = options;
    this.#trainer = trainer;
    this.#folder = folder;
    this.#secondsBefore = secondsBefore;
    this.#firstStep = trainer.step;
    this.#last = folder.lastMetrics;
  }

  async run(): Promise<TrainReport> {
    const { signal } = this.#options;
    await this.#record('running', null);
    const evaluated = this.#options.evaluateRows !== 0;
    const ended = await runTrainer(this.#trainer, { signal, evaluate: evaluated ? (trainer, stop) => this.#evaluate(trainer, stop) : undefined, onEvent: (event) => this.#hear(event) });
    const status = ended.type === 'diverged' ? 'diverged' : ended.reason === 'steps' ? 'done' : ended.reason;
    const message = ended.type === 'diverged' ? ended.message : null;
    if (status !== 'diverged') await this.#besidesOf(() => this.#save());
    await this.#record(status, message);
    const { step, tokens, recipe } = this.#trainer;
    const seconds = this.#seconds();
    return { status, message, recipe, steps: step, tokens, last: this.#last, checkpoint: this.#folder.checkpoints.at(-1) ?? null, seconds, tokens_per_second: seconds > 0 ? ((step - this.#firstStep) * recipe.batch) / seconds : 0, out: this.#options.out };
  }

  async #hear(event: TrainEvent): Promise<void> {
    if (event.type === 'metrics') {
      this.#last = event.metrics;
      await this.#folder.addMetrics(event.metrics);
      if (performance.now() - this.#lastSaved > SAVE_EVERY) await this.#besidesOf(() => this.#save());
    } else if (event.type === 'checkpoint') {
      await this.#besidesOf(async () => {
        const { hook, model_name } = this.#options;
        const sae = await this.#trainer.sae({ name: 'training', source: 'saekit train', hook_name: hook ?? null, model_name: model_name ?? null });
        await this.#folder.addCheckpoint(sae, event.step, event.evaluation);
        await this.#save();
        await this.#record('running', null);
      });
    }
    this.#options.onEvent?.(event, this.#trainer.recipe);
  }

  #evaluate(trainer: Trainer, signal: AbortSignal | undefined): Promise<Evaluation> {
    const { evaluateRows = EVALUATE_ROWS } = this.#options;
    return this.#besidesOf(async () => {
      const last = trainer.done || trainer.stalled;
      return evaluate(trainer, { rows: last ? undefined : evaluateRows, signal });
    });
  }

  async #save(): Promise<void> {
    await this.#folder.writeState(await this.#trainer.save());
    this.#lastSaved = performance.now();
  }

  async #besidesOf<T>(work: () => Promise<T>): Promise<T> {
    const began = performance.now();
    try {
      return await work();
    } finally {
      this.#besides += performance.now() - began;
    }
  }

  /** Of training alone. */
  #seconds(): number {
    return (performance.now() - this.#started - this.#besides) / 1000;
  }

  async #record(status: RunStatus, message: string | null): Promise<void> {
    const { recipe, step, tokens, scale, data, session, resamplings } = this.#trainer;
    const record: RunRecord = {
      saekit: VERSION,
      format: 1,
      status,
      message,
      recipe,
      provenance: data.provenance,
      backend: session.info.description,
      activation_scale: scale,
      d: data.d,
      step,
      tokens,
      seconds: this.#secondsBefore + this.#seconds(),
      checkpoints: this.#folder.checkpoints,
      ...(resamplings.length > 0 ? { resampled: resamplings } : {}),
    };
    await this.#folder.writeRecord(record);
  }
}
