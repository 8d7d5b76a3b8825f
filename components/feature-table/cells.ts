/** One cell of the feature table. (A `style` property, unlike the attribute, passes a strict content security policy.) */
import { html, type TemplateResult } from 'lit';
import type { PackSummary } from '../../engine/pack/reader.js';
import { formatDensity, formatNumber } from '../internal/format.js';
import { valueOf, type ColumnName } from './columns.js';

/** Decades that the density's bar spans: from 1e-6 to 1. */
const DECADES = 6;

export function cellTemplate(summary: PackSummary, column: ColumnName, feature: number): TemplateResult {
  const value = valueOf(summary, column, feature);
  if (column === 'feature') return html`<span class="cell feature" role="rowheader">${feature}</span>`;
  if (column === 'class') {
    const name = summary.classes[feature] ?? 'live';
    return html`<span class="cell class" role="gridcell"><span class="dot ${name}" aria-hidden="true"></span>${name}</span>`;
  }
  if (column === 'density') {
    const share = value > 0 ? Math.max(0, Math.min(1, 1 + Math.log10(value) / DECADES)) : 0;
    const name = summary.classes[feature] ?? 'live';
    return html`<span class="cell density" role="gridcell"><span class="meter ${name}" aria-hidden="true" .style=${`inline-size: ${(share * 100).toFixed(1)}%`}></span>${value >= 0.00995 ? value.toPrecision(2) : formatDensity(value)}</span>`;
  }
  return html`<span class="cell ${column}" role="gridcell">${aligned(value)}</span>`;
}

/** Three decimals, so that a column's points stand below each other; what that would hide in another form. */
function aligned(value: number): string {
  const size = Math.abs(value);
  return size >= 0.0005 && size < 1000 ? `${value < 0 ? '−' : ''}${size.toFixed(3)}` : formatNumber(value, 3);
}
