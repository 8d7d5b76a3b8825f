/**
 * Progress on stderr: a bar on a terminal, a line every ten per cent otherwise,
 * nothing when quiet. Never on stdout, which belongs to the result.
 */
import process from 'node:process';
import cliProgress from 'cli-progress';
import type { ProgressEvent } from '../plugins/index.js';
import { duration, thousands } from './text.js';

export interface ProgressDisplay {
  update(event: ProgressEvent): void;
  /** Prints a line above the bar. */
  line(text: string): void;
  /** Takes the bar away. May be called more than once. */
  stop(): void;
}

/** Where it is shown: stderr, or what stands for it in a test. */
export type ProgressStream = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>;

/** What the phases of a run are called. */
const PHASES: Readonly<Record<string, string>> = { load: 'loading', run: 'analysing', encode: 'encoding', finish: 'finishing', write: 'writing' };

/** Milliseconds after which a step of a phase without numbers is worth a line. */
const SLOW = 2000;

/** @param quiet no progress and no notes */
export function progressDisplay(quiet: boolean, stream: ProgressStream = process.stderr): ProgressDisplay {
  if (quiet) return { update: () => undefined, line: () => undefined, stop: () => undefined };
  return stream.isTTY ? bar(stream) : lines(stream);
}

function figures(event: ProgressEvent): { phase: string; tokens: string; rate: string; left: string } {
  return {
    phase: event.detail === undefined ? (PHASES[event.phase] ?? event.phase) : `${PHASES[event.phase] ?? event.phase}: ${event.detail}`,
    tokens: `${thousands(event.tokens)} tokens`,
    rate: event.tokensPerSecond > 0 ? `${thousands(Math.round(event.tokensPerSecond))} tok/s` : '',
    left: event.etaSeconds === null || event.etaSeconds === 0 ? '' : `${duration(event.etaSeconds)} left`,
  };
}

function bar(stream: ProgressStream): ProgressDisplay {
  // A bar of several, of which there is one: only those let a line be printed above them.
  const bars = new cliProgress.MultiBar(
    {
      format: '{phase} {bar} {percentage} %  {tokens}  {rate}  {left}',
      barsize: Math.max(10, Math.min(40, (stream.columns || 80) - 62)),
      stream: stream as NodeJS.WriteStream,
      hideCursor: true,
      clearOnComplete: true,
      forceRedraw: true,
      gracefulExit: false,
    },
    cliProgress.Presets.shades_classic,
  );
  let shown: ReturnType<typeof bars.create> | null = null;
  /** A phase without numbers is a line, whose place the bar takes. */
  let waiting = false;
  const clear = (): void => {
    if (waiting) stream.write('\r\x1b[K');
    waiting = false;
  };
  // A second Ctrl-C ends the process wherever it is: the terminal must get its cursor and its line breaks back.
  const restore = (): void => void (shown !== null && stream.write('\x1b[?25h\x1b[?7h\n'));
  process.once('exit', restore);
  return {
    update(event) {
      const payload = figures(event);
      if (shown !== null) {
        if (event.totalContexts > 0) shown.setTotal(event.totalContexts);
        shown.update(event.contexts, payload);
      } else if (event.totalContexts > 0) {
        clear();
        shown = bars.create(event.totalContexts, event.contexts, payload);
      } else {
        clear();
        waiting = true;
        stream.write(`${payload.phase} …`);
      }
    },
    line(text) {
      if (shown !== null) return bars.log(`${text}\n`);
      clear();
      stream.write(`${text}\n`);
    },
    stop() {
      if (shown !== null) {
        // Lines that were not printed yet.
        bars.update();
        bars.stop();
      }
      clear();
      shown = null;
      process.off('exit', restore);
    },
  };
}

function lines(stream: ProgressStream): ProgressDisplay {
  const line = (text: string): void => void stream.write(`${text}\n`);
  let next = 0;
  let phase: string | null = null;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  return {
    update(event) {
      const { phase: name, tokens, rate, left } = figures(event);
      const changed = event.phase !== phase;
      phase = event.phase;
      if (event.totalContexts === 0 || event.phase === 'finish' || event.phase === 'write') {
        clearTimeout(waiting);
        // Most analyses finish at once: one that does not is named.
        if (changed) line(`${PHASES[event.phase] ?? event.phase} …`);
        if (event.detail !== undefined) waiting = setTimeout(line, SLOW, `${name} …`).unref();
        return;
      }
      if (changed) next = 10;
      const percent = (100 * event.contexts) / event.totalContexts;
      if (percent < next) return;
      next = Math.floor(percent / 10) * 10 + 10;
      line([`${name} ${percent.toFixed(0).padStart(3)} %`, tokens, rate, left].filter((part) => part !== '').join('  '));
    },
    line,
    stop: () => clearTimeout(waiting),
  };
}
