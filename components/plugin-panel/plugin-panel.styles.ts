/** Looks of a plugin's place. */
import { css } from 'lit';

export const styles = css`
  :host {
    display: block;
  }
  section {
    padding: 0.9rem 1.1rem 1.1rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
  }
  h3 {
    margin: 0 0 0.6rem;
    font-size: 1rem;
    font-weight: 600;
  }
  [hidden] {
    display: none;
  }
  .note {
    margin: 0 0 0.5rem;
    color: var(--_muted);
    font-size: 0.85rem;
  }
  .card {
    padding: 0.6rem 0.9rem;
    border: 1px solid var(--_line);
    border-inline-start: 3px solid var(--_muted);
    border-radius: var(--_radius);
    background: var(--_sunken);
    color: var(--_muted);
    font-size: 0.9rem;
    overflow-wrap: anywhere;
  }
  .card.error {
    border-inline-start-color: var(--_error);
    color: var(--_text);
  }
  .card p {
    margin: 0 0 0.4rem;
  }
  .card p:last-child {
    margin: 0;
  }
  .card button {
    padding: 0.2rem 0.8rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
    cursor: pointer;
  }
  code {
    font-family: var(--_mono);
    font-size: 0.92em;
  }
`;
