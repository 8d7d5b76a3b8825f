/**
 * `<sae-verdict src="dying/">`: the predictions T1 to T17 about how features die, each with its
 * number and interval against the null, and what they say: supports, refutes, or cannot tell and
 * what it would take. The rules are those of engine/dying/claims.ts, and are shown with each.
 *
 * Kept true: an outcome is a word and a shape, never a colour alone; numbers are text.
 */
import { html, nothing, svg, type TemplateResult } from 'lit';
import { CLAIMS, MULTIPLE_TESTING } from '../../engine/dying/claims.js';
import type { Outcome, PredictionResult } from '../../engine/dying/predictions.js';
import type { DyingRecord } from '../../engine/dying/record.js';
import type { Pack } from '../../engine/pack/reader.js';
import { formatCount, formatNumber } from '../internal/format.js';
import { PackElement } from '../internal/pack-element.js';
import { AXIS, axisTemplate } from './axis.js';
import { readVerdict } from './read-verdict.js';
import { styles } from './verdict.styles.js';

const WORDS: Readonly<Record<Outcome, string>> = { supports: 'supports', refutes: 'refutes', 'cannot-tell': 'cannot tell' };
const OUTCOMES = Object.keys(WORDS) as readonly Outcome[];
/** A tick, a cross, a question mark. */
const ICONS: Readonly<Record<Outcome, string>> = { supports: 'M3 8.5l3.2 3.2L13 5', refutes: 'M4 4l8 8M12 4l-8 8', 'cannot-tell': 'M5.5 6a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.1.9-1.1 1.7M8 13v.01' };

/**
 * @attr src - folder of a pack that `saekit dying` wrote
 * @attr only - predictions to show, e.g. `T1,T4`
 * @fires sae-load - the verdict is shown
 * @fires sae-error - it cannot be had
 * @csspart prediction, copy
 * @slot - what readers without scripts see
 */
export class SaeVerdict extends PackElement<readonly PredictionResult[]> {
  static override styles = [PackElement.base, styles];
  static override properties = {
    ...PackElement.properties,
    only: {},
    results: { attribute: false },
    record: { attribute: false },
    shown: { state: true },
    copied: { state: true },
  };

  declare only: string | null;
  /** In place of a pack. */
  declare results: readonly PredictionResult[] | null;
  declare record: DyingRecord | null;

  /** Null for all. */
  declare protected shown: Outcome | null;
  declare protected copied: string;

  constructor() {
    super();
    this.only = null;
    this.results = this.record = null;
    this.shown = null;
    this.copied = '';
  }

  protected override get subject(): string {
    return 'the verdict';
  }

  protected override requestKey(): unknown {
    return this.results ?? this.record?.verdict ?? '';
  }

  protected override givenContent(): readonly PredictionResult[] | null {
    return this.results ?? this.record?.verdict ?? null;
  }

  protected override fetchContent(pack: Pack, signal: AbortSignal): Promise<readonly PredictionResult[]> {
    return readVerdict(pack, signal);
  }

  protected override renderContent(content: readonly PredictionResult[]): TemplateResult {
    const wanted = (this.only ?? '').split(/[\s,]+/).filter((id) => id !== '');
    const all = content.filter(({ id }) => wanted.length === 0 || wanted.includes(id));
    const count = (outcome: Outcome): number => all.filter((one) => one.outcome === outcome).length;
    const seen = all.filter(({ outcome }) => this.shown === null || outcome === this.shown);
    return html`
      <div class="frame" lang="en" dir="ltr">
        <div class="head">
          <p class="title" role="heading" aria-level="3">${count('supports')} supported, ${count('refutes')} refuted, ${count('cannot-tell')} cannot be told</p>
          <div class="filters" role="group" aria-label="Show">
            <button type="button" aria-pressed=${String(this.shown === null)} @click=${() => (this.shown = null)}>all ${all.length}</button>
            ${OUTCOMES.map((outcome) => html`<button type="button" class=${outcome} aria-pressed=${String(this.shown === outcome)} @click=${() => (this.shown = this.shown === outcome ? null : outcome)}>${icon(outcome)}${WORDS[outcome]} ${count(outcome)}</button>`)}
            <button type="button" part="copy" class="copy" @click=${() => void this.#copy(all)}>Copy</button>
          </div>
        </div>
        <p class="visually-hidden" role="status">${this.copied}</p>
        ${seen.length === 0 ? html`<p class="none">None of them.</p>` : html`<ol>${seen.map((one) => this.#prediction(one))}</ol>`}
        ${all.length > 1 ? html`<p class="remark">${MULTIPLE_TESTING}</p>` : nothing}
      </div>
    `;
  }

  #prediction(one: PredictionResult): TemplateResult {
    const { id, claim, outcome, reason, needs_tokens } = one;
    return html`
      <li part="prediction" class=${outcome}>
        <span class="id">${id}</span>
        <div>
          <p class="claim">${claim}</p>
          <p class="figures">${figures(one)}</p>
        </div>
        <svg class="axis" viewBox=${`0 0 ${AXIS.width} ${AXIS.height}`} aria-hidden="true">${axisTemplate(one)}</svg>
        <span class="outcome">${icon(outcome)}<span>${WORDS[outcome]}${needs_tokens === null ? nothing : html`<small>needs about ${formatCount(needs_tokens)} tokens</small>`}</span></span>
        <details ?open=${outcome === 'cannot-tell' && one.value === null}>
          <summary aria-label=${`Why, of ${id}`}>Why</summary>
          <p>${reason}</p>
          <p>Rule. ${CLAIMS[id].rule}</p>
        </details>
      </li>
    `;
  }

  async #copy(results: readonly PredictionResult[]): Promise<void> {
    const pack = this.openPack;
    const origin = pack === null ? '' : `${pack.name}, ${pack.manifest.data.tokens} tokens, saekit ${pack.manifest.saekit}\n`;
    try {
      await navigator.clipboard.writeText(origin + results.map(verdictLine).join('\n'));
      this.copied = 'Copied.';
    } catch {
      this.copied = 'The browser does not let the page copy.';
    }
  }
}

/** A prediction as a line of text, tab-separated: id, outcome, quantity, value, interval, null, reason. */
export function verdictLine({ id, outcome, quantity, value, interval, null_value, reason }: PredictionResult): string {
  return [id, WORDS[outcome], quantity, value ?? '', interval === null ? '' : `${interval[0]} to ${interval[1]}`, null_value ?? '', reason].join('\t');
}

function figures({ quantity, value, interval, null_value, null_name }: PredictionResult): TemplateResult {
  if (value === null) return html`${quantity}: –`;
  const range = interval === null ? nothing : html` [${formatNumber(interval[0])}, ${formatNumber(interval[1])}]`;
  const against = null_value === null ? nothing : html`; ${null_name === '' ? 'null' : null_name} ${formatNumber(null_value)}`;
  return html`${quantity}: <strong>${formatNumber(value)}</strong>${range}${against}`;
}

function icon(outcome: Outcome): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">${svg`<path d=${ICONS[outcome]}></path>`}</svg>`;
}
