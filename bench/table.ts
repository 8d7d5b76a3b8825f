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

/** `onnxruntime-web 1.30.0 wasm, matmul + TopK, 2 threads` is onnxruntime-web in a column's head. */
function shortName(name: string): string {
  return (name.split(',')[0] ?? name).replace(/ \d[\w.]*/g, '').replace(/ \(.*\)/, '');
}

/**
 * A suite as a Markdown table for a page: one line a case and way of ours, one
 * column a peer, ratios in the cells. Of several ways of one peer its fastest.
 */
export function markdown(rows: readonly Row[]): string {
  const peers = [...new Set(rows.map((row) => shortName(row.peer)))];
  const lines = new Map<string, { first: Row; cells: Map<string, Row> }>();
  for (const row of rows) {
    const key = `${row.case}\n${row.subject}`;
    const line = lines.get(key) ?? { first: row, cells: new Map<string, Row>() };
    const column = shortName(row.peer);
    const before = line.cells.get(column);
    if (before === undefined || row.ratio < before.ratio) line.cells.set(column, row);
    lines.set(key, line);
  }
  const body = [...lines.values()].map(({ first, cells: own }) => {
    const entries = peers.map((peer) => {
      const row = own.get(peer);
      return row === undefined ? '–' : `${row.ratio.toFixed(2)}x ± ${Math.round(50 * row.spread)} %`;
    });
    return `| ${[first.case, first.subject, time(first.subject_median_s), ...entries].join(' | ')} |`;
  });
  return [`| ${['case', 'way', 'median', ...peers].join(' | ')} |`, `|---|---|${'---:|'.repeat(peers.length + 1)}`, ...body].join('\n');
}
