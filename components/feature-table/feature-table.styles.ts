/** Looks of the feature table. Heights are those of feature-table.ts. */
import { css } from 'lit';

export const styles = css`
  :host {
    display: block;
    block-size: var(--sae-table-height, 32rem);
    min-block-size: 10rem;
    font-size: 0.85rem;
  }
  .grid {
    position: relative;
    block-size: 100%;
    overflow: auto;
    /* Scrolling moves the rows in the document: the browser must not try to help. */
    overflow-anchor: none;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
  }
  .head {
    position: sticky;
    inset-block-start: 0;
    z-index: 2;
    min-inline-size: var(--least);
    background: var(--_sunken);
    border-block-end: 1px solid var(--_line);
  }
  .row {
    display: grid;
    grid-template-columns: var(--columns);
    inline-size: 100%;
    block-size: 30px;
    align-items: center;
  }
  .head .row {
    block-size: 33px;
    background: var(--_sunken);
  }
  .body {
    position: relative;
    min-inline-size: var(--least);
  }
  .body .row {
    position: absolute;
    inset-block-start: 0;
    inset-inline-start: 0;
    background: var(--_surface);
    border-block-end: 1px solid color-mix(in srgb, var(--_line) 55%, transparent);
    cursor: pointer;
  }
  .body .row:hover {
    background: var(--_sunken);
  }
  .row[aria-selected='true'] {
    background: color-mix(in srgb, var(--_focus) 14%, var(--_surface));
    box-shadow: inset 3px 0 0 var(--_focus);
  }
  .row[aria-selected='true']:dir(rtl) {
    box-shadow: inset -3px 0 0 var(--_focus);
  }
  .grid:focus-visible .row.active {
    outline: 2px solid var(--_focus);
    outline-offset: -2px;
  }
  .row.none {
    position: static;
    padding-inline: 1rem;
    color: var(--_muted);
    cursor: default;
  }
  .cell {
    position: relative;
    padding-inline: 0.6rem;
    text-align: end;
    /* A minus stays before its number on right-to-left pages. */
    unicode-bidi: plaintext;
    white-space: nowrap;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .cell.class {
    display: flex;
    align-items: center;
    justify-content: flex-start;
    gap: 0.4rem;
  }
  /* Stays while a narrow table is scrolled sideways. */
  .cell.feature {
    position: sticky;
    inset-inline-start: 0;
    z-index: 1;
    block-size: 100%;
    align-content: center;
    background: inherit;
    font-weight: 600;
  }
  .row[aria-selected='true'] .cell.feature {
    box-shadow: inherit;
  }
  .cell button {
    inline-size: 100%;
    padding: 0;
    border: 0;
    background: none;
    color: var(--_muted);
    font-size: 0.95em;
    text-align: end;
    white-space: nowrap;
    cursor: pointer;
  }
  .cell.class button {
    text-align: start;
  }
  .cell button:hover,
  [aria-sort='ascending'] button,
  [aria-sort='descending'] button {
    color: var(--_text);
  }
  .arrow {
    display: inline-block;
    inline-size: 1.1em;
    font-size: 0.75em;
    text-align: end;
  }
  .dot {
    flex: none;
    inline-size: 0.55rem;
    block-size: 0.55rem;
    border-radius: 50%;
    background: var(--_class);
  }
  .dot.dead {
    background: none;
    border: 1.5px solid var(--_class);
  }
  .meter {
    position: absolute;
    inset-block-end: 0;
    inset-inline-end: 0.6rem;
    max-inline-size: calc(100% - 1.2rem);
    block-size: 2px;
    background: var(--_class);
    opacity: 0.7;
  }
  @media (forced-colors: active) {
    .dot,
    .meter {
      background: CanvasText;
    }
    .row[aria-selected='true'] {
      background: Highlight;
      color: HighlightText;
      forced-color-adjust: none;
    }
  }
  @media print {
    .grid {
      block-size: auto;
      overflow: visible;
    }
    .body {
      block-size: auto !important;
    }
    .body .row {
      position: static;
      transform: none !important;
    }
  }
`;
