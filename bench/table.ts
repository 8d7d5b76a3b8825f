/** The table that people read: one block a suite, a line a row, numbers in columns. */
import type { Row } from './rows.js';

/** A time with the unit that suits it. */
export function time(seconds: number): string {
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  if (seconds >= 1e-3) return `${(1e3 * seconds).toFixed(seconds >= 0.1 ? 0 : 2)} ms`;
  if (seconds >= 1e-6) return `${(1e6 * seconds).toFixed(seconds >= 1e-4 ? 0 : 2)} µs`;
  return `${(1e9 * seconds).toPrecision(3)} ns`;
}

const COLUMNS = ['case', 'saekit', 'peer', 'saekit', 'peer', 'ratio', 'spread', 'runs'] as const;

function cells(row: Row): string[] {
  return [row.case, row.subject, row.peer, time(row.subject_median_s), time(row.peer_median_s), `${row.ratio.toFixed(2)}x`, `${Math.round(100 * row.spread)} %`, String(row.runs)];
}

/** @param titles what each suite is called */
export function table(rows: readonly Row[], titles: ReadonlyMap<string, string>): string {
  const lines: string[] = [];
  for (const suite of new Set(rows.map((row) => row.suite))) {
    const own = rows.filter((row) => row.suite === suite);
    const body = own.map(cells);
    const widths = COLUMNS.map((title, at) => Math.max(title.length, ...body.map((row) => (row[at] ?? '').length)));
    const line = (row: readonly string[]): string => row.map((cell, at) => (at < 3 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ');
    lines.push('', `${suite}: ${titles.get(suite) ?? ''}`, line(COLUMNS));
    body.forEach((row, at) => lines.push(`${line(row)}  ${own[at]?.note ?? ''}`.trimEnd()));
  }
  return lines.join('\n').trimStart();
}

/** The same as Markdown, without notes, for docs/benchmarks.md. */
export function markdown(rows: readonly Row[]): string {
  const head = `| ${COLUMNS.join(' | ')} |\n|${COLUMNS.map((_, at) => (at < 3 ? '---|' : '---:|')).join('')}`;
  return [head, ...rows.map((row) => `| ${cells(row).join(' | ')} |`)].join('\n');
}
