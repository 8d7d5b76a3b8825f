/** The numbers of a feature that have no picture: how strongly it fires, and what its weights are. */
import { html, type TemplateResult } from 'lit';
import type { FeatureCard } from '../../engine/pack/schema.js';
import { formatNumber } from '../internal/format.js';

interface Fact {
  readonly name: string;
  readonly key: 'mean' | 'max' | 'bias' | 'effective_bias' | 'de_projection' | 'de_cosine' | 'encoder_norm' | 'decoder_norm';
  /** What it is, in a sentence. */
  readonly description: string;
}

export const FACTS: readonly Fact[] = [
  { name: 'mean', key: 'mean', description: 'Mean activation over the tokens on which it fires' },
  { name: 'maximum', key: 'max', description: 'Largest activation' },
  { name: 'bias', key: 'bias', description: 'Encoder bias b_enc' },
  { name: 'effective bias', key: 'effective_bias', description: 'b_enc − w_enc · b_dec: the bias that an input at the origin meets' },
  { name: 'D/E projection', key: 'de_projection', description: 'Decoder row · encoder column: how much of what it writes it would read again' },
  { name: 'D/E cosine', key: 'de_cosine', description: 'Cosine of the decoder row with the encoder column' },
  { name: '‖encoder‖', key: 'encoder_norm', description: 'Norm of the encoder column' },
  { name: '‖decoder‖', key: 'decoder_norm', description: 'Norm of the decoder row' },
];

export function factsTemplate(card: FeatureCard): TemplateResult {
  return html`
    <section class="facts" part="facts" aria-label="Figures">
      <dl>
        ${FACTS.map(({ name, key, description }) => html`<div title=${description}><dt>${name}</dt><dd>${formatNumber(card[key])}</dd></div>`)}
      </dl>
    </section>
  `;
}
