/** The numbers of a feature that have no picture: how strongly it fires, and what its weights are. */
import { html, type TemplateResult } from 'lit';
import type { FeatureCard } from '../../engine/pack/schema.js';
import { formatNumber } from '../internal/format.js';
import { FACTS } from './words.js';

export function factsTemplate(card: FeatureCard): TemplateResult {
  return html`
    <section class="facts" part="facts" role="group" aria-label="Figures">
      <dl>
        ${FACTS.map(({ name, key, description }) => html`<div title=${description}><dt>${name}</dt><dd>${formatNumber(card[key])}</dd></div>`)}
      </dl>
    </section>
  `;
}
