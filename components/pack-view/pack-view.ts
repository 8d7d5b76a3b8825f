/**
 * `<sae-pack-view src="pack/">`: the dashboard of a pack. The head says where
 * the numbers come from; below, a density histogram, a table of all features,
 * the card of one, and the panels of plugins, with one selection in common.
 *
 * Kept true: whatever raises `sae-select` inside it (a bar, a row, a neighbour
 * on a card, a plugin's panel) moves all the rest, and the page's address.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import type { Pack, PackSummary } from '../../engine/pack/reader.js';
import { FEATURE_CLASSES, type FeatureClass, type Manifest } from '../../engine/pack/schema.js';
import { registry as sharedRegistry, type PluginRegistry } from '../../plugins/registry.js';
import type { SaeDensityHistogram } from '../density-histogram/density-histogram.js';
import { parseFilter, type ParsedFilter } from '../feature-table/filter.js';
import type { SaeSelectEvent } from '../internal/events.js';
import { formatCount } from '../internal/format.js';
import { PackElement } from '../internal/pack-element.js';
import { featureOfHash, writeHash } from './deep-link.js';
import { filterFeatures, firstFeature } from './filters.js';
import { headTemplate } from './head.js';
import { styles } from './pack-view.styles.js';
import { arrangePanels, missingTemplate, panelTemplate } from './panels.js';

/** What the view shows: the pack and its figures of all features. */
interface View {
  readonly pack: Pack;
  readonly summary: PackSummary;
}

/** In the empty search field. */
const EXAMPLE = '61, or max>5 cosine<0.2';

/**
 * @attr src - folder of the pack
 * @attr feature - index of the feature whose card is open
 * @attr without-hash - leaves the page's address alone: for pages with several views
 * @attr heading-level - level of the title for screen readers, 1
 * @fires sae-select - features were chosen, in any part of it
 * @fires sae-load - the pack is there
 * @fires sae-error - it cannot be had
 * @cssprop --sae-table-height - height of the feature table
 * @cssprop --sae-histogram-height - height of the density histogram
 * @csspart head - title, provenance and figures
 * @csspart title - name of the SAE
 * @csspart overview - histogram and class filters
 * @csspart list - filters and table
 * @csspart detail - the card and its panels
 * @csspart panels - panels of plugins for the whole pack
 * @slot - what readers without scripts see
 */
export class SaePackView extends PackElement<View> {
  static override styles = [PackElement.base, styles];
  static override properties = {
    ...PackElement.properties,
    feature: { type: Number },
    withoutHash: { attribute: 'without-hash', type: Boolean },
    headingLevel: { attribute: 'heading-level', type: Number },
    registry: { attribute: false },
    classes: { state: true },
    brushed: { state: true },
    query: { state: true },
    plugins: { state: true },
  };

  /** The feature whose card is open. */
  declare feature: number | null;
  declare withoutHash: boolean;
  declare headingLevel: number;
  /** Where plugins with panels are looked up. */
  declare registry: PluginRegistry;

  declare protected classes: ReadonlySet<FeatureClass>;
  declare protected brushed: readonly number[] | null;
  declare protected query: string;
  /** Counts the changes of the registry. */
  declare protected plugins: number;

  /** What was typed, read; null when nothing was. */
  #filter: ParsedFilter | null = null;
  #passing: Uint32Array | null = null;
  /** The feature that was opened without a link: where Back leads at last. */
  #first: number | null = null;
  /** The registry that is listened to. */
  #followed: PluginRegistry | null = null;

  constructor() {
    super();
    this.feature = null;
    this.withoutHash = false;
    this.headingLevel = 1;
    this.registry = sharedRegistry;
    this.classes = new Set();
    this.brushed = null;
    this.query = '';
    this.plugins = 0;
    this.addEventListener('sae-select', this.#onSelect);
  }

  protected override get subject(): string {
    return 'the pack';
  }

  protected override async fetchContent(pack: Pack, signal: AbortSignal): Promise<View> {
    return { pack, summary: await pack.summary({ signal }) };
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener('hashchange', this.#onHash);
    // pushState by the view itself comes back as popstate, without a hashchange where only the state differs.
    window.addEventListener('popstate', this.#onHash);
    this.#follow(this.registry);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener('hashchange', this.#onHash);
    window.removeEventListener('popstate', this.#onHash);
    this.#follow(null);
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    if (changed.has('registry') && this.isConnected) this.#follow(this.registry);
    const summary = this.content?.summary ?? null;
    if (changed.has('content')) {
      this.classes = new Set();
      this.brushed = null;
      this.query = '';
      if (summary !== null) this.feature = this.#first = this.#openedFirst(summary);
    }
    if (summary !== null && (changed.has('content') || changed.has('query'))) this.#filter = this.query.trim() === '' ? null : parseFilter(this.query, summary);
    if (summary !== null && ['content', 'query', 'classes', 'brushed'].some((name) => changed.has(name))) {
      this.#passing = filterFeatures(summary, { classes: this.classes, brushed: this.brushed, test: this.#filter?.test ?? null });
    }
  }

  /** The address has the first word, then the `feature` that the page asked for. */
  #openedFirst(summary: PackSummary): number | null {
    const linked = this.withoutHash ? null : featureOfHash(location.hash, summary.rows);
    const wanted = this.feature !== null && this.feature >= 0 && this.feature < summary.rows ? this.feature : null;
    return linked ?? wanted ?? firstFeature(summary);
  }

  #follow(registry: PluginRegistry | null): void {
    if (registry === this.#followed) return;
    for (const type of ['register', 'unregister']) {
      this.#followed?.removeEventListener(type, this.#onRegistry);
      registry?.addEventListener(type, this.#onRegistry);
    }
    this.#followed = registry;
    this.plugins++;
  }

  readonly #onRegistry = (): void => {
    this.plugins++;
  };

  readonly #onHash = (): void => {
    if (this.withoutHash || this.content === null) return;
    this.feature = featureOfHash(location.hash, this.content.summary.rows) ?? this.#first;
  };

  #onSelect(event: SaeSelectEvent): void {
    if (event.defaultPrevented) return;
    // The card would follow its neighbour by itself: here everything moves together.
    event.preventDefault();
    const { feature, features, source } = event;
    const single = feature ?? (source !== 'histogram' && features?.length === 1 ? features[0] : undefined);
    if (single === undefined) this.brushed = features;
    else {
      this.#open(single);
      if (source === 'table') this.#showDetail();
    }
  }

  /** Where the card stands below the table, the one who opened it should see it. */
  #showDetail(): void {
    const detail = this.renderRoot.querySelector('.detail');
    if (detail === null || detail.getBoundingClientRect().top < innerHeight * 0.7) return;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    detail.scrollIntoView({ block: 'start', behavior: still ? 'auto' : 'smooth' });
  }

  #open(feature: number): void {
    if (this.content === null || !(feature >= 0 && feature < this.content.summary.rows)) return;
    this.feature = feature;
    if (!this.withoutHash) writeHash(feature, true);
  }

  #toggleClass(name: FeatureClass): void {
    const classes = new Set(this.classes);
    if (!classes.delete(name)) classes.add(name);
    this.classes = classes;
  }

  /** Takes all filters away. */
  clearFilters(): void {
    this.classes = new Set();
    this.brushed = null;
    this.query = '';
    this.renderRoot.querySelector<SaeDensityHistogram>('sae-density-histogram')?.clearBrush();
  }

  protected override renderContent({ pack, summary }: View): TemplateResult {
    const { feature } = this;
    const panels = arrangePanels(pack.manifest, this.registry);
    return html`
      <article class="view" aria-label=${pack.manifest.sae.name}>
        ${headTemplate(pack.manifest, this.headingLevel)}
        <section class="overview" part="overview" aria-label="Densities">
          <div class="label" role="heading" aria-level=${this.headingLevel + 1}>How often features fire</div>
          ${this.#classesTemplate(pack.manifest)}
          <sae-density-histogram loading="eager" .pack=${pack} .selected=${feature === null ? null : [feature]}></sae-density-histogram>
        </section>
        <div class="work">
          <section class="list" part="list" aria-label="All features">
            ${this.#toolsTemplate(summary)}
            <sae-feature-table .summary=${summary} .features=${this.#passing} .selected=${feature}></sae-feature-table>
          </section>
          <section class="detail" part="detail" aria-label="Selected feature">
            ${feature === null ? html`<p class="empty">This pack has no features.</p>` : html`<sae-feature-card loading="eager" .pack=${pack} .feature=${feature} heading-level=${this.headingLevel + 1}></sae-feature-card>`}
            ${panels.feature.map((panel) => panelTemplate(panel, pack, feature))}
          </section>
        </div>
        ${panels.pack.length === 0 ? nothing : html`<section class="panels" part="panels" aria-label="Plugins">${panels.pack.map((panel) => panelTemplate(panel, pack, feature))}</section>`}
        ${missingTemplate(panels.missing, this.headingLevel + 1)}
      </article>
    `;
  }

  #classesTemplate({ classes }: Manifest): TemplateResult {
    return html`
      <div class="chips" role="group" aria-label="Filter by class">
        ${FEATURE_CLASSES.map((name) => html`
          <button type="button" class="chip ${name}" aria-pressed=${this.classes.has(name) ? 'true' : 'false'} ?disabled=${classes[name] === 0} @click=${() => this.#toggleClass(name)}>
            <span class="dot" aria-hidden="true"></span>${name} <span class="number">${formatCount(classes[name])}</span>
          </button>`)}
      </div>
    `;
  }

  #toolsTemplate(summary: PackSummary): TemplateResult {
    const error = this.#filter?.error ?? null;
    const passing = this.#passing;
    return html`
      <div class="tools">
        <label class="search">
          <span class="visually-hidden">Filter features</span>
          <input
            type="search"
            dir="ltr"
            .value=${this.query}
            placeholder=${EXAMPLE}
            autocomplete="off"
            spellcheck="false"
            aria-invalid=${error === null ? 'false' : 'true'}
            aria-describedby="filter-help filter-count"
            @input=${(event: Event) => (this.query = (event.target as HTMLInputElement).value)}
            @keydown=${this.#onSearchKey}
          />
        </label>
        <p id="filter-count" class=${error === null ? 'count' : 'count wrong'} role="status">
          ${error ?? (passing === null ? `${formatCount(summary.rows)} features` : `${formatCount(passing.length)} of ${formatCount(summary.rows)} features`)}
        </p>
        <button type="button" class="clear" ?hidden=${passing === null && error === null} @click=${this.clearFilters}>Show all</button>
        <p id="filter-help" class="visually-hidden">Type indices, classes, or comparisons such as density &gt; 1e-3. Enter opens the first feature that passes.</p>
      </div>
    `;
  }

  #onSearchKey(event: KeyboardEvent): void {
    const first = this.#passing?.[0];
    if (event.key !== 'Enter' || first === undefined) return;
    event.preventDefault();
    this.#open(first);
  }
}
