/**
 * A live run in the thread that it is in: a trainer, the states that it can go
 * back to, and a loop that lets requests in between steps.
 *
 * Kept true: requests are carried out one after another, each on a run that rests
 * between two steps; a step that was rewound to has the bits of a run that never
 * went further, because states are whole, batches depend on their step alone, and
 * what was retuned on the way is retuned again.
 */
import { UsageError } from '../errors.js';
import { Pace } from '../pace.js';
import { decodeState, encodeState } from '../state.js';
import type { TrainData } from './data.js';
import { EventBuffer } from './live-events.js';
import { LiveHistory } from './live-history.js';
import { LIVE_PROTOCOL, type LiveAnswer, type LiveEvent, type LiveRequest, type LiveSaved, type LiveSetup, type LiveState, type LiveStatus, type RecipePatch } from './live-messages.js';
import { openLiveData } from './live-data.js';
import { resolveRecipe } from './resolve-recipe.js';
import { checkpointSteps } from './schedule.js';
import type { TrainBackend } from './session.js';
import { savedRecipe } from './saved-run.js';
import { Trainer } from './trainer.js';

/** Where a host says what happens. */
export interface HostPort {
  /** At most one batch every `interval` ms, and only when the one before was taken. */
  events(events: readonly LiveEvent[], status: LiveStatus): void | Promise<void>;
  /** Something threw between two requests. */
  failure(error: unknown, status: LiveStatus): void;
}

export interface HostOptions {
  /** An open backend; the host disposes of it. */
  readonly backend: TrainBackend;
  /** Longest time between two pauses, ms: what a thread with a page needs. */
  readonly slice: number;
}

/** Requests for which a run stops where it is. */
const URGENT: ReadonlySet<string> = new Set(['pause', 'stop', 'rewind', 'close']);

export class LiveHost {
  readonly #port: HostPort;
  readonly #setup: LiveSetup;
  readonly #options: HostOptions;
  readonly #data: TrainData;
  readonly #history: LiveHistory;
  readonly #waiting = new EventBuffer();
  #trainer: Trainer;
  #retunes: { readonly step: number; readonly patch: RecipePatch }[] = [];
  #watch: readonly number[];
  #due: Set<number>;
  #state: LiveState = 'paused';
  /** Where the loop ends. */
  #until = Infinity;
  /** Requests that wait for their turn, and those of them that wait for nothing. */
  #pending = 0;
  #urgent = 0;
  #loop: Promise<void> = Promise.resolve();
  #queue: Promise<unknown> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sent = -Infinity;
  /** The batch that is on its way. */
  #delivery: Promise<void> | null = null;
  #closed = false;
  /** Nothing has been said of the SAE as it was drawn: who wants to know can listen by the first step only. */
  #first: boolean;

  private constructor(setup: LiveSetup, port: HostPort, options: HostOptions, data: TrainData, trainer: Trainer) {
    this.#setup = setup;
    this.#port = port;
    this.#options = options;
    this.#data = data;
    this.#trainer = trainer;
    this.#watch = setup.watch;
    this.#history = new LiveHistory(setup.budget);
    this.#due = new Set(checkpointSteps(trainer.recipe.checkpoints, trainer.recipe.steps));
    this.#first = setup.saved === null;
  }

  /**
   * Opens a run; it rests before its first step, or where its saved state is.
   * @throws UsageError for a knob, a generator's field or data that are wrong; BackendError
   */
  static async open(setup: LiveSetup, port: HostPort, options: HostOptions): Promise<LiveHost> {
    const { backend } = options;
    let data: TrainData | null = null;
    try {
      data = await openLiveData(setup.data, setup.dataSeed);
      const saved = setup.saved === null ? null : decodeState(setup.saved, 'branch');
      const recipe = resolveRecipe(saved === null ? setup.recipe : { ...savedRecipe(saved), ...setup.recipe }, { d: data.d });
      const trainer = saved === null ? await Trainer.create({ recipe, data, backend }) : await Trainer.restore({ saved, data, backend, recipe });
      const host = new LiveHost(setup, port, options, data, trainer);
      host.#emit({ type: 'start', step: trainer.step, scale: trainer.scale, backend: backend.info.description });
      await host.#keep();
      return host;
    } catch (error) {
      await data?.close();
      await backend.dispose();
      throw error;
    }
  }

  get status(): LiveStatus {
    const { recipe, data, step, tokens, scale } = this.#trainer;
    return { state: this.#state, step, tokens, recipe, d: data.d, scale, backend: this.#options.backend.info.description, checkpoints: this.#history.steps, bytes: this.#history.bytes };
  }

  /**
   * Carries out a request.
   * @returns a state where one was asked for
   * @throws UsageError for a request that does not fit the run; whatever the trainer throws
   */
  async request(request: LiveRequest): Promise<LiveAnswer> {
    if (this.#closed) throw new UsageError('live trainer: it is closed');
    const urgent = URGENT.has(request.type) ? 1 : 0;
    this.#pending++;
    this.#urgent += urgent;
    const done = this.#queue.then(async () => {
      await this.#loop;
      this.#pending--;
      this.#urgent -= urgent;
      return this.#carryOut(request);
    });
    this.#queue = done.catch(() => undefined);
    const answer = await done;
    // Who asked knows what has happened by then.
    while (!this.#closed && this.#state !== 'running' && (this.#delivery !== null || this.#waiting.length > 0)) {
      this.#flush();
      await this.#delivery;
    }
    return answer;
  }

  /** Whether the loop gives way: to a pause at once, to all else when it has no end of its own. */
  get #halted(): boolean {
    return this.#urgent > 0 || (this.#pending > 0 && this.#until === Infinity);
  }

  async #carryOut(request: LiveRequest): Promise<LiveAnswer> {
    const running = this.#state === 'running';
    switch (request.type) {
      case 'open':
        throw new UsageError(`live trainer: it is open already (protocol ${LIVE_PROTOCOL})`);
      case 'start':
        this.#mayStep();
        this.#run(Infinity);
        break;
      case 'pause':
        if (running) await this.#rest();
        break;
      case 'step':
        if (!Number.isSafeInteger(request.steps) || request.steps < 1) throw new UsageError(`live trainer: step(${request.steps}) is not a number of steps from 1 on`);
        this.#mayStep();
        this.#run(this.#trainer.step + request.steps);
        await this.#loop;
        break;
      case 'stop':
        if (this.#state !== 'ended') await this.#end('stopped');
        break;
      case 'rewind':
        await this.#rewind(request.step);
        break;
      case 'retune':
        await this.#retune(request.patch);
        if (running) this.#run(this.#until);
        break;
      case 'watch':
        this.#watch = this.#checkedWatch(request.features);
        if (running) this.#run(this.#until);
        break;
      case 'save': {
        const saved = await this.#save(request.at);
        if (running) this.#run(this.#until);
        return { saved, plane: null };
      }
      case 'plane': {
        const { dataPlane } = await import('../dying/data-plane.js');
        const plane = await dataPlane(this.#data, { ...request.options, slice: this.#options.slice });
        if (running) this.#run(this.#until);
        return { saved: null, plane };
      }
      case 'close':
        await this.#close();
    }
    return { saved: null, plane: null };
  }

  #mayStep(): void {
    if (this.#state === 'ended') throw new UsageError(`live trainer: the run has ended at step ${this.#trainer.step}`, { hint: 'Rewind it, or branch from one of its steps.' });
    if (this.#state === 'diverged') throw new UsageError(`live trainer: the run has diverged at step ${this.#trainer.step}`, { hint: 'Rewind it and retune, or branch with other knobs.' });
    if (this.#state === 'failed') throw new UsageError('live trainer: the run has failed', { hint: 'Rewind it, or open another one.' });
  }

  /** Starts the loop. */
  #run(until: number): void {
    this.#until = until;
    this.#state = 'running';
    this.#loop = this.#advance(until).catch((error: unknown) => {
      this.#state = 'failed';
      this.#flush();
      this.#port.failure(error, this.status);
    });
  }

  async #advance(until: number): Promise<void> {
    const pace = new Pace(undefined, this.#options.slice);
    const last = Math.min(until, this.#trainer.recipe.steps);
    if (this.#first) await this.#tellStart();
    while (this.#trainer.step < last && !this.#halted) {
      const { diverged, stopped } = await this.#step();
      if (diverged) return;
      if (stopped) return this.#end('early-stop');
      if (pace.isDue) await pace.pause();
    }
    if (this.#trainer.step >= this.#trainer.recipe.steps) return this.#end('steps');
    // A halt is some request's, which says what comes next: a pause, or the loop again.
    if (!this.#halted) await this.#rest();
  }

  async #step(): Promise<{ diverged: boolean; stopped: boolean }> {
    const trainer = this.#trainer;
    let diverged = false;
    for (const event of await trainer.advance()) {
      if (event.type === 'diverged') diverged = true;
      this.#emit(event);
    }
    if (diverged) {
      this.#state = 'diverged';
      this.#flush();
      return { diverged, stopped: false };
    }
    if (this.#due.has(trainer.step)) {
      await this.#keep();
      this.#emit({ type: 'checkpoint', step: trainer.step, evaluation: await this.#evaluate() });
    } else if (this.#history.isDue(trainer.step)) await this.#keep();
    return { diverged, stopped: trainer.stalled };
  }

  /** The SAE before its first step, where that is a checkpoint that is evaluated. */
  async #tellStart(): Promise<void> {
    this.#first = false;
    if (this.#trainer.step !== 0 || !this.#due.has(0) || this.#setup.evaluateRows === 0) return;
    await this.#snapshot();
    this.#emit({ type: 'checkpoint', step: 0, evaluation: await this.#evaluate() });
  }

  async #rest(): Promise<void> {
    this.#state = 'paused';
    await this.#keep();
    this.#flush();
  }

  async #end(reason: 'steps' | 'early-stop' | 'stopped'): Promise<void> {
    if (this.#state !== 'diverged' && this.#state !== 'failed') {
      this.#state = 'ended';
      await this.#keep();
    }
    this.#emit({ type: 'end', step: this.#trainer.step, reason });
    this.#flush();
  }

  /** Keeps the state, unless that was done. */
  async #keep(anew = false): Promise<void> {
    const { step } = this.#trainer;
    if (!anew && this.#history.steps.at(-1) === step) return;
    this.#history.put({ step, bytes: encodeState(await this.#trainer.save()) });
    await this.#snapshot();
  }

  async #evaluate(): Promise<Extract<LiveEvent, { type: 'checkpoint' }>['evaluation']> {
    const rows = this.#setup.evaluateRows;
    if (rows === 0) return null;
    const { evaluate } = await import('./evaluate.js');
    return evaluate(this.#trainer, { rows });
  }

  async #snapshot(): Promise<void> {
    if (this.#watch.length > 0) this.#emit({ type: 'snapshot', snapshot: await this.#trainer.snapshot(this.#checkedWatch(this.#watch)) });
  }

  #checkedWatch(features: readonly number[]): readonly number[] {
    const { d_sae } = this.#trainer.recipe;
    const wrong = features.find((feature) => !Number.isInteger(feature) || feature < 0 || feature >= d_sae);
    if (wrong !== undefined) throw new UsageError(`live trainer: there is no feature ${wrong} to watch; expected 0 to ${d_sae - 1}`);
    return features;
  }

  async #retune(patch: RecipePatch): Promise<void> {
    await this.#trainer.retune(patch);
    const { step, recipe } = this.#trainer;
    this.#retunes.push({ step, patch });
    this.#due = new Set(checkpointSteps(recipe.checkpoints, recipe.steps));
    await this.#keep(true);
    this.#emit({ type: 'retuned', step, patch });
  }

  /** A trainer as it was when `step` steps were done. */
  async #at(step: number): Promise<Trainer> {
    if (!Number.isSafeInteger(step) || step < 0 || step > this.#trainer.step) throw new UsageError(`live trainer: cannot go back to step ${step}; expected 0 to ${this.#trainer.step}`);
    const kept = this.#history.before(step);
    if (kept === null) throw new UsageError(`live trainer: nothing is kept from before step ${step}`, { hint: `The branch begins at step ${this.#history.steps[0] ?? 0}.` });
    const trainer = await Trainer.restore({ saved: decodeState(kept.bytes, `state of step ${kept.step}`), data: this.#data, backend: this.#options.backend });
    const pace = new Pace(undefined, this.#options.slice);
    // What was retuned at the state's own step is in it.
    const patches = this.#retunes.filter((retune) => retune.step > kept.step && retune.step <= step);
    try {
      while (trainer.step < step) {
        await trainer.advance();
        for (const { step: at, patch } of patches) if (at === trainer.step) await trainer.retune(patch);
        if (pace.isDue) await pace.pause();
      }
    } catch (error) {
      trainer.dispose();
      throw error;
    }
    return trainer;
  }

  async #rewind(step: number): Promise<void> {
    const trainer = await this.#at(step);
    this.#trainer.dispose();
    this.#trainer = trainer;
    this.#history.truncate(step);
    this.#retunes = this.#retunes.filter((retune) => retune.step <= step);
    this.#due = new Set(checkpointSteps(trainer.recipe.checkpoints, trainer.recipe.steps));
    this.#state = 'paused';
    this.#emit({ type: 'rewound', step });
    await this.#keep();
  }

  get #source(): Pick<LiveSaved, 'data' | 'dataSeed'> {
    return { data: this.#setup.data, dataSeed: this.#setup.dataSeed };
  }

  async #save(at: number | null): Promise<LiveSaved> {
    const step = at ?? this.#trainer.step;
    if (step === this.#trainer.step) return { step, bytes: encodeState(await this.#trainer.save()), ...this.#source };
    const kept = this.#history.before(step);
    if (kept?.step === step) return { step, bytes: kept.bytes.slice(), ...this.#source };
    const trainer = await this.#at(step);
    try {
      return { step, bytes: encodeState(await trainer.save()), ...this.#source };
    } finally {
      trainer.dispose();
    }
  }

  async #close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#trainer.dispose();
    await this.#data.close();
    await this.#options.backend.dispose();
  }

  #emit(event: LiveEvent): void {
    this.#waiting.push(event);
    if (this.#timer !== undefined || this.#delivery !== null || this.#closed) return;
    const wait = this.#sent + this.#setup.interval - performance.now();
    if (wait <= 0) return this.#flush();
    this.#timer = setTimeout(() => this.#flush(), wait);
  }

  /** Sends what waits, unless the last batch is still on its way: then that one's arrival does. */
  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#delivery !== null || this.#waiting.length === 0 || this.#closed) return;
    this.#sent = performance.now();
    this.#delivery = Promise.resolve(this.#port.events(this.#waiting.drain(), this.status)).then(() => {
      this.#delivery = null;
      if (this.#waiting.length > 0 && !this.#closed) this.#timer ??= setTimeout(() => this.#flush(), this.#setup.interval);
    });
  }
}
