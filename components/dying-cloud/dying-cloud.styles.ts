/** Looks of the cloud. */
import { css } from 'lit';

export const styles = css`
  :host {
    display: block;
    min-block-size: calc(var(--sae-cloud-height, 27rem) + 4rem);
    font-size: 0.9rem;
  }
  .cloud {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 0.6rem;
    min-inline-size: 0;
  }
  .axes {
    display: flex;
    flex: 0 1 28rem;
    gap: 0.5rem 0.8rem;
    min-inline-size: 0;
  }
  .axes label {
    flex: 1 1 0;
    min-inline-size: 0;
  }
  .axes select {
    flex: 1 1 0;
    inline-size: 100%;
    min-inline-size: 0;
  }
  .legend button {
    padding: 0.2rem 0.55rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_raised);
    color: var(--_text);
    font: inherit;
  }
  .buttons {
    display: flex;
    flex-wrap: wrap;
    gap: 0.4rem;
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 0.35rem;
  }
  .legend button {
    display: inline-flex;
    align-items: center;
    gap: 0.35rem;
    padding: 0.1rem 0.5rem 0.1rem 0.35rem;
    font-size: 0.92em;
  }
  .legend button[aria-pressed='false'] {
    border-style: dashed;
    background: none;
    color: var(--_muted);
    text-decoration: line-through;
  }
  .legend .count {
    color: var(--_muted);
    font-variant-numeric: tabular-nums;
  }
  .icon {
    flex: none;
    vertical-align: -0.12em;
  }
  .shape {
    fill: var(--_class);
    stroke: var(--_class);
    stroke-width: 1.6;
  }
  .shape.open {
    fill: none;
  }
  .plot {
    position: relative;
    block-size: var(--sae-cloud-height, 27rem);
    min-inline-size: 0;
    overflow: hidden;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
    /* Up and down are the page's; everything else is the plot's. */
    touch-action: pan-y;
    user-select: none;
    -webkit-user-select: none;
    cursor: grab;
  }
  .plot:active {
    cursor: grabbing;
  }
  .plot.brushing {
    cursor: crosshair;
    touch-action: none;
  }
  .plot:focus-visible {
    outline-offset: -2px;
  }
  .layer,
  .stage,
  .stage canvas,
  .paper {
    position: absolute;
    inset: 0;
    inline-size: 100%;
    block-size: 100%;
    pointer-events: none;
  }
  .paper {
    display: none;
  }
  .layer,
  .marginal {
    font: 11px/1 system-ui, sans-serif;
    font-variant-numeric: tabular-nums;
  }
  .outline {
    fill: none;
    stroke: var(--_muted);
    stroke-opacity: 0.75;
  }
  .grid-line {
    fill: none;
    stroke: var(--_line);
    stroke-opacity: 0.7;
  }
  .floor {
    fill: var(--_sunken);
    stroke: var(--_text);
    stroke-dasharray: 4 3;
  }
  text {
    fill: var(--_muted);
  }
  .front text {
    paint-order: stroke;
    stroke: var(--_surface);
    stroke-width: 3px;
  }
  .name {
    fill: var(--_text);
    font-weight: 600;
  }
  .floor-name {
    fill: var(--_text);
  }
  .whisker {
    fill: none;
    stroke: var(--_class);
    stroke-width: 1.4;
    stroke-opacity: 0.85;
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
  .brush {
    fill: var(--_focus);
    fill-opacity: 0.12;
    stroke: var(--_focus);
    stroke-width: 1.4;
  }
  .tooltip {
    position: absolute;
    z-index: 1;
    display: grid;
    max-inline-size: min(19rem, 70%);
    padding: 0.35rem 0.6rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_raised);
    color: var(--_text);
    font-size: 0.88em;
    line-height: 1.4;
    pointer-events: none;
  }
  .marginals {
    display: flex;
    flex-wrap: wrap;
    gap: 0.4rem 12px;
  }
  .marginal {
    display: block;
  }
  .bar {
    fill: var(--_class);
  }
  .axis {
    stroke: var(--_muted);
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
  .probes {
    position: absolute;
    visibility: hidden;
  }
  .probes i {
    color: var(--_class);
  }
  .probes.on-screen i {
    transition: color 0.01s;
  }
  .probes .surface {
    color: var(--_surface);
  }
  .probes .faded {
    color: color-mix(in oklab, var(--_muted) 26%, var(--_surface));
  }
  .probes.on-paper {
    color-scheme: light;
  }
  @media (forced-colors: active) {
    .probes .faded {
      color: GrayText;
    }
    .legend button[aria-pressed='true'] {
      border-color: Highlight;
    }
    .brush {
      fill: none;
    }
    .floor {
      fill: none;
    }
  }
  @media print {
    .tooltip,
    .stage {
      display: none;
    }
    .paper {
      display: block;
    }
  }
`;
