/**
 * `<sae-collapse-plot>`: do the rare features of an SAE lie on one curve? Each at its offset
 * c = -effective bias / ||w|| and its density, with the data's survival P(w* . x > c) through them.
 *
 * Kept true: what cannot be told from zero is drawn open at the floor 3/N, never below it; the
 * summary says how far the features are from the curve, and what counting and chance alone would leave.
 */
import { html, nothing, svg, type PropertyValues, type TemplateResult } from 'lit';
import { guard } from 'lit/directives/guard.js';
import type { DyingFrame, DyingPlane, DyingRecord } from '../../engine/dying/record.js';
import { DyingElement } from '../internal/dying-element.js';
import { SaeSelectEvent } from '../internal/events.js';
import { formatCount, formatDensity, formatNumber, formatSigned } from '../internal/format.js';
import { markIcon, stepSlider } from '../dying-cloud/controls.js';
import { tableStyles } from '../dying-cloud/table.styles.js';
import { WindowTable, type TableColumn } from '../dying-cloud/window-table.js';
import { densityWords } from '../dying-cloud/words.js';
import { collapse, gaussianCurve, survivalCurve, type Collapse } from './collapse.js';
import { styles } from './collapse-plot.styles.js';
import { layoutCollapse, pointAt, type CollapseLayout, type PlacedPoint } from './layout.js';

/**
 * @attr below - density below which a feature is rare; by default 1e-4, or a hundred firings
 * @attr feature - the feature that is open
 * @attr view - `plot` (default) or `table`
 * @attr compact - without controls
 * @fires sae-select - a feature was opened; `source` is `collapse`
 * @fires sae-scrub - the slider was moved
 * @cssprop --sae-collapse-height - height of the plot, 20rem
 * @csspart plot, summary, readout, table
 */
export class SaeCollapsePlot extends DyingElement {
  static override styles = [DyingElement.base, styles, tableStyles];
  static override properties = {
    ...DyingElement.properties,
    below: { type: Number },
    feature: { type: Number },
    view: { reflect: true },
    compact: { type: Boolean },
    focused: { state: true },
    hovered: { state: true },
    size: { state: true },
  };

  declare below: number | null;
  declare feature: number | null;
  declare view: 'plot' | 'table';
  declare compact: boolean;
  /** Features that the keyboard and the pointer are on. */
  declare protected focused: number | null;
  declare protected hovered: number | null;
  declare protected size: { readonly width: number; readonly height: number };

  #result: { readonly frame: DyingFrame; readonly plane: DyingPlane; readonly below: number | null; readonly value: Collapse; readonly rows: Uint32Array } | null = null;
  #layout: CollapseLayout | null = null;
  #resize: ResizeObserver | null = null;
  #observed: Element | null = null;
  readonly #table = new WindowTable(this, 'c');

  constructor() {
    super();
    this.below = this.feature = this.focused = this.hovered = null;
    this.view = 'plot';
    this.compact = false;
    this.size = { width: 640, height: 320 };
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize?.disconnect();
    this.#resize = this.#observed = null;
  }

  /** The figures behind the plot; null without a plane. */
  get result(): Collapse | null {
    return this.#result?.value ?? null;
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    const { frame } = this;
    const plane = this.content?.plane ?? null;
    const below = this.below !== null && this.below > 0 ? this.below : null;
    if (frame === null || plane === null) {
      this.#result = this.#layout = null;
      return;
    }
    const known = this.#result;
    if (known === null || known.frame !== frame || known.plane !== plane || known.below !== below) {
      const value = collapse(frame, plane, below);
      this.#result = { frame, plane, below, value, rows: Uint32Array.from(value.points, (_, i) => i) };
      this.#layout = null;
    }
    if (this.#layout === null || changed.has('size')) this.#layout = layoutCollapse(this.#result!.value, frame.rows, survivalCurve(plane.survival), gaussianCurve(plane), plane.survival, this.size.width, this.size.height);
    for (const name of ['focused', 'hovered'] as const) if (this[name] !== null && this.#placed(this[name]) === null) this[name] = null;
  }

  protected override updated(changed: PropertyValues): void {
    super.updated(changed);
    const place = this.renderRoot.querySelector('.plot');
    if (place === this.#observed) return;
    this.#resize ??= new ResizeObserver(([entry]) => {
      const { width = 0, height = 0 } = entry?.contentRect ?? {};
      // Whole pixels, so that a scroll bar's coming and going settles.
      if (width > 0) this.size = { width: Math.floor(width), height: Math.floor(height) };
    });
    this.#resize.disconnect();
    if (place !== null) this.#resize.observe(place);
    this.#observed = place;
  }

  #placed(feature: number | null): PlacedPoint | null {
    return feature === null ? null : (this.#layout?.points.find((point) => point.feature === feature) ?? null);
  }

  #open(feature: number): void {
    this.focused = feature;
    if (this.dispatchEvent(new SaeSelectEvent({ feature, source: 'collapse', pack: this.openPack }))) this.feature = feature;
  }

  #under(event: MouseEvent): number | null {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return this.#layout === null ? null : (pointAt(this.#layout.points, event.clientX - box.left, event.clientY - box.top)?.feature ?? null);
  }

  #onPointerMove(event: PointerEvent): void {
    this.hovered = event.pointerType === 'touch' ? null : this.#under(event);
  }

  #onClick(event: MouseEvent): void {
    const feature = this.#under(event);
    if (feature !== null) this.#open(feature);
  }

  #onKeydown(event: KeyboardEvent): void {
    const points = this.#layout?.points ?? [];
    if (points.length === 0 || event.altKey || event.metaKey || event.ctrlKey) return;
    const at = points.findIndex(({ feature }) => feature === this.focused);
    const to: Record<string, number> = { ArrowRight: at + 1, ArrowLeft: at < 0 ? points.length - 1 : at - 1, PageDown: at + 20, PageUp: at - 20, Home: 0, End: points.length - 1 };
    const next = to[event.key];
    if (next !== undefined) this.focused = points[Math.max(0, Math.min(points.length - 1, next))]!.feature;
    else if ((event.key === 'Enter' || event.key === ' ') && this.focused !== null) this.#open(this.focused);
    else return;
    event.preventDefault();
  }

  protected override renderContent(record: DyingRecord): TemplateResult {
    const [found, layout, frame] = [this.#result, this.#layout, this.frame];
    if (frame === null || found === null || layout === null) return html`<p class="empty" part="empty">There is no direction of least firing in this record: nothing to hold the rare features against.</p>`;
    const table = this.view === 'table';
    return html`
      <div class="collapse" lang="en" dir="ltr">
        ${this.compact ? nothing : html`<div class="controls">${stepSlider(record.frames, frame, (index) => this.scrub(index))}<button type="button" aria-pressed=${String(table)} @click=${() => (this.view = table ? 'plot' : 'table')}>Table</button></div>`}
        ${table ? this.#tableView(found.value, found.rows, frame) : this.#plot(found.value, layout, frame)}
        <p class="summary" part="summary">${summaryWords(found.value, frame)}</p>
        <p class="readout" part="readout" role="status">${this.#readout(frame)}</p>
      </div>
    `;
  }

  #plot(result: Collapse, layout: CollapseLayout, frame: DyingFrame): TemplateResult {
    const pointed = this.#placed(this.hovered ?? this.focused);
    const open = this.#placed(this.feature ?? (this.features?.length === 1 ? this.features[0]! : null));
    return html`
      <div class="key" aria-hidden="true">
        <span><svg width="22" height="10" viewBox="0 0 22 10"><path class="curve" d="M1,5H21"></path></svg>P(w*·x &gt; c) of the data</span>
        <span><svg width="22" height="10" viewBox="0 0 22 10"><path class="gaussian" d="M1,5H21"></path></svg>normal, same mean and spread</span>
        ${[...new Set(layout.marks.map((mark) => mark.class))].map((name) => html`<span>${markIcon(name)}${name}</span>`)}
      </div>
      <div class="plot" part="plot" role="application" aria-roledescription="scatter plot" aria-label=${`Density by offset of ${formatCount(result.points.length)} rare features at step ${frame.step}, and the survival curve of the data`} aria-describedby="keys" tabindex="0" @pointermove=${this.#onPointerMove} @pointerleave=${() => (this.hovered = null)} @click=${this.#onClick} @keydown=${this.#onKeydown}>
        <svg class="chart" aria-hidden="true" width=${layout.width} height=${layout.height} viewBox=${`0 0 ${layout.width} ${layout.height}`}>
          ${guard([layout], () => staticPart(layout))}
          ${open === null ? nothing : svg`<circle class="ring open" cx=${open.x} cy=${open.y} r="8"></circle>`}
          ${pointed === null ? nothing : svg`<circle class="ring focus" cx=${pointed.x} cy=${pointed.y} r="6.5"></circle>`}
        </svg>
        ${pointed === null ? nothing : html`<div class="tooltip" aria-hidden="true" .style=${`${pointed.x > layout.width / 2 ? `right: ${layout.width - pointed.x + 12}px` : `left: ${pointed.x + 12}px`}; top: ${Math.max(0, Math.min(layout.height - 92, pointed.y - 20))}px`}><strong>feature ${pointed.feature} · ${pointed.class}</strong>${pointLines(pointed, frame).map((line) => html`<span>${line}</span>`)}</div>`}
      </div>
      <p id="keys" class="visually-hidden">Left and right go from feature to feature by offset, Enter opens one. The button Table shows the same figures in a table.</p>
    `;
  }

  #tableView(result: Collapse, rows: Uint32Array, frame: DyingFrame): TemplateResult {
    const at = (i: number) => result.points[i]!;
    const density = (value: number): string => (Number.isNaN(value) ? '–' : formatDensity(value));
    const columns: TableColumn[] = [
      { name: 'feature', label: 'feature', description: 'Index of the feature', width: 4.6, value: (i) => at(i).feature, cell: (i) => String(at(i).feature) },
      { name: 'c', label: 'offset c', description: '−effective bias / ‖w‖', width: 5.4, value: (i) => at(i).c, cell: (i) => formatSigned(at(i).c, 3) },
      { name: 'count', label: 'firings', description: `Rows of ${formatCount(frame.rows)} on which it fires`, width: 5, value: (i) => at(i).count, cell: (i) => formatCount(at(i).count) },
      { name: 'p', label: 'density', description: 'Share of the held-out rows on which it fires', width: 7.4, value: (i) => at(i).p, cell: (i) => (at(i).p < 3 / frame.rows ? `< ${formatDensity(3 / frame.rows)}` : formatDensity(at(i).p)) },
      { name: 'curve', label: 'curve at c', description: 'P(w*·x > c) of the data', width: 7, value: (i) => at(i).curve, cell: (i) => density(at(i).curve) },
      { name: 'residual', label: 'residual', description: 'log10 density less log10 of the curve', width: 5.6, value: (i) => at(i).residual, cell: (i) => (Number.isNaN(at(i).residual) ? '–' : formatSigned(at(i).residual)) },
      { name: 'within', label: 'in interval', description: 'Whether the curve lies inside the 95 % interval of the density', width: 6, value: (i) => (at(i).within === null ? NaN : Number(at(i).within)), cell: (i) => (at(i).within === null ? '–' : at(i).within ? 'yes' : 'no') },
    ];
    return this.#table.render({ label: `Rare features at step ${frame.step}`, columns, rows, version: result, selected: (i) => at(i).feature === this.feature || (this.features?.includes(at(i).feature) ?? false), open: (i) => this.#open(at(i).feature) });
  }

  #readout(frame: DyingFrame): string {
    const point = this.#placed(this.focused);
    return point === null ? `Step ${formatCount(frame.step)}, over ${formatCount(frame.rows)} rows.` : `feature ${point.feature} · ${point.class}: ${pointLines(point, frame).join('; ')}`;
  }
}

function pointLines(point: PlacedPoint, frame: DyingFrame): string[] {
  const curve = Number.isNaN(point.curve) ? 'the curve does not reach so far' : point.curve === 0 ? 'no sampled row lies so far out' : `the curve says ${formatDensity(point.curve)}${Number.isNaN(point.residual) ? '' : `, residual ${formatSigned(point.residual)}`}`;
  return [`offset ${formatSigned(point.c, 3)}`, densityWords(frame, point.feature), curve];
}

/** How well the one curve does, in words. */
export function summaryWords(result: Collapse, { rows }: Pick<DyingFrame, 'rows'>): string {
  const { points, edge, measured, beyond, judged, rms, counting, median, within, shuffled, gaussian } = result;
  if (points.length === 0) return `No feature has a density below ${formatDensity(edge)} over ${formatCount(rows)} rows.`;
  const parts = [`${formatCount(points.length)} features with a density below ${formatDensity(edge)}, of which ${formatCount(points.filter(({ count }) => count === 0).length)} did not fire.`];
  if (rms !== null && counting !== null && median !== null) parts.push(`Of the ${formatCount(measured)} that can be measured, log10 density is ${formatNumber(rms, 2)} (root mean square) from the curve, median ${formatSigned(median)}; counting alone would leave about ${formatNumber(counting, 2)}.`);
  if (beyond > 0) parts.push(`${formatCount(beyond)} more fired with an offset beyond every sampled row: there the curve is not told from zero.`);
  if (judged > 0) parts.push(`The curve lies within the 95 % interval of ${formatCount(within)} of ${formatCount(judged)} (${Math.round((100 * within) / judged)} %).`);
  if (shuffled !== null) parts.push(`With offsets dealt out at random it would be ${formatNumber(shuffled.rms, 2)}${gaussian === null ? '' : `; from a normal distribution it is ${formatNumber(gaussian, 2)}`}.`);
  return parts.join(' ');
}

function staticPart(layout: CollapseLayout): TemplateResult {
  const { plot } = layout;
  const [right, bottom] = [plot.x + plot.width, plot.y + plot.height];
  return svg`
    <rect class="zone" x=${plot.x} y=${layout.floor} width=${plot.width} height=${Math.max(0, bottom - layout.floor)}></rect>
    ${layout.yTicks.map(({ at, label }) => svg`<line class="grid-line" x1=${plot.x} x2=${right} y1=${at} y2=${at}></line><text x=${plot.x - 6} y=${at} dy="0.32em" text-anchor="end">${label}</text>`)}
    <line class="axis" x1=${plot.x} x2=${right} y1=${bottom} y2=${bottom}></line>
    ${layout.xTicks.map(({ at, label }) => svg`<line class="axis" x1=${at} x2=${at} y1=${bottom} y2=${bottom + 4}></line><text x=${at} y=${bottom + 16} text-anchor="middle">${label}</text>`)}
    <text class="name" x=${right} y=${bottom + 32} text-anchor="end">offset c = −effective bias / ‖w‖</text>
    <text class="name" x=${plot.x} y=${plot.y - 9}>density</text>
    <line class="floor" x1=${plot.x} x2=${right} y1=${layout.floor} y2=${layout.floor}></line>
    <text class="floor-name" x=${right - 4} y=${layout.floor - 5} text-anchor="end">3/N</text>
    ${layout.whiskers.map((one) => svg`<path class=${`whisker ${one.class}`} d=${one.path}></path>`)}
    <path class="gaussian" d=${layout.gaussian}></path>
    <path class="curve" d=${layout.curve}></path>
    ${layout.marks.map((one) => svg`<path class=${`marks ${one.class} ${one.open ? 'open' : ''}`} d=${one.path}></path>`)}` as unknown as TemplateResult;
}
