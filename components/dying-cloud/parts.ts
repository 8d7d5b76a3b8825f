/** Pieces of the plot's template that have no state: where colours are read off, the tooltip, the row of marginals. */
import { html, type TemplateResult } from 'lit';
import { FEATURE_CLASSES } from '../../engine/pack/schema.js';
import { marginalOf, marginalTemplate } from './marginals.js';
import type { Point } from './pick.js';
import type { CloudAxes, CloudPoints } from './points.js';

/** One element of each class, whose computed colours the renderers take. Those of the screen tell, by a transition, when the scheme has changed. */
export function probesTemplate(changed: () => void): TemplateResult[] {
  return ['on-screen', 'on-paper'].map((place) => html`<span class="probes ${place}" aria-hidden="true" @transitionend=${changed}>${[...FEATURE_CLASSES, 'surface', 'faded'].map((name) => html`<i class=${name}></i>`)}</span>`);
}

export function tooltipTemplate({ title, lines }: { readonly title: string; readonly lines: readonly string[] }, at: Point, width: number, height: number): TemplateResult {
  const across = at.x > width / 2 ? `right: ${width - at.x + 14}px` : `left: ${at.x + 14}px`;
  return html`<div class="tooltip" aria-hidden="true" .style=${`${across}; top: ${Math.max(0, Math.min(height - 110, at.y - 20))}px`}><strong>${title}</strong>${lines.map((text) => html`<span>${text}</span>`)}</div>`;
}

/** Three histograms side by side, or one under the other where that is too narrow. */
export function marginalsTemplate(points: CloudPoints, axes: CloudAxes, chosen: Uint8Array | null, width: number): TemplateResult {
  const columns = width >= 520 ? 3 : 1;
  const each = Math.floor((width - 12 * (columns - 1)) / columns);
  return html`
    <div class="marginals" part="marginals">
      ${axes.map((axis, a) => {
        const logarithmic = axis.quantity.scale === 'log';
        // Of a chosen set the bars stand against the height of all.
        const all = marginalOf(points, a, logarithmic, null);
        return marginalTemplate(axis, chosen === null ? all : marginalOf(points, a, logarithmic, chosen), all.most, each, 92);
      })}
    </div>
  `;
}
