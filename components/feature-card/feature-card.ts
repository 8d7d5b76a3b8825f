/**
 * `<sae-feature-card src="pack/" feature="61">`: everything about one feature of
 * an SAE. It gets the card from a pack by range requests, or it is given it: as
 * the property `data`, or as JSON inside the element.
 *
 * The code that draws a card is loaded when the first one comes near the viewport,
 * at the same time as its data: this module is the element around it.
 *
 * Its own content, for example what `renderStatic` gives, is what readers see
 * without scripts, and until the card is there.
 */
import { css, type PropertyValues, type TemplateResult } from 'lit';
import type { Pack } from '../../engine/pack/reader.js';
import type { FeatureCard } from '../../engine/pack/schema.js';
import { SaeSelectEvent } from '../internal/events.js';
import { PackElement } from '../internal/pack-element.js';
import type { CardView } from './card-view.js';
import { checkedCard, inlineCard } from './inline-card.js';

/** The box alone: what is in it comes with card-view.ts. */
const styles = css`
  :host {
    container-type: inline-size;
    min-inline-size: min(100%, 16rem);
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
    font-size: var(--sae-font-size, 0.875rem);
  }
  /* As high as a card with everything is, in its three layouts. */
  .state[part='loading'] {
    min-block-size: var(--sae-card-height, 94rem);
    place-content: start center;
    padding-block-start: 6rem;
  }
  :host([compact]) .state[part='loading'] {
    min-block-size: var(--sae-card-height, 35rem);
  }
  @container (min-width: 34rem) {
    .state[part='loading'] {
      min-block-size: var(--sae-card-height, 71rem);
    }
    :host([compact]) .state[part='loading'] {
      min-block-size: var(--sae-card-height, 26rem);
    }
  }
  @container (min-width: 44rem) {
    .state[part='loading'] {
      min-block-size: var(--sae-card-height, 49rem);
    }
    :host([compact]) .state[part='loading'] {
      min-block-size: var(--sae-card-height, 25rem);
    }
  }
`;

/**
 * @attr src - folder of the pack, relative to the page
 * @attr feature - index of the feature
 * @attr compact - without logit weights, figures and neighbours
 * @attr heading-level - of the title, 3
 * @attr loading - `lazy` (default) or `eager`
 * @fires sae-select - a neighbour was chosen; unless prevented, the card goes on to it
 * @fires sae-load - the card has arrived
 * @fires sae-error - it could not be had
 * @slot - what readers without scripts see; `<script type="application/json">` gives the card itself
 * @csspart header, title, class, source, back - the head
 * @csspart density, histogram, quantiles, facts - the figures
 * @csspart examples, strip, token, firing, readout - the examples
 * @csspart logits, neighbours, neighbour - the weights
 * @csspart loading, error, retry, empty - in place of the card
 */
export class SaeFeatureCard extends PackElement<FeatureCard> {
  static override styles = [PackElement.base, styles];
  static override properties = {
    feature: { converter: (text: string | null) => (text === null || text.trim() === '' ? null : Number(text)) },
    data: { attribute: false },
    compact: { type: Boolean, reflect: true },
    headingLevel: { attribute: 'heading-level', type: Number },
  };

  /** Index of the feature. */
  declare feature: number | null;
  /** The card itself; without a pack it is all that can be shown. */
  declare data: FeatureCard | null;
  declare compact: boolean;
  declare headingLevel: number;

  #view: CardView | null = null;
  /** The feature that was asked for from outside, and the one that a reader went on to. */
  #home: number | null = null;
  #visited: number | null = null;
  /** The feature whose title gets the focus when it comes, because a person went there from this card. */
  #going: number | null = null;

  constructor() {
    super();
    this.feature = null;
    this.data = null;
    this.compact = false;
    this.headingLevel = 3;
  }

  protected override get subject(): string {
    return this.feature === null || Number.isNaN(this.feature) ? 'the feature' : `feature ${this.feature}`;
  }

  protected override requestKey(): number | null {
    return this.feature;
  }

  protected override fetchContent(pack: Pack, signal: AbortSignal): Promise<FeatureCard> {
    return pack.card(this.feature as number, { signal });
  }

  /** What the page gives, where it is of the feature that is wanted or no pack has another. */
  protected override givenContent(): FeatureCard | null {
    const given = this.data === null ? inlineCard(this) : checkedCard(this.data);
    const elsewhere = (this.pack ?? this.src) !== null && this.feature !== null;
    return given !== null && elsewhere && given.feature !== this.feature ? null : given;
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has('feature') && this.feature !== this.#visited) {
      this.#home = this.feature;
      this.#visited = null;
    }
    super.willUpdate(changed);
    if (changed.has('data') && this.hasUpdated) this.retry();
  }

  protected override updated(changed: PropertyValues): void {
    if (!changed.has('content') || this.content === null || this.#going === null) return;
    // Where the page took the selection over, the focus may have gone elsewhere, and so may the card.
    const wanted = this.content.feature === this.#going && (this.#visited === this.#going || (this.shadowRoot?.activeElement ?? null) !== null);
    this.#going = null;
    if (wanted) this.renderRoot.querySelector<HTMLElement>('.title')?.focus({ preventScroll: true });
  }

  /** A reader goes on to another feature; who listens may take that over. */
  readonly #go = (feature: number, source: 'neighbour' | 'card'): void => {
    const event = new SaeSelectEvent({ feature, source, pack: this.openPack ?? this.pack });
    // The button that was pressed goes away with its card, or stands for another feature then.
    this.#going = feature;
    if (!this.dispatchEvent(event) || (this.pack ?? this.src) === null || this.feature === feature) return;
    this.#home ??= this.content?.feature ?? null;
    this.#visited = feature;
    this.feature = feature;
  };

  /** The script's text may come after its element. */
  protected override onSlotChange(): void {
    super.onSlotChange();
    if (this.content !== null || this.phase === 'loading') return;
    if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', () => this.retry(), { once: true });
    else if (this.querySelector('script') !== null) this.retry();
  }

  /** The view is loaded beside the data. */
  protected override prepare(): Promise<void> | null {
    if (this.#view !== null) return null;
    return import('./card-view.js').then(({ CardView }) => {
      this.#view ??= new CardView(this);
    });
  }

  protected override renderContent(card: FeatureCard): TemplateResult {
    return (this.#view as CardView).render(card, {
      level: this.headingLevel,
      compact: this.compact,
      busy: this.phase === 'loading',
      home: this.#home === card.feature ? null : this.#home,
      go: this.#go,
    });
  }
}
