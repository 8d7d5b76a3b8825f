/** The look of `<sae-hyperplane>`. */
import { css } from 'lit';

export const styles = css`
  :host {
    container-type: inline-size;
    min-block-size: 20rem;
  }
  .controls {
    margin-block-end: 0.4rem;
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
`;
