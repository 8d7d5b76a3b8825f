/**
 * A training run that a page holds in its hand: started, paused, stepped, rewound,
 * branched and stopped while it goes, in a worker, so that the page's own thread
 * does nothing but listen.
 *
 *   const live = await createLiveTrainer({ recipe: { arch: 'topk', d_sae: 256, k: 8 }, data: { kind: 'generator', spec }, backend: 'auto' });
 *   live.addEventListener('events', ({ events }) => …);
 *   await live.start();
 *
 * Where no module worker can be had it trains in this thread, between frames, and
 * a `notice` says so.
 */
import { UsageError } from '../errors.js';
import { EventBuffer } from './live-events.js';
import type { DataPlane, DataPlaneOptions } from '../dying/data-plane.js';
import type { LiveAnswer, LiveData, LiveEvent, LiveRequest, LiveSaved, LiveSetup, LiveState, LiveStatus, RecipePatch } from './live-messages.js';
import { NoWorker, hasWorkers, openHere, openWorker, type LiveThread, type LiveThreadEvents } from './live-thread.js';
import type { Recipe } from './recipe.js';
import type { TrainBackend } from './session.js';

export type { LiveData, LiveEvent, LiveState, LiveStatus, RecipePatch } from './live-messages.js';

export interface LiveTrainerOptions {
  /** Knobs; what is left out has the recipe's defaults. */
  readonly recipe: RecipePatch;
  readonly data: LiveData;
  /** A backend by name, or an open one, which then trains in this thread and is the trainer's. Default `auto`. */
  readonly backend?: 'auto' | 'webgpu' | 'wasm' | TrainBackend | undefined;
  /** The worker's module, a worker that was made from it, or false for this thread. Default: the module that came with this one. */
  readonly worker?: URL | string | Worker | false | undefined;
  /** Features of which snapshots are told, at each state that is kept. */
  readonly watch?: readonly number[] | undefined;
  /** Batches of events a second, at most; default 20. */
  readonly eventsPerSecond?: number | undefined;
  /** Bytes for the states that `rewind` goes back to; default 64 MiB. */
  readonly historyBytes?: number | undefined;
  /** Rows over which each checkpoint is evaluated; default 0, for none. */
  readonly evaluateRows?: number | undefined;
}

/** What happened since the last batch, in order. */
export class LiveEventsEvent extends Event {
  readonly events: readonly LiveEvent[];

  constructor(events: readonly LiveEvent[]) {
    super('events');
    this.events = events;
  }
}

/** Something that a person may want to know: where it trains, what could not be had. */
export class LiveNoticeEvent extends Event {
  readonly text: string;

  constructor(text: string) {
    super('notice');
    this.text = text;
  }
}

/** The run came to grief between two requests; `status.state` is `failed`. */
export class LiveFailureEvent extends Event {
  readonly error: unknown;

  constructor(error: unknown) {
    super('failure');
    this.error = error;
  }
}

interface LiveEventMap {
  events: LiveEventsEvent;
  notice: LiveNoticeEvent;
  failure: LiveFailureEvent;
  /** `status` is another one. */
  status: Event;
  disposed: Event;
}

/**
 * Requests are carried out in their order, each between two steps; their promises
 * reject with what is wrong, the run unharmed. Two of them change what was told:
 * `rewind` (a `rewound` event) and `branch`, which leaves this run as it is.
 */
export class LiveTrainer extends EventTarget implements AsyncIterable<LiveEvent> {
  readonly #options: LiveTrainerOptions;
  readonly #readers = new Set<Reader>();
  readonly #notices: string[] = [];
  #thread: LiveThread | null = null;
  #status: LiveStatus | null = null;
  #disposed = false;

  /** `createLiveTrainer` makes one. */
  private constructor(options: LiveTrainerOptions) {
    super();
    this.#options = options;
  }

  /** @internal */
  static async open(options: LiveTrainerOptions, saved: LiveSaved | null): Promise<LiveTrainer> {
    const { recipe, data, backend = 'auto', worker, watch = [], eventsPerSecond = 20, historyBytes = 64 * 2 ** 20, evaluateRows = 0 } = options;
    for (const [name, value] of Object.entries({ eventsPerSecond, historyBytes })) if (!(value > 0)) throw new UsageError(`live trainer: ${name} is ${value}; expected a number above 0`);
    const named = typeof backend === 'string' ? backend : 'auto';
    const setup: LiveSetup = { recipe, data, backend: named, watch, interval: 1000 / eventsPerSecond, budget: historyBytes, evaluateRows, dataSeed: saved?.dataSeed ?? recipe.seed ?? 0, saved: saved?.bytes ?? null };
    const live = new LiveTrainer(options);
    const listeners: LiveThreadEvents = {
      events: (events, status) => live.#hear(events, status),
      failure: (error, status) => live.#fail(error, status),
      notice: (text) => live.#note(text),
    };
    const opened = await openThread(worker, setup, listeners, typeof backend === 'string' ? null : backend);
    live.#thread = opened.thread;
    live.#status = opened.status;
    return live;
  }

  /** Where the run stands, as of the last word from it. */
  get status(): LiveStatus {
    return this.#status as LiveStatus;
  }

  get state(): LiveState {
    return this.status.state;
  }

  /** The complete recipe. */
  get recipe(): Recipe {
    return this.status.recipe;
  }

  get inWorker(): boolean {
    return this.#thread?.inWorker ?? false;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Notices so far: the first ones come before anybody can listen. */
  get notices(): readonly string[] {
    return this.#notices;
  }

  /** Trains until it is paused, or ends. The promise is there when it has begun. @throws UsageError where the run has ended, diverged or failed */
  async start(): Promise<void> {
    await this.#ask({ type: 'start' });
  }

  /** Rests after the step that is being done. */
  async pause(): Promise<void> {
    await this.#ask({ type: 'pause' });
  }

  /** Trains so many steps, and rests; a pause on the way ends it earlier. */
  async step(steps = 1): Promise<void> {
    await this.#ask({ type: 'step', steps });
  }

  /** Undoes everything after `step`, and rests there: bit for bit as it was. @throws UsageError where nothing is kept from before it */
  async rewind(step: number): Promise<void> {
    await this.#ask({ type: 'rewind', step });
  }

  /** Changes knobs from the next step on. @throws UsageError naming a knob that is wrong, or cannot change within a run */
  async retune(patch: RecipePatch): Promise<void> {
    await this.#ask({ type: 'retune', patch });
  }

  /** Other features to tell snapshots of. */
  async watch(features: readonly number[]): Promise<void> {
    await this.#ask({ type: 'watch', features });
  }

  /** The direction of least firing of the data, computed where the run trains; it rests meanwhile. @throws NumericError where all rows are the same */
  async plane(options: DataPlaneOptions = {}): Promise<DataPlane> {
    const { plane } = await this.#ask({ type: 'plane', options });
    if (plane === null) throw new UsageError('live trainer: the worker gave no plane');
    return plane;
  }

  /** Ends the run where it is. It can still be rewound and branched from. */
  async stop(): Promise<void> {
    await this.#ask({ type: 'stop' });
  }

  /**
   * A second run that begins at a step of this one, with other knobs, in a thread of its own. This one goes on.
   * @param at a step that is done; default the last one
   */
  async branch(patch: RecipePatch = {}, { at = null }: { readonly at?: number | null } = {}): Promise<LiveTrainer> {
    const { saved } = await this.#ask({ type: 'save', at });
    if (saved === null) throw new UsageError('live trainer: the worker gave no state to branch from');
    const { worker, backend } = this.#options;
    // A worker or a backend that was handed over is this run's; the branch finds one as this run would have.
    const own = { worker: typeof Worker === 'function' && worker instanceof Worker ? undefined : worker, backend: typeof backend === 'object' ? ('auto' as const) : backend };
    return LiveTrainer.open({ ...this.#options, ...own, recipe: patch, data: saved.data }, saved);
  }

  /** Ends the run and its thread, and frees what they held. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const thread = this.#thread as LiveThread;
    // A worker is ended as it stands; here the backend's memory is given back.
    if (!thread.inWorker) await thread.request({ type: 'close' });
    thread.terminate();
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
    this.dispatchEvent(new Event('disposed'));
  }

  /** Events from now on, until it is disposed of. One that reads slowly misses figures in between, never the latest. */
  [Symbol.asyncIterator](): AsyncIterator<LiveEvent, undefined> {
    const reader = new Reader((done) => this.#readers.delete(done));
    if (this.#disposed) reader.end();
    else this.#readers.add(reader);
    return reader;
  }

  async #ask(request: LiveRequest): Promise<LiveAnswer> {
    if (this.#disposed) throw new UsageError(`live trainer: ${request.type} after it was disposed of`);
    const { status, saved, plane } = await (this.#thread as LiveThread).request(request);
    this.#turn(status);
    return { saved, plane };
  }

  #hear(events: readonly LiveEvent[], status: LiveStatus): void {
    if (this.#disposed) return;
    this.#status = status;
    for (const reader of this.#readers) reader.push(events);
    this.dispatchEvent(new LiveEventsEvent(events));
    this.dispatchEvent(new Event('status'));
  }

  #turn(status: LiveStatus): void {
    if (this.#disposed) return;
    this.#status = status;
    this.dispatchEvent(new Event('status'));
  }

  #note(text: string): void {
    this.#notices.push(text);
    this.dispatchEvent(new LiveNoticeEvent(text));
  }

  #fail(error: unknown, status: LiveStatus | null): void {
    if (this.#disposed) return;
    if (this.#status !== null) this.#turn(status ?? { ...this.#status, state: 'failed' });
    this.dispatchEvent(new LiveFailureEvent(error));
  }

  override addEventListener<K extends keyof LiveEventMap>(type: K, listener: (event: LiveEventMap[K]) => void, options?: boolean | AddEventListenerOptions): void;
  override addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
  override addEventListener(type: string, listener: unknown, options?: boolean | AddEventListenerOptions): void {
    super.addEventListener(type, listener as EventListener, options);
  }
}

/**
 * Opens a live run. It rests before its first step.
 * @throws UsageError for a knob or data that are wrong; BackendError where the backend cannot be had
 */
export function createLiveTrainer(options: LiveTrainerOptions): Promise<LiveTrainer> {
  return LiveTrainer.open(options, null);
}

async function openThread(worker: LiveTrainerOptions['worker'], setup: LiveSetup, events: LiveThreadEvents, backend: TrainBackend | null): Promise<{ thread: LiveThread; status: LiveStatus }> {
  if (worker === false || backend !== null) return openHere(setup, events, backend);
  if (!hasWorkers()) {
    events.notice('There are no web workers here: training in this thread.');
    return openHere(setup, events, null);
  }
  try {
    return await openWorker(worker ?? (await import('./live-worker.js')).liveWorkerUrl, setup, events);
  } catch (error) {
    if (!(error instanceof NoWorker)) throw error;
    events.notice(`No worker could be started, training in this thread: ${error.message}`);
    return openHere(setup, events, null);
  }
}

/** One reader of a run's events. */
class Reader implements AsyncIterator<LiveEvent, undefined> {
  readonly #buffer = new EventBuffer();
  readonly #left: (reader: Reader) => void;
  #wake: (() => void) | null = null;
  #ended = false;

  constructor(left: (reader: Reader) => void) {
    this.#left = left;
  }

  push(events: readonly LiveEvent[]): void {
    for (const event of events) this.#buffer.push(event);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<LiveEvent, undefined>> {
    while (this.#buffer.length === 0 && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
    const value = this.#buffer.shift();
    return value === undefined ? { done: true, value: undefined } : { done: false, value };
  }

  async return(): Promise<IteratorResult<LiveEvent, undefined>> {
    this.end();
    this.#left(this);
    return { done: true, value: undefined };
  }
}
