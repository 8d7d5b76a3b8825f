/** All that is inside a card, put together. Loaded when the first card comes near the viewport. */
import { html, nothing, type TemplateResult } from 'lit';
import type { FeatureCard } from '../../engine/pack/schema.js';
import { styles } from './card-view.styles.js';
import { Examples, type ExamplesHost } from './examples.js';
import { factsTemplate } from './facts.js';
import { densityTemplate, headerTemplate } from './header.js';
import { histogramTemplate } from './histogram.js';
import { logitsTemplate } from './logits.js';
import { neighboursTemplate } from './neighbours.js';

export interface CardViewOptions {
  /** Of the title's heading. */
  readonly level: number;
  readonly compact: boolean;
  /** Another card is on its way. */
  readonly busy: boolean;
  /** The feature that the page asked for, where a reader has gone on from it. */
  readonly home: number | null;
  readonly go: (feature: number, source: 'neighbour' | 'card') => void;
}

/** The drawing of one element's card, with what a reader has set in it. */
export class CardView {
  readonly #host: ExamplesHost;
  readonly #examples: Examples;
  #logits = 0;
  #card: FeatureCard | null = null;

  constructor(host: ExamplesHost) {
    this.#host = host;
    this.#examples = new Examples(host);
    const root = host.renderRoot as ShadowRoot;
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, styles.styleSheet as CSSStyleSheet];
  }

  render(card: FeatureCard, { level, compact, busy, home, go }: CardViewOptions): TemplateResult {
    if (card !== this.#card) this.#examples.reset();
    this.#card = card;
    // The words of a card are English wherever it stands: only its tokens have a direction of their own.
    return html`
      <article lang="en" dir="ltr" class="card ${card.class}" part="card" aria-label=${`Feature ${card.feature}`} aria-busy=${String(busy)}>
        ${headerTemplate(card, level, home, go)}
        <div class="side">${densityTemplate(card)} ${histogramTemplate(card)} ${compact ? nothing : factsTemplate(card)}</div>
        <div class="main">
          ${this.#examples.render(card, compact)}
          ${compact || card.logits === null ? nothing : logitsTemplate(card.logits, this.#logits, (kind) => {
            this.#logits = kind;
            this.#host.requestUpdate();
          })}
        </div>
        ${compact ? nothing : neighboursTemplate(card, go)}
      </article>
    `;
  }
}
