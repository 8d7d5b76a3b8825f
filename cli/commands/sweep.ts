/** `saekit sweep`: a grid of training runs in, a table, a frontier and a folder for each run out. */
import { Command, Option } from 'commander';
import { SaekitError, UsageError } from '../../engine/errors.js';
import { EVALUATED_ROWS, executeRun, parseSweep, planRun, readSweep, runSweep, type SweepConfig, type SweepEvent, type SweepRow, type SweepTable } from '../../engine/sweep/index.js';
import { readJson } from '../../engine/sweep/folder-node.js';
import { whole } from '../options.js';
import { print, printJson, stopSignal, terminalWidth } from '../output.js';
import { progressDisplay, type ProgressDisplay } from '../progress.js';
import { answerParent, childRuns } from '../sweep-jobs.js';
import { sweepText } from '../sweep-text.js';
import { duration, plural } from '../text.js';

interface SweepFlags {
  readonly out?: string;
  readonly only?: string;
  readonly maxRuns?: number;
  readonly jobs: number;
  readonly summary?: string;
  readonly run?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export function sweepCommand(): Command {
  return new Command('sweep')
    .description('Train a grid of SAEs and print one table, with what else moved beside what was swept.')
    .argument('[config]', 'JSON file: name, data, base (recipe knobs), grid, evaluate')
    .option('--out <dir>', "the sweep's folder (default: the config's out); what is done in it is skipped, what was interrupted goes on")
    .option('--only <filter>', 'only runs with these values: KEY=VALUE, joined by commas, e.g. rho=0.3,seed=0')
    .option('--max-runs <n>', 'stop after so many runs; the same command goes on', whole(1))
    .option('--jobs <n>', 'runs at a time, a process each', whole(1, 256), 1)
    .option('--summary <dir>', "print a sweep's table again; nothing is run")
    .addOption(new Option('--run <name>', 'one run, for the process that started this one').hideHelp())
    .option('--json', 'print one JSON object on stdout and nothing else')
    .option('--quiet', 'no progress and no notes')
    .addHelpText(
      'after',
      `
Examples:
  saekit sweep examples/sweeps/tiny.json --out runs/tiny
  saekit sweep examples/sweeps/spiked.json --jobs 4 --only seed=0
  saekit sweep --summary runs/spiked

A config:
  { "name": "b_dec", "data": { "kind": "spiked", "d": 64, "features": 256, "active": 4 },
    "base": { "arch": "topk", "d_sae": 256, "k": 8, "steps": 2000 },
    "grid": { "data.rho": [0, 0.3], "b_dec": ["zero", "mean"], "seed": [0, 1, 2] },
    "evaluate": { "rows": ${EVALUATED_ROWS} } }
Runs are the product of the grid's lists, the last key fastest. Grid keys are recipe
knobs (\`saekit train --help\`) and data.SETTING. data is a generator (\`saekit generate --help\`),
or { "acts": "x.npy" }, or { "model", "tokens", "hook" } as \`saekit train\` takes them.

Written: DIR/sweep.json, DIR/sweep.csv and DIR/frontier.svg after every run; DIR/RUN/ for each run.
With --json: {name, out, keys, rows:[{run, settings, status, message, figures}], confounds, runs, failed, seconds}`,
    )
    .action((config: string | undefined, flags: SweepFlags) => run(config, flags));
}

async function run(file: string | undefined, flags: SweepFlags): Promise<void> {
  const { json, quiet = false, summary } = flags;
  if (summary !== undefined) {
    if (file !== undefined) throw new UsageError('--summary prints a sweep that is there; it takes no config', { hint: `saekit sweep --summary ${summary}` });
    return tell(await readSweep(summary), summary, json, null);
  }
  if (file === undefined) throw new UsageError('sweep: a config file is missing', { hint: 'For example: saekit sweep examples/sweeps/tiny.json --out runs/tiny' });
  const config = await readConfig(file);
  const out = flags.out ?? config.out;
  if (out === null) throw new UsageError(`${file}: says no out folder, and there is no --out`, { hint: 'Say where the runs go: --out DIR.' });
  const signal = stopSignal();
  if (flags.run !== undefined) return answerParent({ config, out, run: flags.run, signal });
  const started = performance.now();
  const display = progressDisplay(quiet);
  let table: SweepTable;
  try {
    table = await runSweep({
      config,
      out,
      plan: planRun,
      execute: flags.jobs === 1 ? executeRun : childRuns(file, out),
      jobs: flags.jobs,
      only: flags.only,
      maxRuns: flags.maxRuns,
      signal,
      onEvent: (event) => show(event, display),
    });
  } finally {
    display.stop();
  }
  tell(table, out, json, (performance.now() - started) / 1000);
  const waiting = table.rows.filter(({ status }) => status === 'waiting' || status === 'stopped').length;
  if (signal.aborted) throw new SaekitError(`stopped; ${plural(waiting, 'run')} of ${table.rows.length} not done`, { hint: 'The same command goes on from here.' });
  const failed = table.rows.filter(({ status }) => status === 'failed');
  if (failed.length > 0) throw new SaekitError(`${plural(failed.length, 'run')} of ${table.rows.length} failed: ${failed.map(({ run: name }) => name).join(', ')}`, { hint: 'The same command tries them again.' });
}

async function readConfig(file: string): Promise<SweepConfig> {
  const json = await readJson(file);
  if (json === null) throw new UsageError(`${file}: there is no such file`, { hint: 'A sweep is described by a JSON file; `saekit sweep --help` shows one.' });
  return parseSweep(json, file);
}

function tell(table: SweepTable, out: string, json: boolean | undefined, seconds: number | null): void {
  if (json === true) {
    const { name, keys, rows, confounds } = table;
    printJson({ name, out, keys, rows, confounds, runs: rows.length, failed: rows.filter(({ status }) => status === 'failed').length, ...(seconds === null ? {} : { seconds }) });
    return;
  }
  print(sweepText(table, terminalWidth()));
  print(`\n${out.replace(/\/+$/, '')}/sweep.csv, sweep.json, frontier.svg${seconds === null ? '' : `; ${duration(seconds)}`}`);
}

function show(event: SweepEvent, display: ProgressDisplay): void {
  if (event.type === 'plan') {
    if (event.skipped > 0) display.line(`${plural(event.skipped, 'run')} of ${event.runs} already done`);
  } else if (event.type === 'progress') {
    const { done, of, rows, seconds, etaSeconds } = event;
    display.update({ phase: 'sweeping', contexts: done, totalContexts: of, tokens: rows, seconds, tokensPerSecond: seconds > 0 ? rows / seconds : 0, etaSeconds });
  } else if (event.type === 'end') display.line(ended(event.row));
}

function ended({ run: name, status, message, figures }: SweepRow): string {
  if (figures === null) return `${name}: ${status}${message === null ? '' : `: ${message.split('\n', 1)[0]}`}`;
  return `${name}: L0 ${figures.l0.toPrecision(3)}, EV ${figures.ev.toFixed(3)}, dead ${(100 * figures.dead).toFixed(1)} %, ${duration(figures.seconds)}`;
}

