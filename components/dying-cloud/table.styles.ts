/** Looks of window-table.ts: heights are those of its rows. */
import { css } from 'lit';

export const tableStyles = css`
  .grid {
    position: relative;
    block-size: var(--sae-table-height, 27rem);
    overflow: auto;
    /* Scrolling moves the rows in the document: the browser must not try to help. */
    overflow-anchor: none;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
    font-size: 0.95em;
  }
  .grid .head {
    position: sticky;
    inset-block-start: 0;
    z-index: 2;
    min-inline-size: var(--least);
    border-block-end: 1px solid var(--_line);
    background: var(--_sunken);
  }
  .grid .row {
    display: grid;
    grid-template-columns: var(--columns);
    inline-size: 100%;
    block-size: 28px;
    align-items: center;
  }
  .grid .head .row {
    block-size: 31px;
  }
  .grid .body {
    position: relative;
    min-inline-size: var(--least);
  }
  .grid .body .row {
    position: absolute;
    inset-block-start: 0;
    inset-inline-start: 0;
    border-block-end: 1px solid color-mix(in srgb, var(--_line) 55%, transparent);
    background: var(--_surface);
    cursor: pointer;
  }
  .grid .body .row:hover {
    background: var(--_sunken);
  }
  .grid .row[aria-selected='true'] {
    background: color-mix(in srgb, var(--_focus) 14%, var(--_surface));
    box-shadow: inset 3px 0 0 var(--_focus);
  }
  .grid:focus-visible .row.active {
    outline: 2px solid var(--_focus);
    outline-offset: -2px;
  }
  .grid .row.none {
    position: static;
    padding-inline: 1rem;
    color: var(--_muted);
    cursor: default;
  }
  .cell {
    padding-inline: 0.6rem;
    overflow: hidden;
    font-variant-numeric: tabular-nums;
    text-align: end;
    text-overflow: ellipsis;
    white-space: nowrap;
    unicode-bidi: plaintext;
  }
  .cell button {
    inline-size: 100%;
    padding: 0;
    border: 0;
    background: none;
    color: var(--_muted);
    font: inherit;
    text-align: end;
    white-space: nowrap;
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
  }
  @media (forced-colors: active) {
    .grid .row[aria-selected='true'] {
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
    .grid .body {
      block-size: auto !important;
    }
    .grid .body .row {
      position: static;
      transform: none !important;
    }
  }
`;
