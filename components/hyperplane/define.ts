/** Defines `<sae-hyperplane>`. */
import { defineElement } from '../internal/element.js';
import { SaeHyperplane } from './hyperplane.js';

defineElement('sae-hyperplane', SaeHyperplane);

declare global {
  interface HTMLElementTagNameMap {
    'sae-hyperplane': SaeHyperplane;
  }
}
