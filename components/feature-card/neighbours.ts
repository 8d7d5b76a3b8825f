/** The features whose decoder rows point the same way, to go on to. */
import { html, nothing, type TemplateResult } from 'lit';
import type { FeatureCard } from '../../engine/pack/schema.js';
import { formatSigned } from '../internal/format.js';
import type { CardViewOptions } from './card-view.js';

export function neighboursTemplate({ neighbours }: FeatureCard, go: CardViewOptions['go']): TemplateResult | typeof nothing {
  if (neighbours.length === 0) return nothing;
  return html`
    <section class="neighbours" part="neighbours" role="group" aria-label="Nearest decoder rows">
      <p><span class="label">nearest decoder rows</span> <span class="aside">cosine</span></p>
      <ul>
        ${neighbours.map(({ feature, cosine }) => html`
          <li>
            <button part="neighbour" type="button" @click=${() => go(feature, 'neighbour')}>
              <span class="visually-hidden">Feature </span>${feature}<span class="visually-hidden">, cosine</span> <span class="aside">${formatSigned(cosine)}</span>
            </button>
          </li>`)}
      </ul>
    </section>
  `;
}
