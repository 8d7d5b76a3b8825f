/** Writing results: one JSON object, or lines for people. And what the surroundings say about how. */
import process from 'node:process';

/**
 * The only write to stdout of a `--json` run. `<` is escaped, so that the object
 * can be put into a page's `<script type="application/json">` whatever the tokens are.
 */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value).replaceAll('<', '\\u003c')}\n`);
}

/** A result for people. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** A variable of the environment; undefined too where Deno may not look, which is no reason to ask. */
export function environmentVariable(name: string): string | undefined {
  const { Deno } = globalThis as { Deno?: { permissions: { querySync(what: { name: 'env'; variable: string }): { state: string } } } };
  if (Deno !== undefined && Deno.permissions.querySync({ name: 'env', variable: name }).state !== 'granted') return undefined;
  return process.env[name];
}

/** Colour only for a terminal, and never against NO_COLOR (no-color.org: set and not empty). */
export function wantsColour(flag: boolean | undefined): boolean {
  if (flag !== undefined) return flag;
  return process.stdout.isTTY === true && !environmentVariable('NO_COLOR') && environmentVariable('TERM') !== 'dumb';
}

/** Columns of the terminal, at most 120; 100 where the output goes elsewhere. */
export function terminalWidth(): number {
  return Math.max(40, Math.min(process.stdout.columns || 100, 120));
}

/** Milliseconds in which a signal that comes again is the same keypress: a terminal sends it to npm and to us, and npm passes it on. */
const SAME_KEYPRESS = 500;

/**
 * An AbortSignal that fires on Ctrl-C, a polite kill, or when the terminal is
 * closed, so that a run can clean up after itself. A second Ctrl-C ends at once.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  const stop = (): void => {
    if (!controller.signal.aborted) {
      first = Date.now();
      controller.abort();
    } else if (Date.now() - first > SAME_KEYPRESS) process.exit(1);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  return controller.signal;
}

/** Whoever reads our output may stop reading (`| head`): that is no error, and nothing is left to do. */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
}
