/** Every chart as a table: for readers who do not see charts, and for those who want the figures. */
import { html, type TemplateResult } from 'lit';
import type { DensityWindow, StepMetrics } from '../../engine/train/events.js';
import { formatCount, formatDensity, formatNumber } from '../internal/format.js';
import { rareCounts } from './series.js';

/** Rows of a table at most: as even as can be, first and last included. */
export const TABLE_ROWS = 24;

/** So many of them, evenly, the first and the last among them. */
export function sampled<T>(items: readonly T[], most = TABLE_ROWS): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))] as T);
}

function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): TemplateResult {
  return html`
    <div class="scroll" tabindex="0" role="group" aria-label=${caption}>
      <table>
        <caption>${caption}</caption>
        <thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
        <tbody>${rows.map(([first, ...rest]) => html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
      </table>
    </div>
  `;
}

export function metricsTable(name: string, metrics: readonly StepMetrics[]): TemplateResult {
  const rows = sampled(metrics).map((row) => [formatCount(row.step), formatNumber(row.loss), formatNumber(row.fvu), formatNumber(row.l0), formatCount(row.dead), formatNumber(row.lr)]);
  return table(`${name}: figures by step`, ['step', 'loss', 'FVU', 'L0', 'dead', 'learning rate'], rows);
}

export function densityTable(name: string, windows: readonly DensityWindow[]): TemplateResult {
  const rows = sampled(windows).map((window) => {
    const { dead, rare, below } = rareCounts(window);
    const sorted = Float64Array.from(window.counts, (count) => count / window.rows).sort();
    return [formatCount(window.step), formatCount(window.rows), formatDensity(3 / window.rows), formatCount(dead), `${formatCount(rare)} below ${formatDensity(below)}`, medianOf(sorted, 3 / window.rows), formatDensity(sorted.at(-1) ?? 0)];
  });
  return table(`${name}: densities by window`, ['until step', 'rows', 'floor 3/N', 'never fired', 'rare', 'median', 'highest'], rows);
}

function medianOf(sorted: Float64Array, floor: number): string {
  const median = sorted[sorted.length >> 1] ?? 0;
  return median < floor ? 'below floor' : formatDensity(median);
}

export function frontierTable(runs: readonly { readonly name: string; readonly l0: number; readonly fvu: number; readonly step: number; readonly efficient: boolean }[]): TemplateResult {
  return table('Runs: L0 and FVU', ['run', 'step', 'L0', 'FVU', 'on the frontier'], runs.map(({ name, l0, fvu, step, efficient }) => [name, formatCount(step), formatNumber(l0), formatNumber(fvu), efficient ? 'yes' : 'no']));
}

export function featuresTable(features: readonly number[], windows: readonly DensityWindow[]): TemplateResult {
  const rows = sampled(windows).map(({ step, rows: count, counts }) => [
    formatCount(step),
    ...features.map((feature) => {
      const fired = counts[feature] ?? 0;
      return fired === 0 ? 'none' : fired < 3 ? 'below floor' : formatDensity(fired / count);
    }),
  ]);
  return table('Density of chosen features by window', ['until step', ...features.map((feature) => `feature ${feature}`)], rows);
}
