/**
 * `<sae-plugin-panel>`: the place of one plugin in a dashboard. It shows the
 * plugin's own element, or says what is in the way: the analysis failed or was
 * left out, the plugin is not loaded in this page, the panel broke.
 *
 * Kept true: nothing that a panel does wrong leaves its place.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import type { Pack } from '../../engine/pack/reader.js';
import type { Manifest } from '../../engine/pack/schema.js';
import { PluginError } from '../../plugins/errors.js';
import type { AnyPlugin } from '../../plugins/registry.js';
import { SaeElement } from '../internal/element.js';
import { createPanel, failureOf, type PanelElement } from './mount.js';
import { styles } from './plugin-panel.styles.js';

/** What the manifest says of a plugin. */
export type PluginRecord = Manifest['plugins'][number];

/**
 * @csspart heading - title of the panel
 * @csspart panel - the box around the plugin's element
 */
export class SaePluginPanel extends SaeElement {
  static override styles = [SaeElement.base, styles];
  static override properties = {
    pack: { attribute: false },
    feature: { attribute: false },
    record: { attribute: false },
    plugin: { attribute: false },
    failure: { state: true },
  };

  declare pack: Pack | null;
  /** The selected feature; null when none is. */
  declare feature: number | null;
  /** The plugin's entry in the manifest. */
  declare record: PluginRecord | null;
  /** The plugin as this page has it registered; null when it has not. */
  declare plugin: AnyPlugin | null;

  declare protected failure: PluginError | null;

  #panel: PanelElement | null = null;
  /** Counts the mounts, so that a slow load never shows a panel that is not wanted any more. */
  #mounts = 0;

  constructor() {
    super();
    this.pack = null;
    this.feature = null;
    this.record = null;
    this.plugin = null;
    this.failure = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated && this.#panel === null) void this.#mount();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unmount();
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has('plugin') || (changed.has('record') && this.#panel === null)) void this.#mount();
    else if (changed.has('pack') || changed.has('feature')) this.#supply();
  }

  async #mount(): Promise<void> {
    this.#unmount();
    const { plugin, record } = this;
    if (plugin === null || plugin.view === undefined || (record !== null && record.status !== 'done')) return;
    const mount = this.#mounts;
    try {
      const panel = await createPanel(plugin);
      if (mount !== this.#mounts) return;
      this.#panel = panel;
      panel.addEventListener('sae-error', (event) => {
        // Its own failure, told to us alone: a bubbling one must not reach the view's.
        event.stopPropagation();
        if (this.#panel === panel) this.#fail((event as Event & { error?: unknown }).error ?? new Error('the panel raised sae-error without an error'));
      });
      this.#supply();
      if (this.#panel !== panel) return;
      const failure = failureOf(() => this.renderRoot.querySelector('.panel')?.replaceChildren(panel));
      if (failure !== null) this.#fail(failure);
    } catch (error) {
      if (mount === this.#mounts) this.#fail(error);
    }
  }

  #unmount(): void {
    this.#mounts++;
    const panel = this.#panel;
    this.#panel = null;
    this.failure = null;
    if (panel === null) return;
    const failure = failureOf(() => panel.remove());
    if (failure !== null) console.error(new PluginError(this.plugin?.id ?? 'a plugin', 'view', failure));
  }

  /** Hands the panel what it shows. */
  #supply(): void {
    const panel = this.#panel;
    if (panel === null) return;
    const failure = failureOf(() => {
      if (panel.pack !== this.pack) panel.pack = this.pack;
      if (panel.feature !== this.feature) panel.feature = this.feature;
    });
    if (failure !== null) return this.#fail(failure);
    panel.updateComplete?.then(undefined, (error: unknown) => {
      if (this.#panel === panel) this.#fail(error);
    });
  }

  #fail(cause: unknown): void {
    this.#unmount();
    const failure = cause instanceof PluginError ? cause : new PluginError(this.plugin?.id ?? this.record?.id ?? 'a plugin', 'view', cause);
    this.failure = failure;
    // The stack is for the plugin's author; the reader gets the message.
    console.error(failure);
  }

  protected override render(): TemplateResult {
    const title = this.plugin?.view?.title ?? this.record?.title ?? '';
    return html`
      <section aria-label=${title}>
        <h3 part="heading">${title}</h3>
        ${this.#versionNote()} ${this.#notice()}
        <div class="panel" part="panel" ?hidden=${this.failure !== null || this.plugin?.view === undefined}></div>
      </section>
    `;
  }

  /** A panel of one version may show what another version of its plugin wrote. */
  #versionNote(): TemplateResult | typeof nothing {
    const { plugin, record } = this;
    if (plugin === null || record === null || plugin.version === record.version) return nothing;
    return html`<p class="note">Written by version ${record.version}, shown by version ${plugin.version}.</p>`;
  }

  #notice(): TemplateResult | typeof nothing {
    const { failure, record } = this;
    if (failure !== null) {
      return html`
        <div class="card error" role="alert">
          <p>${failure.message}</p>
          ${failure.hint === undefined ? nothing : html`<p>${failure.hint}</p>`}
          <button type="button" @click=${() => void this.#mount()}>Try again</button>
        </div>
      `;
    }
    if (record !== null && record.status !== 'done') {
      return html`<div class="card"><p>${record.status === 'failed' ? 'This analysis failed' : 'This analysis was left out'}${record.message === null ? '.' : `: ${record.message}`}</p></div>`;
    }
    if (this.plugin?.view === undefined && record !== null && record.view !== null) {
      return html`<div class="card"><p>Its panel <code>&lt;${record.view}&gt;</code> is not loaded in this page. Register the plugin <code>${record.id}</code> to see it.</p></div>`;
    }
    return nothing;
  }
}
