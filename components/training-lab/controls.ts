/** What the lab's runs are held by: buttons, and the one slider over their frames. Nothing here has state. */
import { html, nothing, type TemplateResult } from 'lit';
import { live as asShown } from 'lit/directives/live.js';
import { formatCount } from '../internal/format.js';

export type LabAction = 'train' | 'pause' | 'resume' | 'step' | 'rewind' | 'branch' | 'retune' | 'copy';

export interface ControlsState {
  /** No run; one is being opened; there are some. */
  readonly phase: 'idle' | 'opening' | 'open';
  readonly running: boolean;
  /** Every run has ended, diverged or failed. */
  readonly over: boolean;
  readonly busy: boolean;
  /** The step that is looked at; null for the latest. */
  readonly step: number | null;
  /** Steps done by run A. */
  readonly latest: number;
  /** Knobs that were changed and that a run can change as it goes. */
  readonly tunable: readonly string[];
  /** Knobs that were changed and with which a run begins. */
  readonly beginning: readonly string[];
  readonly act: (action: LabAction) => void;
}

export function controlsTemplate(state: ControlsState): TemplateResult {
  const { phase, running, over, busy, step, latest, tunable, beginning, act } = state;
  const button = (action: LabAction, text: unknown, disabled = false, look = ''): TemplateResult => html`<button type="button" class=${look} data-action=${action} ?disabled=${disabled} @click=${() => act(action)}>${text}</button>`;
  const copy = button('copy', 'Copy link');
  if (phase !== 'open') return html`<div class="controls" part="controls" role="group" aria-label="Training">${button('train', phase === 'opening' ? 'Opening …' : 'Train', phase === 'opening', 'main')}${copy}</div>`;
  const at = step ?? latest;
  return html`
    <div class="controls" part="controls" role="group" aria-label="Training">
      ${running ? button('pause', 'Pause', false, 'main') : button('resume', 'Go on', over || busy, 'main')}
      ${button('step', 'Step', over || running || busy)}
      ${button('rewind', step === null ? 'Rewind' : html`Rewind <span class="to">to ${formatCount(at)}</span>`, busy || step === null || step >= latest)}
      ${button('branch', html`Branch <span class="to">from ${formatCount(at)}</span>`, busy)}
      ${button('retune', 'Apply from here on', busy || over || tunable.length === 0)}
      ${button('train', 'Start again', busy)}
      ${copy}
    </div>
    ${tunable.length + beginning.length === 0
      ? nothing
      : html`<p class="changed">${beginning.length > 0
          ? html`Changed: ${beginning.join(', ')}. A run begins with that: start again to use it.`
          : html`Changed: ${tunable.join(', ')}. Apply it to the run as it goes on, branch from a step with it, or start again.`}</p>`}
  `;
}

/** @param steps of all runs' frames, ascending */
export function scrubberTemplate(steps: readonly number[], step: number | null, move: (step: number | null) => void): TemplateResult | typeof nothing {
  if (steps.length === 0) return nothing;
  const at = step === null ? steps.length : Math.max(0, steps.filter((one) => one <= step).length - 1);
  const last = steps.at(-1) as number;
  const onInput = (event: Event): void => move(steps[Number((event.currentTarget as HTMLInputElement).value)] ?? null);
  return html`
    <label class="slider">
      <span>Step</span>
      <input type="range" min="0" max=${steps.length} step="1" .value=${asShown(String(at))} aria-valuetext=${step === null ? `latest frame, step ${formatCount(last)}` : `step ${formatCount(step)}`} @input=${onInput}>
      <output>${step === null ? 'latest' : 'step'} ${formatCount(step ?? last)}</output>
    </label>
  `;
}
