/** Writing results: one JSON object, or lines for people. */
import process from 'node:process';

/** The only write to stdout of a `--json` run. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Colour only for a terminal, and never against NO_COLOR (no-color.org). */
export function wantsColour(flag: boolean | undefined): boolean {
  if (flag !== undefined) return flag;
  return process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined && process.env['TERM'] !== 'dumb';
}

/** An AbortSignal that fires on Ctrl-C or a polite kill, so that a run can clean up after itself. A second Ctrl-C ends at once. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(1);
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}
