/** The runs and their views, below the form: what is drawn of them, and in which order. Nothing here has state. */
import { html, nothing, type TemplateResult } from 'lit';
import type { DataPlane } from '../../engine/dying/data-plane.js';
import type { Recipe } from '../../engine/train/recipe.js';
import { formatCount, formatNumber } from '../internal/format.js';
import { scrubberTemplate } from './controls.js';
import { VIEWS, type ViewDeck } from './deck.js';
import type { LabRun } from './lab-run.js';
import { VIEW_NAMES, type ViewName } from './settings.js';
import { summaryTemplate } from './summary.js';

export interface RunsState {
  readonly runs: readonly LabRun[];
  /** The runs as the monitor takes them. */
  readonly shown: readonly { readonly name: string; readonly live: LabRun['live'] }[];
  /** Steps of all frames, ascending. */
  readonly steps: readonly number[];
  readonly step: number | null;
  readonly views: readonly ViewName[];
  readonly deck: ViewDeck;
  readonly move: (step: number | null) => void;
  readonly toggle: (view: ViewName) => void;
}

const WORDS: Readonly<Record<string, string>> = { running: 'training', paused: 'paused', ended: 'done', diverged: 'diverged', failed: 'failed' };

export const stateOf = ({ live }: LabRun): string => WORDS[live.state] ?? live.state;

/** What tells two runs apart. */
export function aboutRun({ b_dec, freeze_b_dec, resample, optimizer, lr }: Recipe): string {
  const origin = b_dec === 'zero' ? 'b_dec at zero' : b_dec === 'mean' ? 'b_dec at the mean' : 'b_dec at the geometric median';
  return `${origin}${freeze_b_dec ? ', frozen' : ''}; ${optimizer === 'adam' ? 'Adam' : 'SGD'} at ${formatNumber(lr, 2)}${resample === 'none' ? '' : `; resampled (${resample})`}`;
}

export function runsTemplate(state: RunsState): TemplateResult {
  const { runs, shown, steps, step, views, deck, move, toggle } = state;
  const where = ({ name, live }: LabRun, word: string): TemplateResult =>
    html`<li><span class=${`swatch run-${name}`}></span>${name}: ${word}, step ${formatCount(live.status.step)} of ${formatCount(live.recipe.steps)}; ${aboutRun(live.recipe)}; ${live.status.backend}${live.inWorker ? ', in a worker' : ', in the page’s own thread'}</li>`;
  return html`
    <ul class="where">${runs.map((run) => where(run, stateOf(run)))}</ul>
    ${scrubberTemplate(steps, step, move)}
    ${summaryTemplate(runs, step)}
    ${runs[0] === undefined ? nothing : planeTemplate(runs[0].plane)}
    <sae-training-monitor part="monitor" compact .runs=${shown} .step=${step}></sae-training-monitor>
    <div class="views-bar" role="group" aria-label="Views">${VIEW_NAMES.map((view) => html`<button type="button" aria-pressed=${String(views.includes(view))} @click=${() => toggle(view)}>${VIEWS[view].title}</button>`)}</div>
    ${views.map((view) => viewTemplate(view, runs, deck))}
  `;
}

function planeTemplate({ gamma, rows, by, ridge }: DataPlane): TemplateResult {
  const direction = by === 'mean' ? `w* is −Σ⁻¹μ, the direction of least firing through the origin${ridge > 0 ? `, with a ridge of ${formatNumber(ridge)} of the mean variance, since Σ is singular` : ''}.` : 'The mean cannot be told from 0, so w* is the direction of least variance.';
  return html`<p class="plane">γ = ‖μ‖ / ‖σ‖ is ${formatNumber(gamma)} on ${formatCount(rows)} held-out rows. ${direction}</p>`;
}

function viewTemplate(view: ViewName, runs: readonly LabRun[], deck: ViewDeck): TemplateResult {
  const state = deck.state(view);
  const { title } = VIEWS[view];
  const one = (run: LabRun): TemplateResult => html`
    <div class="one">
      ${runs.length > 1 ? html`<h4><span class=${`swatch run-${run.name}`}></span>${run.name}: ${aboutRun(run.live.recipe)}</h4>` : nothing}
      ${deck.element(run.name, view)}
    </div>`;
  return html`
    <section class="view" part="view" aria-label=${title}>
      <h3>${title}</h3>
      ${state === 'loading' ? html`<p class="waiting" aria-busy="true">Loading the view …</p>` : nothing}
      ${typeof state === 'object' ? html`<div class="alert" role="alert"><p>${title} cannot be shown: ${String(Object(state.error).message ?? state.error)}</p><button type="button" @click=${() => deck.retry(view)}>Try again</button></div>` : nothing}
      ${state === 'ready' ? html`<div class=${`pair of-${runs.length}`}>${runs.map(one)}</div>` : nothing}
    </section>
  `;
}
