/** Defines `<sae-verdict>`. */
import { defineElement } from '../internal/element.js';
import { SaeVerdict } from './verdict.js';

defineElement('sae-verdict', SaeVerdict);

declare global {
  interface HTMLElementTagNameMap {
    'sae-verdict': SaeVerdict;
  }
}
