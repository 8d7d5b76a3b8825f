/**
 * `<sae-certificate src="dying/" feature="12">`: why a feature is dead or rare, and the figures that
 * this rests on, as sae/certificate told it; without a feature, how many died of what.
 *
 * Kept true: the evidence is shown as the pack has it, as text; a feature that lives has no cause.
 */
import { html, nothing, type TemplateResult } from 'lit';
import { CAUSES, type Cause } from '../../engine/dying/certificate.js';
import { FormatError } from '../../engine/errors.js';
import type { Pack } from '../../engine/pack/reader.js';
import { SaeSelectEvent } from '../internal/events.js';
import { formatCount } from '../internal/format.js';
import { PackElement } from '../internal/pack-element.js';
import { styles } from './certificate.styles.js';

/** What each cause means, in a line. */
export const CAUSE_WORDS: Readonly<Record<Cause, string>> = {
  alive: 'It lives: it fires on more of the tokens than a rare feature does.',
  'useful-rare': 'Rare, and useful where it fires: without it the error grows, and nothing pushes it down.',
  resampled: 'It was replaced, and has not been seen to fire since.',
  'born-dead-relu': 'It never fired: from the first step on no token reached its threshold.',
  'born-dead-topk': 'It never fired: others were always larger.',
  duplicate: 'Another feature has its encoder, its decoder and its tokens.',
  absorbed: 'Another feature took the tokens that were its own, and writes there what it wrote.',
  orphaned: 'b_dec moved, and took its pre-activation down with it.',
  'pushed-by-l1': 'The penalty pushed it down: reconstruction did not pay for its activity.',
  'pushed-by-error': 'Its own error pushed it down: to fire made the reconstruction worse.',
  'cannot-tell': 'It cannot be told from what was looked at.',
};

interface Content {
  /** By feature; null for one that lives. */
  readonly causes: readonly (string | null)[];
  readonly evidence: readonly (string | null)[];
}

/**
 * @attr src - folder of a pack that `saekit dying` wrote
 * @attr feature - whose cause is shown; without, all causes with their numbers
 * @fires sae-select - a cause was chosen: its `features`
 * @fires sae-load - it is shown
 * @fires sae-error - it cannot be had
 * @csspart cause, evidence
 * @slot - what readers without scripts see
 */
export class SaeCertificate extends PackElement<Content> {
  static override styles = [PackElement.base, styles];
  static override properties = { ...PackElement.properties, feature: { type: Number } };

  declare feature: number | null;

  constructor() {
    super();
    this.feature = null;
  }

  protected override get subject(): string {
    return 'the cause of death';
  }

  protected override async fetchContent(pack: Pack, signal: AbortSignal): Promise<Content> {
    const features = pack.manifest.tables.find(({ name }) => name === 'features');
    if (features?.columns.some(({ name }) => name === 'certificate') !== true) throw new FormatError(`${pack.name}: the pack has no causes of death`, { hint: 'saekit dying writes them; saekit analyze does with --with sae/certificate.' });
    const { columns } = await pack.table('features', { signal, columns: ['certificate', 'certificate_evidence'] });
    const texts = (column: ArrayLike<unknown> | undefined): (string | null)[] => Array.from(column ?? [], (value) => (typeof value === 'string' ? value : null));
    return { causes: texts(columns['certificate']), evidence: texts(columns['certificate_evidence']) };
  }

  protected override renderContent(content: Content): TemplateResult {
    return html`<div class="frame" lang="en" dir="ltr">${this.feature === null || Number.isNaN(this.feature) ? this.#all(content) : one(content, this.feature)}</div>`;
  }

  #all({ causes }: Content): TemplateResult {
    const told = CAUSES.flatMap((cause) => {
      const features = Array.from(causes.keys()).filter((i) => (causes[i] ?? 'alive') === cause);
      return features.length === 0 ? [] : [{ cause, features }];
    });
    return html`
      <table>
        <caption>Causes of ${formatCount(causes.length)} features</caption>
        <thead><tr><th scope="col">cause</th><th scope="col">features</th></tr></thead>
        <tbody>
          ${told.map(({ cause, features }) => html`<tr><th scope="row"><button type="button" @click=${() => this.dispatchEvent(new SaeSelectEvent({ features, source: 'certificate', pack: this.openPack }))}>${named(cause)}</button><p>${CAUSE_WORDS[cause]}</p></th><td>${formatCount(features.length)}</td></tr>`)}
        </tbody>
      </table>
    `;
  }
}

function one({ causes, evidence }: Content, feature: number): TemplateResult {
  if (!(feature >= 0 && feature < causes.length)) return html`<p class="evidence">There is no feature ${feature}: there are ${formatCount(causes.length)}.</p>`;
  const cause = causes[feature] ?? 'alive';
  const words = (CAUSES as readonly string[]).includes(cause) ? CAUSE_WORDS[cause as Cause] : null;
  return html`
    <p class="cause ${cause}" part="cause"><span class="feature">Feature ${feature}</span> ${named(cause)}</p>
    ${words === null ? nothing : html`<p class="words">${words}</p>`}
    <p class="evidence" part="evidence">${evidence[feature] ?? 'There is nothing to explain.'}</p>
  `;
}

const named = (cause: string): string => cause.replaceAll('-', ' ').replace(/\bl1\b/, 'L1').replace(/\brelu\b/, '(ReLU)').replace(/\btopk\b/, '(TopK)');
