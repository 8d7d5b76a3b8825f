/**
 * A card as plain HTML, without scripts and styles: what an author bakes into a
 * page, inside `<sae-feature-card>`, for readers with scripts off, for feeds and
 * for search. Runs anywhere; needs no DOM.
 */
import type { FeatureCard, FeatureExample, TokenLogit } from '../../engine/pack/schema.js';
import { formatNumber, formatSigned } from '../internal/format.js';
import { directionOf, visibleText } from '../internal/text.js';
import { exampleGroups } from './example-groups.js';
import { checkedCard } from './inline-card.js';
import { densitySentence, FACTS, histogramSentence } from './words.js';

export interface StaticOptions {
  /** Of the heading, 1 to 6; 3 by default. */
  readonly level?: number | undefined;
  /** How many of the strongest examples; 5 by default. */
  readonly examples?: number | undefined;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text for HTML, in elements and in quoted attributes alike. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);

/**
 * The card as HTML. Every text of the card is escaped and made visible (see
 * internal/text.ts); the token that an example is about is a `<mark>`.
 * @throws FormatError when the data is no card
 */
export function renderStatic(data: FeatureCard, { level = 3, examples = 5 }: StaticOptions = {}): string {
  const card = checkedCard(data);
  const heading = `h${Math.max(1, Math.min(6, Math.round(level) || 3))}`;
  const source = [card.source.sae, card.source.model, card.source.hook].flatMap((name) => (name === null || name === '' ? [] : [`<bdi>${shown(name)}</bdi>`]));
  const top = exampleGroups(card.examples).top.slice(0, examples);
  const logits = card.logits?.normed ?? card.logits?.plain;
  const lines = [
    `<${heading}>Feature ${number(card.feature)} <small>${escapeHtml(card.class)}</small></${heading}>`,
    source.length === 0 ? '' : `<p>${source.join(' · ')}</p>`,
    `<p>${escapeHtml(densitySentence(card))}.</p>`,
    card.histogram.counts.length === 0 ? '' : `<p>${escapeHtml(histogramSentence(card))}</p>`,
    top.length === 0 ? '' : `<table>\n<caption>Strongest examples</caption>\n${top.map(exampleRow).join('\n')}\n</table>`,
    logits === undefined ? '' : `<p>Promotes ${tokenList(logits.top)}.</p>\n<p>Suppresses ${tokenList(logits.bottom)}.</p>`,
    `<dl>\n${FACTS.map(({ name, key }) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(formatNumber(card[key]))}</dd>`).join('\n')}\n</dl>`,
    card.neighbours.length === 0 ? '' : `<p>Nearest decoder rows: ${card.neighbours.map(({ feature, cosine }) => `${number(feature)} (${formatSigned(cosine)})`).join(', ')}.</p>`,
  ];
  return `<article class="sae-static-card">\n${lines.filter((line) => line !== '').join('\n')}\n</article>`;
}

/** A number of the card; a page may have put something else in its place. */
const number = (value: number): string => escapeHtml(String(value));

const shown = (text: string): string => escapeHtml(visibleText(text, 'keep'));

function exampleRow({ tokens, firing, value }: FeatureExample): string {
  const cells = tokens.map((token, i) => {
    const text = `<bdi>${shown(token)}</bdi>`;
    return i === firing ? `<mark>${text}</mark>` : text;
  });
  return `<tr><th scope="row">${escapeHtml(formatNumber(value))}</th><td dir="${directionOf(tokens)}">${cells.join('')}</td></tr>`;
}

const tokenList = (tokens: readonly TokenLogit[]): string => tokens.map(({ token, logit }) => `<bdi>${escapeHtml(visibleText(token))}</bdi> ${escapeHtml(formatSigned(logit))}`).join(', ');
