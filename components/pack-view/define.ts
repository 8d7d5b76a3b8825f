/** Defines `<sae-pack-view>`, and the elements that it is made of. */
import { defineElement } from '../internal/element.js';
import '../density-histogram/define.js';
import '../feature-card/define.js';
import '../feature-table/define.js';
import '../plugin-panel/define.js';
import { SaePackView } from './pack-view.js';

defineElement('sae-pack-view', SaePackView);

declare global {
  interface HTMLElementTagNameMap {
    'sae-pack-view': SaePackView;
  }
}
