/** What stands round the plot: choice of axes, scrubbing, brush, legend. Templates without state. */
import { html, nothing, svg, type TemplateResult } from 'lit';
import { FEATURE_CLASSES, type FeatureClass } from '../../engine/pack/schema.js';
import type { DyingFrame } from '../../engine/dying/record.js';
import { formatCount } from '../internal/format.js';
import { markPath } from './marks.js';
import type { CloudPoints } from './points.js';
import { QUANTITIES, type QuantityName } from './quantities.js';

export function axisSelect(label: string, value: QuantityName, absent: (name: QuantityName) => boolean, choose: (name: QuantityName) => void): TemplateResult {
  return html`<label>${label} <select @change=${(event: Event) => choose((event.target as HTMLSelectElement).value as QuantityName)}>${QUANTITIES.map(({ name, label: text }) => html`<option value=${name} ?selected=${name === value} ?disabled=${absent(name)}>${text}</option>`)}</select></label>`;
}

/** A slider over the frames; nothing where there is one. */
export function stepSlider(frames: readonly DyingFrame[], frame: DyingFrame, scrub: (index: number) => void): TemplateResult | typeof nothing {
  if (frames.length < 2) return nothing;
  const at = frames.indexOf(frame);
  return html`
    <label class="slider">
      Step
      <input type="range" min="0" max=${frames.length - 1} step="1" .value=${String(at)} aria-label="Step of training" aria-valuetext=${`step ${frame.step}`} @input=${(event: Event) => scrub(Number((event.target as HTMLInputElement).value))} />
      <output>${formatCount(frame.step)}</output>
    </label>
  `;
}

export function markIcon(name: FeatureClass, open = name === 'dead'): TemplateResult {
  return html`<svg class="icon" width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">${svg`<path class=${`shape ${name} ${open ? 'open' : ''}`} d=${markPath(name, 4.6, 7, 7)}></path>`}</svg>`;
}

/** Buttons that switch classes on and off. */
export function legend(points: CloudPoints, hidden: ReadonlySet<FeatureClass>, toggle: (name: FeatureClass) => void): TemplateResult {
  return html`
    <div class="legend" part="legend" role="group" aria-label="Classes that are shown">
      ${FEATURE_CLASSES.map((name) => html`<button type="button" class=${name} aria-pressed=${String(!hidden.has(name))} @click=${() => toggle(name)}>${markIcon(name)}<span>${name}</span> <span class="count">${formatCount(points.counts[name])}</span></button>`)}
    </div>
  `;
}
