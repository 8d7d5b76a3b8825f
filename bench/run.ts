/**
 * `npm run bench`: runs the suites where they run, prints a table, and writes
 * JSON on request. Status 1 when a peer's result is not ours, or a suite fails;
 * a slow result is a result.
 */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { messageOf } from './contest.js';
import type { Runtime } from './host.js';
import { nodeHost } from './host-node.js';
import { installPeers } from './install.js';
import { describeMachine, startLoad } from './machine.js';
import { type BenchOptions, readOptions, RUNTIMES, Usage } from './options.js';
import { compare } from './measure.js';
import { type BenchResult, problems, type Row } from './rows.js';
import { runInChromium, runInDeno } from './runtimes.js';
import { runAnalyze } from './suites/analyze-node.js';
import { ANALYZE, suites } from './suites/index.js';
import { markdown, table } from './table.js';
import { verdicts, verdictText } from './targets.js';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Runs suites; a runtime that fails is told and counted, and the others go on. */
export async function bench({ suites: names, runtime, quick }: BenchOptions, tell = say): Promise<BenchResult & { failures: string[] }> {
  const load = startLoad();
  const rows: Row[] = [];
  const runtimes: string[] = [];
  const failures: string[] = [];
  let adapter: string | null = null;
  const attempt = async (what: string, body: () => Promise<void>): Promise<void> => {
    try {
      await body();
    } catch (error) {
      failures.push(`${what}: ${messageOf(error)}`);
      tell(`FAILED ${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  };
  const wanted = RUNTIMES.filter((each) => runtime === null || each === runtime);
  for (const where of wanted) {
    const here = suites.filter((suite) => names.includes(suite.name) && (runtime === null ? suite.byDefault : suite.runtimes).includes(where));
    if (here.length > 0) {
      tell(`${where}: ${here.map(({ name }) => name).join(', ')}`);
      if (where === 'node') {
        const host = nodeHost(new URL('..', import.meta.url).href, tell);
        runtimes.push(host.description);
        for (const suite of here) await attempt(`${suite.name} in ${where}`, async () => void rows.push(...(await suite.run(host, { quick }))));
      } else {
        await attempt(where, async () => {
          const list = here.map(({ name }) => name);
          const result = await (where === 'deno' ? runInDeno(list, quick) : runInChromium(list, quick, tell));
          rows.push(...result.rows);
          runtimes.push(result.description);
          adapter = [adapter, result.adapter].filter((name, at, all) => name !== null && all.indexOf(name) === at).join('; ') || null;
        });
      }
    }
    if (where === 'node' && names.includes(ANALYZE.name)) {
      if (runtimes.length === 0) runtimes.push(`Node ${process.versions.node}`);
      await attempt(ANALYZE.name, async () => void rows.push(...(await runAnalyze(tell, { quick }))));
    }
  }
  rows.push(...acrossRuntimes(rows));
  return { machine: describeMachine(runtimes.length === 0 ? [`Node ${process.versions.node}`] : runtimes, adapter, load), rows, failures };
}

/** Our own encode in other runtimes against Node's: medians of two processes that ran one after the other. */
function acrossRuntimes(rows: readonly Row[]): Row[] {
  const found = new Map<string, Row>();
  for (const row of rows) if (row.suite === 'encode' && row.subject === 'saekit wasm, 1 thread' && !found.has(row.case)) found.set(row.case, row);
  const across: Row[] = [];
  for (const [name, row] of found) {
    const [where, ...shape] = name.split(' ');
    const node = found.get(['node', ...shape].join(' '));
    if (where === 'node' || node === undefined) continue;
    const timing = (of: Row, runtime: string) => ({ name: `${of.subject}, ${runtime as Runtime}`, note: '', times: [of.subject_median_s], median: of.subject_median_s });
    across.push({ ...compare('encode', `${where} and node ${shape.join(' ')}`, timing(row, where ?? ''), timing(node, 'node'), 'medians of two processes, one after the other'), runs: Math.min(row.runs, node.runs) });
  }
  return across;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (typeof options === 'string') {
    process.stdout.write(`${options}\n`);
    return 0;
  }
  installPeers(say);
  const { failures, ...result } = await bench(options);
  const titles = new Map([...suites, ANALYZE].map(({ name, title }) => [name, title]));
  const { machine, rows } = result;
  process.stdout.write(`${machine.description}; ${machine.runtimes.join(', ')}${machine.adapter === null ? '' : `; ${machine.adapter}`}${machine.load === null ? '' : `; load ${machine.load.join(' to ')}`}\n\n`);
  process.stdout.write(`${options.markdown ? [...new Set(rows.map(({ suite }) => suite))].map((suite) => `${suite}\n\n${markdown(rows.filter((row) => row.suite === suite))}\n`).join('\n') : table(rows, titles)}\n`);
  // Small shapes are not what the targets are about.
  const told = options.quick ? '' : verdictText(verdicts(rows));
  if (told !== '') process.stdout.write(`\ntargets\n${told}\n`);
  if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(result, null, 1)}\n`);
  for (const problem of problems(result)) failures.push(`a defect of the bench: ${problem}`);
  for (const failure of failures) say(`failed: ${failure}`);
  if (rows.length === 0) say('no row was measured');
  return failures.length > 0 || rows.length === 0 ? 1 : 0;
}

let status: number;
try {
  status = await main();
} catch (error) {
  if (!(error instanceof Usage)) throw error;
  say(`bench: ${error.message}`);
  status = 2;
}
// Threads of peers may hold the process.
process.exit(status);
