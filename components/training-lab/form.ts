/** The lab's form: sections of fields, each with what is wrong with it beside it. Nothing here has state. */
import { html, nothing, type TemplateResult } from 'lit';
import { live as asShown } from 'lit/directives/live.js';
import { sectionsOf, valueOf, type Field } from './fields.js';
import { PRESETS } from './presets.js';
import type { LabSettings } from './settings.js';

export interface FormState {
  readonly settings: LabSettings;
  /** The preset that the settings are of, or ''. */
  readonly preset: string;
  readonly errors: ReadonlyMap<string, string>;
  /** Whether the page brought activations. */
  readonly acts: boolean;
  readonly open: boolean;
  readonly change: (field: Field, text: string) => void;
  readonly choose: (preset: string) => void;
  readonly toggle: (open: boolean) => void;
  readonly submit: () => void;
}

export function formTemplate(state: FormState): TemplateResult {
  const { settings, preset, acts, open, choose, toggle, submit } = state;
  const about = PRESETS.find(({ id }) => id === preset)?.about ?? 'Settings of your own.';
  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault();
    submit();
  };
  return html`
    <form part="form" novalidate @submit=${onSubmit}>
      <div class="preset">
        <label>Experiment
          <select name="preset" aria-describedby="about" .value=${asShown(preset)} @change=${(event: Event) => choose((event.currentTarget as HTMLSelectElement).value)}>
            ${PRESETS.map(({ id, label }) => html`<option value=${id} ?selected=${id === preset}>${label}</option>`)}
            <option value="" ?selected=${preset === ''} ?disabled=${preset !== ''}>of your own</option>
          </select>
        </label>
        <p id="about">${about}</p>
      </div>
      <details ?open=${open} @toggle=${(event: Event) => toggle((event.currentTarget as HTMLDetailsElement).open)}>
        <summary>All knobs</summary>
        <div class="sections">
          ${sectionsOf(settings, acts).map(({ title, fields }) => html`<fieldset><legend>${title}</legend>${fields.map((field) => fieldTemplate(field, state))}</fieldset>`)}
        </div>
      </details>
      <button type="submit" hidden></button>
    </form>
  `;
}

function fieldTemplate(field: Field, { settings, errors, change }: FormState): TemplateResult {
  const { path, label, kind, choices = [], also = [] } = field;
  const id = path.replaceAll('.', '-');
  const error = [path, ...also].map((one) => errors.get(one)).find((one) => one !== undefined);
  const value = valueOf(settings, field);
  const described = error === undefined ? nothing : `${id}-error`;
  const invalid = error === undefined ? nothing : 'true';
  const text = (event: Event): void => change(field, (event.currentTarget as HTMLInputElement | HTMLSelectElement).value);
  const input =
    kind === 'choice'
      ? html`<select id=${id} name=${path} aria-invalid=${invalid} aria-describedby=${described} .value=${asShown(value)} @change=${text}>${choices.map(([one, name]) => html`<option value=${one} ?selected=${one === value}>${name}</option>`)}</select>`
      : kind === 'flag'
        ? html`<input id=${id} name=${path} type="checkbox" .checked=${asShown(value !== '')} @change=${(event: Event) => change(field, (event.currentTarget as HTMLInputElement).checked ? 'true' : '')}>`
        : html`<input id=${id} name=${path} type="text" inputmode=${kind === 'number' ? 'decimal' : 'text'} autocomplete="off" spellcheck="false" aria-invalid=${invalid} aria-describedby=${described} .value=${asShown(value)} @change=${text}>`;
  return html`<div class=${`field ${kind}`}><label for=${id}>${label}</label>${input}${error === undefined ? nothing : html`<p class="wrong" id=${`${id}-error`}>${error}</p>`}</div>`;
}

/** The first field that an error is beside, as an element's id; null where none is. */
export function firstWrong(settings: LabSettings, errors: ReadonlyMap<string, string>, acts: boolean): string | null {
  for (const { fields } of sectionsOf(settings, acts)) for (const { path, also = [] } of fields) if ([path, ...also].some((one) => errors.has(one))) return path.replaceAll('.', '-');
  return null;
}

/** Errors that no field has a place for. */
export function otherErrors(settings: LabSettings, errors: ReadonlyMap<string, string>, acts: boolean): string[] {
  const shown = new Set(sectionsOf(settings, acts).flatMap(({ fields }) => fields.flatMap(({ path, also = [] }) => [path, ...also])));
  return [...errors].flatMap(([path, text]) => (shown.has(path) ? [] : [text]));
}
