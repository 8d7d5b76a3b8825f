/**
 * `<sae-density-histogram src="pack/">`: how often the features of an SAE fire.
 *
 * A listbox of bars over log10 density. Dragging, or arrow keys with Shift,
 * brush a range of bars and raise `sae-select` with its features; Escape takes
 * the brush away. It listens to nothing outside itself: who wants features
 * marked sets `selected`.
 */
import { html, type PropertyValues, type TemplateResult } from 'lit';
import type { Pack, PackSummary } from '../../engine/pack/reader.js';
import { SaeSelectEvent } from '../internal/events.js';
import { formatCount, formatDensity } from '../internal/format.js';
import { PackElement } from '../internal/pack-element.js';
import { binDensities, featuresBetween, mainClass, type DensityBars } from './bins.js';
import { chartTemplate, describeBar } from './chart.js';
import { styles } from './density-histogram.styles.js';
import { barAt, layoutHistogram, type HistogramLayout } from './layout.js';

/** How many selected features are marked one by one below the axis. */
const MARKS = 12;

/**
 * @attr src - folder of the pack
 * @attr bins-per-decade - bins a power of ten; by default 8, from 4096 features on 16
 * @fires sae-select - the brush changed: `features` in it, or `null` when it was taken away
 * @fires sae-load - the densities are there
 * @fires sae-error - they cannot be had
 * @cssprop --sae-histogram-height - height of the chart, 15rem
 * @csspart chart - the SVG
 * @csspart readout - the line below it
 * @slot - what readers without scripts see
 */
export class SaeDensityHistogram extends PackElement<PackSummary> {
  static override styles = [PackElement.base, styles];
  static override properties = {
    ...PackElement.properties,
    selected: { attribute: false },
    binsPerDecade: { attribute: 'bins-per-decade', type: Number },
    range: { state: true },
    cursor: { state: true },
    hovered: { state: true },
    size: { state: true },
  };

  /** Features to mark: those of another view, or one. Null for none. */
  declare selected: readonly number[] | null;
  declare binsPerDecade: number | null;

  /** Bars that are brushed, both ends included. */
  declare protected range: readonly [number, number] | null;
  declare protected cursor: number;
  declare protected hovered: number | null;
  declare protected size: { readonly width: number; readonly height: number };

  #bars: DensityBars | null = null;
  #layout: HistogramLayout | null = null;
  /** Where the brush began: the end that stays while the other moves. */
  #anchor: number | null = null;
  #dragging = false;
  #resize: ResizeObserver | null = null;
  #observed: Element | null = null;

  constructor() {
    super();
    this.selected = null;
    this.binsPerDecade = null;
    this.range = null;
    this.cursor = 0;
    this.hovered = null;
    this.size = { width: 640, height: 240 };
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize?.disconnect();
    this.#resize = this.#observed = null;
  }

  protected override get subject(): string {
    return 'densities';
  }

  protected override fetchContent(pack: Pack, signal: AbortSignal): Promise<PackSummary> {
    return pack.summary({ signal });
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    const { content: summary, binsPerDecade } = this;
    if (changed.has('content') || changed.has('binsPerDecade')) {
      const usable = summary !== null && summary.columns['density'] !== undefined;
      this.#bars = usable ? binDensities(summary, { floor: this.openPack?.manifest.density_floor ?? 1, perDecade: validBins(binsPerDecade) }) : null;
      this.range = this.hovered = this.#anchor = null;
      this.cursor = Math.max(0, this.#bars?.bars.findIndex(({ features }) => features.length > 0) ?? 0);
    }
    this.#layout = this.#bars === null ? null : layoutHistogram(this.#bars, this.size.width, this.size.height);
  }

  protected override updated(changed: PropertyValues): void {
    super.updated(changed);
    const frame = this.renderRoot.querySelector('.frame');
    if (frame === this.#observed) return;
    this.#resize ??= new ResizeObserver(([entry]) => {
      const { width = 0, height = 0 } = entry?.contentRect ?? {};
      // Whole pixels, so that a scroll bar's coming and going settles.
      if (width > 0) this.size = { width: Math.floor(width), height: Math.floor(height) };
    });
    this.#resize.disconnect();
    if (frame !== null) this.#resize.observe(frame);
    this.#observed = frame;
  }

  /** Takes the brush away, without an event: for a host that has cleared its filters. */
  clearBrush(): void {
    this.range = this.#anchor = null;
  }

  #brush(from: number, to: number): void {
    const next: readonly [number, number] = [Math.min(from, to), Math.max(from, to)];
    if (this.range !== null && this.range[0] === next[0] && this.range[1] === next[1]) return;
    this.range = next;
    if (this.#bars !== null) this.dispatchEvent(new SaeSelectEvent({ features: featuresBetween(this.#bars, ...next), source: 'histogram', pack: this.openPack }));
  }

  #clear(): void {
    if (this.range === null) return;
    this.clearBrush();
    this.dispatchEvent(new SaeSelectEvent({ features: null, source: 'histogram', pack: this.openPack }));
  }

  #barUnder(event: PointerEvent): number | null {
    if (this.#layout === null) return null;
    const box = (event.currentTarget as Element).getBoundingClientRect();
    // The chart may be scaled by a transform or zoom around it.
    return barAt(this.#layout, ((event.clientX - box.left) / Math.max(1, box.width)) * this.#layout.width);
  }

  #onPointerDown(event: PointerEvent): void {
    const bar = this.#barUnder(event);
    if (bar === null || event.button !== 0) return;
    const chart = event.currentTarget as SVGElement;
    chart.setPointerCapture(event.pointerId);
    this.#dragging = true;
    this.cursor = bar;
    // A click on the only bar of the brush takes it away again.
    const again = this.range !== null && this.range[0] === bar && this.range[1] === bar;
    if (event.shiftKey && this.#anchor !== null) return this.#brush(this.#anchor, bar);
    this.#anchor = bar;
    if (again) {
      this.#dragging = false;
      this.#clear();
    } else this.#brush(bar, bar);
  }

  #onPointerMove(event: PointerEvent): void {
    const bar = this.#barUnder(event);
    this.hovered = event.pointerType === 'touch' && !this.#dragging ? null : bar;
    if (!this.#dragging || bar === null || this.#anchor === null) return;
    this.cursor = bar;
    this.#brush(this.#anchor, bar);
  }

  #onPointerEnd(): void {
    this.#dragging = false;
  }

  #onPointerLeave(): void {
    if (!this.#dragging) this.hovered = null;
  }

  #onKeydown(event: KeyboardEvent): void {
    const bars = this.#bars?.bars;
    if (bars === undefined || event.altKey || event.metaKey) return;
    const step = (by: 1 | -1): number => {
      // Empty bars are passed over: there is nothing to hear there.
      for (let i = this.cursor + by; i >= 0 && i < bars.length; i += by) if ((bars[i]?.features.length ?? 0) > 0) return i;
      return this.cursor;
    };
    let to: number;
    if (event.key === 'ArrowRight' || event.key === 'ArrowUp') to = step(1);
    else if (event.key === 'ArrowLeft' || event.key === 'ArrowDown') to = step(-1);
    else if (event.key === 'Home') to = bars.findIndex(({ features }) => features.length > 0);
    else if (event.key === 'End') to = lastFull(bars);
    else if (event.key === ' ' || event.key === 'Enter') to = this.cursor;
    else if (event.key === 'Escape') {
      // Escape is left to a dialog around us when there is nothing to take away.
      if (this.range === null) return;
      event.preventDefault();
      return this.#clear();
    } else return;
    event.preventDefault();
    to = Math.max(0, to);
    this.hovered = null;
    this.cursor = to;
    if (event.shiftKey) this.#anchor ??= to;
    else this.#anchor = to;
    this.#brush(this.#anchor, to);
  }

  protected override renderContent(summary: PackSummary): TemplateResult {
    const layout = this.#layout;
    const bars = this.#bars;
    if (layout === null || bars === null) return html`<p class="empty" part="empty">This pack has no densities: its density analysis was left out, or failed.</p>`;
    return html`
      <div class="frame">
        <svg
          class="chart"
          part="chart"
          role="listbox"
          aria-label="Features by density"
          aria-multiselectable="true"
          aria-activedescendant=${`bar-${this.cursor}`}
          aria-describedby="keys"
          tabindex="0"
          width=${layout.width}
          height=${layout.height}
          viewBox=${`0 0 ${layout.width} ${layout.height}`}
          @pointerdown=${this.#onPointerDown}
          @pointermove=${this.#onPointerMove}
          @pointerup=${this.#onPointerEnd}
          @pointercancel=${this.#onPointerEnd}
          @pointerleave=${this.#onPointerLeave}
          @keydown=${this.#onKeydown}
        >
          ${chartTemplate({ layout, floor: bars.floor, range: this.range, cursor: this.cursor, hovered: this.hovered, ...this.#marks(summary, bars, layout) })}
        </svg>
      </div>
      <p class="readout" part="readout" role="status">${this.#readout(bars)}</p>
      <p id="keys" class="visually-hidden">Arrow keys choose a bar, with Shift a range; Escape takes the choice away.</p>
      ${tableTemplate(bars)}
    `;
  }

  /** Where the selected features are: their number in each bar, and single ones on the axis. */
  #marks(summary: PackSummary, { barOf }: DensityBars, layout: HistogramLayout): { highlighted: Uint32Array | null; marks: number[] } {
    const { selected } = this;
    if (selected === null) return { highlighted: null, marks: [] };
    const highlighted = new Uint32Array(layout.bars.length);
    for (const feature of selected) {
      const bar = barOf[feature];
      if (bar !== undefined) highlighted[bar] = (highlighted[bar] ?? 0) + 1;
    }
    const marks = selected.length > MARKS ? [] : selected.flatMap((feature) => {
      const bar = layout.bars[barOf[feature] ?? -1];
      if (bar === undefined) return [];
      return [bar.bar.kind === 'bin' ? layout.x(summary.columns['density']?.[feature] ?? 1) : bar.column.x + bar.column.width / 2];
    });
    return { highlighted, marks };
  }

  #readout({ bars }: DensityBars): string {
    const { range, hovered } = this;
    const pointed = hovered === null ? undefined : bars[hovered];
    if (pointed !== undefined && !this.#dragging) return describeBar(pointed);
    if (range === null) return 'Drag over bars to choose features.';
    const [first, last] = [bars[range[0]], bars[range[1]]];
    if (first === undefined || last === undefined || first === last) return first === undefined ? '' : describeBar(first);
    const count = bars.slice(range[0], range[1] + 1).reduce((sum, { features }) => sum + features.length, 0);
    const low = first.kind === 'dead' ? 'dead' : first.kind === 'unresolved' ? 'below the floor' : formatDensity(first.low);
    const high = last.kind === 'unresolved' ? 'below the floor' : formatDensity(last.high);
    return `${low} to ${high}: ${formatCount(count)} features`;
  }
}

/** The same figures for those who do not see the chart. */
function tableTemplate({ bars, floor }: DensityBars): TemplateResult {
  return html`
    <div class="visually-hidden"><table>
      <caption>Features by density. Densities below ${formatDensity(floor)} cannot be told from zero.</caption>
      <thead><tr><th scope="col">density</th><th scope="col">class</th><th scope="col">features</th></tr></thead>
      <tbody>
        ${bars.filter(({ features }) => features.length > 0).map((bar) => html`
          <tr>
            <th scope="row">${bar.kind === 'dead' ? 'no firing' : bar.kind === 'unresolved' ? 'below the floor' : `${formatDensity(bar.low)} to ${formatDensity(bar.high)}`}</th>
            <td>${mainClass(bar)}</td>
            <td>${bar.features.length}</td>
          </tr>`)}
      </tbody>
    </table></div>
  `;
}

const lastFull = (bars: DensityBars['bars']): number => bars.reduce((last, { features }, i) => (features.length > 0 ? i : last), 0);
const validBins = (wish: number | null): number | undefined => (wish === null || !Number.isFinite(wish) ? undefined : Math.max(1, Math.min(50, Math.round(wish))));
