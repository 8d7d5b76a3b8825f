/**
 * `<sae-feature-table>`: all features of a pack as a grid that sorts, scrolls
 * and answers the keyboard with any number of rows: only those that are seen
 * are in the document.
 *
 * The pack view gives it `summary`, `features` (those that pass its filters) and
 * `selected`; what a person opens it raises as `sae-select`.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { PackSummary } from '../../engine/pack/reader.js';
import { SaeElement } from '../internal/element.js';
import { SaeSelectEvent } from '../internal/events.js';
import { cellTemplate } from './cells.js';
import { columnsOf, sortFeatures, type ColumnName, type FeatureColumn, type SortDirection } from './columns.js';
import { styles } from './feature-table.styles.js';
import { rowWindow, scrollTopFor } from './window.js';

/** Heights in CSS pixels; feature-table.styles.ts has the same. */
const ROW = 30;
const HEAD = 34;

/**
 * @fires sae-select - a feature was opened (click, Enter, Space)
 * @csspart grid - the scrolling grid
 */
export class SaeFeatureTable extends SaeElement {
  static override styles = [SaeElement.base, styles];
  static override properties = {
    summary: { attribute: false },
    features: { attribute: false },
    selected: { attribute: false },
    sortBy: { attribute: 'sort-by' },
    direction: {},
    scrollTopNow: { state: true },
    viewHeight: { state: true },
    active: { state: true },
  };

  /** The features' figures; null shows nothing. */
  declare summary: PackSummary | null;
  /** Those to show; null for all. */
  declare features: ArrayLike<number> | null;
  /** The feature that is open elsewhere. */
  declare selected: number | null;
  declare sortBy: ColumnName;
  declare direction: SortDirection;

  declare protected scrollTopNow: number;
  declare protected viewHeight: number;
  /** The feature that the keyboard is on. */
  declare protected active: number | null;

  #rows: Uint32Array = new Uint32Array(0);
  #columns: readonly FeatureColumn[] = [];
  #toTop = false;
  #resize: ResizeObserver | null = null;
  /** Set when the active row is to be scrolled to after the next rendering. */
  #reveal = false;

  constructor() {
    super();
    this.summary = null;
    this.features = null;
    this.selected = null;
    this.sortBy = 'feature';
    this.direction = 'ascending';
    this.scrollTopNow = 0;
    this.viewHeight = 480;
    this.active = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resize = new ResizeObserver(() => this.#measure());
    this.#resize.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize?.disconnect();
    this.#resize = null;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const { summary } = this;
    if (changed.has('summary')) {
      this.#columns = summary === null ? [] : columnsOf(summary);
      if (!this.#columns.some(({ name }) => name === this.sortBy)) this.sortBy = 'feature';
    }
    if (changed.has('summary') || changed.has('features') || changed.has('sortBy') || changed.has('direction')) {
      this.#rows = summary === null ? new Uint32Array(0) : sortFeatures(summary, this.features ?? Uint32Array.from({ length: summary.rows }, (_, i) => i), this.sortBy, this.direction);
      if (!changed.has('selected')) this.#reveal = this.active !== null;
    }
    if (changed.has('selected') && this.selected !== null) {
      this.active = this.selected;
      this.#reveal = true;
    }
  }

  protected override updated(): void {
    if (this.#toTop) {
      this.#toTop = this.#reveal = false;
      this.scrollTopNow = 0;
      if (this.#grid !== null) this.#grid.scrollTop = 0;
    }
    if (!this.#reveal) return;
    this.#reveal = false;
    this.#scrollToActive();
  }

  get #grid(): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>('.grid');
  }

  #measure(): void {
    const grid = this.#grid;
    if (grid !== null && grid.clientHeight > 0) this.viewHeight = grid.clientHeight - HEAD;
  }

  #scrollToActive(): void {
    const grid = this.#grid;
    const row = this.active === null ? -1 : this.#rows.indexOf(this.active);
    if (grid === null || row < 0) return;
    const next = scrollTopFor(row, grid.scrollTop, this.viewHeight, this.#rows.length, ROW);
    if (next === grid.scrollTop) return;
    grid.scrollTop = next;
    this.scrollTopNow = grid.scrollTop;
  }

  /** Moves the keyboard's row, and scrolls to it. */
  #move(row: number): void {
    if (this.#rows.length === 0) return;
    this.active = this.#rows[Math.max(0, Math.min(this.#rows.length - 1, row))] as number;
    this.#reveal = true;
  }

  #onKeydown(event: KeyboardEvent): void {
    // Keys in the heading belong to its buttons.
    if (event.target !== event.currentTarget || event.altKey || event.metaKey) return;
    const row = this.active === null ? -1 : this.#rows.indexOf(this.active);
    const page = Math.max(1, Math.floor(this.viewHeight / ROW) - 1);
    if (event.key === 'ArrowDown') this.#move(row + 1);
    else if (event.key === 'ArrowUp') this.#move(row < 0 ? 0 : row - 1);
    else if (event.key === 'PageDown') this.#move(Math.max(0, row) + page);
    else if (event.key === 'PageUp') this.#move(row - page);
    else if (event.key === 'Home') this.#move(0);
    else if (event.key === 'End') this.#move(this.#rows.length - 1);
    else if ((event.key === 'Enter' || event.key === ' ') && this.active !== null && row >= 0) this.#open(this.active);
    else return;
    event.preventDefault();
  }

  #onClick(event: MouseEvent): void {
    const row = (event.target as Element).closest<HTMLElement>('[data-feature]');
    if (row === null) return;
    this.active = Number(row.dataset['feature']);
    this.#open(this.active);
  }

  #open(feature: number): void {
    this.selected = feature;
    this.dispatchEvent(new SaeSelectEvent({ feature, source: 'table' }));
  }

  /** Who sorts wants the first rows, not the row that was open before. */
  #sort({ name, first }: FeatureColumn): void {
    this.#toTop = true;
    if (this.sortBy === name) this.direction = this.direction === 'ascending' ? 'descending' : 'ascending';
    else [this.sortBy, this.direction] = [name, first];
  }

  protected override render(): TemplateResult | typeof nothing {
    const { summary } = this;
    if (summary === null) return nothing;
    const { first, end, height, top } = rowWindow(this.scrollTopNow, this.viewHeight, this.#rows.length, ROW);
    const drawn = Array.from(this.#rows.subarray(first, end));
    const activeDrawn = this.active !== null && drawn.includes(this.active);
    return html`
      <div
        class="grid"
        .style=${`--columns: ${this.#columns.map(({ width }) => `minmax(${width}rem, ${width}fr)`).join(' ')}; --least: ${this.#columns.reduce((sum, { width }) => sum + width, 0)}rem`}
        part="grid"
        role="grid"
        tabindex="0"
        aria-label="Features"
        aria-rowcount=${this.#rows.length + 1}
        aria-activedescendant=${activeDrawn ? `row-${this.active}` : nothing}
        @scroll=${this.#onScroll}
        @keydown=${this.#onKeydown}
        @click=${this.#onClick}
      >
        <div class="head" role="rowgroup">
          <div class="row" role="row" aria-rowindex="1">${this.#columns.map((column) => this.#headTemplate(column))}</div>
        </div>
        <div class="body" role="rowgroup" .style=${`block-size: ${height}px`}>
          ${this.#rows.length === 0 ? html`<div class="row none" role="row"><span role="gridcell">No feature passes the filters.</span></div>` : nothing}
          ${repeat(drawn, (feature) => feature, (feature, i) => this.#rowTemplate(summary, feature, first + i, top + i * ROW))}
        </div>
      </div>
    `;
  }

  #onScroll(event: Event): void {
    this.scrollTopNow = (event.currentTarget as HTMLElement).scrollTop;
  }

  #headTemplate(column: FeatureColumn): TemplateResult {
    const sorted = this.sortBy === column.name;
    return html`
      <div class="cell ${column.name}" role="columnheader" aria-sort=${sorted ? this.direction : 'none'}>
        <button type="button" title=${column.description} @click=${() => this.#sort(column)}>${column.label}<span class="arrow" aria-hidden="true">${sorted ? (this.direction === 'ascending' ? '▲' : '▼') : ''}</span></button>
      </div>
    `;
  }

  #rowTemplate(summary: PackSummary, feature: number, index: number, top: number): TemplateResult {
    return html`
      <div
        id="row-${feature}"
        class="row ${feature === this.active ? 'active' : ''}"
        role="row"
        aria-rowindex=${index + 2}
        aria-selected=${feature === this.selected ? 'true' : 'false'}
        data-feature=${feature}
        .style=${`transform: translateY(${top}px)`}
      >
        ${this.#columns.map(({ name }) => cellTemplate(summary, name, feature))}
      </div>
    `;
  }
}
