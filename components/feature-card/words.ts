/** What is said of a feature in words: shared by the element, its labels, and its static form. */
import type { FeatureCard } from '../../engine/pack/schema.js';
import { formatCount, formatDensities, formatDensity, formatNumber } from '../internal/format.js';

export interface Fact {
  readonly name: string;
  readonly key: 'mean' | 'max' | 'bias' | 'effective_bias' | 'de_projection' | 'de_cosine' | 'encoder_norm' | 'decoder_norm';
  /** What it is. */
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

/** `1 in 21`; null where that would say less than the number does. */
export function oneIn(density: number): string | null {
  return density > 0 && density < 0.5 ? `1 in ${formatCount(Number((1 / density).toPrecision(2)))}` : null;
}

/** The density, with its interval. */
export function densitySentence({ count, tokens, density, density_low, density_high }: FeatureCard): string {
  if (count === 0) return `No firing in ${formatCount(tokens)} tokens: density below ${formatDensity(density_high)} at 95 %`;
  const [low, value, high] = formatDensities(density_low, density, density_high);
  return `Density ${value}, 95 % interval ${low} to ${high}, ${formatCount(count)} of ${formatCount(tokens)} tokens`;
}

/** The distribution in a sentence. */
export function histogramSentence({ histogram: { edges }, count, quantiles }: FeatureCard): string {
  const q = (name: string): string => formatNumber(quantiles[name] ?? null);
  return `Distribution of ${formatCount(count)} activations from ${formatNumber(edges[0] ?? null)} to ${formatNumber(edges.at(-1) ?? null)}, log scale. Median ${q('0.50')}, half between ${q('0.25')} and ${q('0.75')}, 95 % below ${q('0.95')}.`;
}
