/**
 * Examples as rows of tokens, the firing tokens of all rows in one column (a
 * concordance), coloured by activation, with a read-out under pointer and
 * keyboard.
 *
 * Kept true: the firing token is outlined, not only coloured; the whole window of
 * a row can be reached (it scrolls, wraps, and the arrow keys go through it); the
 * grid is one tab stop; only the keyboard speaks to the live region.
 */
import { html, nothing, type ReactiveController, type ReactiveControllerHost, type TemplateResult } from 'lit';
import type { FeatureCard, FeatureExample } from '../../engine/pack/schema.js';
import { moveInGrid, type GridPosition } from '../internal/a11y.js';
import { formatNumber } from '../internal/format.js';
import { tabsTemplate } from '../internal/tabs.js';
import { directionOf } from '../internal/text.js';
import { tokenTemplate } from '../internal/token.js';
import { describeToken, exampleGroups, firstOfEach } from './example-groups.js';

export type ExamplesHost = ReactiveControllerHost & { readonly renderRoot: HTMLElement | DocumentFragment };

/** Rows of the first tab before more are asked for. */
const ROWS = 10;
/** Where the firing tokens stand in the row: 10 of a window's 16 tokens come before. */
const COLUMN = 0.6;

/** State and drawing of the examples of a card. */
export class Examples implements ReactiveController {
  readonly #host: ExamplesHost;
  #tab = 0;
  #all = false;
  #wrap = false;
  #max: number | null = null;
  #rows: readonly FeatureExample[] = [];
  /** The cell that the tab key comes to; null for the firing token of the first row. */
  #cursor: GridPosition | null = null;
  #hovered: GridPosition | null = null;
  /** What the live region says. */
  #spoken = '';
  #resize: ResizeObserver | null = null;
  #grid: Element | null = null;
  #aligned: unknown = null;

  constructor(host: ExamplesHost) {
    this.#host = host;
    host.addController(this);
  }

  /** Another card begins at its beginning. */
  reset(): void {
    this.#tab = 0;
    this.#all = false;
    this.#cursor = this.#hovered = null;
    this.#spoken = '';
  }

  hostUpdated(): void {
    const grid = this.#host.renderRoot.querySelector('.grid');
    if (grid !== this.#grid) {
      this.#grid = grid;
      this.#resize?.disconnect();
      if (grid !== null) (this.#resize ??= new ResizeObserver(() => this.#align())).observe(grid);
    }
    if (this.#aligned === this.#rows) return;
    this.#aligned = this.#rows;
    this.#align();
  }

  hostConnected(): void {
    this.#aligned = this.#grid = null;
  }

  hostDisconnected(): void {
    this.#resize?.disconnect();
    this.#resize = null;
  }

  /** Brings the firing tokens under one another. */
  #align(): void {
    const moves = Array.from(this.#grid?.querySelectorAll('.strip') ?? [], (strip) => {
      const firing = strip.querySelector('.firing')?.getBoundingClientRect();
      const box = strip.getBoundingClientRect();
      if (firing === undefined) return null;
      const rtl = getComputedStyle(strip).direction === 'rtl';
      return { strip, left: rtl ? firing.right - (box.right - box.width * COLUMN) : firing.left - (box.left + box.width * COLUMN) };
    });
    // All are measured before any is moved.
    for (const move of moves) move?.strip.scrollBy({ left: move.left, behavior: 'instant' });
  }

  #change(change: () => void): void {
    change();
    this.#host.requestUpdate();
  }

  #position(event: Event): GridPosition | null {
    const cell = (event.target as Element).closest('[role="gridcell"]');
    if (cell === null) return null;
    const row = cell.closest('[role="row"]') as Element;
    return { row: Array.from(this.#grid?.querySelectorAll('[role="row"]') ?? []).indexOf(row), column: Array.from(row.querySelectorAll('[role="gridcell"]')).indexOf(cell) };
  }

  readonly #onPointer = (event: Event): void => {
    const hovered = event.type === 'pointerleave' ? null : this.#position(event);
    if (hovered?.row === this.#hovered?.row && hovered?.column === this.#hovered?.column) return;
    this.#change(() => (this.#hovered = hovered));
  };

  readonly #onFocus = (event: Event): void => {
    const position = this.#position(event);
    const example = this.#rows[position?.row ?? -1];
    if (position === null || example === undefined) return;
    this.#change(() => {
      this.#cursor = position;
      this.#hovered = null;
      this.#spoken = describeToken(example, position.column, this.#max);
    });
  };

  readonly #onKeydown = (event: KeyboardEvent): void => {
    const from = this.#position(event);
    if (from === null) return;
    const strip = (event.target as Element).closest('.strip') as Element;
    const to = moveInGrid(event, from, this.#rows.map(({ tokens }) => tokens.length), {
      rtl: getComputedStyle(strip).direction === 'rtl',
      // Down the column of firing tokens, keeping the distance to it.
      at: (row) => (this.#rows[row]?.firing ?? 0) + from.column - (this.#rows[from.row]?.firing ?? 0),
    });
    if (to === null) return;
    event.preventDefault();
    const row = this.#grid?.querySelectorAll('[role="row"]')[to.row];
    row?.querySelectorAll<HTMLElement>('[role="gridcell"]')[to.column]?.focus();
  };

  render(card: FeatureCard, compact: boolean): TemplateResult {
    const { top, range } = exampleGroups(card.examples);
    const names = [top.length > 0 ? 'strongest' : '', range.length > 0 ? 'across the range' : ''].filter(Boolean);
    const showRange = top.length === 0 || (this.#tab === 1 && range.length > 0);
    const every = showRange ? range : top;
    const some = showRange ? firstOfEach(range) : top.slice(0, compact ? 3 : ROWS);
    const rows = this.#all ? every : some;
    // The same rows as before stay the same array: what was scrolled stays scrolled.
    if (rows.length !== this.#rows.length || rows.some((row, i) => row !== this.#rows[i])) this.#rows = rows;
    this.#max = card.max;
    if (rows.length === 0) return html`<section class="examples" part="examples" role="group" aria-label="Examples"><p class="none">${card.count === 0 ? 'It never fired: there are no examples.' : 'This pack has no examples.'}</p></section>`;
    const title = showRange ? 'across the range' : 'strongest';
    return html`
      <section class="examples" part="examples" role="group" aria-label="Examples">
        <div class="head">
          <p><span class="label">examples</span> ${names.length < 2 ? html`<span class="aside">${title}</span>` : nothing}</p>
          ${tabsTemplate({ label: 'Examples', names, chosen: this.#tab, panel: 'examples', choose: (tab) => this.#change(() => { this.reset(); this.#tab = tab; }) })}
          <button class="toggle" type="button" aria-pressed=${String(this.#wrap)} @click=${() => this.#change(() => { this.#wrap = !this.#wrap; this.#aligned = null; })}>wrap</button>
        </div>
        <div id="examples" role=${names.length < 2 ? 'presentation' : 'tabpanel'} aria-label=${title}>
          <div
            class="grid ${this.#wrap ? 'wrap' : ''}"
            role="grid"
            aria-label=${`Examples, ${title}`}
            aria-describedby="keys"
            @keydown=${this.#onKeydown}
            @focusin=${this.#onFocus}
            @pointerover=${this.#onPointer}
            @pointerleave=${this.#onPointer}
          >
            ${rows.map((example, row) => this.#row(example, row, rows[row - 1]))}
          </div>
          <div class="below">
            <p class="readout" part="readout" aria-hidden="true">${this.#readout()}</p>
            ${every.length === some.length ? nothing : html`<button class="toggle" type="button" aria-expanded=${String(this.#all)} @click=${() => this.#change(() => { this.#all = !this.#all; this.#cursor = this.#hovered = null; })}>${this.#all ? 'fewer' : `all ${every.length}`}</button>`}
          </div>
          <p id="keys" class="visually-hidden">Arrow keys move over the tokens.</p>
          <p class="visually-hidden" role="status">${this.#spoken}</p>
        </div>
      </section>
    `;
  }

  #readout(): string {
    const at = this.#hovered ?? this.#cursor;
    const example = at === null ? undefined : this.#rows[at.row];
    return at === null || example === undefined ? 'Point at a token to read its activation.' : describeToken(example, at.column, this.#max);
  }

  #row(example: FeatureExample, row: number, before: FeatureExample | undefined): TemplateResult {
    const { tokens, activations, firing, value, interval, group } = example;
    const max = this.#max ?? 0;
    const share = (activation: number): string => `--a:${max > 0 ? Math.max(0, Math.min(1, activation / max)).toFixed(3) : 0}`;
    const stop = this.#cursor ?? { row: 0, column: this.#rows[0]?.firing ?? 0 };
    // No white space between the tokens: it would be seen.
    const cells = tokens.map((token, column) => {
      const activation = activations[column] ?? 0;
      return html`<bdi
        class="token ${activation > 0 ? 'on' : ''} ${column === firing ? 'firing' : ''}"
        part=${column === firing ? 'token firing' : 'token'}
        role="gridcell"
        tabindex=${stop.row === row && stop.column === column ? 0 : -1}
        .style=${activation > 0 ? share(activation) : ''}
        >${tokenTemplate(token, 'keep')}</bdi
      >`;
    });
    return html`
      <div class="row ${before !== undefined && before.group !== group ? 'first' : ''}" role="row">
        <span class="value" role="rowheader" title=${interval === null ? nothing : `from ${formatNumber(interval[0])} to ${formatNumber(interval[1])}`}>${formatNumber(value)}</span>
        <div class="strip" part="strip" role="presentation" dir=${directionOf(tokens)}>${cells}</div>
      </div>
    `;
  }
}
