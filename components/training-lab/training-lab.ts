/**
 * `<sae-training-lab>`: watch features die. A reader chooses data, architecture, optimiser, b_dec
 * and resampler; one run, or two that differ in a knob, train in workers; every view of dying is
 * drawn from them, on one timeline.
 *
 * Kept true: the page's own thread only listens and draws, at most five times a second, a view
 * at a time; runs end when the element leaves the page for good, not when it is moved; what a
 * reader sets is checked before anything starts, and what is wrong is said beside its knob.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import type { LiveData, LiveTrainerOptions } from '../../engine/train/live.js';
import type { Recipe } from '../../engine/train/recipe.js';
import { SaeElement } from '../internal/element.js';
import { SaeErrorEvent, SaeScrubEvent, type SaeSelectEvent } from '../internal/events.js';
import type { Checked } from './check.js';
import { controlsTemplate, type LabAction } from './controls.js';
import { ViewDeck } from './deck.js';
import { differences, patchOf, same } from './differences.js';
import { changed as withField, type Field } from './fields.js';
import { firstWrong, formTemplate, otherErrors } from './form.js';
import { LabRun } from './lab-run.js';
import { runsTemplate, stateOf } from './panels.js';
import { PRESETS } from './presets.js';
import { DEFAULTS, fromHash, permalink, readSettings, recipeOf, VIEW_NAMES, type LabSettings, type RunName, type ViewName } from './settings.js';
import { frameAt } from './summary.js';
import { styles } from './training-lab.styles.js';

/** Least ms between two drawings; a reader who wants less motion gets fewer. */
const DRAW = { usual: 200, reduced: 1000 } as const;

/** Activations that a page brings. */
export interface LabActivations {
  /** [rows, d] raw */
  readonly x: Float32Array;
  readonly d: number;
  /** Text of each row's token. */
  readonly text?: readonly string[] | null | undefined;
}

/**
 * @attr settings - what is chosen, JSON (settings.ts); follows what a reader chooses
 * @attr acts - a .npy or .safetensors file of activations, to train on
 * @attr without-hash - leaves the page's address alone
 * @fires sae-scrub - a reader moved along the steps: `step`, null for the latest
 * @fires sae-select - a reader chose features in a view
 * @fires sae-error - a run cannot be opened, or a request failed
 * @csspart form, controls, alert, summary, monitor, view
 * @slot - what readers without scripts see
 */
export class SaeTrainingLab extends SaeElement {
  static override styles = [SaeElement.base, styles];
  static override properties = {
    settings: { reflect: true, converter: { fromAttribute: (text: string | null): unknown => parsed(text), toAttribute: (value: unknown): string | null => (value === DEFAULTS ? null : JSON.stringify(value)) } },
    acts: {},
    data: { attribute: false },
    step: { attribute: false },
    worker: { attribute: false },
    withoutHash: { attribute: 'without-hash', type: Boolean },
    phase: { state: true },
    checked: { state: true },
    problem: { state: true },
    busy: { state: true },
    open: { state: true },
    said: { state: true },
    link: { state: true },
    features: { state: true },
  };

  declare settings: LabSettings;
  declare acts: string | null;
  /** Activations in memory, in place of a file. */
  declare data: LabActivations | null;
  /** The step that is looked at; null for the latest. */
  declare step: number | null;
  /** Where runs train: a worker's module, or false for this thread. Default: the module that comes with saekit. */
  declare worker: LiveTrainerOptions['worker'];
  declare withoutHash: boolean;

  declare protected phase: 'idle' | 'opening' | 'open';
  declare protected checked: Checked | null;
  declare protected problem: unknown;
  declare protected busy: boolean;
  declare protected open: boolean;
  /** What the live region says beside the state. */
  declare protected said: string;
  /** The link, where it could not be put on the clipboard. */
  declare protected link: string | null;
  declare protected features: readonly number[] | null;

  #runs: LabRun[] = [];
  /** What the runs were opened with. */
  #of: LabSettings | null = null;
  /** The runs as the monitor takes them. */
  #shown: { readonly name: string; readonly live: LabRun['live'] }[] = [];
  /** B is a branch of A: the form's B says nothing of it. */
  #branched = false;
  /** What was begun and is not wanted any more looks here. */
  #turn = 0;
  #good: LabSettings = DEFAULTS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #drawn = -Infinity;
  #greeted = false;
  readonly #deck = new ViewDeck(() => this.requestUpdate());

  constructor() {
    super();
    this.settings = DEFAULTS;
    this.acts = null;
    this.data = null;
    this.step = null;
    this.worker = undefined;
    this.withoutHash = this.busy = this.open = false;
    this.phase = 'idle';
    this.checked = null;
    this.problem = this.link = this.features = null;
    this.said = '';
  }

  /** The runs' trainers: A, and B where there is one. */
  get runs(): readonly LabRun[] {
    return this.#runs;
  }

  /** The address of this page with these settings. */
  get permalink(): string {
    return permalink(this.settings, location.href);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (!this.#greeted && !this.withoutHash && !this.hasAttribute('settings')) {
      try {
        this.settings = fromHash(location.hash) ?? this.settings;
      } catch (error) {
        this.problem = error;
      }
    }
    this.#greeted = true;
    if (this.hasUpdated) this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#deck.rest();
    // An element that is moved is back before the next task.
    setTimeout(() => {
      if (!this.isConnected) void this.dispose();
    });
  }

  /** Ends all runs and frees their workers; the settings stay. */
  async dispose(): Promise<void> {
    this.#turn++;
    const runs = this.#runs;
    this.#adopt([]);
    this.phase = 'idle';
    await Promise.all(runs.map((run) => run.close()));
  }

  /** Begins with the settings as they are: run A, and run B beside it. What runs now is ended. */
  async train(): Promise<void> {
    const turn = ++this.#turn;
    this.problem = this.link = null;
    const { settings } = this;
    const { errors, a, b } = await this.#check();
    if (turn !== this.#turn) return;
    if (errors.size > 0 || a === null) return this.#refuse();
    this.phase = 'opening';
    this.said = '';
    this.step = this.features = null;
    const before = this.#runs;
    this.#adopt([]);
    const opened: LabRun[] = [];
    let name: RunName = 'A';
    try {
      await Promise.all(before.map((run) => run.close()));
      const { data, text } = this.#data(settings);
      for (name of b === null ? (['A'] as const) : (['A', 'B'] as const)) {
        if (turn !== this.#turn) break;
        const recipe = { ...recipeOf(settings, name), d_sae: (name === 'A' ? a : (b as Recipe)).d_sae };
        opened.push(await LabRun.open({ name, recipe, data, rows: settings.rows, plane: opened[0]?.plane ?? null, text, worker: this.worker, changed: (run, frames) => this.#changed(run, frames) }));
      }
      if (turn !== this.#turn) return void (await Promise.all(opened.map((run) => run.close())));
      this.#of = settings;
      this.#branched = false;
      this.#adopt(opened);
      this.phase = 'open';
      await Promise.all(opened.map(({ live }) => live.start()));
    } catch (error) {
      await Promise.all(opened.map((run) => run.close()));
      if (turn !== this.#turn) return;
      this.#adopt([]);
      this.phase = 'idle';
      await this.#blame(error, name);
    }
  }

  protected override willUpdate(update: PropertyValues): void {
    if (update.has('settings') && this.settings !== this.#good) this.#take();
    if ((update.has('acts') || update.has('data')) && (this.acts !== null || this.data !== null) && this.settings === DEFAULTS) this.settings = this.#good = { ...DEFAULTS, data: { kind: 'acts' } };
    if (update.has('settings') || update.has('data') || update.has('acts')) void this.#check();
    this.#drawn = performance.now();
  }

  protected override updated(): void {
    this.#deck.keep(this.#runs.map(({ name }) => name), this.settings.views);
    for (const run of this.#runs) {
      const { record } = run;
      // A view is told of a step only that has a frame: two runs that differ in checkpoints stay together.
      const step = this.step === null || record === null ? null : (frameAt(record.frames, this.step)?.step ?? null);
      this.#deck.show(run.name, { record, step, features: this.features });
    }
  }

  /** Settings that a page has given become whole ones, or are refused. */
  #take(): void {
    const given: unknown = this.settings;
    try {
      if (given instanceof Error) throw given;
      this.settings = this.#good = readSettings(given);
    } catch (error) {
      this.problem = error;
      this.settings = this.#good;
    }
  }

  /** What the trainer says of the settings; once more where they have changed meanwhile. */
  async #check(): Promise<Checked> {
    const { settings } = this;
    const { check } = await import('./check.js');
    if (this.settings !== settings) return this.#check();
    const checked = check(settings, this.data?.d ?? null);
    const none = settings.data.kind === 'acts' && this.data === null && this.acts === null;
    this.checked = none ? { ...checked, errors: new Map([...checked.errors, ['data.kind', 'The page has brought no activations.']]) } : checked;
    return this.checked;
  }

  #data({ data }: LabSettings): { readonly data: LiveData; readonly text: readonly string[] | null } {
    if (data.kind !== 'acts') return { data: { kind: 'generator', spec: data }, text: null };
    if (this.data !== null) return { data: { kind: 'held', x: this.data.x, d: this.data.d }, text: this.data.text ?? null };
    return { data: { kind: 'file', src: new URL(this.acts ?? '', document.baseURI).href }, text: null };
  }

  /** The form has something wrong in it: opens it there. */
  #refuse(): void {
    this.open = true;
    this.said = 'A knob is wrong; nothing was started.';
    const id = firstWrong(this.settings, this.checked?.errors ?? new Map(), this.#hasActs);
    if (id !== null) void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>(`#${id}`)?.focus());
  }

  /** Says what went wrong: beside a knob where it is one's fault, else by itself. */
  async #blame(error: unknown, run: RunName): Promise<void> {
    const { placeOf, sentence } = await import('./check.js');
    const place = placeOf(error, this.settings, run);
    if (place !== '' && this.checked !== null) {
      this.checked = { ...this.checked, errors: new Map([[place, sentence(error)]]) };
      if (otherErrors(this.settings, this.checked.errors, this.#hasActs).length === 0) this.#refuse();
    } else this.problem = error;
    this.dispatchEvent(new SaeErrorEvent(error));
  }

  get #hasActs(): boolean {
    return this.acts !== null || this.data !== null;
  }

  #adopt(runs: LabRun[]): void {
    this.#runs = runs;
    this.#shown = runs.map(({ name, live }) => ({ name, live }));
    this.requestUpdate();
  }

  /** Something of a run is new: draws it when it is time. */
  #changed(run: LabRun, _frames: boolean): void {
    if (!this.#runs.includes(run) || this.#timer !== undefined) return;
    const every = matchMedia('(prefers-reduced-motion: reduce)').matches ? DRAW.reduced : DRAW.usual;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.isConnected) this.requestUpdate();
    }, Math.max(0, this.#drawn + every - performance.now()));
  }

  #move(step: number | null): void {
    this.step = step;
    this.dispatchEvent(new SaeScrubEvent(step));
  }

  async #act(action: LabAction): Promise<void> {
    if (action === 'train') return this.train();
    if (action === 'copy') return this.#copy();
    const [a] = this.#runs;
    if (a === undefined) return;
    const turn = this.#turn;
    this.busy = action !== 'pause' && action !== 'resume';
    this.problem = null;
    try {
      if (action === 'branch') await this.#branch(a);
      else if (action === 'retune') await this.#retune();
      else {
        const at = this.step ?? a.live.status.step;
        if (action === 'rewind') this.step = null;
        const able = this.#runs.filter(({ live: { state } }) => action === 'rewind' || state === 'paused' || state === 'running');
        await Promise.all(able.map(({ live }) => (action === 'pause' ? live.pause() : action === 'resume' ? live.start() : action === 'step' ? live.step() : live.status.step > at ? live.rewind(at) : null)));
      }
    } catch (error) {
      // Runs that were ended meanwhile have nothing to say.
      if (turn === this.#turn) await this.#blame(error, 'A');
    } finally {
      this.busy = false;
    }
  }

  /** A goes on as it is; B begins at the step that is looked at, with the knobs that the form has now. */
  async #branch(a: LabRun): Promise<void> {
    const turn = this.#turn;
    const at = this.step ?? a.live.status.step;
    const patch = patchOf(a.live.recipe, (await this.#check()).a);
    const run = await a.branch('B', patch, at);
    if (turn !== this.#turn) return run.close();
    const [, before] = this.#runs;
    this.#branched = true;
    this.#adopt([a, run]);
    this.said = `Run B begins at step ${at}.`;
    await before?.close();
    await run.live.start();
  }

  async #retune(): Promise<void> {
    const { a, b } = await this.#check();
    for (const { name, live } of this.#runs) {
      const patch = patchOf(live.recipe, name === 'A' || this.#branched ? a : b);
      if (Object.keys(patch).length > 0 && !(name === 'B' && this.#branched)) await live.retune(patch);
    }
    this.said = 'Applied.';
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.permalink);
      this.link = null;
      this.said = 'The link is on the clipboard.';
    } catch {
      // No permission, or no clipboard: the reader copies it.
      this.link = this.permalink;
    }
  }

  #set(settings: LabSettings): void {
    this.#good = this.settings = settings;
    this.said = '';
    this.link = null;
  }

  #choose(id: string): void {
    const preset = PRESETS.find((one) => one.id === id);
    if (preset !== undefined) this.#set({ ...this.settings, ...preset.settings });
  }

  #toggleView(view: ViewName): void {
    const { views } = this.settings;
    this.#set({ ...this.settings, views: VIEW_NAMES.filter((one) => (one === view ? !views.includes(one) : views.includes(one))) });
  }

  protected override render(): unknown {
    const { settings, phase, busy, step } = this;
    const runs = this.#runs;
    const errors = this.checked?.errors ?? new Map<string, string>();
    const states = runs.map(({ live }) => live.state);
    const preset = PRESETS.find((one) => same(one.settings.data, settings.data) && same(one.settings.recipe, settings.recipe) && same(one.settings.b, settings.b))?.id ?? '';
    const steps = [...new Set(runs.flatMap((run) => run.steps))].sort((a, b) => a - b);
    return html`
      <div class="frame" lang="en" dir="ltr" @sae-scrub=${(event: SaeScrubEvent) => (this.step = event.step)} @sae-select=${(event: SaeSelectEvent) => (this.features = event.features)}>
        <p class="visually-hidden" role="status">${phase === 'opening' ? 'Opening the runs.' : runs.map((run) => `Run ${run.name}: ${stateOf(run)}.`).join(' ')} ${this.said}</p>
        ${formTemplate({ settings, preset, errors, acts: this.#hasActs, open: this.open, change: (field: Field, text: string) => this.#set(withField(settings, field, text)), choose: (id) => this.#choose(id), toggle: (open) => (this.open = open), submit: () => void this.train() })}
        ${controlsTemplate({ phase, running: states.includes('running'), over: states.every((state) => state === 'ended' || state === 'diverged' || state === 'failed'), busy, step, latest: runs[0]?.live.status.step ?? 0, ...differences(runs, { before: this.#of, settings, checked: this.checked, branched: this.#branched }), act: (action) => void this.#act(action) })}
        ${this.link === null ? nothing : html`<label class="link">The link to copy <input type="text" readonly .value=${this.link} @focus=${(event: Event) => (event.currentTarget as HTMLInputElement).select()}></label>`}
        ${this.#renderProblems(errors)}
        ${runs.length === 0 ? nothing : runsTemplate({ runs, shown: this.#shown, steps, step, views: settings.views, deck: this.#deck, move: (to) => this.#move(to), toggle: (view) => this.#toggleView(view) })}
      </div>
      <slot ?hidden=${runs.length > 0}></slot>
    `;
  }

  #renderProblems(errors: ReadonlyMap<string, string>): unknown {
    const alert = (what: string, error: unknown): TemplateResult => {
      const { message, hint } = Object(error) as { readonly message?: unknown; readonly hint?: unknown };
      return html`<div class="alert" part="alert" role="alert"><p><strong>${what}</strong> ${String(message ?? error)}${typeof hint === 'string' ? ` ${hint}` : ''}</p></div>`;
    };
    return [
      ...otherErrors(this.settings, errors, this.#hasActs).map((text) => alert('These settings make no run.', text)),
      ...(this.problem === null ? [] : [alert('That did not work.', this.problem)]),
      ...this.#runs.flatMap(({ name, failure, diverged }) => [
        ...(failure === null ? [] : [alert(`Run ${name} failed.`, failure)]),
        ...(diverged === null ? [] : [alert(`Run ${name} diverged:`, `${diverged}. Rewind it and take a lower learning rate, or start again.`)]),
      ]),
    ];
  }
}

/** JSON of an attribute; an error in its place where it is none. */
function parsed(text: string | null): unknown {
  if (text === null) return DEFAULTS;
  try {
    return JSON.parse(text);
  } catch (error) {
    return new Error(`the attribute settings is no JSON: ${(error as Error).message}`);
  }
}
