/** Defines `<sae-feature-table>`. */
import { defineElement } from '../internal/element.js';
import { SaeFeatureTable } from './feature-table.js';

defineElement('sae-feature-table', SaeFeatureTable);

declare global {
  interface HTMLElementTagNameMap {
    'sae-feature-table': SaeFeatureTable;
  }
}
