/**
 * Runs of a sweep in processes of their own, for `--jobs`: the parent starts the
 * same program with `--run NAME`, which answers in lines of JSON on stdout and ends
 * when its stdin does, so that no child outlives its parent.
 */
import { spawn } from 'node:child_process';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { BackendError, isAbort, SaekitError, UsageError } from '../engine/errors.js';
import { executeRun, expandGrid, planRun, type ExecuteRun, type RunOutcome, type SweepConfig } from '../engine/sweep/index.js';

/** A line of a child's stdout. */
type Line = { readonly step: number } | { readonly outcome: RunOutcome };

/** Milliseconds between two lines about steps. */
const INTERVAL = 200;
/** How much of a child's last words is kept for the message. */
const LAST_WORDS = 2000;

/** @param config the file; @param out the sweep's folder. Both as the parent was given them */
export function childRuns(config: string, out: string): ExecuteRun {
  if ((globalThis as { Deno?: unknown }).Deno !== undefined) throw new UsageError('--jobs: Deno cannot start the program again with the same permissions', { hint: 'Leave --jobs out, or run it in Node.' });
  return (run, { signal, onStep }) =>
    new Promise<RunOutcome>((resolve, reject) => {
      const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', 'sweep', config, '--out', out, '--run', run.name], { stdio: ['pipe', 'pipe', 'pipe'] });
      let outcome: RunOutcome | null = null;
      let words = '';
      const stop = (): void => void child.stdin.end();
      signal?.addEventListener('abort', stop, { once: true });
      if (signal?.aborted === true) stop();
      child.stdin.on('error', () => undefined);
      child.stderr.setEncoding('utf8');
      child.stderr.on('data', (text: string) => (words = (words + text).slice(-LAST_WORDS)));
      const lines = createInterface({ input: child.stdout });
      lines.on('line', (text) => {
        const line = parseLine(text);
        if (line === null) words = `${words}${text}\n`.slice(-LAST_WORDS);
        else if ('step' in line) onStep?.(line.step);
        else outcome = line.outcome;
      });
      child.on('error', (cause) => reject(new BackendError(`cannot start a process (${cause.message})`, { cause, hint: 'Run with --jobs 1.' })));
      // `close` comes when stdout has been read to its end, `exit` may come before.
      child.on('close', (status, by) => {
        signal?.removeEventListener('abort', stop);
        if (outcome !== null) resolve(outcome);
        else if (signal?.aborted === true) resolve({ status: 'stopped', message: null, figures: null });
        else reject(new BackendError(`its process ended ${by === null ? `with status ${status}` : `by ${by}`} and said: ${words.trim() === '' ? 'nothing' : words.trim()}`));
      });
    });
}

/** The child's side: one run, told on stdout. Never throws for what the run does. */
export async function answerParent({ config, out, run: name, signal }: { readonly config: SweepConfig; readonly out: string; readonly run: string; readonly signal: AbortSignal }): Promise<void> {
  const run = expandGrid(config).find((one) => one.name === name);
  if (run === undefined) throw new UsageError(`--run ${name}: there is no such run`, { hint: 'Leave --run out: it is for the processes of --jobs.' });
  const orphaned = new AbortController();
  process.stdin.on('end', () => orphaned.abort()).on('error', () => orphaned.abort());
  process.stdin.resume();
  const either = AbortSignal.any([signal, orphaned.signal]);
  const say = (line: Line): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  let last = -Infinity;
  const onStep = (step: number): void => {
    if (performance.now() - last < INTERVAL) return;
    last = performance.now();
    say({ step });
  };
  let outcome: RunOutcome;
  try {
    const asked = await planRun(run, config, either);
    outcome = await executeRun({ ...run, ...asked, folder: `${out.replace(/[\\/]+$/, '')}/${name}`, backend: config.backend }, { signal: either, onStep });
  } catch (error) {
    if (isAbort(error)) outcome = { status: 'stopped', message: null, figures: null };
    else outcome = { status: 'failed', message: error instanceof SaekitError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error), figures: null };
  }
  say({ outcome });
  process.stdin.destroy();
}

function parseLine(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Partial<{ step: number; outcome: RunOutcome }> | null;
    return line !== null && (typeof line.step === 'number' || typeof line.outcome === 'object') ? (line as Line) : null;
  } catch {
    return null;
  }
}
