/** The look of `<sae-density-timelapse>`. */
import { css } from 'lit';

export const styles = css`
  :host {
    min-block-size: var(--sae-timelapse-height, 22rem);
  }
  .controls {
    margin-block-end: 0.4rem;
  }
  .chart {
    position: relative;
    block-size: var(--sae-timelapse-height, 22rem);
    touch-action: pan-y;
    cursor: ew-resize;
  }
  .chart canvas,
  .chart svg {
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
  .grid line {
    stroke: var(--_line);
  }
  .band {
    fill: var(--_sunken);
  }
  .floor {
    stroke: var(--_muted);
    stroke-dasharray: 5 3;
    fill: none;
  }
  .knee {
    stroke: var(--_muted);
    stroke-dasharray: 1 4;
    stroke-width: 1.5;
    fill: none;
  }
  .knee-name {
    paint-order: stroke;
    stroke: var(--_surface);
    stroke-width: 3;
  }
  .median {
    fill: none;
    stroke: var(--_class);
    stroke-width: 2.5;
  }
  .quartiles {
    fill: var(--_class);
    opacity: 0.14;
    stroke: none;
  }
  .law {
    fill: none;
    stroke: var(--_text);
    stroke-width: 1.5;
    stroke-dasharray: 1 3;
    stroke-linecap: round;
  }
  .chosen {
    fill: none;
    stroke: var(--_text);
    stroke-width: 2;
  }
  .cursor {
    stroke: var(--_accent);
    stroke-width: 1.5;
    fill: none;
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 0.2rem 0.9rem;
    margin: 0.3rem 0 0;
    padding: 0;
    list-style: none;
    font-size: 0.8125rem;
  }
  .legend button {
    display: inline-flex;
    align-items: center;
    gap: 0.4em;
    min-block-size: 1.6rem;
    padding: 0 0.3rem;
    border: 0;
    background: none;
    text-align: start;
  }
  .legend button[aria-pressed='false'] {
    color: var(--_muted);
    text-decoration: line-through;
  }
  .legend svg {
    flex: none;
    inline-size: 26px;
    block-size: 10px;
  }
  .readout {
    margin: 0.3rem 0 0;
    color: var(--_muted);
    font-size: 0.8125rem;
    font-variant-numeric: tabular-nums;
  }
  .probes {
    display: none;
  }
  .probes span {
    color: var(--_class);
  }
`;
