/**
 * A training run, a step at a time: the policies around a session. It owns nothing that is not
 * in `save()`, so a run that is restored goes on bit for bit, and one that is restored with other
 * knobs is a branch.
 */
import { isAbort, UsageError } from '../errors.js';
import type { StateValue } from '../run/accumulator.js';
import type { Sae } from '../sae.js';
import type { TrainData } from './data.js';
import { activationScale, dataStatistics, varianceOf } from './data-statistics.js';
import { deflatedState, deflatedUpdate, directionsOf, noisyEncoder, projected, type Directions } from './encoder-hooks.js';
import type { FeatureSnapshot, StepMetrics, TrainEvent } from './events.js';
import { initialState } from './init.js';
import { measureThreshold } from './measure-threshold.js';
import type { ParameterName } from './objective.js';
import type { Recipe } from './recipe.js';
import { dueFeatures, resampled, type RowSampler } from './resample.js';
import { isRanked, objectiveOf, optimizerOf, resolveRecipe } from './resolve-recipe.js';
import { savedRun, VERSION, type Annealing, type Resampling, type Saved } from './saved-run.js';
import { coefficientOf, kOf, learningRate, pOf } from './schedule.js';
import type { StepControls, StepResult, TrainBackend, TrainSession, TrainState } from './session.js';
import { DensityCounter, RunningThreshold, SinceFired, Stall } from './trackers.js';
import { trainedSae, type TrainedOptions } from './trained-sae.js';

export interface TrainerOptions {
  readonly recipe: Recipe;
  readonly data: TrainData;
  readonly backend: TrainBackend;
  readonly signal?: AbortSignal | undefined;
}

/** Knobs that what is saved has the shape of. */
const SHAPE: readonly (keyof Recipe)[] = ['arch', 'd_sae', 'normalize', 'deflate'];

export class Trainer {
  #recipe: Recipe;
  readonly data: TrainData;
  readonly #backend: TrainBackend;
  #session: TrainSession;
  /** What rows are multiplied by. */
  readonly scale: number;
  #step = 0;
  #tokens = 0;
  readonly #since: SinceFired;
  readonly #densities: DensityCounter;
  /** Firings since the beginning of a resampling's window. */
  readonly #window: DensityCounter;
  /** Firings since the last snapshot. */
  readonly #watched: DensityCounter;
  readonly #threshold = new RunningThreshold();
  readonly #stall = new Stall();
  #annealing: Annealing = { changes: 0, alpha: 1, now: [], next: [] };
  #resampledAt: number | null = null;
  #resamplings: readonly Resampling[] = [];
  /** What W_enc is kept orthogonal to. */
  readonly #directions: Directions;
  /** A resampling is due: an abort may come while its rows are read, and then the next call does it. */
  #resampling = false;
  /** The last step whose checkpoint was told of; -1 for none. `runTrainer` sets it. */
  checkpointed = -1;
  #stalled = false;
  #diverged: string | null = null;

  private constructor({ recipe, data, backend }: TrainerOptions, session: TrainSession, scale: number, directions: Directions) {
    this.#directions = directions;
    this.#recipe = recipe;
    this.data = data;
    this.#backend = backend;
    this.#session = session;
    this.scale = scale;
    this.#since = new SinceFired(recipe.d_sae);
    this.#densities = new DensityCounter(recipe.d_sae);
    this.#window = new DensityCounter(recipe.d_sae);
    this.#watched = new DensityCounter(recipe.d_sae);
  }

  /** Looks at the data, draws the weights, and starts a session. */
  static async create(options: TrainerOptions): Promise<Trainer> {
    const { recipe, data, backend, signal } = options;
    const { d } = data;
    const normalised = recipe.normalize === 'expected_average_only_in';
    const median = recipe.b_dec === 'geometric-median';
    const statistics = normalised || recipe.b_dec !== 'zero' || recipe.deflate === 'mean' ? await dataStatistics(data, { median, signal }) : null;
    const scale = normalised && statistics !== null ? activationScale(statistics, d) : 1;
    const centre = (median ? statistics?.geometricMedian : recipe.b_dec === 'mean' ? statistics?.mean : null) ?? new Float64Array(d);
    const objective = objectiveOf(recipe, d);
    const directions = directionsOf(recipe.deflate, d, statistics?.mean.map((value, c) => value - (recipe.apply_b_dec_to_input ? centre[c]! : 0)) ?? null);
    const state = await initialState(recipe, objective, Float32Array.from(centre, (value) => value * scale), signal);
    const session = await backend.start(objective, optimizerOf(recipe), deflatedState(state, d, directions));
    return new Trainer(options, session, scale, directions);
  }

  /**
   * Goes on from what `save` gave: with the same recipe bit for bit, with another one as a branch.
   * @throws FormatError where it is not a saved run, UsageError naming a knob that a branch cannot change
   */
  static async restore(options: Omit<TrainerOptions, 'recipe'> & { readonly saved: StateValue; readonly recipe?: Recipe | undefined }): Promise<Trainer> {
    const saved = savedRun(options.saved);
    const before = saved.recipe;
    const recipe = options.recipe ?? before;
    checkBranch(before, recipe);
    const { data, backend } = options;
    const session = await backend.start(objectiveOf(recipe, data.d), optimizerOf(recipe), saved.state);
    const trainer = new Trainer({ ...options, recipe }, session, saved.scale, saved.directions);
    trainer.#adopt(saved);
    return trainer;
  }

  get recipe(): Recipe {
    return this.#recipe;
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  /** Rows seen. */
  get tokens(): number {
    return this.#tokens;
  }

  get session(): TrainSession {
    return this.#session;
  }

  /** The running threshold of topk and batchtopk; null before the first step and for the others. */
  get threshold(): number | null {
    return this.#threshold.value;
  }

  /** Why the run cannot go on; null where it can. */
  get diverged(): string | null {
    return this.#diverged;
  }

  /** Whether the loss has stopped falling, as `early_stop` says. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Resamplings so far, and the features that each left alone. */
  get resamplings(): readonly Resampling[] {
    return this.#resamplings;
  }

  get done(): boolean {
    return this.#step >= this.#recipe.steps;
  }

  /**
   * One step, and what is due with it.
   * @throws UsageError where the run has ended or diverged
   */
  async advance(signal?: AbortSignal): Promise<TrainEvent[]> {
    if (this.#diverged !== null) throw new UsageError(`the run has diverged: ${this.#diverged}`, { hint: 'Go back to a checkpoint, or start again with a lower learning rate.' });
    if (this.done) throw new UsageError(`the run has ended: ${this.#step} steps are done`);
    const recipe = this.#recipe;
    const { d } = this.data;
    const events: TrainEvent[] = [];
    if (this.#resampling) events.push(await this.#resample(signal));
    const x = await this.#rows(this.#step, signal);
    signal?.throwIfAborted();
    const number = this.#step + 1;
    const { p, next } = pOf(recipe, this.#annealing.changes);
    const controls: StepControls = {
      step: number,
      lr: learningRate(recipe, number, this.#resampledAt),
      coefficient: coefficientOf(recipe, number, this.#annealing.alpha),
      p,
      pNext: recipe.arch === 'p-anneal' ? next : null,
      k: kOf(recipe, number, d),
      dead: this.#usesDead ? this.#since.dead(recipe.dead_after) : null,
    };
    const before = this.#directions.length > 0 ? await this.#session.read() : null;
    const result = await this.#session.step(x, recipe.batch, controls);
    if (!Number.isFinite(result.loss) || !Number.isFinite(result.gradientNorm)) {
      this.#diverged = `at step ${number} the ${Number.isFinite(result.loss) ? "gradient's norm" : 'loss'} is ${Number.isFinite(result.loss) ? result.gradientNorm : result.loss}`;
      return [...events, { type: 'diverged', step: number, message: this.#diverged }];
    }
    await this.#hooks(before, controls);
    this.#step = number;
    this.#tokens += recipe.batch;
    this.#count(result, events);
    this.#anneal(result);
    if (number === 1 || number % recipe.log_every === 0 || number === recipe.steps) events.push({ type: 'metrics', metrics: this.#metrics(result, controls, x) });
    if (recipe.resample !== 'none' && recipe.resample_at.includes(number)) {
      this.#resampling = true;
      try {
        events.push(await this.#resample(signal));
      } catch (error) {
        // The step itself is done: its events are not lost, and the next call resamples.
        if (!isAbort(error)) throw error;
      }
    }
    return events;
  }

  /** Everything that a run needs to go on, as plain data for engine/state.ts. */
  async save(): Promise<StateValue> {
    const saved: Saved = {
      version: VERSION,
      recipe: JSON.stringify(this.#recipe),
      step: this.#step,
      tokens: this.#tokens,
      scale: this.scale,
      state: await this.#session.read(),
      since: this.#since.save(),
      densities: this.#densities.save(),
      window: this.#window.save(),
      watched: this.#watched.save(),
      threshold: this.#threshold.value,
      stall: this.#stall.save(),
      stalled: this.#stalled,
      // Copies: a state that is kept in memory stays what it was.
      annealing: { ...this.#annealing, now: [...this.#annealing.now], next: [...this.#annealing.next] },
      resampledAt: this.#resampledAt,
      resamplings: this.#resamplings,
      directions: this.#directions,
      resampling: this.#resampling,
      checkpointed: this.checkpointed,
    };
    return saved as unknown as StateValue;
  }

  /**
   * Changes knobs of the run as it goes on.
   * @throws UsageError naming a knob that does not exist, does not fit, or has the shape of what is trained
   */
  async retune(patch: Partial<Recipe>): Promise<void> {
    const recipe = resolveRecipe({ ...this.#recipe, ...patch }, { d: this.data.d });
    checkBranch(this.#recipe, recipe);
    const state = await this.#session.read();
    const session = await this.#backend.start(objectiveOf(recipe, this.data.d), optimizerOf(recipe), state);
    this.#session.dispose();
    this.#session = session;
    this.#recipe = recipe;
  }

  /** The SAE as it is now: raw activations go in. */
  async sae(options: Pick<TrainedOptions, 'name' | 'source' | 'model_name' | 'hook_name'>): Promise<Sae> {
    const { parameters } = await this.#session.read();
    const k = kOf(this.#recipe, Math.max(1, this.#step), this.data.d);
    const { selection } = this.#session.objective;
    const measured = selection.kind === 'batchtopk' && (selection.byDecoderNorm || this.#threshold.value === null);
    const threshold = measured ? await measureThreshold(this.#backend, this.#session.objective, parameters, { k, batch: this.#recipe.batch, step: this.#step, rows: (step) => this.#rows(step, undefined) }) : this.#threshold.value;
    return trainedSae(this.#recipe, parameters, { ...options, d: this.data.d, scale: this.scale, threshold, k });
  }

  /** Some features as they are now, and how often they fired since they were last asked for. */
  async snapshot(features: readonly number[]): Promise<FeatureSnapshot> {
    const { d } = this.data;
    const { parameters } = await this.#session.read();
    const rows = (name: ParameterName, factor: number): Float32Array => {
      const out = new Float32Array(features.length * d);
      for (const [at, i] of features.entries()) out.set(parameters[name]!.subarray(i * d, (i + 1) * d).map((value) => value * factor), at * d);
      return out;
    };
    const snapshot: FeatureSnapshot = {
      step: this.#step,
      features: [...features],
      encoder: rows('W_enc', this.scale),
      decoder: rows('W_dec', 1 / this.scale),
      bias: Float32Array.from(features, (i) => parameters.b_enc![i]!),
      b_dec: parameters.b_dec!.map((value) => value / this.scale),
      counts: Uint32Array.from(features, (i) => this.#watched.counts[i]!),
      rows: this.#watched.rows,
    };
    this.#watched.reset();
    return snapshot;
  }

  dispose(): void {
    this.#session.dispose();
  }

  /** Rows of a step, in the scale that is trained in. */
  async #rows(step: number, signal: AbortSignal | undefined): Promise<Float32Array> {
    const x = await this.data.batch(step, this.#recipe.batch, signal);
    if (this.scale !== 1) for (let at = 0; at < x.length; at++) x[at] = x[at]! * this.scale;
    return x;
  }

  /** What noise and deflation make of a step that was done. */
  async #hooks(before: TrainState | null, controls: StepControls): Promise<void> {
    const recipe = this.#recipe;
    const sd = recipe.noise * controls.lr;
    if (before === null && sd === 0) return;
    const after = await this.#session.read();
    const update = before === null ? null : deflatedUpdate(before, after, this.#directions, optimizerOf(recipe), controls);
    const parameters = update === null ? after.parameters : { ...after.parameters, W_enc: update.W_enc };
    const moved = sd === 0 ? {} : noisyEncoder(parameters, recipe, controls.step, sd);
    const W_enc = update === null ? moved.W_enc! : projected(moved.W_enc ?? update.W_enc, this.data.d, this.#directions);
    await this.#session.write({ parameters: { ...moved, W_enc }, ...(update === null ? {} : { m: { W_enc: update.m }, v: { W_enc: update.v } }) });
  }

  get #usesDead(): boolean {
    return this.#recipe.auxk > 0 || this.#recipe.ghost_grads || this.#recipe.pre_act_loss > 0;
  }

  #count(result: StepResult, events: TrainEvent[]): void {
    const recipe = this.#recipe;
    this.#since.add(result.fired, recipe.batch);
    this.#watched.add(result.fired, recipe.batch, this.#step, Infinity);
    const due = recipe.resample_at.find((step) => step >= this.#step);
    if (recipe.resample !== 'none' && due !== undefined && this.#step > due - recipe.resample_window) this.#window.add(result.fired, recipe.batch, this.#step, Infinity);
    const window = this.#densities.add(result.fired, recipe.batch, this.#step, recipe.density_window);
    if (window !== null) events.push({ type: 'densities', window });
    if (isRanked(recipe.arch) && !recipe.rescale_acts_by_decoder_norm && this.#step > recipe.threshold_from) this.#threshold.add(recipe.arch === 'topk' || (recipe.arch === 'matryoshka' && recipe.selection === 'topk') ? result.meanLeastActive : result.leastActive, recipe.threshold_rate);
    if (this.#stall.add(result.loss, recipe.early_stop, recipe.early_stop_ratio)) this.#stalled = true;
  }

  /** p falls when its step has come; the coefficient is changed so that the penalty keeps its size. */
  #anneal({ penalty, penaltyNext }: StepResult): void {
    if (this.#recipe.arch !== 'p-anneal' || penaltyNext === null) return;
    const { now, next } = this.#annealing;
    now.push(penalty);
    next.push(penaltyNext);
    while (now.length > this.#recipe.p_queue) {
      now.shift();
      next.shift();
    }
    if (this.#step < pOf(this.#recipe, this.#annealing.changes).at) return;
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const after = mean(next);
    this.#annealing = { changes: this.#annealing.changes + 1, alpha: after > 0 ? (this.#annealing.alpha * mean(now)) / after : this.#annealing.alpha, now: [], next: [] };
  }

  #metrics(result: StepResult, controls: StepControls, x: Float32Array): StepMetrics {
    const recipe = this.#recipe;
    return {
      step: this.#step,
      tokens: this.#tokens,
      loss: result.loss,
      mse: result.squaredError,
      fvu: result.squaredError / varianceOf(x, recipe.batch, this.data.d),
      l0: result.l0,
      penalty: result.penalty,
      auxiliary: result.auxiliary,
      gradient_norm: result.gradientNorm,
      lr: controls.lr,
      coefficient: controls.coefficient,
      p: recipe.arch === 'p-anneal' ? controls.p : null,
      k: isRanked(recipe.arch) ? controls.k : null,
      dead: this.#since.count(recipe.dead_after),
      threshold: this.#threshold.value,
    };
  }

  async #resample(signal: AbortSignal | undefined): Promise<TrainEvent> {
    const recipe = this.#recipe;
    const counts = this.#window.counts.slice();
    const { features, spared } = dueFeatures(recipe, counts, this.#window.rows);
    let replaced: readonly number[] = [];
    if (features.length > 0) {
      const sampler = recipe.resample === 'nanda' ? null : await this.#sampler(signal);
      const next = await resampled(recipe, await this.#session.read(), features, counts, this.data.d, this.#step, sampler);
      replaced = next.replaced;
      if (replaced.length > 0) {
        await this.#session.write(deflatedState(next.state, this.data.d, this.#directions));
        this.#since.reset(replaced);
        this.#resampledAt = this.#step;
      }
    }
    this.#window.reset();
    this.#resampling = false;
    this.#resamplings = [...this.#resamplings, { step: this.#step, features: replaced, spared }];
    return { type: 'resampled', step: this.#step, features: replaced, spared };
  }

  /** Losses of the rows of the steps to come, as many as `resample_rows`; the rows are read again when they are drawn. */
  async #sampler(signal: AbortSignal | undefined): Promise<RowSampler> {
    const { batch, resample_rows } = this.#recipe;
    const { d } = this.data;
    const batches = Math.max(1, Math.ceil(Math.min(resample_rows, this.data.rows ?? Infinity) / batch));
    const losses = new Float32Array(batches * batch);
    const first = this.#step;
    const k = kOf(this.#recipe, first + 1, d);
    for (let at = 0; at < batches; at++) {
      signal?.throwIfAborted();
      const { rowErrors } = await this.#session.forward(await this.#rows(first + at, signal), batch, { k });
      losses.set(rowErrors, at * batch);
    }
    let held = { at: -1, x: new Float32Array(0) as Float32Array };
    return {
      losses,
      row: async (at) => {
        const number = Math.floor(at / batch);
        if (held.at !== number) held = { at: number, x: await this.#rows(first + number, signal) };
        return held.x.slice((at % batch) * d, ((at % batch) + 1) * d);
      },
    };
  }

  #adopt(saved: Omit<Saved, 'recipe'>): void {
    this.#step = saved.step;
    this.#tokens = saved.tokens;
    this.#since.restore(saved.since);
    this.#densities.restore(saved.densities);
    this.#window.restore(saved.window);
    this.#watched.restore(saved.watched);
    this.#threshold.value = saved.threshold;
    this.#stall.restore(saved.stall);
    this.#stalled = saved.stalled;
    const { changes, alpha, now, next } = saved.annealing;
    this.#annealing = { changes, alpha, now: [...now], next: [...next] };
    this.#resampledAt = saved.resampledAt;
    this.#resamplings = saved.resamplings;
    this.#resampling = saved.resampling;
    this.checkpointed = saved.checkpointed;
  }
}

function checkBranch(before: Recipe, after: Recipe): void {
  for (const name of SHAPE) {
    if (before[name] !== after[name]) throw new UsageError(`${name} is ${JSON.stringify(after[name])}, and the run that goes on has ${JSON.stringify(before[name])}`, { hint: `${name} cannot change within a run: start another.` });
  }
}
