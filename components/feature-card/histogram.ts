/**
 * The distribution of a feature's activations over a log axis, and its quantiles.
 *
 * The pack's bins are linear inside an octave, so that they differ in width on a
 * log axis: a column's area, not its height, is its count (height is firings an
 * octave). Coordinates are percentages: the drawing needs no measuring.
 */
import { html, nothing, svg, type TemplateResult } from 'lit';
import type { FeatureCard } from '../../engine/pack/schema.js';
import { formatCount, formatNumber, trimmed } from '../internal/format.js';
import { histogramSentence } from './words.js';

export interface HistogramColumn {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** In percent of the width. */
  readonly x: number;
  readonly width: number;
  /** 0 to 1. */
  readonly height: number;
}

/** Columns at most; more bins are merged by twos, fours, … */
const COLUMNS = 80;
/** Of the drawing, in CSS pixels. */
const HEIGHT = 78;
const BOX = 9;
const LABELS = 16;

/** From a positive value to percent of the axis. */
export function logAxis(edges: readonly number[]): (value: number) => number {
  const from = Math.log(edges[0] ?? 1);
  const to = Math.log(edges.at(-1) ?? 1);
  return (value) => (to > from ? Math.max(0, Math.min(100, ((Math.log(value) - from) / (to - from)) * 100)) : 50);
}

export function histogramColumns({ edges, counts }: FeatureCard['histogram']): HistogramColumn[] {
  let merge = 1;
  while (counts.length / merge > COLUMNS) merge *= 2;
  const at = logAxis(edges);
  const columns: Omit<HistogramColumn, 'height'>[] = [];
  for (let i = 0; i < counts.length; i += merge) {
    const low = edges[i] as number;
    const high = edges[Math.min(i + merge, counts.length)] as number;
    columns.push({ low, high, count: counts.slice(i, i + merge).reduce((sum, count) => sum + count, 0), x: at(low), width: at(high) - at(low) });
  }
  const tallest = Math.max(...columns.map(({ count, width }) => count / width));
  return columns.map((column) => ({ ...column, height: column.count / column.width / tallest }));
}

/** Round values for the axis: powers of ten, with 2 and 5 between them where few fit, or powers of two where none does. */
export function logTicks(low: number, high: number): number[] {
  const inside = (values: readonly number[]): number[] => values.filter((value) => value >= low * 0.999 && value <= high * 1.001);
  const first = Math.floor(Math.log10(low));
  const decades = Array.from({ length: Math.ceil(Math.log10(high)) - first + 1 }, (_, i) => first + i);
  const powers = inside(decades.map((exponent) => Number(`1e${exponent}`)));
  if (powers.length > 5) return powers.filter((_, i) => i % Math.ceil(powers.length / 5) === 0);
  if (powers.length > 2) return powers;
  const fine = inside(decades.flatMap((exponent) => [1, 2, 5].map((digit) => Number(`${digit}e${exponent}`))));
  return fine.length > 0 ? fine : [low, high];
}

export function histogramTemplate(card: FeatureCard): TemplateResult {
  const { edges, counts } = card.histogram;
  const { quantiles } = card;
  if (counts.length === 0) return html`<section class="histogram" part="histogram" role="group" aria-label="Activations"><p class="none">No activations.</p></section>`;
  const at = logAxis(edges);
  const percent = (value: number): string => `${value.toFixed(2)}%`;
  const q = (name: string): number => at(quantiles[name] ?? NaN);
  const span = (name: string, from: number, to: number, y: number, height: number): unknown =>
    from <= to ? svg`<rect class=${name} x=${percent(from)} width=${percent(to - from)} y=${y} height=${height}></rect>` : nothing;
  const box = HEIGHT + 4;
  return html`
    <section class="histogram" part="histogram" role="group" aria-label="Activations">
      <p><span class="label">activations</span> <span class="aside">firings an octave, log scale</span></p>
      <svg role="img" aria-label=${histogramSentence(card)} height=${HEIGHT + BOX + LABELS}>
        ${histogramColumns(card.histogram).map(({ low, high, count, x, width, height }) => svg`
          <rect class="column" x=${percent(x)} width=${percent(width)} y=${(HEIGHT * (1 - height)).toFixed(1)} height=${(count > 0 ? Math.max(1, HEIGHT * height) : 0).toFixed(1)}>
            <title>${`${formatNumber(low)} to ${formatNumber(high)}: ${formatCount(count)}`}</title>
          </rect>`)}
        <line class="axis" x2="100%" y1=${HEIGHT + 0.5} y2=${HEIGHT + 0.5}></line>
        ${span('whisker', q('0.05'), q('0.95'), box + 2, 1)} ${span('box-plot', q('0.25'), q('0.75'), box, 5)}
        ${q('0.50') >= 0 ? svg`<line class="median" x1=${percent(q('0.50'))} x2=${percent(q('0.50'))} y1=${box - 1} y2=${box + 6}></line>` : nothing}
        ${logTicks(edges[0] as number, edges.at(-1) as number).map((value) => svg`
          <text x=${percent(at(value))} y=${HEIGHT + BOX + LABELS - 4} text-anchor=${at(value) < 6 ? 'start' : at(value) > 94 ? 'end' : 'middle'}>${trimmed(formatNumber(value, 2))}</text>`)}
      </svg>
      ${quantilesTemplate(card)}
    </section>
  `;
}

function quantilesTemplate({ quantiles }: FeatureCard): TemplateResult | typeof nothing {
  const entries = Object.entries(quantiles).sort(([a], [b]) => Number(a) - Number(b));
  if (entries.length === 0) return nothing;
  return html`
    <dl class="quantiles" part="quantiles" aria-label="Quantiles of the activations">
      ${entries.map(([q, value]) => html`<div><dt>${Number((Number(q) * 100).toFixed(1))} %</dt><dd>${formatNumber(value, 2)}</dd></div>`)}
    </dl>
  `;
}
