/** The elements as classes. Importing them defines nothing: `defineElements()`, or a `define.js`, does. */
import { SaeDensityHistogram } from './density-histogram/density-histogram.js';
import { SaeFeatureCard } from './feature-card/feature-card.js';
import { SaeFeatureTable } from './feature-table/feature-table.js';
import { defineElement } from './internal/element.js';
import { SaePackView } from './pack-view/pack-view.js';
import { SaePluginPanel } from './plugin-panel/plugin-panel.js';

export { SaeDensityHistogram, SaeFeatureCard, SaeFeatureTable, SaePackView, SaePluginPanel };
export { renderStatic, type StaticOptions } from './feature-card/static.js';
export { defineElement, SaeElement } from './internal/element.js';
export { SaeErrorEvent, SaeLoadEvent, SaeSelectEvent, type SaeSelectInit, type SelectSource } from './internal/events.js';
export { PackElement } from './internal/pack-element.js';
export { openPack, usePackOpener, type PackOpener } from './internal/pack-store.js';
export { visibleText } from './internal/text.js';

/** Defines all elements, each unless its tag is taken. */
export function defineElements(): void {
  defineElement('sae-density-histogram', SaeDensityHistogram);
  defineElement('sae-feature-card', SaeFeatureCard);
  defineElement('sae-feature-table', SaeFeatureTable);
  defineElement('sae-plugin-panel', SaePluginPanel);
  // Last: it is made of the others.
  defineElement('sae-pack-view', SaePackView);
}

declare global {
  interface HTMLElementTagNameMap {
    'sae-density-histogram': SaeDensityHistogram;
    'sae-feature-card': SaeFeatureCard;
    'sae-feature-table': SaeFeatureTable;
    'sae-pack-view': SaePackView;
    'sae-plugin-panel': SaePluginPanel;
  }
}
