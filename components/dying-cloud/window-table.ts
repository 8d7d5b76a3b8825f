/**
 * A table of any number of rows in a scroller, of which only those that are seen are in the
 * document: sorted by a click on a column's head, walked by keyboard, opened with Enter.
 */
import { html, nothing, type LitElement, type ReactiveController, type TemplateResult } from 'lit';
import { rowWindow, scrollTopFor } from '../feature-table/window.js';

/** Height of a row in CSS pixels; table.styles.ts has the same. */
export const ROW = 28;
const HEAD = 32;

export interface TableColumn {
  readonly name: string;
  readonly label: string;
  readonly description: string;
  /** Least width, rem. */
  readonly width: number;
  /** To sort by; NaN comes last in both directions. */
  readonly value: (id: number) => number;
  readonly cell: (id: number) => unknown;
}

export interface TableView {
  readonly label: string;
  readonly columns: readonly TableColumn[];
  /** Ids of the rows; another array where they have changed. */
  readonly rows: Uint32Array;
  /** Changes when values have. */
  readonly version: unknown;
  readonly selected: (id: number) => boolean;
  readonly open: (id: number) => void;
}

export class WindowTable implements ReactiveController {
  sortBy: string;
  descending: boolean;
  /** Row that the keyboard is on. */
  active: number | null = null;
  readonly #host: LitElement;
  #scrollTop = 0;
  #viewHeight = 360;
  #sorted: { readonly rows: Uint32Array; readonly version: unknown; readonly by: string; readonly descending: boolean; readonly order: Uint32Array } | null = null;
  #reveal = false;

  constructor(host: LitElement, sortBy: string, descending = false) {
    this.#host = host;
    this.sortBy = sortBy;
    this.descending = descending;
    host.addController(this);
  }

  hostUpdated(): void {
    if (!this.#reveal) return;
    this.#reveal = false;
    const grid = this.#host.renderRoot.querySelector<HTMLElement>('.grid');
    const row = this.active === null || this.#sorted === null ? -1 : this.#sorted.order.indexOf(this.active);
    if (grid === null || row < 0) return;
    this.#viewHeight = Math.max(ROW, grid.clientHeight - HEAD);
    const next = scrollTopFor(row, grid.scrollTop, this.#viewHeight, this.#sorted!.order.length, ROW);
    if (next === grid.scrollTop) return;
    grid.scrollTop = this.#scrollTop = next;
    this.#host.requestUpdate();
  }

  /** Rows in order; worked out again only when something has changed. */
  order({ columns, rows, version }: TableView): Uint32Array {
    const { sortBy: by, descending } = this;
    const known = this.#sorted;
    if (known !== null && known.rows === rows && known.version === version && known.by === by && known.descending === descending) return known.order;
    const column = columns.find(({ name }) => name === by) ?? columns[0]!;
    const values = new Map<number, number>();
    for (const id of rows) values.set(id, column.value(id));
    const sign = descending ? -1 : 1;
    const order = Uint32Array.from(rows).sort((a, b) => {
      const [x, y] = [values.get(a)!, values.get(b)!];
      if (x === y) return a - b;
      if (Number.isNaN(x)) return Number.isNaN(y) ? a - b : 1;
      return Number.isNaN(y) ? -1 : sign * (x - y);
    });
    this.#sorted = { rows, version, by, descending, order };
    return order;
  }

  render(view: TableView): TemplateResult {
    const order = this.order(view);
    const { first, end, height, top } = rowWindow(this.#scrollTop, this.#viewHeight, order.length, ROW);
    const drawn = Array.from(order.subarray(first, end));
    const template = view.columns.map(({ width }) => `minmax(${width}rem, ${width}fr)`).join(' ');
    const least = view.columns.reduce((sum, { width }) => sum + width, 0);
    return html`
      <div class="grid" part="table" role="grid" tabindex="0" aria-label=${view.label} aria-rowcount=${order.length + 1} aria-activedescendant=${this.active !== null && drawn.includes(this.active) ? `row-${this.active}` : nothing} .style=${`--columns: ${template}; --least: ${least}rem`} @scroll=${this.#onScroll} @keydown=${(event: KeyboardEvent) => this.#onKeydown(event, view)}>
        <div class="head" role="rowgroup">
          <div class="row" role="row" aria-rowindex="1">
            ${view.columns.map((column) => {
              const sorted = this.sortBy === column.name;
              return html`<div class="cell" role="columnheader" aria-sort=${sorted ? (this.descending ? 'descending' : 'ascending') : 'none'}><button type="button" title=${column.description} @click=${() => this.#sort(column.name)}>${column.label}<span class="arrow" aria-hidden="true">${sorted ? (this.descending ? '▼' : '▲') : ''}</span></button></div>`;
            })}
          </div>
        </div>
        <div class="body" role="rowgroup" .style=${`block-size: ${Math.max(ROW, height)}px`}>
          ${order.length === 0 ? html`<div class="row none" role="row"><span role="gridcell">No feature is shown.</span></div>` : nothing}
          ${drawn.map((id, i) => html`<div id="row-${id}" class="row ${id === this.active ? 'active' : ''}" role="row" aria-rowindex=${first + i + 2} aria-selected=${String(view.selected(id))} .style=${`transform: translateY(${top + i * ROW}px)`} @click=${() => this.#open(id, view)}>${view.columns.map((column, c) => html`<div class="cell" role=${c === 0 ? 'rowheader' : 'gridcell'}>${column.cell(id)}</div>`)}</div>`)}
        </div>
      </div>
    `;
  }

  #open(id: number, view: TableView): void {
    this.active = id;
    view.open(id);
    this.#host.requestUpdate();
  }

  #sort(name: string): void {
    if (this.sortBy === name) this.descending = !this.descending;
    else [this.sortBy, this.descending] = [name, false];
    const grid = this.#host.renderRoot.querySelector<HTMLElement>('.grid');
    if (grid !== null) grid.scrollTop = this.#scrollTop = 0;
    this.#host.requestUpdate();
  }

  #onScroll = (event: Event): void => {
    const grid = event.currentTarget as HTMLElement;
    this.#scrollTop = grid.scrollTop;
    this.#viewHeight = Math.max(ROW, grid.clientHeight - HEAD);
    this.#host.requestUpdate();
  };

  #onKeydown(event: KeyboardEvent, view: TableView): void {
    // Keys in the heading belong to its buttons.
    if (event.target !== event.currentTarget || event.altKey || event.metaKey) return;
    const order = this.order(view);
    const row = this.active === null ? -1 : order.indexOf(this.active);
    const page = Math.max(1, Math.floor(this.#viewHeight / ROW) - 1);
    const to: Record<string, number> = { ArrowDown: row + 1, ArrowUp: Math.max(0, row - 1), PageDown: Math.max(0, row) + page, PageUp: row - page, Home: 0, End: order.length - 1 };
    const next = to[event.key];
    if (next !== undefined && order.length > 0) {
      this.active = order[Math.max(0, Math.min(order.length - 1, next))]!;
      this.#reveal = true;
      this.#host.requestUpdate();
    } else if ((event.key === 'Enter' || event.key === ' ') && this.active !== null && row >= 0) this.#open(this.active, view);
    else return;
    event.preventDefault();
  }
}
