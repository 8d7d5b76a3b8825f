/**
 * The look that all elements share.
 *
 * A page changes it by custom properties `--sae-*`, on the element or anywhere
 * above it. Style sheets here read private names `--_*`, each the public one or
 * its default, so that a default never hides what an ancestor says. Light or dark
 * follows the `color-scheme` that the element inherits from the page.
 *
 * Kept true (test/browser/theme.test.ts): text 4.5:1 and marks 3:1 on the
 * surface in both schemes, text 4.5:1 on every step of the heat scale, and the
 * class colours apart, each from each, under the three kinds of
 * dichromacy. Class and activation are never told by colour alone.
 */
import { css } from 'lit';

export const theme = css`
  :host {
    --_text: var(--sae-text, light-dark(#1b1f23, #e4e6e9));
    --_muted: var(--sae-muted, light-dark(#5a626a, #9fa6ae));
    --_surface: var(--sae-surface, light-dark(#fff, #16181b));
    --_raised: var(--sae-raised, light-dark(#fff, #23272c));
    --_sunken: var(--sae-sunken, light-dark(#f4f5f6, #1f2226));
    --_line: var(--sae-line, light-dark(#dde0e3, #34393f));
    --_accent: var(--sae-accent, light-dark(#2b628f, #8ab8e0));
    --_focus: var(--sae-focus, var(--_accent));
    --_heat: var(--sae-heat, light-dark(#f4a04a, #8f4d06));
    --_error: var(--sae-error, light-dark(#a8321f, #f09482));
    --_dead: var(--sae-dead, light-dark(#64676d, #989fa6));
    --_ultralow: var(--sae-ultralow, light-dark(#6c2a7e, #e6aaf7));
    --_rare: var(--sae-rare, light-dark(#1c74cd, #5a86e2));
    --_live: var(--sae-live, light-dark(#12563a, #7fdca0));
    --_dense: var(--sae-dense, light-dark(#a85f17, #e58b46));
    --_mono: var(--sae-font-mono, ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace);
    --_radius: var(--sae-radius, 6px);
    display: block;
    box-sizing: border-box;
    color: var(--_text);
    font-family: var(--sae-font, inherit);
    line-height: 1.45;
    text-align: start;
  }
  :host([hidden]),
  [hidden] {
    display: none !important;
  }
  *,
  ::before,
  ::after {
    box-sizing: inherit;
  }
  button {
    font: inherit;
    color: inherit;
    cursor: pointer;
  }
  :focus-visible {
    outline: 2px solid var(--_focus);
    outline-offset: 2px;
  }
  .visually-hidden {
    position: absolute;
    inline-size: 1px;
    block-size: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .dead { --_class: var(--_dead); }
  .ultralow { --_class: var(--_ultralow); }
  .rare { --_class: var(--_rare); }
  .live { --_class: var(--_live); }
  .dense { --_class: var(--_dense); }
  .mark {
    opacity: 0.55;
  }
  .box {
    border: 1px solid currentcolor;
    border-radius: 2px;
    padding-inline: 0.15em;
    font-size: 0.72em;
    vertical-align: 0.08em;
  }
  @media (forced-colors: active) {
    :host {
      --_text: CanvasText;
      --_muted: CanvasText;
      --_surface: Canvas;
      --_raised: ButtonFace;
      --_sunken: Canvas;
      --_line: GrayText;
      --_accent: Highlight;
      --_heat: CanvasText;
      --_error: CanvasText;
      --_dead: GrayText;
      --_ultralow: CanvasText;
      --_rare: CanvasText;
      --_live: CanvasText;
      --_dense: CanvasText;
    }
    .mark {
      opacity: 1;
    }
  }
  @media print {
    :host {
      color-scheme: light;
      break-inside: avoid;
      print-color-adjust: exact;
    }
  }
`;
