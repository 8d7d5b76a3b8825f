/** Defines `<sae-density-timelapse>`. */
import { defineElement } from '../internal/element.js';
import { SaeDensityTimelapse } from './density-timelapse.js';

defineElement('sae-density-timelapse', SaeDensityTimelapse);

declare global {
  interface HTMLElementTagNameMap {
    'sae-density-timelapse': SaeDensityTimelapse;
  }
}
