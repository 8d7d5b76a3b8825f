/** Logit weights: which tokens a firing makes likelier and unlikelier, by the direct path to the unembedding. */
import { html, svg, type TemplateResult } from 'lit';
import type { FeatureCard, LogitWeights, TokenLogit } from '../../engine/pack/schema.js';
import { formatCount, formatNumber, formatSigned } from '../internal/format.js';
import { tabsTemplate } from '../internal/tabs.js';
import { tokenTemplate } from '../internal/token.js';

const HEIGHT = 30;

/** @param chosen 0 with the final norm's scale, 1 without; of no meaning where there is but one */
export function logitsTemplate({ plain, normed }: NonNullable<FeatureCard['logits']>, chosen: number, choose: (kind: number) => void): TemplateResult {
  const names = normed === null ? [] : ['with the norm’s scale', 'plain'];
  const weights = normed === null || chosen === 1 ? plain : normed;
  const largest = Math.max(...[...weights.top, ...weights.bottom].map(({ logit }) => Math.abs(logit)));
  return html`
    <section class="logits" part="logits" role="group" aria-label="Logit weights">
      <div class="head">
        <p><span class="label">logit weights</span> <span class="aside">median 0, number of tokens on a log scale</span></p>
        ${tabsTemplate({ label: 'Kind of logit weights', names, chosen, panel: 'logits', choose })}
      </div>
      <div id="logits" role=${names.length === 0 ? 'presentation' : 'tabpanel'} aria-label=${names[chosen] ?? 'Logit weights'}>
        ${distributionTemplate(weights)}
        <div class="lists">
          ${sideTemplate('promotes', weights.top, largest)} ${sideTemplate('suppresses', weights.bottom, largest)}
        </div>
      </div>
    </section>
  `;
}

/** All of the vocabulary, as a line of columns with the zero marked. */
function distributionTemplate({ histogram: { edges, counts } }: LogitWeights): TemplateResult | string {
  const low = edges[0];
  const high = edges.at(-1);
  if (low === undefined || high === undefined || !(high > low)) return '';
  // The middle has hundreds of times more tokens than the tails, which are what one looks for.
  const most = Math.log1p(Math.max(...counts));
  const tall = (count: number): number => (HEIGHT * Math.log1p(count)) / most;
  const at = (value: number): string => `${(((value - low) / (high - low)) * 100).toFixed(2)}%`;
  const words = counts.reduce((sum, count) => sum + count, 0);
  return html`
    <svg role="img" class="vocabulary" aria-label=${`Logit weights of ${formatCount(words)} tokens, from ${formatSigned(low)} to ${formatSigned(high)}`} height=${HEIGHT + 13}>
      ${counts.map((count, i) => (count === 0 ? '' : svg`
        <rect class=${(edges[i] as number) < 0 ? 'down' : 'up'} x=${at(edges[i] as number)} width=${`${(100 / counts.length).toFixed(2)}%`} y=${(HEIGHT - tall(count)).toFixed(1)} height=${tall(count).toFixed(1)}>
          <title>${`${formatNumber(edges[i] as number)} to ${formatNumber(edges[i + 1] as number)}: ${formatCount(count)}`}</title>
        </rect>`))}
      <line class="axis" x2="100%" y1=${HEIGHT + 0.5} y2=${HEIGHT + 0.5}></line>
      <text x="0" y=${HEIGHT + 12}>${formatSigned(low)}</text>
      ${low < 0 && high > 0 ? svg`<text x=${at(0)} y=${HEIGHT + 12} text-anchor="middle">0</text>` : ''}
      <text x="100%" y=${HEIGHT + 12} text-anchor="end">${formatSigned(high)}</text>
    </svg>
  `;
}

function sideTemplate(title: string, tokens: readonly TokenLogit[], largest: number): TemplateResult {
  return html`
    <div>
      <p class="aside">${title}</p>
      <ol aria-label=${title}>
        ${tokens.map(({ id, token, logit }) => html`
          <li title=${`token ${id}`}>
            <bdi class="token">${tokenTemplate(token)}</bdi>
            <span class="bar-of ${logit < 0 ? 'down' : 'up'}" .style=${`inline-size:${((Math.abs(logit) / largest) * 100).toFixed(1)}%`}></span>
            <span class="value">${formatSigned(logit)}</span>
          </li>`)}
      </ol>
    </div>
  `;
}
