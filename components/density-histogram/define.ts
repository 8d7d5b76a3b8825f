/** Defines `<sae-density-histogram>`; importing it is the only side effect of this folder. */
import { defineElement } from '../internal/element.js';
import { SaeDensityHistogram } from './density-histogram.js';

defineElement('sae-density-histogram', SaeDensityHistogram);

declare global {
  interface HTMLElementTagNameMap {
    'sae-density-histogram': SaeDensityHistogram;
  }
}
