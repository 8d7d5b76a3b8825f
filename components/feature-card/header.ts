/** The head of a card: which feature it is, of what, and how often it fires. */
import { html, nothing, svg, type SVGTemplateResult, type TemplateResult } from 'lit';
import { CLASS_EDGES, FEATURE_CLASSES, type FeatureCard } from '../../engine/pack/schema.js';
import { formatCount, formatDensities, formatDensity, formatPower } from '../internal/format.js';
import type { CardViewOptions } from './card-view.js';
import { densitySentence, oneIn } from './words.js';

/** @param home the feature to go back to, or null */
export function headerTemplate(card: FeatureCard, level: number, home: number | null, go: CardViewOptions['go']): TemplateResult {
  const { sae, model, hook } = card.source;
  return html`
    <header part="header">
      <div class="title" part="title" role="heading" aria-level=${level} tabindex="-1"><span class="label">Feature</span> ${card.feature}</div>
      <span class="badge ${card.class}" part="class">${card.class}</span>
      ${home === null ? nothing : html`<button class="back" part="back" type="button" @click=${() => go(home, 'card')}><span aria-hidden="true">↩</span> ${home}</button>`}
      <div class="source" part="source">${[sae, model, hook].filter(Boolean).map((name) => html`<bdi>${name}</bdi>`)}</div>
    </header>
  `;
}

export function densityTemplate(card: FeatureCard): TemplateResult {
  const { count, tokens, density, density_low, density_high } = card;
  const often = oneIn(density);
  const [low, value, high] = formatDensities(density_low, density, density_high);
  return html`
    <section class="density ${card.class}" part="density" role="group" aria-label="Density">
      <p><span class="label">density</span> <span class="large">${count === 0 ? html`&lt; ${formatDensity(density_high)}` : value}</span></p>
      ${rulerTemplate(card)}
      ${count === 0 ? nothing : html`<p class="aside">95 %: ${low} – ${high}</p>`}
      <p class="aside">${count === 0 ? `at 95 %: never fired on ${formatCount(tokens)} tokens` : `${formatCount(count)} of ${formatCount(tokens)} tokens`}${often === null ? nothing : `, ${often}`}</p>
    </section>
  `;
}

const HEIGHT = 15;

/**
 * A log ruler from below the resolution floor to 1, with the bands of the
 * classes, the interval, and the density. What lies below 3/N cannot be told
 * from zero: there the interval is drawn, but no point.
 */
function rulerTemplate(card: FeatureCard): TemplateResult {
  const { tokens, density, density_low, density_high } = card;
  const floor = tokens > 0 ? 3 / tokens : 1;
  const low = Math.min(-6, Math.floor(Math.log10(floor)));
  const at = (value: number): number => (1 - Math.max(0, Math.min(1, Math.log10(value) / low))) * 100;
  const edges = [10 ** low, CLASS_EDGES.ultralow, CLASS_EDGES.rare, CLASS_EDGES.dense, 1].map(at);
  const percent = (value: number): string => `${value.toFixed(2)}%`;
  const bar = (name: string, from: number, to: number, y: number, height: number): SVGTemplateResult =>
    svg`<rect class=${name} x=${percent(from)} width=${percent(Math.max(0, to - from))} y=${y} height=${height}></rect>`;
  const start = at(density_low > 0 ? density_low : 10 ** low);
  return html`
    <svg class="ruler" role="img" aria-label=${densitySentence(card)} height=${HEIGHT + 14}>
      ${FEATURE_CLASSES.slice(1).map((name, i) => bar(`band ${name}`, edges[i] as number, edges[i + 1] as number, HEIGHT - 4, 3))}
      ${bar('blind', 0, at(floor), HEIGHT - 5, 5)}
      ${bar('interval', start, at(density_high), 2, 5)}
      ${density < floor ? nothing : svg`<circle class="point" cx=${percent(at(density))} cy="4.5" r="4.5"></circle>`}
      ${[low, low / 2, 0].filter(Number.isInteger).map((exponent) => svg`
        <text x=${percent(at(10 ** exponent))} y=${HEIGHT + 11} text-anchor=${exponent === low ? 'start' : exponent === 0 ? 'end' : 'middle'}>${formatPower(exponent)}</text>`)}
    </svg>
  `;
}
