/** Looks of the density histogram. */
import { css } from 'lit';

export const styles = css`
  :host {
    display: block;
    min-block-size: calc(var(--sae-histogram-height, 15rem) + 1.8rem);
  }
  .frame {
    block-size: var(--sae-histogram-height, 15rem);
    min-inline-size: 0;
    overflow: hidden;
    /* Densities grow to the right in every language. */
    direction: ltr;
  }
  .chart {
    display: block;
    touch-action: pan-y;
    user-select: none;
    -webkit-user-select: none;
    cursor: crosshair;
    font: 11px/1 system-ui, sans-serif;
    font-variant-numeric: tabular-nums;
  }
  .chart:focus-visible {
    outline-offset: -2px;
  }
  text {
    fill: var(--_muted);
  }
  .grid {
    stroke: var(--_line);
    stroke-opacity: 0.6;
  }
  .axis {
    stroke: var(--_muted);
  }
  .edge {
    stroke: var(--_muted);
    stroke-dasharray: 1 3;
  }
  .zone {
    fill: var(--_sunken);
  }
  .hatch {
    stroke: var(--_line);
    stroke-width: 2;
  }
  .floor {
    stroke: var(--_text);
    stroke-dasharray: 4 3;
  }
  .floor-name {
    fill: var(--_text);
  }
  .band {
    fill: var(--_class);
    font-weight: 600;
    letter-spacing: 0.02em;
  }
  .column {
    fill: transparent;
  }
  .segment {
    fill: var(--_class);
  }
  .unresolved .segment {
    fill-opacity: 0.55;
    stroke: var(--_class);
  }
  .faded .segment {
    fill-opacity: 0.28;
    stroke-opacity: 0.28;
  }
  .feature-bar.hovered .column {
    fill: var(--_text);
    fill-opacity: 0.06;
  }
  .chart:focus-visible .column.cursor {
    stroke: var(--_focus);
    stroke-width: 2;
  }
  .chosen {
    fill: none;
    stroke: var(--_text);
    stroke-width: 1.5;
  }
  .pin {
    fill: var(--_text);
    stroke: var(--_surface);
  }
  .cut {
    fill: var(--_surface);
  }
  .count {
    fill: var(--_text);
  }
  .brush {
    fill: var(--_focus);
    fill-opacity: 0.1;
  }
  .readout {
    min-block-size: 1.45em;
    margin: 0.25rem 0 0;
    color: var(--_muted);
    font-size: 0.85em;
    unicode-bidi: plaintext;
  }
  .empty {
    color: var(--_muted);
  }
  @media (forced-colors: active) {
    .segment {
      stroke: Canvas;
    }
    .faded .segment {
      fill: GrayText;
      fill-opacity: 1;
    }
    .brush {
      fill: none;
      stroke: Highlight;
      stroke-width: 2;
    }
    .chosen {
      stroke: Highlight;
    }
  }
  @media print {
    .readout {
      display: none;
    }
  }
`;
