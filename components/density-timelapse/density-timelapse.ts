/**
 * `<sae-density-timelapse src="dying/">`: every feature's density over the steps of training, with the
 * middle of each group, the floor below which the rows show nothing, and the law by which useless
 * features should fall.
 *
 * Kept true: nothing is drawn at a density that was not counted; lines are drawn when something changed and
 * the element can be seen, never otherwise; a step chosen here is told (`sae-scrub`), one that is set is followed.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { DyingElement } from '../internal/dying-element.js';
import { formatCount, formatDensity } from '../internal/format.js';
import type { DyingRecord } from '../../engine/dying/record.js';
import { styles } from './density-timelapse.styles.js';
import { groupsOf, type Group } from './groups.js';
import { kneesOf, lawsOf, type Knee, type Law } from './laws.js';
import { frameNear, layoutTimelapse, type TimelapseLayout } from './layout.js';
import { overlayTemplate } from './overlay.js';
import { paintLines } from './paint.js';

/** Milliseconds a frame while it plays. */
const PLAY = 250;

interface Drawn {
  readonly record: DyingRecord;
  readonly groups: readonly Group[];
  readonly ownLaws: readonly Law[];
  readonly knees: readonly Knee[];
}

/**
 * @attr src - folder of a pack that `saekit dying` wrote
 * @attr step - step that the cursor stands at; default the last
 * @attr steps - `log` (default) or `linear`
 * @attr view - `chart` (default) or `table`
 * @fires sae-scrub - the cursor was moved: `step`
 * @cssprop --sae-timelapse-height - height of the chart, 22rem
 * @csspart chart, readout
 * @slot - what readers without scripts see
 */
export class SaeDensityTimelapse extends DyingElement {
  static override styles = [DyingElement.base, styles];
  static override properties = {
    ...DyingElement.properties,
    steps: {},
    view: {},
    laws: { attribute: false },
    xi: { type: Number },
    showLaws: { state: true },
    muted: { state: true },
    playing: { state: true },
    size: { state: true },
  };

  declare steps: 'log' | 'linear';
  declare view: 'chart' | 'table';
  /** Curves to draw in place of the law's own. */
  declare laws: readonly Law[] | null;
  /** Tail index of the data along the dying direction, for the law; 0, an exponential tail. */
  declare xi: number;

  declare protected showLaws: boolean;
  declare protected muted: ReadonlySet<string>;
  declare protected playing: boolean;
  declare protected size: { readonly width: number; readonly height: number };

  #drawn: Drawn | null = null;
  #resize: ResizeObserver | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #dragging = false;

  constructor() {
    super();
    this.steps = 'log';
    this.view = 'chart';
    this.laws = null;
    this.xi = 0;
    this.showLaws = true;
    this.muted = new Set();
    this.playing = false;
    this.size = { width: 640, height: 352 };
  }

  protected override get subject(): string {
    return 'densities over training';
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize?.disconnect();
    this.#resize = null;
    this.pause();
  }

  /** Moves the cursor from frame to frame, from the start where it stands at the end. */
  play(): void {
    const { content } = this;
    if (content === null || content.frames.length < 2) return;
    if (this.frameIndex === content.frames.length - 1) this.scrub(0);
    this.playing = true;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      const last = (this.content?.frames.length ?? 1) - 1;
      if (this.frameIndex < last) this.scrub(this.frameIndex + 1);
      if (this.frameIndex >= last) this.pause();
    }, PLAY);
  }

  pause(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.playing = false;
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    const { content } = this;
    if (content === null) this.#drawn = null;
    else if (this.#drawn?.record !== content || changed.has('xi')) {
      const groups = groupsOf(content);
      this.#drawn = { record: content, groups, ownLaws: lawsOf(content, groups, this.xi), knees: kneesOf(content) };
    }
  }

  protected override updated(changed: PropertyValues): void {
    super.updated(changed);
    const chart = this.renderRoot.querySelector('.chart');
    if (chart === null) return;
    if (this.#resize === null) {
      this.#resize = new ResizeObserver(([entry]) => {
        const { width = 0, height = 0 } = entry?.contentRect ?? {};
        if (width > 0 && (Math.floor(width) !== this.size.width || Math.floor(height) !== this.size.height)) this.size = { width: Math.floor(width), height: Math.floor(height) };
      });
      this.#resize.observe(chart);
    }
    this.#paint();
  }

  #layout(drawn: Drawn): TimelapseLayout {
    const laws = this.showLaws ? (this.laws ?? drawn.ownLaws) : [];
    return layoutTimelapse(drawn.record, { ...this.size, kind: this.steps === 'linear' ? 'linear' : 'log', laws, knees: this.showLaws ? drawn.knees : [] });
  }

  /** What is on the canvas depends on these alone; moving the cursor draws nothing. */
  #painted: readonly unknown[] = [];

  #paint(): void {
    const drawn = this.#drawn;
    const canvas = this.renderRoot.querySelector('canvas');
    if (drawn === null || canvas === null) return;
    const colors = drawn.groups.map(({ color }) => getComputedStyle(this.renderRoot.querySelector(`.probes .${color}`) as Element).color);
    const ratio = Math.min(3, devicePixelRatio || 1);
    const { width, height } = this.size;
    const state = [drawn, width, height, ratio, this.steps, this.showLaws, this.laws, this.muted, canvas, ...colors];
    if (state.length === this.#painted.length && state.every((part, at) => Object.is(part, this.#painted[at]))) return;
    this.#painted = state;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext('2d');
    if (context === null) return;
    context.scale(ratio, ratio);
    paintLines({ context, layout: this.#layout(drawn), frames: drawn.record.frames, groups: drawn.groups, color: (group) => colors[drawn.groups.indexOf(group)] ?? '#808080', hidden: this.muted });
  }

  protected override renderContent(content: DyingRecord): TemplateResult {
    const drawn = this.#drawn as Drawn;
    const { frames } = content;
    const at = this.frameIndex;
    const frame = frames[at]!;
    const single = frames.length < 2;
    const reduced = matchMedia('(prefers-reduced-motion: reduce)').matches;
    return html`
      <div class="frame" lang="en" dir="ltr">
        <div class="controls">
          ${single || reduced ? nothing : html`<button type="button" aria-pressed=${String(this.playing)} @click=${() => (this.playing ? this.pause() : this.play())}>${this.playing ? 'Pause' : 'Play'}</button>`}
          <label class="slider"><span>Step</span><input type="range" min="0" max=${frames.length - 1} step="1" .value=${String(at)} ?disabled=${single} aria-valuetext=${`step ${formatCount(frame.step)}`} @input=${(event: Event) => this.#slide(event)}><output>${formatCount(frame.step)}</output></label>
          <button type="button" aria-pressed=${String(this.steps !== 'linear')} @click=${() => (this.steps = this.steps === 'linear' ? 'log' : 'linear')}>Log steps</button>
          ${drawn.ownLaws.length + drawn.knees.length + (this.laws?.length ?? 0) === 0 ? nothing : html`<button type="button" aria-pressed=${String(this.showLaws)} @click=${() => (this.showLaws = !this.showLaws)}>Laws</button>`}
          <button type="button" aria-pressed=${String(this.view === 'table')} @click=${() => (this.view = this.view === 'table' ? 'chart' : 'table')}>Table</button>
        </div>
        ${this.view === 'table' ? this.#table(drawn, at) : this.#chart(drawn, at)}
        <p class="readout" part="readout" role="status">${readout(drawn, at)}</p>
        <span class="probes" aria-hidden="true">${drawn.groups.map(({ color }) => html`<span class=${color}></span>`)}</span>
      </div>
    `;
  }

  #chart(drawn: Drawn, at: number): TemplateResult {
    const layout = this.#layout(drawn);
    const { record, groups, knees, ownLaws } = drawn;
    const laws = this.showLaws ? (this.laws ?? ownLaws) : [];
    const { width, height } = layout;
    return html`
      <div class="chart" part="chart" @pointerdown=${this.#down} @pointermove=${this.#move} @pointerup=${this.#up} @pointercancel=${this.#up}>
        <canvas aria-hidden="true"></canvas>
        <svg viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${`Densities of ${formatCount(record.features)} features over ${record.frames.length} checkpoints`}>
          ${overlayTemplate({ layout, frames: record.frames, groups, hidden: this.muted, laws, knees: this.showLaws ? knees : [], features: (this.features ?? []).filter((i) => i >= 0 && i < record.features).slice(0, 12), cursor: at })}
        </svg>
      </div>
      <ul class="legend" aria-label="Groups">
        ${groups.map((group) => html`<li><button type="button" class=${group.color} aria-pressed=${String(!this.muted.has(group.name))} @click=${() => this.#toggle(group.name)}><svg viewBox="0 0 26 10" aria-hidden="true"><path class="median" stroke-dasharray=${group.dash} d="M1 5H25"></path></svg>${group.name}: ${formatCount(group.features.length)}</button></li>`)}
        ${laws.length === 0 ? nothing : html`<li><button type="button" aria-pressed="true" @click=${() => (this.showLaws = false)}><svg viewBox="0 0 26 10" aria-hidden="true"><path class="law" d="M1 5H25"></path></svg>law of a useless feature, through two points of the median</button></li>`}
      </ul>
    `;
  }

  #table({ record, groups }: Drawn, at: number): TemplateResult {
    return html`
      <div class="scroll" tabindex="0" role="region" aria-label="Densities by step">
        <table>
          <thead>
            <tr><th scope="col">step</th>${groups.map(({ name }) => html`<th scope="col">${name}: median</th><th scope="col">quartiles</th><th scope="col">no firing</th>`)}</tr>
          </thead>
          <tbody>
            ${record.frames.map((frame, i) => html`<tr aria-current=${i === at ? 'step' : nothing}><td>${formatCount(frame.step)}</td>${groups.map(({ q25, median, q75, silent }) => html`<td>${density(median[i])}</td><td>${density(q25[i])} to ${density(q75[i])}</td><td>${formatCount(silent[i] ?? 0)}</td>`)}</tr>`)}
          </tbody>
        </table>
      </div>
    `;
  }

  #toggle(name: string): void {
    const hidden = new Set(this.muted);
    if (!hidden.delete(name)) hidden.add(name);
    this.muted = hidden;
  }

  #slide(event: Event): void {
    this.pause();
    this.scrub(Number((event.currentTarget as HTMLInputElement).value));
  }

  readonly #down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    this.#dragging = true;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.#seek(event);
  };

  readonly #move = (event: PointerEvent): void => {
    if (this.#dragging) this.#seek(event);
  };

  readonly #up = (): void => {
    this.#dragging = false;
  };

  #seek(event: PointerEvent): void {
    if (this.#drawn === null) return;
    const { left } = (event.currentTarget as Element).getBoundingClientRect();
    this.pause();
    this.scrub(frameNear(this.#layout(this.#drawn), event.clientX - left));
  }
}

const density = (value: number | null | undefined): string => (value === null || value === undefined ? 'below' : formatDensity(value));

/** The frame in a sentence. */
function readout({ record, groups }: Drawn, at: number): string {
  const frame = record.frames[at]!;
  const parts = groups.map(({ name, features, median, silent }) => {
    const middle = median[at];
    return `${name}: median ${middle === null || middle === undefined ? 'below the floor' : formatDensity(middle)}${silent[at] === 0 ? '' : `, ${formatCount(silent[at] ?? 0)} of ${formatCount(features.length)} without a firing`}`;
  });
  return `Step ${formatCount(frame.step)}, ${formatCount(frame.rows)} rows. ${parts.join('; ')}.`;
}
