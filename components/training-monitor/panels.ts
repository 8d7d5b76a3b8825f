/** The panels of the monitor: from what is known of the runs to charts, or to tables of the same. */
import { html, nothing, type TemplateResult } from 'lit';
import { formatCount, formatDensity, formatNumber } from '../internal/format.js';
import { frontierChart, heatChart, heatLegend, lineChart, type Marks } from './chart.js';
import { layoutFrontier } from './frontier.js';
import { layoutHeat } from './heat.js';
import { layoutLines, type LineData } from './lines.js';
import type { ShownRun } from './runs.js';
import { rareCounts } from './series.js';
import { densityTable, featuresTable, frontierTable, metricsTable } from './tables.js';

export interface PanelsState {
  readonly runs: readonly ShownRun[];
  /** The one whose densities are shown. */
  readonly chosen: ShownRun;
  readonly features: readonly number[];
  readonly width: number;
  readonly height: number;
  readonly xKind: 'linear' | 'log';
  readonly cursor: number | null;
}

const panel = (title: string, note: string, content: unknown): TemplateResult => html`
  <section class="panel" part="panel"><h3>${title}${note === '' ? nothing : html` <span class="note">${note}</span>`}</h3><div class="plot">${content}</div></section>
`;

/** A key of lines by kind, where colour alone would have to tell them apart. */
const key = (names: readonly string[]): TemplateResult => html`<ul class="key">${names.map((name, i) => html`<li><span class="swatch style-${i}"></span>${name}</li>`)}</ul>`;

export function chartPanels(state: PanelsState): TemplateResult {
  const { runs, chosen, width, height, xKind, cursor } = state;
  const { series } = chosen;
  const marks: Marks = { cursor, resampled: series.resampled };
  const span = [1, ...runs.flatMap((run) => (run.series.last === null ? [] : [run.series.last.step]))];
  const size = { width, height, xKind, span };
  const figure = (name: 'loss' | 'fvu' | 'l0', title: string): TemplateResult => {
    const lines = runs.map((run, style): LineData => ({ name: run.name, style, steps: run.series.metrics.map(({ step }) => step), values: run.series.metrics.map((metrics) => metrics[name]) }));
    const now = cursor === null ? series.last : series.at(cursor);
    const label = `${title} by step: ${runs.map(({ name: run, series: of }) => `${run} ${formatNumber(of.metrics[0]?.[name] ?? null)} to ${formatNumber(of.last?.[name] ?? null)}`).join('; ')}`;
    return panel(title, now === null ? '' : formatNumber(now[name]), lineChart(layoutLines(lines, { ...size, yKind: 'log' }), label, marks));
  };
  return html`
    <div class="panels">
      ${figure('loss', 'Loss')} ${figure('fvu', 'FVU')} ${figure('l0', 'L0')}
      ${deathPanel(state, size, marks)}
      ${densityPanel(state, { ...size, height: Math.round(height * 1.25) }, marks)}
      ${frontierPanel(state)}
      ${state.features.length === 0 ? nothing : featuresPanel(state, size, marks)}
    </div>
  `;
}

type Size = { readonly width: number; readonly height: number; readonly xKind: 'linear' | 'log'; readonly span: readonly number[] };

function deathPanel({ chosen: { series }, cursor }: PanelsState, size: Size, marks: Marks): TemplateResult {
  const windows = series.windows.map((window) => ({ step: window.step, ...rareCounts(window) }));
  const lines: LineData[] = [
    { name: 'dead', style: 4, steps: series.metrics.map(({ step }) => step), values: series.metrics.map(({ dead }) => dead) },
    { name: 'no firing', style: 1, steps: windows.map(({ step }) => step), values: windows.map(({ dead }) => dead) },
    { name: 'rare', style: 0, steps: windows.map(({ step }) => step), values: windows.map(({ rare }) => rare) },
  ];
  const now = cursor === null ? series.last : series.at(cursor);
  const window = windows.filter(({ step }) => cursor === null || step <= cursor).at(-1);
  const words = [now === null ? '' : `${formatCount(now.dead)} dead`, window === undefined ? '' : `${formatCount(window.dead)} without firing and ${formatCount(window.rare)} below ${formatDensity(window.below)} in the window`].filter((text) => text !== '').join(', ');
  return panel('Dead and rare features', now === null ? '' : formatCount(now.dead), html`
    ${lineChart(layoutLines(lines, { ...size, yKind: 'linear', include: [0], format: formatCount }), `Dead and rare features by step: ${words}`, marks)}
    <ul class="key">
      <li><span class="swatch style-4"></span>dead for long</li>
      <li><span class="swatch style-1"></span>no firing in the window</li>
      <li><span class="swatch style-0"></span>rare${window === undefined ? '' : `, below ${formatDensity(window.below)}`}</li>
    </ul>`);
}

function densityPanel({ chosen: { series, name } }: PanelsState, size: Size, marks: Marks): TemplateResult {
  const last = series.windows.at(-1);
  if (last === undefined) return panel('Densities over time', '', html`<p class="nothing">None yet: the first window of rows is not full.</p>`);
  const layout = layoutHeat(series.windows, { ...size, start: series.start });
  const { dead } = rareCounts(last);
  return panel('Densities over time', `dashed: floor 3/N = ${formatDensity(3 / last.rows)}`, html`
    ${heatChart(layout, `Density of the features of ${name} by step, as a heat map; in the last window ${formatCount(dead)} of ${formatCount(last.counts.length)} never fired; densities below ${formatDensity(3 / last.rows)} cannot be told from zero`, marks)}
    <p class="caption">Shades: ${heatLegend(layout.most)}.</p>`);
}

function frontierPanel({ runs, width, height, cursor }: PanelsState): TemplateResult {
  const layout = layoutFrontier(runs.map(({ name, series }, style) => ({ name, style, points: series.tradeOff.filter(({ step }) => cursor === null || step <= cursor) })), width, height);
  const ends = layout.runs.flatMap(({ name, end }) => (end === null ? [] : [`${name}: L0 ${formatNumber(end.l0)}, FVU ${formatNumber(end.fvu)}`]));
  return panel('FVU against L0', runs.length > 1 ? 'filled: on the frontier' : '', ends.length === 0 ? html`<p class="nothing">No figures yet.</p>` : frontierChart(layout, ends.join('; ')));
}

function featuresPanel({ chosen: { series }, features }: PanelsState, size: Size, marks: Marks): TemplateResult {
  const lines = features.map((feature, style): LineData => ({
    name: `feature ${feature}`,
    style,
    steps: series.windows.map(({ step }) => step),
    // Below the floor there is no point: the line breaks there.
    values: series.windows.map(({ counts, rows }) => ((counts[feature] ?? 0) < 3 ? NaN : (counts[feature] as number) / rows)),
  }));
  return panel('Chosen features', 'density; gaps: below the floor', html`
    ${lineChart(layoutLines(lines, { ...size, yKind: 'log', format: formatDensity }), `Density of ${features.map((feature) => `feature ${feature}`).join(', ')} by step`, marks)}
    ${key(features.map((feature) => `feature ${feature}`))}`);
}

export function tablePanels({ runs, chosen, features, cursor }: PanelsState): TemplateResult {
  const layout = layoutFrontier(runs.map(({ name, series }, style) => ({ name, style, points: series.tradeOff })), 300, 200);
  const ends = layout.runs.flatMap(({ name, end, efficient }, i) => (end === null ? [] : [{ name, l0: end.l0, fvu: end.fvu, efficient, step: runs[i]?.series.tradeOff.at(-1)?.step ?? 0 }]));
  const until = <T extends { readonly step: number }>(items: readonly T[]): T[] => items.filter(({ step }) => cursor === null || step <= cursor);
  return html`
    <div class="tables">
      ${frontierTable(ends)}
      ${runs.map(({ name, series }) => metricsTable(name, until(series.metrics)))}
      ${densityTable(chosen.name, until(chosen.series.windows))}
      ${features.length === 0 ? nothing : featuresTable(features, until(chosen.series.windows))}
    </div>
  `;
}
