/**
 * `<sae-training-monitor>`: training as it happens, or as it was. Loss, FVU, L0,
 * dead and rare features, densities over time, and what sparsity costs, of a live
 * run (`live`), of a run's folder (`src`), or of several side by side (`runs`).
 *
 * Kept true: it draws at most five times a second, whatever the run does; a live
 * run is followed, never owned: it goes on when the element leaves the page, and
 * whoever made it disposes of it.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import type { LiveTrainer, RecipePatch } from '../../engine/train/live.js';
import { SaeElement } from '../internal/element.js';
import { SaeErrorEvent, SaeLoadEvent } from '../internal/events.js';
import { formatCount } from '../internal/format.js';
import { controlsTemplate, sliderTemplate } from './controls.js';
import { SaeBranchEvent, SaeCheckpointEvent, SaeTrainEvent, type TrainAction } from './events.js';
import { chartPanels, tablePanels } from './panels.js';
import { keyOf, openShown, type RunInput, type ShownRun } from './runs.js';
import { styles } from './training-monitor.styles.js';

/** Least ms between two drawings; a reader who wants less motion gets fewer. */
const DRAW = { usual: 200, reduced: 1000 } as const;
const PLOT_HEIGHT = 170;

/**
 * @attr src - folder of a run
 * @attr steps - `log` (default) or `linear`: the axis of steps
 * @attr view - `charts` (default) or `tables`
 * @attr compact - charts alone, without controls and slider
 * @fires sae-train - a control was used: `action`, `live`, `step`, `patch`; cancelable
 * @fires sae-branch - a branch was made: `live`, `from`
 * @fires sae-checkpoint - the slider was moved: `step`, `run`, `folder`
 * @fires sae-load - a folder's figures are shown
 * @fires sae-error - a folder cannot be read, or a request failed
 * @csspart controls, panel, alert, empty, loading, error, retry
 * @slot - what readers without scripts see
 */
export class SaeTrainingMonitor extends SaeElement {
  static override styles = [SaeElement.base, styles];
  static override properties = {
    src: {},
    steps: {},
    view: {},
    compact: { type: Boolean },
    step: { attribute: false },
    live: { attribute: false },
    runs: { attribute: false },
    features: { attribute: false },
    chosen: { state: true },
    cursor: { state: true },
    branching: { state: true },
    busy: { state: true },
    problem: { state: true },
    width: { state: true },
  };

  declare src: string | null;
  declare steps: 'log' | 'linear';
  declare view: 'charts' | 'tables';
  /** Charts alone: whoever holds the run has controls and a slider of their own. */
  declare compact: boolean;
  /** The step that is looked at; null for the latest. A person moves it with the slider, a page by this. */
  declare step: number | null;
  declare live: LiveTrainer | null;
  /** More runs, live or in folders. */
  declare runs: readonly RunInput[];
  /** Features whose densities have a chart of their own. */
  declare features: readonly number[];

  declare protected chosen: number;
  /** The step that the slider stands at; null for the latest. */
  declare protected cursor: number | null;
  declare protected branching: boolean;
  declare protected busy: boolean;
  declare protected problem: unknown;
  declare protected width: number;

  #shown: ShownRun[] = [];
  #branches: LiveTrainer[] = [];
  #resize: ResizeObserver | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #drawn = -Infinity;
  readonly #told = new Set<ShownRun>();

  constructor() {
    super();
    this.src = null;
    this.steps = 'log';
    this.view = 'charts';
    this.compact = false;
    this.step = null;
    this.live = null;
    this.runs = [];
    this.features = [];
    this.chosen = 0;
    this.cursor = null;
    this.branching = this.busy = false;
    this.problem = null;
    this.width = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resize = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry?.contentRect.width ?? 0);
      if (width > 0) this.width = width;
    });
    this.#resize.observe(this);
    // What was let go when it left the page.
    if (this.hasUpdated) this.requestUpdate('runs');
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize?.disconnect();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const run of this.#shown) run.close();
    // The series of a live run cannot be asked for again: it is kept, with a gap, should the element come back.
    this.#shown = this.#shown.filter(({ live }) => live !== null);
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has('live') || changed.has('src') || changed.has('runs')) this.#open();
    if (changed.has('step')) this.cursor = this.step;
    this.#drawn = performance.now();
  }

  /** Opens what is new, closes what is gone; what stays keeps its figures. */
  #open(): void {
    const inputs: RunInput[] = [...(this.live === null ? [] : [this.live]), ...(this.src === null || this.src === '' ? [] : [this.src]), ...this.runs, ...this.#branches.map((live, i) => ({ name: `branch ${i + 1}`, live }))];
    const before = this.#shown;
    const seen = new Set<unknown>();
    let number = 0;
    this.#shown = inputs.flatMap((input) => {
      const key = keyOf(input);
      if (seen.has(key)) return [];
      seen.add(key);
      const old = before.find((run) => run.key === key && run.state !== 'error');
      const opened = openShown(input, typeof key === 'string' ? 0 : number++, () => this.#changed());
      if (old?.live !== undefined && old.live !== null) opened.series = old.series;
      return [opened];
    });
    for (const run of before) run.close();
    this.chosen = Math.min(this.chosen, Math.max(0, this.#shown.length - 1));
  }

  /** Something of a run is new: draws it when it is time. */
  #changed(): void {
    for (const run of this.#shown) {
      if (run.src === null || run.state === 'loading' || this.#told.has(run)) continue;
      this.#told.add(run);
      this.dispatchEvent(run.state === 'error' ? new SaeErrorEvent(run.failure) : new SaeLoadEvent());
    }
    if (this.#timer !== undefined) return;
    const every = matchMedia('(prefers-reduced-motion: reduce)').matches ? DRAW.reduced : DRAW.usual;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // A page that is not looked at draws nothing; what comes is kept.
      if (this.isConnected) this.requestUpdate();
    }, Math.max(0, this.#drawn + every - performance.now()));
  }

  /** Reads folders that could not be read again. */
  retry(): void {
    this.problem = null;
    this.requestUpdate('runs', this.runs);
    this.#open();
  }

  async #act(action: TrainAction, live: LiveTrainer, patch: RecipePatch | null = null): Promise<void> {
    const step = action === 'rewind' || action === 'branch' ? (this.cursor ?? live.status.step) : null;
    if (!this.dispatchEvent(new SaeTrainEvent(action, live, step, patch))) return;
    this.busy = action !== 'start' && action !== 'pause';
    this.problem = null;
    try {
      if (action === 'rewind') await live.rewind(step as number);
      else if (action === 'branch') await this.#branch(live, patch ?? {}, step as number);
      else await live[action]();
      if (action === 'rewind') this.cursor = null;
    } catch (error) {
      this.problem = error;
      this.dispatchEvent(new SaeErrorEvent(error));
    } finally {
      this.busy = false;
    }
  }

  async #branch(from: LiveTrainer, patch: RecipePatch, at: number): Promise<void> {
    const live = await from.branch(patch, { at });
    this.#branches.push(live);
    live.addEventListener('disposed', () => {
      this.#branches = this.#branches.filter((one) => one !== live);
      this.requestUpdate('runs');
    });
    this.branching = false;
    this.cursor = null;
    this.#open();
    this.chosen = this.#shown.findIndex((run) => run.live === live);
    this.dispatchEvent(new SaeBranchEvent(live, from));
    await live.start();
  }

  #move(step: number | null, run: ShownRun): void {
    this.cursor = step;
    const folder = run.series.checkpoints.find((checkpoint) => checkpoint.step === step)?.folder ?? null;
    this.dispatchEvent(new SaeCheckpointEvent(step, run.name, folder));
  }

  protected override render(): unknown {
    const ready = this.#shown.filter(({ state }) => state === 'ready');
    const run = this.#shown[this.chosen];
    const shown = run?.state === 'ready' ? run : ready[0];
    const own = this.#shown.length === 0;
    return html`${shown === undefined ? this.#renderState() : this.#renderRuns(ready, shown)}<slot ?hidden=${!own}></slot>`;
  }

  #renderState(): TemplateResult | typeof nothing {
    const failed = this.#shown.find(({ state }) => state === 'error');
    if (failed !== undefined) return html`<div class="state" part="error" role="alert">${this.#problem(`Cannot show the run ${failed.name}`, failed.failure)}<button type="button" part="retry" @click=${this.retry}>Try again</button></div>`;
    if (this.#shown.length > 0) return html`<div class="state" part="loading" aria-busy="true"><p>Loading the run …</p></div>`;
    if (this.childElementCount > 0) return nothing;
    return html`<div class="state" part="empty"><p>Nothing to show: the element needs a <code>src</code>, the folder of a run, or a live run.</p></div>`;
  }

  #renderRuns(ready: readonly ShownRun[], run: ShownRun): TemplateResult {
    const { series, live } = run;
    const step = live?.status.step ?? series.last?.step ?? 0;
    const steps = live?.status.checkpoints ?? series.checkpoints.map((checkpoint) => checkpoint.step);
    const cursor = this.cursor !== null && this.cursor <= step ? this.cursor : null;
    const failed = this.#shown.filter(({ state }) => state === 'error');
    if (this.compact) return html`<div class="frame" lang="en" dir="ltr">${this.#renderPanels(ready, run, cursor)}</div>`;
    return html`
      <div class="frame" lang="en" dir="ltr">
        <header>
          <h2>${run.name}</h2>
          <p class="where">${where(run, step)}</p>
        </header>
        <p class="visually-hidden" role="status">${run.name}: ${stateOf(run)}</p>
        ${ready.length > 1 ? html`<ul class="runs" aria-label="Runs">${ready.map((one, i) => html`<li><button type="button" aria-pressed=${String(one === run)} @click=${() => this.#choose(one)}><span class=${`swatch style-${i % 6}`}></span>${one.name}</button></li>`)}</ul>` : nothing}
        ${live === null || live.disposed ? nothing : controlsTemplate({ live, cursor, busy: this.busy, branching: this.branching, act: (action, patch) => void this.#act(action, live, patch), toggleBranch: () => (this.branching = !this.branching) })}
        ${series.diverged === null ? nothing : html`<div class="alert" part="alert" role="alert"><strong>Diverged.</strong> ${sentence(series.diverged.message)} ${live === null ? 'Nothing after it was kept.' : 'Rewind and branch with a lower learning rate, or stop.'}</div>`}
        ${this.problem === null ? nothing : html`<div class="alert" part="alert" role="alert">${this.#problem('That did not work.', this.problem)}</div>`}
        ${live !== null && run.failure !== null ? html`<div class="alert" part="alert" role="alert">${this.#problem('The run failed.', run.failure)}</div>` : nothing}
        ${failed.map(({ name, failure }) => html`<div class="alert" part="alert" role="alert">${this.#problem(`Cannot show the run ${name}.`, failure)}</div>`)}
        <div class="bar-row">
          ${sliderTemplate(steps, step, cursor, (to) => this.#move(to, run))}
          <button type="button" aria-pressed=${String(this.steps === 'log')} @click=${() => (this.steps = this.steps === 'log' ? 'linear' : 'log')}>Log steps</button>
          <button type="button" aria-pressed=${String(this.view === 'tables')} @click=${() => (this.view = this.view === 'tables' ? 'charts' : 'tables')}>Tables</button>
        </div>
        ${this.#renderPanels(ready, run, cursor)}
      </div>
    `;
  }

  #renderPanels(ready: readonly ShownRun[], chosen: ShownRun, cursor: number | null): TemplateResult {
    if (ready.every(({ series }) => series.last === null && series.windows.length === 0)) return html`<p class="nothing">No step is done yet.</p>`;
    // As many columns as the style sheet has; the gaps between them are 1.4rem.
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
    const width = this.width || 640;
    const columns = width >= 66 * rem ? 3 : width >= 40 * rem ? 2 : 1;
    const state = { runs: ready, chosen, features: this.features, width: Math.max(180, Math.floor((width - (columns - 1) * 1.4 * rem) / columns)), height: PLOT_HEIGHT, xKind: this.steps === 'linear' ? ('linear' as const) : ('log' as const), cursor };
    return this.view === 'tables' ? tablePanels(state) : chartPanels(state);
  }

  #choose(run: ShownRun): void {
    this.chosen = this.#shown.indexOf(run);
    this.cursor = null;
    this.branching = false;
  }

  #problem(what: string, error: unknown): TemplateResult {
    const { message, hint } = Object(error) as { readonly message?: unknown; readonly hint?: unknown };
    return html`<p><strong>${what}</strong> ${sentence(String(message ?? error))}${typeof hint === 'string' ? ` ${hint}` : ''}</p>`;
  }
}

const WORDS: Readonly<Record<string, string>> = { running: 'running', paused: 'paused', ended: 'ended', diverged: 'diverged', failed: 'failed', done: 'done', 'early-stop': 'stopped early: the loss no longer fell', stopped: 'stopped' };

function stateOf({ status, live, series }: ShownRun): string {
  if (live !== null && live.state === 'ended' && series.ended !== null) return series.ended === 'steps' ? 'done' : (WORDS[series.ended] ?? series.ended);
  return WORDS[status] ?? status;
}

/** Where a run stands, in a line. */
function where(run: ShownRun, step: number): string {
  const { recipe, live } = run;
  const parts = [stateOf(run)];
  parts.push(`step ${formatCount(step)}${recipe === null ? '' : ` of ${formatCount(recipe.steps)}`}`);
  if (recipe !== null) parts.push(`${recipe.arch}, ${formatCount(recipe.d_sae)} features`);
  if (live !== null) parts.push(`${live.status.backend}${live.inWorker ? ', in a worker' : ', in the page’s own thread'}`);
  return parts.join(' · ');
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
