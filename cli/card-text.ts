/**
 * A feature's card as text: the numbers, a log histogram, token strips with the
 * firing token in brackets (never by colour alone), logits and neighbours.
 */
import type { FeatureCard, FeatureExample, LogitWeights } from '../engine/pack/schema.js';
import { figure, thousands, visibleToken } from './text.js';

export interface CardTextOptions {
  readonly colour: boolean;
  /** Columns. */
  readonly width: number;
  /** How many top examples; of each interval one is printed. */
  readonly examples: number;
}

/** The whole card; lines are at most `width` columns wide where tokens allow it. */
export function cardText(card: FeatureCard, options: CardTextOptions): string {
  const bold = (text: string): string => (options.colour ? `\x1b[1m${text}\x1b[22m` : text);
  const dim = (text: string): string => (options.colour ? `\x1b[2m${text}\x1b[22m` : text);
  const origin = [card.source.sae, card.source.model, card.source.hook].filter((part) => part !== null).join('  ');
  const sections = [
    `${bold(`feature ${card.feature}`)}  ${card.class}  ${dim(origin)}`,
    facts(card),
    histogram(card, options.width),
    ...examples(card, options, bold),
    ...logits(card, bold),
    neighbours(card, bold),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

function facts(card: FeatureCard): string {
  const interval = card.count === 0 ? `< ${figure(card.density_high)}` : `${figure(card.density_low)} … ${figure(card.density_high)}`;
  const quantiles = Object.entries(card.quantiles).map(([q, value]) => `q${q.replace('0.', '')} ${figure(value)}`);
  return [
    `density   ${figure(card.density)}  (95 % ${interval}; ${thousands(card.count)} of ${thousands(card.tokens)} tokens)`,
    `fires at  mean ${figure(card.mean)}  max ${figure(card.max)}${quantiles.length > 0 ? `  ${quantiles.join('  ')}` : ''}`,
    `weights   bias ${figure(card.bias)}  effective ${figure(card.effective_bias)}  D/E ${figure(card.de_projection)}  cosine ${figure(card.de_cosine)}  |enc| ${figure(card.encoder_norm)}  |dec| ${figure(card.decoder_norm)}`,
  ].join('\n');
}

const BLOCKS = ' ▁▂▃▄▅▆▇█';

/** Eight-level columns over log-spaced bins; neighbouring bins are added up to fit. */
function histogram(card: FeatureCard, width: number): string {
  const { counts, edges } = card.histogram;
  if (counts.length === 0) return '';
  const group = Math.ceil(counts.length / Math.max(10, width - 12));
  const columns: number[] = [];
  for (let i = 0; i < counts.length; i += group) {
    let sum = 0;
    for (let j = i; j < Math.min(i + group, counts.length); j++) sum += counts[j] ?? 0;
    columns.push(sum);
  }
  const most = Math.max(...columns);
  const rows = [2, 1, 0].map((row) =>
    columns
      .map((count) => {
        const eighths = Math.round((count / most) * 24) - row * 8;
        // One firing must stay visible beside a thousand.
        const level = row === 0 && count > 0 ? Math.max(1, eighths) : eighths;
        return BLOCKS[Math.min(8, Math.max(0, level))];
      })
      .join(''),
  );
  const low = figure(edges[0] ?? 0, 3);
  const high = figure(edges[edges.length - 1] ?? 0, 3);
  const axis = `${low}${' '.repeat(Math.max(1, columns.length - low.length - high.length))}${high}`;
  return [...rows.map((row) => `          ${row}`), `          ${axis}  activation, log scale; tallest ${thousands(most)}`].join('\n');
}

function examples(card: FeatureCard, options: CardTextOptions, bold: (text: string) => string): string[] {
  const top = card.examples.filter((example) => example.group === 'top').slice(0, options.examples);
  const intervals = new Map<number, FeatureExample>();
  for (const example of card.examples) {
    if (example.group !== 'top' && !intervals.has(example.group)) intervals.set(example.group, example);
  }
  const sampled = [...intervals.values()].sort((a, b) => Number(b.group) - Number(a.group));
  const block = (title: string, list: readonly FeatureExample[], label: (example: FeatureExample) => string): string =>
    list.length === 0 ? '' : [bold(title), ...list.map((example) => `${label(example).padStart(9)}  ${strip(example, card.max ?? 1, options)}`)].join('\n');
  return [
    block('strongest', top, (example) => figure(example.value, 3)),
    options.examples === 0 ? '' : block('one of each tenth of the range', sampled, (example) => figure(example.value, 3)),
  ];
}

/** Tokens in a row; firing ones shaded by activation, the example's own token in brackets. */
function strip(example: FeatureExample, max: number, options: CardTextOptions): string {
  const tokens = example.tokens.map((token, i) => {
    const text = visibleToken(token);
    const activation = example.activations[i] ?? 0;
    const marked = i === example.firing ? `[${text}]` : text;
    if (!options.colour || activation <= 0) return marked;
    // 256-colour ramp from pale to deep orange with black text.
    const ramp = [230, 223, 216, 215, 208];
    const colour = ramp[Math.min(ramp.length - 1, Math.floor((activation / max) * ramp.length))];
    return `\x1b[48;5;${colour}m\x1b[30m${marked}\x1b[39m\x1b[49m`;
  });
  return tokens.join('');
}

function logits(card: FeatureCard, bold: (text: string) => string): string[] {
  if (card.logits === null) return [];
  const list = (title: string, weights: LogitWeights): string =>
    [
      bold(title),
      `  promotes    ${weights.top.map((entry) => `${visibleToken(entry.token)} ${signed(entry.logit)}`).join('   ')}`,
      `  suppresses  ${weights.bottom.map((entry) => `${visibleToken(entry.token)} ${signed(entry.logit)}`).join('   ')}`,
    ].join('\n');
  const { plain, normed } = card.logits;
  return [
    ...(normed === null ? [] : [list("logit weights, with the final norm's scale (median 0)", normed)]),
    list(normed === null ? 'logit weights (median 0)' : 'logit weights, plain (median 0)', plain),
  ];
}

function neighbours(card: FeatureCard, bold: (text: string) => string): string {
  if (card.neighbours.length === 0) return '';
  return `${bold('nearest decoder rows')}  ${card.neighbours.map(({ feature, cosine }) => `${feature} (${cosine.toFixed(2)})`).join('  ')}`;
}

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;
