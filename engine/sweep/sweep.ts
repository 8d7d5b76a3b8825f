/**
 * Runs a sweep: every point of the grid in order, each in a folder of its own, and
 * after each the whole table. What is done is skipped, what was interrupted goes
 * on from its last state, and a run whose recipe is another one than its folder's
 * is refused before anything starts. A run that fails or diverges is a row of the
 * table; the others go on.
 *
 * How a run is carried out is the caller's to choose: `executeRun` here and now
 * (execute.ts), or a process for each (the CLI's `--jobs`).
 */
import { isAbort, SaekitError, UsageError } from '../errors.js';
import type { Recipe } from '../train/recipe.js';
import { VERSION } from '../version.js';
import { canonical, expandGrid, onlyRuns, type Json, type SweepConfig, type SweepRun } from './config.js';
import { CONFOUND_LEVEL, confoundText, findConfounds } from './confounds.js';
import type { RunAsked, RunRecord } from './folder-node.js';
import { frontierSvg } from './frontier.js';
import { sweepCsv, type RunStatus, type SweepFigures, type SweepRow } from './row.js';

/** A run of the grid with all that it needs, checked. */
export interface PlannedRun extends SweepRun, RunAsked {
  readonly recipe: Recipe;
  /** Its folder's path. */
  readonly folder: string;
  readonly backend: SweepConfig['backend'];
}

/** How a run ended. */
export interface RunOutcome {
  readonly status: Exclude<RunStatus, 'waiting'>;
  readonly message: string | null;
  readonly figures: SweepFigures | null;
}

/** Carries out one run, from its folder's state where there is one. What it throws becomes a failed row. @param onStep is told how many steps are done */
export type ExecuteRun = (run: PlannedRun, options: { readonly signal?: AbortSignal | undefined; readonly onStep?: ((step: number) => void) | undefined }) => Promise<RunOutcome>;

export type SweepEvent =
  /** `skipped` runs had come to their end before. */
  | { readonly type: 'plan'; readonly runs: number; readonly skipped: number; readonly due: number }
  | { readonly type: 'begin'; readonly run: string; readonly at: number }
  | { readonly type: 'progress'; readonly done: number; readonly of: number; readonly rows: number; readonly seconds: number; readonly etaSeconds: number | null }
  | { readonly type: 'end'; readonly row: SweepRow };

export interface SweepOptions {
  readonly config: SweepConfig;
  /** The sweep's folder. */
  readonly out: string;
  /** Only runs with these values: KEY=VALUE, joined by commas. The table keeps the others. */
  readonly only?: string | undefined;
  /** At most so many runs now. */
  readonly maxRuns?: number | undefined;
  /** How many runs at a time; `execute` has to bring its own processes for that to help. */
  readonly jobs?: number | undefined;
  readonly execute: ExecuteRun;
  /** Reads the data's width and completes a recipe: `planRun` of execute.ts. */
  readonly plan: (run: SweepRun, config: SweepConfig, signal?: AbortSignal) => Promise<RunAsked>;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: SweepEvent) => void) | undefined;
}

/** What `sweep.json` holds. */
export interface SweepTable {
  readonly saekit: string;
  readonly format: 1;
  readonly name: string;
  /** The swept knobs, in the grid's order. */
  readonly keys: readonly string[];
  readonly rows: readonly SweepRow[];
  /** |rho| from which a quantity is flagged, and what is. */
  readonly confound_level: number;
  readonly confounds: readonly (ReturnType<typeof findConfounds>[number] & { readonly text: string })[];
}

/**
 * @returns the table, also where runs failed; a stopped sweep's has `stopped` and `waiting` rows
 * @throws UsageError for a knob that there is not, a filter that no run passes, or a folder of another sweep
 */
export async function runSweep(options: SweepOptions): Promise<SweepTable> {
  const { config, out, signal, onEvent } = options;
  const all = expandGrid(config);
  const wanted = options.only === undefined ? all : onlyRuns(all, options.only);
  const { readRecord, writeJson, writeText } = await import('./folder-node.js');
  const folderOf = (run: SweepRun): string => `${out.replace(/[\\/]+$/, '')}/${run.name}`;
  const records = new Map<string, RunRecord>();
  const planned: PlannedRun[] = [];
  for (const run of all) {
    signal?.throwIfAborted();
    const asked = await named(run, () => options.plan(run, config, signal));
    const record = await readRecord(`${folderOf(run)}.json`);
    if (record !== null) {
      requireSame(asked, record, folderOf(run));
      records.set(run.name, record);
    }
    planned.push({ ...run, ...asked, folder: folderOf(run), backend: config.backend });
  }
  const rows = new Map<string, SweepRow>(planned.map((run) => [run.name, rowOf(run, records.get(run.name))]));
  const keys = Object.keys(config.grid);
  const table = (): SweepTable => sweepTable(config.name, keys, [...rows.values()]);
  const publish = async (): Promise<void> => {
    const now = table();
    await writeJson(`${out}/sweep.json`, now);
    await writeText(`${out}/sweep.csv`, sweepCsv(keys, now.rows));
    await writeText(`${out}/frontier.svg`, frontierSvg(config.name, keys, now.rows));
  };
  const names = new Set(wanted.map(({ name }) => name));
  const open = planned.filter(({ name }) => names.has(name) && !isOver(rows.get(name) as SweepRow));
  const due = open.slice(0, options.maxRuns ?? open.length);
  onEvent?.({ type: 'plan', runs: names.size, skipped: names.size - open.length, due: due.length });
  await publish();
  const meter = progress(due, onEvent);
  // One after the other: two tables at once would overwrite each other's rows.
  let publishing = Promise.resolve();
  const one = async (run: PlannedRun, at: number): Promise<void> => {
    const { name, settings, recipe, data, evaluate, folder } = run;
    const keep = (row: SweepRow): Promise<void> => writeJson(`${folder}.json`, { saekit: VERSION, format: 1, recipe, data, evaluate, ...row } satisfies RunRecord);
    onEvent?.({ type: 'begin', run: name, at });
    await keep({ run: name, settings, status: 'stopped', message: null, figures: null });
    const row: SweepRow = { run: name, settings, ...(await carryOut(options.execute, run, signal, (step) => meter.step(name, step))) };
    await keep(row);
    rows.set(name, row);
    if (row.status !== 'stopped') meter.end(run);
    publishing = publishing.then(publish);
    await publishing;
    onEvent?.({ type: 'end', row });
  };
  const queue = due.entries();
  const worker = async (): Promise<void> => {
    for (const [at, run] of queue) {
      if (signal?.aborted === true) return;
      await one(run, at);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(options.jobs ?? 1, due.length)) }, worker));
  return table();
}

/** The table with its confounds. */
export function sweepTable(name: string, keys: readonly string[], rows: readonly SweepRow[]): SweepTable {
  const confounds = findConfounds(keys, rows).map((confound) => ({ ...confound, text: confoundText(confound) }));
  return { saekit: VERSION, format: 1, name, keys, rows, confound_level: CONFOUND_LEVEL, confounds };
}

/** A sweep's table from its folder. @throws UsageError where there is none */
export async function readSweep(folder: string): Promise<SweepTable> {
  const { readJson } = await import('./folder-node.js');
  const table = (await readJson(`${folder}/sweep.json`)) as unknown as Partial<SweepTable> | null;
  if (table === null) throw new UsageError(`${folder}: holds no sweep (there is no sweep.json)`, { hint: 'Give the folder that a sweep was written to.' });
  if (table.format !== 1 || !Array.isArray(table.rows) || !Array.isArray(table.keys)) throw new UsageError(`${folder}/sweep.json: is no table of this version (format 1)`);
  return sweepTable(table.name ?? 'sweep', table.keys as readonly string[], table.rows as readonly SweepRow[]);
}

/** Done for good: a run that diverged would diverge again, one that failed may have met a full disk. */
function isOver({ status }: SweepRow): boolean {
  return status === 'done' || status === 'early-stop' || status === 'diverged';
}

function rowOf({ name, settings }: SweepRun, record: RunRecord | undefined): SweepRow {
  if (record === undefined) return { run: name, settings, status: 'waiting', message: null, figures: null };
  return { run: name, settings, status: record.status, message: record.message, figures: record.figures };
}

async function carryOut(execute: ExecuteRun, run: PlannedRun, signal: AbortSignal | undefined, onStep: (step: number) => void): Promise<RunOutcome> {
  try {
    return await execute(run, { signal, onStep });
  } catch (error) {
    if (isAbort(error)) return { status: 'stopped', message: null, figures: null };
    // A defect of ours must be told with its place; a failure made for people speaks for itself.
    const message = error instanceof SaekitError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { status: 'failed', message, figures: null };
  }
}

/** Names the run in front of what is wrong with its knobs. */
async function named<T>(run: SweepRun, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SaekitError) error.message = `run ${run.name}: ${error.message}`;
    throw error;
  }
}

function requireSame(asked: RunAsked, record: RunRecord, folder: string): void {
  const changed: string[] = [];
  for (const part of ['recipe', 'data', 'evaluate'] as const) {
    const now = asked[part] as unknown as Readonly<Record<string, Json>>;
    const then = record[part] as unknown as Readonly<Record<string, Json>>;
    for (const key of new Set([...Object.keys(then), ...Object.keys(now)])) {
      if (canonical(now[key] ?? null) === canonical(then[key] ?? null)) continue;
      changed.push(`${part === 'recipe' ? '' : `${part}.`}${key} was ${canonical(then[key] ?? null)} and is now ${canonical(now[key] ?? null)}`);
    }
  }
  if (changed.length === 0) return;
  const shown = changed.slice(0, 5).join('; ');
  throw new UsageError(`${folder}: was begun with other settings: ${shown}${changed.length > 5 ? `; and ${changed.length - 5} more` : ''}`, { hint: 'Sweep into another folder (--out), or delete this run\'s folder and its .json to begin it again.' });
}

/** Time left from the steps that were done since the sweep began, all runs together. */
function progress(due: readonly PlannedRun[], onEvent: SweepOptions['onEvent']): { step(run: string, step: number): void; end(run: PlannedRun): void } {
  const started = performance.now();
  const of = due.reduce((sum, { recipe }) => sum + recipe.steps, 0);
  const first = new Map<string, number>();
  const last = new Map<string, number>();
  const batch = new Map(due.map(({ name, recipe }) => [name, recipe.batch]));
  const tell = (): void => {
    let done = 0;
    let fresh = 0;
    let rows = 0;
    for (const [run, step] of last) {
      const own = step - (first.get(run) ?? step);
      done += step;
      fresh += own;
      rows += own * (batch.get(run) ?? 0);
    }
    const seconds = (performance.now() - started) / 1000;
    onEvent?.({ type: 'progress', done, of, rows, seconds, etaSeconds: fresh > 0 ? ((of - done) * seconds) / fresh : null });
  };
  return {
    step(run, step) {
      // A run that goes on began before this sweep did.
      if (!first.has(run)) first.set(run, Math.max(0, step - 1));
      last.set(run, step);
      tell();
    },
    end({ name, recipe }) {
      // Whatever its steps were, it has none left; those that were not made took no time either.
      const skipped = recipe.steps - (last.get(name) ?? 0);
      first.set(name, (first.get(name) ?? 0) + skipped);
      last.set(name, recipe.steps);
      tell();
    },
  };
}
