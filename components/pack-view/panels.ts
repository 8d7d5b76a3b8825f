/** Which plugins have a place in the dashboard, and what is said of those that have none. */
import { html, nothing, type TemplateResult } from 'lit';
import type { Pack } from '../../engine/pack/reader.js';
import type { Manifest } from '../../engine/pack/schema.js';
import type { AnyPlugin, PluginRegistry } from '../../plugins/registry.js';

type PluginRecord = Manifest['plugins'][number];

export interface Panel {
  readonly record: PluginRecord;
  /** As this page has it registered; null when it has not. */
  readonly plugin: AnyPlugin | null;
}

/** The panels beside the card, those for the whole pack, and the analyses without results. */
export interface Panels {
  readonly feature: readonly Panel[];
  readonly pack: readonly Panel[];
  readonly missing: readonly PluginRecord[];
}

export function arrangePanels(manifest: Manifest, registry: PluginRegistry): Panels {
  const panels = manifest.plugins
    .filter(({ status }) => status === 'done')
    .map((record): Panel => ({ record, plugin: registry.get(record.id) ?? null }))
    .filter(({ record, plugin }) => plugin?.view !== undefined || record.view !== null);
  return {
    feature: panels.filter(({ plugin }) => plugin?.view?.scope === 'feature'),
    // Where a panel belongs is known only once its plugin is: until then its hint stands here.
    pack: panels.filter(({ plugin }) => plugin?.view?.scope !== 'feature'),
    missing: manifest.plugins.filter(({ status }) => status !== 'done'),
  };
}

export function panelTemplate({ record, plugin }: Panel, pack: Pack, feature: number | null): TemplateResult {
  return html`<sae-plugin-panel .record=${record} .plugin=${plugin} .pack=${pack} .feature=${feature}></sae-plugin-panel>`;
}

/**
 * Failed and left-out analyses, with their reason.
 * @param level of the heading
 */
export function missingTemplate(missing: readonly PluginRecord[], level: number): TemplateResult | typeof nothing {
  if (missing.length === 0) return nothing;
  return html`
    <section class="missing" aria-label="Analyses without results">
      <div class="label" role="heading" aria-level=${level}>Analyses without results</div>
      <ul>
        ${missing.map(({ id, title, status, message }) => html`<li class=${status}><strong>${title}</strong> <code>${id}</code> ${status === 'failed' ? 'failed' : 'was left out'}${message === null ? '' : `: ${message}`}</li>`)}
      </ul>
    </section>
  `;
}
