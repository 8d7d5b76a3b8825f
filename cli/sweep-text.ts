/** A sweep's table for a terminal: every run, means over seeds, what failed, and what moved together. */
import { cell, isSeed, shortNames, type SweepFigures, type SweepRow, type SweepTable } from '../engine/sweep/index.js';
import { paragraph, textWidth } from './columns.js';
import { figure, plural } from './text.js';

interface Column {
  readonly title: string;
  /** What it is, for the line of explanations. */
  readonly means: string;
  readonly value: (figures: SweepFigures) => number | null;
  readonly text: (value: number) => string;
}

const three = (value: number): string => figure(value, 3);
const fixed = (digits: number) => (value: number): string => value.toFixed(digits);

/** Beside whatever was swept, always. */
const COLUMNS: readonly Column[] = [
  { title: 'γ', means: '||mean|| / ||deviation|| of the data', value: ({ gamma }) => gamma, text: three },
  { title: 'γ0', means: 'the same around the first b_dec', value: ({ gamma_start }) => gamma_start, text: three },
  { title: 'γ1', means: 'around the last b_dec', value: ({ gamma_end }) => gamma_end, text: three },
  { title: 'coh', means: "mean |cos| of the decoder's rows", value: ({ coherence }) => coherence, text: fixed(3) },
  { title: 'coh*', means: 'of the true features', value: ({ coherence_truth }) => coherence_truth, text: fixed(3) },
  { title: 'L0', means: 'features active on a row', value: ({ l0 }) => l0, text: three },
  { title: 'n/N', means: 'd_sae / true features', value: ({ n_over_N }) => n_over_N, text: three },
  { title: 'EV', means: '1 - FVU', value: ({ ev }) => ev, text: fixed(3) },
  { title: 'FVU', means: 'share of the variance left', value: ({ fvu }) => fvu, text: fixed(3) },
  { title: 'dead %', means: 'features that fired on no row', value: ({ dead }) => 100 * dead, text: fixed(1) },
  { title: 'MCC', means: 'of matched true features', value: ({ mcc }) => mcc, text: fixed(3) },
  { title: 'MMCS', means: "true features' best cosine", value: ({ mmcs }) => mmcs, text: fixed(3) },
];

/** @param width of the terminal, for the lines of text; the table is as wide as it is */
export function sweepText({ name, keys, rows, confounds, confound_level }: SweepTable, width: number): string {
  const ended = rows.filter(({ figures }) => figures !== null);
  const columns = COLUMNS.filter(({ value, title }) => ['MCC', 'MMCS', 'coh*', 'γ0'].includes(title) === false || ended.some(({ figures }) => figures !== null && value(figures) !== null));
  const labels = shortNames(keys);
  const titles = columns.map(({ title }) => title);
  const lines = [`${name}: ${plural(rows.length, 'run')}, ${counted(rows)}`, ''];
  const body = rows.map((row) => [...keys.map((key) => cell(row.settings[key] ?? null)), ...columns.map((column) => value(column, row.figures)), row.status === 'done' ? '' : row.status]);
  lines.push(...aligned([[...labels, ...titles, ''], ...body], keys.length));
  const means = overSeeds(keys, rows);
  if (means.length > 0) {
    const own = keys.filter((key) => !isSeed(key));
    const cells = means.map(({ settings, group }) => [...own.map((key) => cell(settings[key] ?? null)), String(group.length), ...columns.map((column) => spread(column, group))]);
    lines.push('', 'Means over seeds, ± standard deviation', ...aligned([[...own.map((key) => labels[keys.indexOf(key)] ?? key), 'runs', ...titles], ...cells], own.length));
  }
  lines.push('', paragraph('', `${columns.map(({ title, means: text }) => `${title} ${title === 'n/N' && ended.some(({ figures }) => figures?.N_is === 'rows') ? 'd_sae / rows of the data' : title === 'dead %' ? `${text} of ${rowsText(ended)}` : text}`).join('; ')}.`, width));
  for (const row of rows) if (row.message !== null) lines.push('', paragraph('', `${row.run}: ${row.status}: ${firstLine(row.message)}`, width));
  if (confounds.length > 0) {
    lines.push('', `Moves together with what was swept (|rho| of at least ${confound_level}):`);
    for (const { text } of confounds) lines.push(paragraph('  ', text, width));
  } else if (ended.length >= 3) lines.push('', paragraph('', `None of γ, coherence, L0 and n/N moves together with a swept knob (|rho| below ${confound_level}).`, width));
  return lines.join('\n');
}

function counted(rows: readonly SweepRow[]): string {
  const counts = new Map<string, number>();
  for (const { status } of rows) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${count} ${status}`).join(', ');
}

function value({ value: of, text }: Column, figures: SweepFigures | null): string {
  const found = figures === null ? null : of(figures);
  return found === null ? '–' : Number.isFinite(found) ? text(found) : '∞';
}

/** Groups of runs that differ in their seeds only, where there are such. */
function overSeeds(keys: readonly string[], rows: readonly SweepRow[]): { settings: SweepRow['settings']; group: SweepFigures[] }[] {
  const own = keys.filter((key) => !isSeed(key));
  if (own.length === keys.length) return [];
  const groups = new Map<string, { settings: SweepRow['settings']; group: SweepFigures[] }>();
  for (const { settings, figures } of rows) {
    if (figures === null) continue;
    const at = JSON.stringify(own.map((key) => settings[key] ?? null));
    const found = groups.get(at) ?? { settings, group: [] };
    found.group.push(figures);
    groups.set(at, found);
  }
  return [...groups.values()].some(({ group }) => group.length > 1) ? [...groups.values()] : [];
}

/** Mean and the sample's standard deviation; the mean alone where they are all the same, or there is one. */
function spread({ value: of, text }: Column, group: readonly SweepFigures[]): string {
  const values = group.map(of);
  if (values.some((one) => one === null || !Number.isFinite(one))) return '–';
  const numbers = values as number[];
  const mean = numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  if (numbers.length < 2) return text(mean);
  const deviation = Math.sqrt(numbers.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (numbers.length - 1));
  const shown = text(deviation);
  return Number(shown) === 0 ? text(mean) : `${text(mean)}±${shown}`;
}

function rowsText(ended: readonly SweepRow[]): string {
  const counts = [...new Set(ended.map(({ figures }) => figures?.rows ?? 0))];
  return counts.length === 1 ? plural(counts[0] as number, 'row') : 'the evaluated rows';
}

const firstLine = (text: string): string => text.split('\n', 1)[0] as string;

/** Rows of cells as columns: the first `left` to the left, the rest to the right, the last to the left again where it has no title. */
function aligned(rows: readonly (readonly string[])[], left: number): string[] {
  const head = rows[0] ?? [];
  const widths = head.map((_, at) => Math.max(...rows.map((row) => textWidth(row[at] ?? ''))));
  return rows.map((row) =>
    row
      .map((text, at) => {
        const room = ' '.repeat(Math.max(0, (widths[at] ?? 0) - textWidth(text)));
        return at < left || head[at] === '' ? text + room : room + text;
      })
      .join('  ')
      .trimEnd(),
  );
}
