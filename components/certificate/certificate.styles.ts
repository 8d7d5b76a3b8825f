/** The look of `<sae-certificate>`. */
import { css } from 'lit';

export const styles = css`
  :host {
    min-block-size: 5rem;
  }
  p {
    margin: 0;
  }
  .cause {
    font-weight: 600;
  }
  .feature {
    margin-inline-end: 0.4em;
    color: var(--_muted);
    font-weight: 400;
  }
  .words {
    margin-block-start: 0.2rem;
  }
  .evidence {
    margin-block-start: 0.4rem;
    color: var(--_muted);
    font-size: 0.875rem;
    line-height: 1.5;
    overflow-wrap: anywhere;
  }
  table {
    inline-size: 100%;
    border-collapse: collapse;
    font-size: 0.875rem;
  }
  caption {
    padding-block-end: 0.3rem;
    text-align: start;
    font-weight: 600;
  }
  th,
  td {
    padding: 0.35rem 0.5rem 0.35rem 0;
    border-block-start: 1px solid var(--_line);
    text-align: start;
    vertical-align: top;
    font-weight: 400;
  }
  thead th {
    color: var(--_muted);
    font-size: 0.8125rem;
  }
  td,
  th:last-child {
    padding-inline-end: 0;
    text-align: end;
    font-variant-numeric: tabular-nums;
  }
  th p {
    color: var(--_muted);
    font-size: 0.8125rem;
  }
  button {
    padding: 0;
    border: 0;
    background: none;
    color: var(--_accent);
    font-weight: 600;
    text-decoration: underline;
    text-underline-offset: 0.15em;
  }
`;
