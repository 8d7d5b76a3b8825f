/** Looks that views of dying share: what stands above a plot, and the table in its place. */
import { css } from 'lit';

export const controlsStyles = css`
  .controls {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.4rem 0.9rem;
    font-size: 0.875rem;
  }
  .controls label {
    display: inline-flex;
    align-items: center;
    gap: 0.45rem;
    color: var(--_muted);
  }
  .controls .slider {
    flex: 1 1 14rem;
    max-inline-size: 30rem;
  }
  .slider input {
    flex: 1;
    min-inline-size: 4rem;
    accent-color: var(--_accent);
  }
  .slider output {
    min-inline-size: 4.5em;
    color: var(--_text);
    font-variant-numeric: tabular-nums;
  }
  .controls select,
  .controls button {
    min-block-size: 1.75rem;
    padding: 0.1rem 0.6rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_raised);
    color: var(--_text);
    font: inherit;
  }
  .controls button[aria-pressed='true'] {
    border-color: var(--_text);
    box-shadow: inset 0 -2px 0 var(--_text);
  }
  .scroll {
    max-block-size: 26rem;
    overflow: auto;
  }
  table {
    border-collapse: collapse;
    font-size: 0.8125rem;
    font-variant-numeric: tabular-nums;
  }
  th,
  td {
    padding: 0.2rem 0.75rem 0.2rem 0;
    border-block-end: 1px solid var(--_line);
    text-align: end;
    white-space: nowrap;
  }
  th {
    position: sticky;
    inset-block-start: 0;
    background: var(--_surface);
    font-weight: 600;
  }
  tr[aria-current] td {
    font-weight: 600;
  }
  @media (forced-colors: active) {
    .controls button[aria-pressed='true'] {
      border-color: Highlight;
    }
  }
  @media print {
    .controls {
      display: none;
    }
  }
`;
