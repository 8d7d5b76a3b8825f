/**
 * Progress on stderr: a bar on a terminal, a line every ten per cent otherwise,
 * nothing when quiet. Never on stdout, which belongs to the result.
 */
import process from 'node:process';
import cliProgress from 'cli-progress';
import { duration, thousands } from './text.js';

export interface ProgressEvent {
  readonly phase: string;
  readonly contexts: number;
  readonly totalContexts: number;
  readonly tokens: number;
  readonly tokensPerSecond: number;
  readonly etaSeconds: number | null;
}

export interface ProgressDisplay {
  update(event: ProgressEvent): void;
  /** Prints a line above the bar. */
  line(text: string): void;
  stop(): void;
}

export function progressDisplay(quiet: boolean): ProgressDisplay {
  const line = (text: string): void => void process.stderr.write(`${text}\n`);
  if (quiet) return { update: () => {}, line, stop: () => {} };
  return process.stderr.isTTY ? bar(line) : lines(line);
}

function bar(line: (text: string) => void): ProgressDisplay {
  const display = new cliProgress.SingleBar(
    { format: '{phase} [{bar}] {percentage}%  {tokens} tokens  {rate} tok/s  {eta_text}', stream: process.stderr, hideCursor: true, clearOnComplete: true, gracefulExit: false },
    cliProgress.Presets.shades_classic,
  );
  let started = false;
  return {
    update(event) {
      const payload = {
        phase: event.phase.padEnd(8),
        tokens: thousands(event.tokens),
        rate: thousands(Math.round(event.tokensPerSecond)),
        eta_text: event.etaSeconds === null ? '' : `${duration(event.etaSeconds)} left`,
      };
      if (!started) display.start(Math.max(1, event.totalContexts), event.contexts, payload);
      else display.update(event.contexts, payload);
      started = true;
    },
    line(text) {
      if (started) process.stderr.write('\r\x1b[K');
      line(text);
    },
    stop() {
      if (started) display.stop();
      started = false;
    },
  };
}

function lines(line: (text: string) => void): ProgressDisplay {
  let next = 0;
  let phase = '';
  return {
    update(event) {
      if (event.phase !== phase) {
        phase = event.phase;
        next = 0;
      }
      const percent = (100 * event.contexts) / Math.max(1, event.totalContexts);
      if (percent < next) return;
      next = Math.floor(percent / 10) * 10 + 10;
      line(`${phase} ${percent.toFixed(0)} %  ${thousands(event.tokens)} tokens  ${thousands(Math.round(event.tokensPerSecond))} tok/s`);
    },
    line,
    stop: () => {},
  };
}
