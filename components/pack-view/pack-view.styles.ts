/** Looks of the dashboard. One column on narrow elements, table beside card on wide ones; it asks its own width, not the window's. */
import { css } from 'lit';

export const styles = css`
  :host {
    container: sae-pack-view / inline-size;
    min-block-size: 40rem;
    font-size: 0.95rem;
  }
  .view {
    display: grid;
    gap: clamp(1.25rem, 2.5cqi, 2.25rem);
    min-inline-size: 0;
  }
  .view > * {
    min-inline-size: 0;
  }
  /* What is said here is English with numbers, whatever way the page runs. */
  .lead,
  dd,
  .count,
  .missing li {
    unicode-bidi: plaintext;
  }
  .title {
    font-size: clamp(1.35rem, 1rem + 1.6cqi, 1.9rem);
    font-weight: 600;
    letter-spacing: -0.015em;
    line-height: 1.2;
    overflow-wrap: anywhere;
  }
  .lead {
    margin: 0.25rem 0 0;
    max-inline-size: 90ch;
    color: var(--_muted);
    overflow-wrap: anywhere;
  }
  .figures {
    display: flex;
    flex-wrap: wrap;
    gap: 0.75rem clamp(1.25rem, 3cqi, 2.75rem);
    margin: 1.1rem 0 0.6rem;
  }
  .figures div {
    display: grid;
  }
  .figures dt {
    order: 2;
    color: var(--_muted);
    font-size: 0.8rem;
  }
  .figures dd {
    margin: 0;
    font-size: 1.3rem;
    font-variant-numeric: tabular-nums;
    line-height: 1.2;
  }
  .provenance {
    font-size: 0.85rem;
  }
  .provenance summary {
    inline-size: fit-content;
    color: var(--_muted);
    cursor: pointer;
  }
  .provenance dl {
    display: grid;
    gap: 0.3rem 1rem;
    margin: 0.6rem 0 0;
    padding-inline-start: 1rem;
    border-inline-start: 2px solid var(--_line);
  }
  .provenance div {
    display: grid;
    grid-template-columns: 8.5rem minmax(0, 1fr);
    gap: 1rem;
  }
  .provenance dt {
    color: var(--_muted);
  }
  .provenance dd {
    margin: 0;
    overflow-wrap: anywhere;
  }
  .label {
    font-size: 1.05rem;
    font-weight: 600;
  }
  .overview {
    display: grid;
    grid-template-columns: minmax(0, 1fr) auto;
    align-items: center;
    gap: 0.5rem 1.5rem;
  }
  .overview sae-density-histogram {
    grid-column: 1 / -1;
  }
  .chips {
    display: flex;
    flex-wrap: wrap;
    gap: 0.4rem;
  }
  .chip {
    display: inline-flex;
    align-items: center;
    gap: 0.4rem;
    padding: 0.15rem 0.7rem;
    border: 1px solid var(--_line);
    border-radius: 999px;
    background: var(--_raised);
    font-size: 0.85rem;
  }
  .chip:hover:enabled {
    border-color: var(--_muted);
  }
  .chip[aria-pressed='true'] {
    border-color: var(--_class);
    box-shadow: inset 0 0 0 1px var(--_class);
  }
  .chip:disabled {
    cursor: default;
    color: var(--_muted);
    background: none;
  }
  .chip .number {
    color: var(--_muted);
    font-variant-numeric: tabular-nums;
  }
  .dot {
    inline-size: 0.6rem;
    block-size: 0.6rem;
    border-radius: 50%;
    background: var(--_class);
  }
  .chip:disabled .dot {
    opacity: 0.45;
  }
  .work {
    display: grid;
    gap: inherit;
  }
  .work > * {
    min-inline-size: 0;
  }
  .tools {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.4rem 0.9rem;
    margin-block-end: 0.6rem;
    font-size: 0.85rem;
  }
  .search {
    flex: 0 1 17rem;
    min-inline-size: 9rem;
  }
  input {
    inline-size: 100%;
    padding: 0.35rem 0.65rem;
    border: 1px solid var(--_muted);
    border-radius: var(--_radius);
    background: var(--_surface);
    color: inherit;
    font: inherit;
  }
  input::placeholder {
    color: var(--_muted);
    opacity: 1;
  }
  input[aria-invalid='true'] {
    border-color: var(--_error);
  }
  .count {
    margin: 0;
    color: var(--_muted);
    font-variant-numeric: tabular-nums;
  }
  .count.wrong {
    color: var(--_error);
  }
  .clear {
    padding: 0.15rem 0.7rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_raised);
  }
  .detail {
    display: grid;
    align-content: start;
    gap: 1.5rem;
  }
  .panels {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(100%, 36rem), 1fr));
    gap: 1.5rem;
  }
  .missing ul {
    margin: 0.4rem 0 0;
    padding-inline-start: 1.2rem;
    color: var(--_muted);
    font-size: 0.9rem;
    overflow-wrap: anywhere;
  }
  .missing strong {
    color: var(--_text);
    font-weight: 600;
  }
  .missing code {
    font-family: var(--_mono);
    font-size: 0.9em;
  }
  sae-feature-table {
    block-size: var(--sae-table-height, 22rem);
  }
  @container sae-pack-view (width >= 68rem) {
    .work {
      grid-template-columns: minmax(0, 6fr) minmax(0, 5fr);
    }
    .list {
      position: sticky;
      inset-block-start: 1rem;
      align-self: start;
    }
    sae-feature-table {
      block-size: var(--sae-table-height, clamp(24rem, 100vh - 7rem, 60rem));
    }
  }
  @container sae-pack-view (width < 40rem) {
    .overview {
      grid-template-columns: minmax(0, 1fr);
    }
    .provenance div {
      grid-template-columns: minmax(0, 1fr);
      gap: 0;
    }
  }
  @media (forced-colors: active) {
    .chip[aria-pressed='true'] {
      border-color: Highlight;
      box-shadow: inset 0 0 0 2px Highlight;
    }
    .dot {
      background: CanvasText;
    }
  }
  @media print {
    .tools,
    sae-feature-table {
      display: none;
    }
    .work {
      grid-template-columns: minmax(0, 1fr);
    }
  }
`;
