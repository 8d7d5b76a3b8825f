/** Looks of what is in a card. The card's own width decides the layout: two columns from 44rem on. */
import { css } from 'lit';

export const styles = css`
  .card {
    display: grid;
    gap: 1.1rem 2rem;
    padding: 1rem 1.15rem 1.1rem;
    transition: opacity 0.15s 0.12s;
  }
  .card[aria-busy='true'] {
    opacity: 0.55;
  }
  .side,
  .main {
    display: contents;
  }
  .density { order: 1; }
  .histogram { order: 2; }
  .examples { order: 3; }
  .logits { order: 4; }
  .facts { order: 5; }
  .neighbours { order: 6; }
  section {
    min-inline-size: 0;
  }
  header {
    grid-column: 1 / -1;
  }
  @container (min-width: 34rem) and (max-width: 44rem) {
    .card {
      grid-template-columns: repeat(2, minmax(0, 1fr));
    }
    .examples,
    .logits {
      grid-column: 1 / -1;
    }
  }
  @container (min-width: 44rem) {
    .card {
      grid-template: auto auto 1fr / 16.5rem minmax(0, 1fr);
    }
    .main {
      grid-area: 2 / 2 / 4;
    }
    .side,
    .main {
      display: flex;
      flex-direction: column;
      gap: 1.25rem;
      min-inline-size: 0;
    }
  }
  p,
  dl,
  dd,
  ol,
  ul {
    margin: 0;
    padding: 0;
    list-style: none;
  }
  header {
    display: flex;
    flex-wrap: wrap;
    align-items: baseline;
    gap: 0.15rem 0.7rem;
    padding-block-end: 0.7rem;
    border-block-end: 1px solid var(--_line);
  }
  .title {
    font-size: 1.45em;
    font-weight: 650;
    letter-spacing: -0.01em;
    font-variant-numeric: tabular-nums;
  }
  .title .label {
    color: inherit;
    font: inherit;
  }
  .title:focus {
    outline: none;
  }
  .badge {
    padding: 0.05em 0.6em;
    border: 1px solid var(--_class);
    border-radius: 1em;
    color: var(--_class);
    font-size: 0.85em;
    font-weight: 600;
  }
  .badge::before {
    content: '';
    display: inline-block;
    inline-size: 0.55em;
    block-size: 0.55em;
    margin-inline-end: 0.4em;
    border-radius: 50%;
    background: var(--_class);
  }
  .source {
    margin-inline-start: auto;
    color: var(--_muted);
    font-size: 0.9em;
    overflow-wrap: anywhere;
  }
  .source bdi + bdi::before {
    content: ' · ';
  }
  .label {
    font-weight: 600;
  }
  .aside,
  .none {
    color: var(--_muted);
    font-size: 0.9em;
  }
  .large {
    margin-inline: 0.4rem;
    font-size: 1.3em;
    font-weight: 600;
  }
  .density,
  dd,
  .value,
  .readout {
    font-variant-numeric: tabular-nums;
  }
  svg {
    display: block;
    inline-size: 100%;
    overflow: visible;
    direction: ltr;
  }
  text {
    fill: var(--_muted);
    font-size: 11px;
    font-variant-numeric: tabular-nums;
  }
  .ruler {
    margin-block: 0.35rem 0.15rem;
  }
  .band {
    fill: var(--_class);
  }
  .blind {
    fill: var(--_surface);
    opacity: 0.75;
  }
  .interval,
  .point {
    fill: var(--_class);
  }
  .interval {
    opacity: 0.45;
  }
  .point {
    stroke: var(--_surface);
    stroke-width: 1.5;
  }
  .column {
    fill: var(--_accent);
  }
  .column:hover {
    fill: var(--_text);
  }
  .axis,
  .median {
    stroke: var(--_muted);
  }
  .median {
    stroke: var(--_text);
    stroke-width: 2;
  }
  .whisker,
  .box-plot {
    fill: var(--_muted);
  }
  .box-plot {
    opacity: 0.6;
  }
  .quantiles {
    display: flex;
    flex-wrap: wrap;
    gap: 0.1rem 0.5rem;
    justify-content: space-between;
    margin-block-start: 0.3rem;
    font-size: 0.82em;
  }
  .quantiles div {
    text-align: center;
  }
  dt {
    color: var(--_muted);
  }
  .facts div {
    display: flex;
    justify-content: space-between;
    gap: 1rem;
    padding-block: 0.12rem;
    border-block-end: 1px solid var(--_line);
  }
  .head,
  .below {
    display: flex;
    flex-wrap: wrap;
    align-items: baseline;
    gap: 0.25rem 0.8rem;
    margin-block-end: 0.35rem;
  }
  .head > :last-child:not(:first-child),
  .below > button {
    margin-inline-start: auto;
  }
  [role='tab'],
  .toggle,
  .back {
    padding: 0.1rem 0.1rem;
    border: 0;
    background: none;
    color: var(--_muted);
    font-size: 0.9em;
  }
  .tabs {
    display: flex;
    flex-wrap: wrap;
    gap: 0.2rem 0.9rem;
  }
  [role='tab'] {
    border-block-end: 2px solid transparent;
  }
  [role='tab'][aria-selected='true'] {
    border-color: currentcolor;
    color: var(--_text);
  }
  .toggle:hover,
  .back:hover,
  [role='tab']:hover {
    color: var(--_text);
  }
  .toggle {
    text-decoration: underline dotted;
    text-underline-offset: 0.2em;
  }
  .toggle[aria-pressed='true'] {
    color: var(--_text);
    text-decoration-style: solid;
  }
  .row {
    display: grid;
    grid-template-columns: 3.1rem minmax(0, 1fr);
    align-items: baseline;
    gap: 0.7rem;
  }
  .row.first {
    margin-block-start: 0.3rem;
  }
  .row > .value {
    text-align: end;
    color: var(--_muted);
    font-size: 0.9em;
  }
  .strip {
    overflow: hidden;
    scrollbar-width: none;
    white-space: pre;
    font-family: var(--_mono);
    font-size: 0.93em;
    line-height: 1.9;
    mask-image: linear-gradient(90deg, transparent, #000 1.2rem, #000 calc(100% - 1.2rem), transparent);
  }
  /* Browsers put what scrolls among the tab stops; here the token that has the focus scrolls its row. */
  @media screen {
    .row:hover .strip {
      overflow-x: auto;
    }
  }
  @media (pointer: coarse) {
    .strip {
      overflow-x: auto;
    }
  }
  .strip::before,
  .strip::after {
    content: '';
    display: inline-block;
    inline-size: 60%;
  }
  .wrap .row .strip {
    overflow: visible;
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    mask: none;
  }
  .wrap .strip::before,
  .wrap .strip::after {
    content: none;
  }
  .strip .token {
    padding-block: 0.16em;
    border-radius: 2px;
    outline-offset: 0;
  }
  .on {
    background: color-mix(in oklab, var(--_heat) calc(var(--a) * 100%), var(--_surface));
  }
  .firing {
    box-shadow: inset 0 -2px var(--_text);
    font-weight: 600;
  }
  .strip .token:hover {
    outline: 1px solid var(--_muted);
  }
  .strip .token:focus-visible {
    outline: 2px solid var(--_focus);
  }
  .below {
    margin: 0.35rem 0 0;
    flex-wrap: nowrap;
  }
  .readout {
    color: var(--_muted);
    font-size: 0.9em;
    min-block-size: 1.45em;
    overflow-wrap: anywhere;
    white-space: pre-wrap;
  }
  .vocabulary {
    margin-block: 0.2rem 0.5rem;
  }
  .up {
    fill: var(--_accent);
    background: var(--_accent);
  }
  .down {
    fill: var(--_dense);
    background: var(--_dense);
  }
  .lists {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr));
    gap: 0.6rem 2rem;
  }
  .lists li {
    display: grid;
    grid-template-columns: 6.5rem minmax(0, 1fr) 3rem;
    align-items: center;
    gap: 0.5rem;
    line-height: 1.6;
  }
  .lists .token {
    overflow: hidden;
    white-space: nowrap;
    text-overflow: ellipsis;
    font-family: var(--_mono);
    font-size: 0.93em;
  }
  .bar-of {
    block-size: 0.5em;
    min-inline-size: 1px;
    border-radius: 1px;
  }
  .lists .value {
    text-align: end;
  }
  .neighbours ul {
    display: flex;
    flex-wrap: wrap;
    gap: 0.35rem;
    margin-block-start: 0.35rem;
  }
  .neighbours button {
    padding: 0.1rem 0.5rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_raised);
    font-variant-numeric: tabular-nums;
  }
  .neighbours button:hover {
    border-color: var(--_accent);
  }
  @container (max-width: 30rem) {
    .source {
      margin-inline-start: 0;
      flex-basis: 100%;
    }
    .lists {
      grid-template-columns: repeat(2, minmax(0, 1fr));
      column-gap: 1.4rem;
    }
    .lists li {
      grid-template-columns: minmax(0, 1fr) auto;
    }
    .bar-of {
      display: none;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .card {
      transition: none;
    }
  }
  @media (forced-colors: active) {
    .on {
      text-decoration: underline calc(1px + var(--a) * 3px);
    }
    .firing {
      outline: 1px solid;
    }
    [role='tab'][aria-selected='false'] {
      border-color: Canvas;
    }
    .column,
    .bar-of,
    .up,
    .down {
      forced-color-adjust: none;
      background-color: CanvasText;
      fill: CanvasText;
    }
  }
  @media print {
    .row .strip {
      overflow: visible;
      white-space: pre-wrap;
      mask: none;
    }
    .strip::before,
    .strip::after {
      content: none;
    }
    .toggle,
    .readout,
    [role='tab'][aria-selected='false'] {
      display: none;
    }
  }
`;
