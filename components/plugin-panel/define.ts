/** Defines `<sae-plugin-panel>`. */
import { defineElement } from '../internal/element.js';
import { SaePluginPanel } from './plugin-panel.js';

defineElement('sae-plugin-panel', SaePluginPanel);

declare global {
  interface HTMLElementTagNameMap {
    'sae-plugin-panel': SaePluginPanel;
  }
}
