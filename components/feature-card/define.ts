/** Defines `<sae-feature-card>`; importing it is the only side effect of this folder. */
import { defineElement } from '../internal/element.js';
import { SaeFeatureCard } from './feature-card.js';

defineElement('sae-feature-card', SaeFeatureCard);

declare global {
  interface HTMLElementTagNameMap {
    'sae-feature-card': SaeFeatureCard;
  }
}
