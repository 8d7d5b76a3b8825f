/** Looks of the training monitor. */
import { css } from 'lit';

export const styles = css`
  :host {
    display: block;
    container-type: inline-size;
    min-block-size: 12rem;
  }
  .frame {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 0.9rem;
  }
  header {
    display: flex;
    flex-wrap: wrap;
    align-items: baseline;
    gap: 0.3rem 1.2rem;
  }
  h2,
  h3,
  p {
    margin: 0;
  }
  h2 {
    font-size: 1.1em;
    font-weight: 650;
  }
  .where {
    color: var(--_muted);
    font-size: 0.9em;
    font-variant-numeric: tabular-nums;
  }
  .bar-row,
  .controls {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.5rem;
  }
  .bar-row {
    gap: 0.6rem 1.2rem;
  }
  button,
  .branch input {
    padding: 0.28rem 0.8rem;
    border: 1px solid var(--_muted);
    border-radius: var(--_radius);
    background: var(--_raised);
    color: var(--_text);
    font-size: 0.92em;
  }
  button.main {
    min-inline-size: 5.2em;
    border-color: var(--_accent);
    background: var(--_accent);
    color: var(--_surface);
  }
  button:disabled {
    opacity: 0.5;
    cursor: default;
  }
  button[aria-pressed='true'] {
    border-color: var(--_accent);
    box-shadow: inset 0 0 0 1px var(--_accent);
  }
  .to {
    font-variant-numeric: tabular-nums;
  }
  .branch {
    display: flex;
    flex-wrap: wrap;
    align-items: end;
    gap: 0.5rem 1rem;
    padding: 0.7rem 0.9rem;
    border-radius: var(--_radius);
    background: var(--_sunken);
    font-size: 0.92em;
  }
  .branch p {
    flex-basis: 100%;
  }
  .branch label {
    display: grid;
    gap: 0.15rem;
  }
  .branch input {
    inline-size: 9rem;
    font: inherit;
    cursor: text;
  }
  .slider {
    display: flex;
    flex: 1 1 18rem;
    align-items: center;
    gap: 0.7rem;
    min-inline-size: 0;
    font-size: 0.92em;
  }
  .slider input {
    flex: 1 1 6rem;
    min-inline-size: 4rem;
    accent-color: var(--_accent);
  }
  .slider output {
    min-inline-size: 7.5em;
    font-variant-numeric: tabular-nums;
  }
  .runs {
    display: flex;
    flex-wrap: wrap;
    gap: 0.4rem;
    margin: 0;
    padding: 0;
    list-style: none;
  }
  .runs button {
    display: inline-flex;
    align-items: center;
    gap: 0.5em;
  }
  .alert {
    padding: 0.6rem 0.9rem;
    border-inline-start: 4px solid var(--_error);
    border-radius: var(--_radius);
    background: var(--_sunken);
  }
  .alert strong {
    color: var(--_error);
  }
  .panels {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 1.1rem 1.4rem;
    /* Steps grow to the right in every language. */
    direction: ltr;
  }
  @container (inline-size >= 40rem) {
    .panels {
      grid-template-columns: repeat(2, minmax(0, 1fr));
    }
  }
  @container (inline-size >= 66rem) {
    .panels {
      grid-template-columns: repeat(3, minmax(0, 1fr));
    }
  }
  .panel {
    min-inline-size: 0;
  }
  h3 {
    display: flex;
    flex-wrap: wrap;
    justify-content: space-between;
    gap: 0 0.8rem;
    margin-block-end: 0.2rem;
    font-size: 0.95em;
    font-weight: 600;
  }
  .note {
    color: var(--_muted);
    font-weight: 400;
    font-variant-numeric: tabular-nums;
  }
  .plot {
    min-inline-size: 0;
    overflow: hidden;
  }
  .caption,
  .nothing,
  .key {
    color: var(--_muted);
    font-size: 0.85em;
  }
  .nothing {
    padding: 2.5rem 0;
    text-align: center;
  }
  .key {
    display: flex;
    flex-wrap: wrap;
    gap: 0.1rem 1rem;
    margin: 0;
    padding: 0;
    list-style: none;
  }
  .key li {
    display: inline-flex;
    align-items: center;
    gap: 0.4em;
  }
  .swatch {
    display: inline-block;
    inline-size: 1.3em;
    border-block-start: 3px solid var(--_run);
  }
  .swatch.style-1 {
    border-block-start-style: dashed;
  }
  .swatch.style-2 {
    border-block-start-style: dotted;
  }
  .swatch.style-3 {
    border-block-start-style: double;
  }
  .chart {
    display: block;
    font: 11px/1 system-ui, sans-serif;
    font-variant-numeric: tabular-nums;
  }
  text {
    fill: var(--_muted);
  }
  .grid {
    stroke: var(--_line);
    stroke-opacity: 0.7;
  }
  .axis {
    stroke: var(--_muted);
  }
  .style-0 { --_run: var(--_rare); }
  .style-1 { --_run: var(--_dense); }
  .style-2 { --_run: var(--_live); }
  .style-3 { --_run: var(--_ultralow); }
  .style-4 { --_run: var(--_dead); }
  .style-5 { --_run: var(--_text); }
  .line {
    fill: none;
    stroke: var(--_run);
    stroke-width: 1.5;
    stroke-linejoin: round;
  }
  .line.style-1 {
    stroke-dasharray: 5 2;
  }
  .line.style-2 {
    stroke-dasharray: 1.5 2;
  }
  .line.style-3 {
    stroke-dasharray: 7 2 1.5 2;
  }
  .line.faint {
    stroke-opacity: 0.55;
  }
  .end {
    fill: var(--_run);
  }
  .point {
    fill: var(--_surface);
    stroke: var(--_run);
    stroke-width: 2;
  }
  .point.efficient {
    fill: var(--_run);
  }
  .cursor {
    stroke: var(--_text);
    stroke-dasharray: 3 3;
  }
  .resampled {
    stroke: var(--_muted);
    stroke-dasharray: 1 4;
  }
  .strip {
    fill: var(--_sunken);
  }
  .heat {
    fill: var(--_accent);
  }
  .level-1 { fill-opacity: 0.12; }
  .level-2 { fill-opacity: 0.22; }
  .level-3 { fill-opacity: 0.33; }
  .level-4 { fill-opacity: 0.45; }
  .level-5 { fill-opacity: 0.58; }
  .level-6 { fill-opacity: 0.72; }
  .level-7 { fill-opacity: 0.86; }
  .level-8 { fill-opacity: 1; }
  .floor {
    fill: none;
    stroke: var(--_text);
    stroke-dasharray: 4 3;
  }
  .tables {
    display: grid;
    gap: 1.2rem;
  }
  .scroll {
    max-block-size: 24rem;
    overflow: auto;
  }
  table {
    border-collapse: collapse;
    font-size: 0.9em;
    font-variant-numeric: tabular-nums;
  }
  caption {
    margin-block-end: 0.2rem;
    font-weight: 600;
    text-align: start;
  }
  :is(th, td) {
    padding: 0.15rem 0.9rem 0.15rem 0;
    border-block-end: 1px solid var(--_line);
    font-weight: 400;
    text-align: end;
    white-space: nowrap;
  }
  thead th {
    color: var(--_muted);
  }
  :is(th, td):first-child {
    text-align: start;
  }
  .state {
    display: grid;
    place-content: center;
    justify-items: center;
    gap: 0.5rem;
    min-block-size: 12rem;
    color: var(--_muted);
    text-align: center;
    overflow-wrap: anywhere;
  }
  @media (forced-colors: active) {
    .chart,
    .swatch {
      forced-color-adjust: auto;
    }
    .line.style-0,
    .end,
    .point {
      stroke: CanvasText;
    }
    .heat {
      fill: CanvasText;
    }
    button.main {
      /* Its text would have a plate of its own colour behind it. */
      forced-color-adjust: none;
      background: Highlight;
      color: HighlightText;
    }
  }
  @media print {
    .controls,
    .bar-row,
    .branch {
      display: none;
    }
  }
`;
