/** The head of the dashboard: title, provenance, figures. */
import { html, nothing, type TemplateResult } from 'lit';
import type { Manifest } from '../../engine/pack/schema.js';
import { describeIgnored, describeSae, figuresOf, provenanceOf } from './figures.js';

/** @param level of the title, 1 to 6 */
export function headTemplate(manifest: Manifest, level: number): TemplateResult {
  const ignored = describeIgnored(manifest);
  return html`
    <header part="head">
      <div class="title" part="title" role="heading" aria-level=${level}><bdi>${manifest.sae.name}</bdi></div>
      <p class="lead">${describeSae(manifest)}.${ignored === null ? nothing : html` ${capital(ignored)}.`}</p>
      <dl class="figures">
        ${figuresOf(manifest).map(({ label, value, description }) => html`<div title=${description}><dt>${label}</dt><dd>${value}</dd></div>`)}
      </dl>
      <details class="provenance">
        <summary>Provenance</summary>
        <dl>${provenanceOf(manifest).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
      </details>
    </header>
  `;
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
