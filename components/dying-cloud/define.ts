/** Defines `<sae-dying-cloud>`; importing it is the only side effect of this folder. */
import { defineElement } from '../internal/element.js';
import { SaeDyingCloud } from './dying-cloud.js';

defineElement('sae-dying-cloud', SaeDyingCloud);

declare global {
  interface HTMLElementTagNameMap {
    'sae-dying-cloud': SaeDyingCloud;
  }
}
