/** Looks of the training lab. */
import { css } from 'lit';

export const styles = css`
  :host {
    container-type: inline-size;
  }
  .frame {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 0.9rem;
  }
  h3,
  h4,
  p,
  ul {
    margin: 0;
  }
  h3 {
    font-size: 1.05em;
    font-weight: 650;
  }
  h4 {
    display: flex;
    align-items: center;
    gap: 0.5em;
    margin-block-end: 0.4rem;
    font-size: 0.92em;
    font-weight: 600;
  }
  form,
  .preset {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 0.7rem;
  }
  .preset {
    gap: 0.3rem;
  }
  .preset label {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.3rem 0.7rem;
    font-weight: 600;
  }
  .preset select {
    flex: 0 1 30rem;
    min-inline-size: 0;
    max-inline-size: 100%;
    text-overflow: ellipsis;
  }
  #about,
  .plane,
  .where,
  .changed,
  .waiting {
    color: var(--_muted);
    font-size: 0.92em;
  }
  summary {
    cursor: pointer;
    inline-size: fit-content;
  }
  .sections {
    /* It inherits through the slot of details, which has the other kind. */
    box-sizing: border-box;
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr));
    gap: 0.8rem;
    padding-block-start: 0.7rem;
  }
  fieldset {
    display: grid;
    align-content: start;
    gap: 0.45rem;
    min-inline-size: 0;
    margin: 0;
    padding: 0.4rem 0.9rem 0.8rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
  }
  legend {
    padding-inline: 0.3rem;
    font-weight: 600;
  }
  .field {
    display: grid;
    grid-template-columns: minmax(0, 1fr) minmax(0, 5.5rem);
    align-items: center;
    gap: 0.1rem 0.6rem;
    font-size: 0.92em;
  }
  .field.choice,
  .field.numbers {
    grid-template-columns: minmax(0, 1fr);
  }
  .field.flag {
    grid-template-columns: minmax(0, 1fr) auto;
  }
  .field input,
  .field select {
    min-inline-size: 0;
    inline-size: 100%;
  }
  .field.flag input {
    inline-size: auto;
  }
  .wrong {
    grid-column: 1 / -1;
    color: var(--_error);
  }
  input[aria-invalid='true'],
  select[aria-invalid='true'] {
    border-color: var(--_error);
    outline: 1px solid var(--_error);
  }
  button,
  select,
  input[type='text'] {
    padding: 0.28rem 0.6rem;
    border: 1px solid var(--_muted);
    border-radius: var(--_radius);
    background: var(--_raised);
    color: var(--_text);
    font: inherit;
    font-size: 0.95em;
  }
  button {
    padding-inline: 0.8rem;
  }
  .controls,
  .views-bar {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.5rem;
  }
  button.main {
    min-inline-size: 6em;
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
  .to,
  .where,
  .slider output {
    font-variant-numeric: tabular-nums;
  }
  .link {
    display: grid;
    gap: 0.2rem;
    font-size: 0.92em;
  }
  .alert {
    display: grid;
    justify-items: start;
    gap: 0.5rem;
    padding: 0.6rem 0.9rem;
    border-inline-start: 4px solid var(--_error);
    border-radius: var(--_radius);
    background: var(--_sunken);
    overflow-wrap: anywhere;
  }
  .alert strong {
    color: var(--_error);
  }
  .where {
    display: grid;
    gap: 0.1rem;
    padding: 0;
    list-style: none;
  }
  .slider {
    position: sticky;
    inset-block-start: 0;
    z-index: 2;
    display: flex;
    align-items: center;
    gap: 0.7rem;
    padding-block: 0.45rem;
    border-block-end: 1px solid var(--_line);
    background: var(--_surface);
    font-size: 0.92em;
  }
  .slider input {
    flex: 1 1 6rem;
    min-inline-size: 4rem;
    accent-color: var(--_accent);
  }
  .slider output {
    min-inline-size: 7.5em;
  }
  .scroll {
    overflow-x: auto;
  }
  table {
    border-collapse: collapse;
    font-size: 0.92em;
    font-variant-numeric: tabular-nums;
  }
  caption {
    padding-block-end: 0.3rem;
    color: var(--_muted);
    text-align: start;
  }
  th,
  td {
    padding: 0.15rem 0.9rem 0.15rem 0;
    border-block-end: 1px solid var(--_line);
    text-align: end;
    font-weight: 400;
    white-space: nowrap;
  }
  thead th {
    color: var(--_muted);
  }
  tr > :first-child {
    text-align: start;
  }
  tbody th {
    font-weight: 600;
  }
  .dot {
    display: inline-block;
    inline-size: 0.6em;
    block-size: 0.6em;
    margin-inline-end: 0.35em;
    border-radius: 50%;
    background: var(--_class);
  }
  .run-A { --_run: var(--_rare); }
  .run-B { --_run: var(--_dense); }
  .swatch {
    display: inline-block;
    inline-size: 1.3em;
    margin-inline-end: 0.5em;
    border-block-start: 3px solid var(--_run);
    vertical-align: middle;
  }
  h4 .swatch {
    margin-inline-end: 0;
  }
  .swatch.run-B {
    border-block-start-style: dashed;
  }
  .view {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 0.5rem;
    padding-block-start: 0.6rem;
    border-block-start: 1px solid var(--_line);
  }
  .pair {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 1.2rem 1.6rem;
  }
  .one {
    min-inline-size: 0;
  }
  @container (inline-size >= 56rem) {
    .pair.of-2 {
      grid-template-columns: repeat(2, minmax(0, 1fr));
    }
  }
  @media (forced-colors: active) {
    .dot {
      background: CanvasText;
    }
    button.main {
      /* Its text would have a plate of its own colour behind it. */
      forced-color-adjust: none;
      background: Highlight;
      color: HighlightText;
    }
    button[aria-pressed='true'] {
      outline: 2px solid Highlight;
    }
  }
`;
