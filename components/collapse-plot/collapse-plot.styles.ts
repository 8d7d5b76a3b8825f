/** Looks of the collapse plot. */
import { css } from 'lit';

export const styles = css`
  :host {
    display: block;
    min-block-size: calc(var(--sae-collapse-height, 20rem) + 6rem);
    font-size: 0.9rem;
  }
  .collapse {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 0.6rem;
    min-inline-size: 0;
  }
  .key {
    display: inline-flex;
    flex-wrap: wrap;
    gap: 0.2rem 1rem;
    color: var(--_muted);
  }
  .key span {
    display: inline-flex;
    align-items: center;
    gap: 0.35rem;
  }
  .icon {
    flex: none;
    vertical-align: -0.12em;
  }
  .shape,
  .marks {
    fill: var(--_class);
    stroke: var(--_class);
    stroke-width: 1.4;
  }
  .marks {
    stroke: var(--_surface);
    stroke-width: 0.7;
  }
  .shape.open,
  .marks.open {
    fill: var(--_surface);
    stroke: var(--_class);
    stroke-width: 1.3;
  }
  .plot {
    position: relative;
    block-size: var(--sae-collapse-height, 20rem);
    min-inline-size: 0;
    overflow: hidden;
    /* Offsets grow to the right in every language. */
    direction: ltr;
  }
  .plot:focus-visible {
    outline-offset: -2px;
  }
  .chart {
    position: absolute;
    inset: 0;
    font: 11px/1 system-ui, sans-serif;
    font-variant-numeric: tabular-nums;
  }
  text {
    fill: var(--_muted);
  }
  .name,
  .floor-name {
    fill: var(--_text);
  }
  .name {
    font-weight: 600;
  }
  .grid-line {
    stroke: var(--_line);
    stroke-opacity: 0.6;
  }
  .axis {
    stroke: var(--_muted);
  }
  .zone {
    fill: var(--_sunken);
  }
  .floor {
    stroke: var(--_text);
    stroke-dasharray: 4 3;
  }
  .curve {
    fill: none;
    stroke: var(--_text);
    stroke-width: 2;
  }
  .gaussian {
    fill: none;
    stroke: var(--_muted);
    stroke-width: 1.5;
    stroke-dasharray: 6 3 1 3;
  }
  .whisker {
    fill: none;
    stroke: var(--_class);
    stroke-opacity: 0.45;
  }
  .ring {
    fill: none;
    stroke: var(--_text);
    stroke-width: 1.6;
  }
  .ring.focus {
    stroke: var(--_focus);
    stroke-width: 2.2;
  }
  .tooltip {
    position: absolute;
    z-index: 1;
    display: grid;
    max-inline-size: min(19rem, 75%);
    padding: 0.35rem 0.6rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_raised);
    font-size: 0.88em;
    line-height: 1.4;
    pointer-events: none;
  }
  .summary {
    margin: 0;
    max-inline-size: 78ch;
  }
  .readout {
    min-block-size: 1.45em;
    margin: 0;
    color: var(--_muted);
    font-size: 0.92em;
    overflow-wrap: anywhere;
  }
  .empty {
    color: var(--_muted);
  }
  @media print {
    .controls button,
    .slider,
    .tooltip {
      display: none;
    }
  }
`;
