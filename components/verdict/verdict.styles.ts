/** The look of `<sae-verdict>`. */
import { css } from 'lit';

export const styles = css`
  :host {
    container-type: inline-size;
    min-block-size: 6rem;
    --_supports: var(--_live);
    --_refutes: var(--_error);
  }
  .head {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.4rem 0.75rem;
    margin-block-end: 0.5rem;
  }
  .title {
    margin: 0;
    font-size: 1rem;
    font-weight: 600;
  }
  .filters {
    display: flex;
    flex-wrap: wrap;
    gap: 0.35rem;
    margin-inline-start: auto;
  }
  .head button {
    display: inline-flex;
    align-items: center;
    gap: 0.35em;
    min-block-size: 1.75rem;
    padding: 0.1rem 0.65rem;
    border: 1px solid var(--_line);
    border-radius: 1rem;
    background: var(--_raised);
    font-size: 0.8125rem;
  }
  .head button[aria-pressed='true'] {
    border-color: var(--_text);
    box-shadow: inset 0 0 0 1px var(--_text);
  }
  ol {
    margin: 0;
    padding: 0;
    list-style: none;
    border-block-start: 1px solid var(--_line);
  }
  li {
    display: grid;
    grid-template-columns: 2.4rem minmax(0, 1fr) 180px 9.5rem;
    gap: 0.15rem 0.9rem;
    align-items: center;
    padding-block: 0.6rem;
    border-block-end: 1px solid var(--_line);
  }
  .id {
    font: 600 0.8125rem var(--_mono);
    color: var(--_muted);
  }
  .claim {
    margin: 0;
    font-size: 0.9rem;
  }
  .figures {
    margin: 0.1rem 0 0;
    color: var(--_muted);
    font-size: 0.8125rem;
    font-variant-numeric: tabular-nums;
    overflow-wrap: anywhere;
  }
  .figures strong {
    color: var(--_text);
  }
  svg.axis {
    display: block;
    inline-size: 180px;
    block-size: 26px;
    overflow: visible;
  }
  .rule {
    stroke: var(--_line);
  }
  .null {
    stroke: var(--_muted);
    stroke-width: 1.5;
    stroke-dasharray: 3 2;
    fill: none;
  }
  .interval {
    stroke: var(--_outcome);
    stroke-width: 2;
    fill: none;
  }
  .value {
    fill: var(--_outcome);
  }
  .supports {
    --_outcome: var(--_supports);
  }
  .refutes {
    --_outcome: var(--_refutes);
  }
  .cannot-tell {
    --_outcome: var(--_muted);
  }
  .outcome {
    display: flex;
    align-items: center;
    gap: 0.45em;
    font-size: 0.875rem;
    font-weight: 600;
    color: var(--_outcome);
  }
  .outcome small {
    display: block;
    color: var(--_muted);
    font-weight: 400;
    font-size: 0.75rem;
  }
  .icon {
    inline-size: 1rem;
    block-size: 1rem;
    flex: none;
    fill: none;
    stroke: currentcolor;
    stroke-width: 2;
    stroke-linecap: round;
    stroke-linejoin: round;
  }
  details {
    grid-column: 2 / -1;
    font-size: 0.8125rem;
    color: var(--_muted);
  }
  summary {
    inline-size: fit-content;
    cursor: pointer;
    color: var(--_accent);
  }
  details p {
    max-inline-size: 75ch;
    margin: 0.3rem 0 0;
    overflow-wrap: anywhere;
  }
  .remark,
  .none {
    max-inline-size: 75ch;
    color: var(--_muted);
    font-size: 0.8125rem;
  }
  @container (width < 44rem) {
    li {
      grid-template-columns: 2.2rem minmax(0, 1fr);
    }
    li > :not(.id) {
      grid-column: 2;
    }
    .outcome {
      order: -1;
    }
    .id {
      order: -2;
    }
    .filters {
      margin-inline-start: 0;
    }
  }
  @media print {
    .filters,
    .copy {
      display: none;
    }
    li {
      break-inside: avoid;
    }
    details::details-content {
      content-visibility: visible;
      block-size: auto;
    }
  }
`;
