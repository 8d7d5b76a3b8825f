/** The look of `<sae-hyperplane>`. */
import { css } from 'lit';

export const styles = css`
  :host {
    container-type: inline-size;
    min-block-size: 20rem;
  }
  .controls {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.35rem 0.9rem;
    margin-block-end: 0.4rem;
    font-size: 0.8125rem;
  }
  .controls label {
    display: flex;
    align-items: center;
    gap: 0.45rem;
  }
  .controls .slider {
    flex: 1 1 14rem;
  }
  .slider input {
    flex: 1;
    min-inline-size: 6rem;
    accent-color: var(--_accent);
  }
  select,
  .controls button {
    min-block-size: 1.75rem;
    padding: 0.1rem 0.6rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_raised);
    color: inherit;
    font: inherit;
  }
  .controls button[aria-pressed='true'] {
    border-color: var(--_text);
    box-shadow: inset 0 0 0 1px var(--_text);
  }
  output {
    min-inline-size: 4.5rem;
    font-variant-numeric: tabular-nums;
  }
  .panels {
    display: grid;
    grid-template-columns: minmax(0, 5fr) minmax(0, 3fr);
    gap: 1rem;
  }
  .panel {
    position: relative;
    block-size: var(--sae-hyperplane-height, 22rem);
    min-inline-size: 0;
  }
  .panel canvas,
  .panel svg {
    position: absolute;
    inset: 0;
    inline-size: 100%;
    block-size: 100%;
  }
  text {
    fill: var(--_muted);
    font-size: 11px;
    font-variant-numeric: tabular-nums;
  }
  .name,
  .beyond,
  .offset-name {
    paint-order: stroke;
    stroke: var(--_surface);
    stroke-width: 3;
  }
  .grid line {
    stroke: var(--_line);
  }
  .boundary {
    stroke: var(--_text);
    stroke-width: 2;
  }
  .trail {
    stroke: var(--_text);
    stroke-width: 1.25;
    stroke-dasharray: 4 3;
  }
  .arrow {
    stroke: var(--_text);
    stroke-width: 2;
    fill: none;
    stroke-linecap: round;
    stroke-linejoin: round;
  }
  .survival {
    stroke: var(--_accent);
    stroke-width: 2;
    fill: none;
  }
  .offset {
    stroke: var(--_muted);
    stroke-dasharray: 4 3;
  }
  .own {
    fill: var(--_heat);
    stroke: var(--_text);
    stroke-width: 1.5;
  }
  .own.open {
    fill: var(--_surface);
  }
  .readout {
    margin: 0.35rem 0 0;
    font-size: 0.8125rem;
    color: var(--_muted);
    font-variant-numeric: tabular-nums;
  }
  .tokens {
    display: flex;
    flex-wrap: wrap;
    gap: 0.25rem;
    margin: 0.35rem 0 0;
    padding: 0;
    list-style: none;
    font: 0.8125rem var(--_mono);
  }
  .tokens li {
    padding: 0 0.35rem;
    border: 1px solid var(--_line);
    border-radius: 3px;
    background: var(--_sunken);
    white-space: pre;
    max-inline-size: 12rem;
    overflow: hidden;
    text-overflow: ellipsis;
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
    padding: 0.2rem 0.8rem 0.2rem 0;
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
  .probes {
    display: none;
  }
  .probes .quiet {
    color: var(--_muted);
  }
  .probes .lit {
    color: var(--_heat);
  }
  .probes .edge {
    color: var(--_text);
  }
  @container (width < 40rem) {
    .panels {
      grid-template-columns: minmax(0, 1fr);
    }
  }
  @media print {
    .controls {
      display: none;
    }
  }
`;
