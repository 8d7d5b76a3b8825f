/**
 * The look that all elements share: colours as custom properties with a light
 * and a dark default, chosen by the page's own `color-scheme` (light-dark()), so
 * that an element follows the page it is in. Public properties are `--sae-*`;
 * elements read the private `--_*`, so that a page overrides one thing at a time.
 *
 * Class colours keep at least 3:1 against the surface in both schemes and differ
 * in lightness as well as in hue; nothing is told by colour alone.
 */
import { css } from 'lit';

export const theme = css`
  :host {
    --_surface: var(--sae-surface, light-dark(#ffffff, #14161a));
    --_raised: var(--sae-raised, light-dark(#f6f7f9, #1d2026));
    --_text: var(--sae-text, light-dark(#1b1f24, #e7e9ec));
    --_muted: var(--sae-muted, light-dark(#57606a, #a3acb8));
    --_line: var(--sae-line, light-dark(#d9dee4, #343a43));
    --_focus: var(--sae-focus, light-dark(#0a58ca, #7cb7ff));
    --_link: var(--sae-link, light-dark(#0a4fa3, #86bdff));
    --_accent: var(--sae-accent, light-dark(#b4510a, #f2a25c));
    --_positive: var(--sae-positive, light-dark(#0b5fa5, #6fb6f2));
    --_negative: var(--sae-negative, light-dark(#a8324a, #f08ba0));
    --_error: var(--sae-error, light-dark(#a3262f, #ff9a9f));
    --_dead: var(--sae-dead, light-dark(#656d76, #9aa4b0));
    --_ultralow: var(--sae-ultralow, light-dark(#8e2a6b, #e58bc4));
    --_rare: var(--sae-rare, light-dark(#b4510a, #f2a25c));
    --_live: var(--sae-live, light-dark(#0b5fa5, #5fb0ee));
    --_dense: var(--sae-dense, light-dark(#2f6b1a, #93cc6b));
    --_mono: var(--sae-mono, ui-monospace, 'SF Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace);
    --_radius: var(--sae-radius, 6px);
    box-sizing: border-box;
    color: var(--_text);
    font-variant-numeric: tabular-nums;
    line-height: 1.45;
  }
  :host([hidden]) {
    display: none;
  }
  *,
  *::before,
  *::after {
    box-sizing: inherit;
  }
  a {
    color: var(--_link);
  }
  button,
  select,
  input {
    font: inherit;
    color: inherit;
  }
  :focus-visible {
    outline: 2px solid var(--_focus);
    outline-offset: 1px;
    border-radius: 2px;
  }
  .hidden {
    position: absolute;
    inline-size: 1px;
    block-size: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .dead {
    --_class: var(--_dead);
  }
  .ultralow {
    --_class: var(--_ultralow);
  }
  .rare {
    --_class: var(--_rare);
  }
  .live {
    --_class: var(--_live);
  }
  .dense {
    --_class: var(--_dense);
  }
  @media (forced-colors: active) {
    :host {
      --_surface: Canvas;
      --_raised: Canvas;
      --_text: CanvasText;
      --_muted: CanvasText;
      --_line: CanvasText;
      --_focus: Highlight;
      --_link: LinkText;
      --_accent: Highlight;
      --_positive: CanvasText;
      --_negative: CanvasText;
      --_error: CanvasText;
      --_dead: GrayText;
      --_ultralow: CanvasText;
      --_rare: CanvasText;
      --_live: CanvasText;
      --_dense: CanvasText;
    }
  }
  @media print {
    :host {
      color-scheme: light;
      print-color-adjust: exact;
    }
  }
`;
