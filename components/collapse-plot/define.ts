/** Defines `<sae-collapse-plot>`; importing it is the only side effect of this folder. */
import { defineElement } from '../internal/element.js';
import { SaeCollapsePlot } from './collapse-plot.js';

defineElement('sae-collapse-plot', SaeCollapsePlot);

declare global {
  interface HTMLElementTagNameMap {
    'sae-collapse-plot': SaeCollapsePlot;
  }
}
