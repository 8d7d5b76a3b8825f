/**
 * `npm run bench:figures -- FILE...`: puts the figures of result files (`npm run
 * bench -- --json FILE`) into docs/benchmarks.md, between its two marks, so that
 * no figure there was typed. Of a suite in several files the last one counts.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { ANALYZE, suites } from './suites/index.js';
import { type BenchResult, problems } from './rows.js';
import { markdown } from './table.js';
import { verdicts } from './targets.js';

const PAGE = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url));
const BEGIN = '<!-- figures: written by bench/figures.ts -->';
const END = '<!-- /figures -->';

/** The page's middle part. Pure. */
export function figures(results: readonly BenchResult[]): string {
  const bySuite = new Map<string, BenchResult>();
  for (const result of results) for (const { suite } of result.rows) bySuite.set(suite, result);
  const rowsOf = (suite: string): BenchResult['rows'] => bySuite.get(suite)?.rows.filter((row) => row.suite === suite) ?? [];
  const all = [...bySuite.keys()].flatMap((suite) => [...rowsOf(suite)]);
  const lines = ['## Targets', '', 'The smallest ratio of the rows that a target is about. A figure that is not reached stands here like one that is.', '', '| target | wanted | measured | |', '|---|---:|---:|---|'];
  for (const { target, ratio, row, reached } of verdicts(all)) {
    lines.push(`| ${target.what} | ${target.want}x | ${ratio === null ? '–' : `${ratio.toFixed(2)}x`} | ${reached === null ? 'not measured' : `${reached ? 'reached' : '**not reached**'} (${row?.case}; ${row?.peer})`} |`);
  }
  lines.push('', '## Figures', '', 'Each cell is peer ÷ saekit and its spread; of several ways of one peer the fastest.');
  for (const { name, title } of [...suites, ANALYZE]) {
    const result = bySuite.get(name);
    if (result === undefined) continue;
    const { description, runtimes, adapter, load, date } = result.machine;
    const loads = load === null ? '' : `; load average ${load.join(' to ')}`;
    lines.push('', `### ${name}: ${title}`, '', `${description}; ${runtimes.join(', ')}${adapter === null ? '' : `; ${adapter}`}${loads}; ${date.slice(0, 10)}.`, '', markdown(rowsOf(name)));
    const notes = name === ANALYZE.name ? rowsOf(name).map((row) => `- ${row.case}: ${row.note}`) : [];
    if (notes.length > 0) lines.push('', ...notes);
  }
  return lines.join('\n');
}

/** The page with its middle part replaced. @throws Error where the marks are not there */
export function replaceFigures(page: string, text: string): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`docs/benchmarks.md lacks its marks, ${BEGIN} and ${END}`);
  return `${page.slice(0, from + BEGIN.length)}\n${text}\n${page.slice(to)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const results = process.argv.slice(2).map((file) => {
    const result = JSON.parse(readFileSync(file, 'utf8')) as BenchResult;
    for (const problem of problems(result)) throw new Error(`${file}: ${problem}`);
    return result;
  });
  if (results.length === 0) throw new Error('npm run bench:figures -- FILE..., files that `npm run bench -- --json FILE` wrote');
  writeFileSync(PAGE, replaceFigures(readFileSync(PAGE, 'utf8'), figures(results)));
}
