/** What a live run is held by: buttons, the slider over checkpoints, and the form of a branch. */
import { html, nothing, type TemplateResult } from 'lit';
import type { LiveTrainer, RecipePatch } from '../../engine/train/live.js';
import type { Recipe } from '../../engine/train/recipe.js';
import { formatCount } from '../internal/format.js';
import type { TrainAction } from './events.js';

export interface ControlsState {
  readonly live: LiveTrainer;
  /** The step that the slider stands at; null for the latest. */
  readonly cursor: number | null;
  /** A request is under way. */
  readonly busy: boolean;
  readonly branching: boolean;
  readonly act: (action: TrainAction, patch?: RecipePatch) => void;
  readonly toggleBranch: () => void;
}

/** The knob that trades L0 for FVU, which each architecture has one of. */
export function sparsityKnob(recipe: Recipe): { readonly name: 'k' | 'l1' | 'target_l0'; readonly label: string; readonly value: number } {
  if (recipe.k !== null) return { name: 'k', label: 'k', value: recipe.k };
  if (recipe.arch === 'jumprelu' && recipe.jumprelu_penalty === 'l0-target' && recipe.target_l0 !== null) return { name: 'target_l0', label: 'target L0', value: recipe.target_l0 };
  return { name: 'l1', label: 'sparsity coefficient', value: recipe.l1 };
}

export function controlsTemplate({ live, cursor, busy, branching, act, toggleBranch }: ControlsState): TemplateResult {
  const { state, step } = live.status;
  const running = state === 'running';
  const over = state === 'ended' || state === 'diverged' || state === 'failed';
  const back = cursor ?? step;
  return html`
    <div class="controls" part="controls" role="group" aria-label="Training">
      <button type="button" class="main" ?disabled=${over} @click=${() => act(running ? 'pause' : 'start')}>${running ? 'Pause' : 'Start'}</button>
      <button type="button" ?disabled=${over || running || busy} @click=${() => act('step')}>Step</button>
      <button type="button" ?disabled=${busy || back >= step} @click=${() => act('rewind')}>Rewind${back < step ? html` <span class="to">to ${formatCount(back)}</span>` : nothing}</button>
      <button type="button" aria-expanded=${String(branching)} aria-controls="branch" ?disabled=${busy} @click=${toggleBranch}>Branch …</button>
      <button type="button" ?disabled=${state === 'ended'} @click=${() => act('stop')}>Stop</button>
    </div>
    ${branching ? branchForm(live.recipe, back, act) : nothing}
  `;
}

function branchForm(recipe: Recipe, step: number, act: ControlsState['act']): TemplateResult {
  const knob = sparsityKnob(recipe);
  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    act('branch', { lr: Number(data.get('lr')), [knob.name]: Number(data.get('sparsity')) });
  };
  return html`
    <form id="branch" class="branch" @submit=${onSubmit}>
      <p>A second run from step ${formatCount(step)} on, with other knobs:</p>
      <label>learning rate <input name="lr" type="number" step="any" min="0" required .value=${String(recipe.lr)}></label>
      <label>${knob.label} <input name="sparsity" type="number" step="any" min="0" required .value=${String(knob.value)}></label>
      <button type="submit">Branch here</button>
    </form>
  `;
}

/** @param steps checkpoints, ascending */
export function sliderTemplate(steps: readonly number[], latest: number, cursor: number | null, move: (step: number | null) => void): TemplateResult {
  const at = cursor === null ? steps.length : Math.max(0, steps.findIndex((step) => step >= cursor));
  const shown = cursor ?? latest;
  const onInput = (event: Event): void => {
    const index = Number((event.currentTarget as HTMLInputElement).value);
    move(steps[index] ?? null);
  };
  return html`
    <label class="slider">
      <span>Checkpoint</span>
      <input type="range" min="0" max=${steps.length} step="1" .value=${String(at)} aria-valuetext=${cursor === null ? `latest, step ${formatCount(latest)}` : `step ${formatCount(cursor)}`} @input=${onInput}>
      <output>${cursor === null ? 'latest' : 'step'} ${formatCount(shown)}</output>
    </label>
  `;
}
