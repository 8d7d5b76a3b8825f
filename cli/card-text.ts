/**
 * A feature's card as text: the numbers, a log histogram, token strips, logits
 * and neighbours. Whatever a pack lacks (a dead feature, no logits, an analysis
 * that was left out) is said in words where it would stand.
 */
import type { FeatureCard, FeatureExample, LogitWeights } from '../engine/pack/schema.js';
import { flow, paragraph } from './columns.js';
import { strips } from './strips.js';
import { figure, listedToken, plural, signed, thousands, visibleToken } from './text.js';

export interface CardTextOptions {
  readonly colour: boolean;
  /** Columns; lines are at most as wide where tokens allow it. */
  readonly width: number;
  /** How many top examples; 0 leaves all examples out. */
  readonly examples: number;
  /** One sentence for each analysis that this pack lacks. */
  readonly missing?: readonly string[] | undefined;
}

interface Style {
  bold(text: string): string;
  dim(text: string): string;
}

/** The whole card, without a newline at its end. */
export function cardText(card: FeatureCard, options: CardTextOptions): string {
  const { colour, width, missing = [] } = options;
  const style: Style = {
    bold: (text) => (colour ? `\x1b[1m${text}\x1b[22m` : text),
    dim: (text) => (colour ? `\x1b[2m${text}\x1b[22m` : text),
  };
  const origin = [card.source.sae, card.source.model, card.source.hook].filter((part) => part !== null).map(visibleToken);
  const sections = [
    `${style.bold(`feature ${card.feature}`)}  ${card.class}  ${style.dim(origin.join(' · '))}`,
    facts(card, width),
    histogram(card, width),
    ...examples(card, options, style),
    ...logits(card, options, style),
    neighbours(card, width),
    missing.map((line) => paragraph('not in this pack: ', line, width)).join('\n'),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

/** Width of the names that lines begin with. */
const MARGIN = 10;
const name = (text: string): string => text.padEnd(MARGIN);

function facts(card: FeatureCard, width: number): string {
  const lines = [flow(name('density'), density(card), width)];
  if (card.count > 0) {
    const quantiles = Object.entries(card.quantiles).map(([q, value]) => `q${q.replace('0.', '')} ${figure(value)}`);
    lines.push(flow(name('fires at'), [`mean ${figure(card.mean)}`, `max ${figure(card.max)}`, ...quantiles], width));
  }
  const weights: [string, number | null][] = [
    ['bias', card.bias],
    ['effective bias', card.effective_bias],
    ['D/E', card.de_projection],
    ['cosine', card.de_cosine],
    ['|enc|', card.encoder_norm],
    ['|dec|', card.decoder_norm],
  ];
  const known = weights.filter(([, value]) => value !== null);
  if (known.length > 0) lines.push(flow(name('weights'), known.map(([label, value]) => `${label} ${figure(value)}`), width));
  return lines.join('\n');
}

function density({ count, tokens, density: value, density_low: low, density_high: high }: FeatureCard): string[] {
  if (count === 0) return [`below ${figure(high)} at 95 %:`, `it never fired on ${plural(tokens, 'token')}`];
  return [`${figure(value)}`, `(95 %: ${figure(low)} to ${figure(high)})`, `${thousands(count)} of ${plural(tokens, 'token')}`];
}

const BLOCKS = ' ▁▂▃▄▅▆▇█';
const ROWS = 3;

/** Columns of eighths over log-spaced bins; neighbouring bins are added up to fit. */
function histogram(card: FeatureCard, width: number): string {
  const { counts, edges } = card.histogram;
  if (counts.length === 0) return '';
  const group = Math.ceil(counts.length / Math.max(10, width - MARGIN - 2));
  const columns: number[] = [];
  // The last column is whole, so that the largest activations are not made to look rarer than they are.
  for (let end = counts.length; end > 0; end -= group) {
    columns.unshift(counts.slice(Math.max(0, end - group), end).reduce((sum, count) => sum + count, 0));
  }
  const most = Math.max(...columns);
  const lines = Array.from({ length: ROWS }, (_, i) => {
    const floor = (ROWS - 1 - i) * 8;
    const row = columns.map((count) => {
      const eighths = Math.round((count / most) * ROWS * 8) - floor;
      // One firing must stay visible beside a thousand.
      return BLOCKS[Math.min(8, Math.max(floor === 0 && count > 0 ? 1 : 0, eighths))];
    });
    return `${' '.repeat(MARGIN)}${row.join('')}`.trimEnd();
  });
  const low = figure(edges[0] ?? 0, 3);
  const high = figure(edges[edges.length - 1] ?? 0, 3);
  const axis = `${low}${' '.repeat(Math.max(2, columns.length - low.length - high.length))}${high}`;
  const caption = `activation, log scale; the tallest column is ${plural(most, 'firing')}`;
  return [...lines, `${' '.repeat(MARGIN)}${axis}`, paragraph(' '.repeat(MARGIN), caption, width)].join('\n');
}

function examples(card: FeatureCard, { colour, width, examples: wanted }: CardTextOptions, { bold }: Style): string[] {
  const top = card.examples.filter((example) => example.group === 'top').slice(0, wanted);
  const tenths = new Map<number, FeatureExample>();
  for (const example of card.examples) {
    if (example.group !== 'top' && !tenths.has(example.group)) tenths.set(example.group, example);
  }
  const sampled = wanted === 0 ? [] : [...tenths.values()].sort((a, b) => Number(b.group) - Number(a.group));
  // One call, so that both blocks are aligned with each other.
  const lines = strips([...top, ...sampled], { colour, width, max: card.max ?? 1 });
  const block = (title: string, from: number, to: number): string => (from === to ? '' : [bold(paragraph('', title, width)), ...lines.slice(from, to)].join('\n'));
  return [block('strongest', 0, top.length), block('a sample of each tenth of the range from 0 to max', top.length, lines.length)];
}

function logits(card: FeatureCard, { width }: CardTextOptions, { bold }: Style): string[] {
  if (card.logits === null) return [];
  const list = (title: string, weights: LogitWeights): string =>
    [
      bold(paragraph('', title, width)),
      ...(['top', 'bottom'] as const).map((side) =>
        flow(side === 'top' ? '  promotes    ' : '  suppresses  ', weights[side].map(({ token, logit }) => `${listedToken(token)} ${signed(logit)}`), width, '   '),
      ),
    ].join('\n');
  const { plain, normed } = card.logits;
  return [
    ...(normed === null ? [] : [list("logit weights with the final norm's scale (their median is 0)", normed)]),
    list(normed === null ? 'logit weights (their median is 0)' : "logit weights without the norm's scale", plain),
  ];
}

function neighbours(card: FeatureCard, width: number): string {
  if (card.neighbours.length === 0) return '';
  return flow(name('nearest'), ['decoder rows:', ...card.neighbours.map(({ feature, cosine }) => `${feature} (${cosine.toFixed(2)})`)], width);
}
