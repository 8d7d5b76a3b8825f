/** Progress of a training run on stderr: one line that is rewritten on a terminal, else a line at every checkpoint; nothing when quiet. */
import process from 'node:process';
import type { ProgressEvent } from '../engine/run/progress.js';
import type { StepMetrics, TrainEvent } from '../engine/train/events.js';
import type { Recipe } from '../engine/train/recipe.js';
import { progressDisplay, type ProgressStream } from './progress.js';
import { duration, figure, thousands } from './text.js';

export interface TrainDisplay {
  /** While the activations are read. */
  reading(event: ProgressEvent): void;
  hear(event: TrainEvent, recipe: Recipe): void;
  line(text: string): void;
  stop(): void;
}

/** Milliseconds between two states of the line. */
const INTERVAL = 200;

export function trainDisplay(quiet: boolean, stream: ProgressStream = process.stderr): TrainDisplay {
  const none = (): void => undefined;
  if (quiet) return { reading: none, hear: none, line: none, stop: none };
  const reading = progressDisplay(false, stream);
  let shown = false;
  let last = -Infinity;
  let began: { step: number; at: number } | null = null;
  const clear = (): void => {
    if (shown) stream.write('\r\x1b[K');
    shown = false;
  };
  const line = (text: string): void => {
    clear();
    stream.write(`${text}\n`);
  };
  return {
    reading: (event) => reading.update(event),
    line,
    hear(event, recipe) {
      reading.stop();
      const now = performance.now();
      if (event.type === 'start') {
        began = { step: event.step, at: now };
        line(`training on ${event.backend}${event.step > 0 ? `, from step ${thousands(event.step)}` : ''}`);
      } else if (event.type === 'metrics' && stream.isTTY && now - last >= INTERVAL) {
        last = now;
        const text = stepText(event.metrics, recipe, began, now);
        stream.write(`\r${text.slice(0, Math.max(20, (stream.columns || 80) - 1))}\x1b[K`);
        shown = true;
      } else if (event.type === 'checkpoint') {
        const { evaluation } = event;
        line(`step ${thousands(event.step).padStart(7)}${evaluation === null ? '' : `   FVU ${figure(evaluation.fvu)}   L0 ${figure(evaluation.l0)}   dead ${thousands(evaluation.classes.dead)}   below 1e-4 ${thousands(evaluation.below_1e_4)}`}   saved`);
      } else if (event.type === 'resampled') {
        line(`step ${thousands(event.step).padStart(7)}   ${thousands(event.features.length)} features resampled${event.spared.length > 0 ? `, ${thousands(event.spared.length)} left alone` : ''}`);
      }
    },
    stop() {
      reading.stop();
      clear();
    },
  };
}

function stepText(metrics: StepMetrics, { steps }: Recipe, began: { step: number; at: number } | null, now: number): string {
  const done = metrics.step - (began?.step ?? 0);
  const left = began === null || done === 0 ? '' : `   ${duration((((now - began.at) / done) * (steps - metrics.step)) / 1000)} left`;
  return `step ${thousands(metrics.step)} of ${thousands(steps)}   loss ${figure(metrics.loss)}   FVU ${figure(metrics.fvu)}   L0 ${figure(metrics.l0)}   dead ${thousands(metrics.dead)}${left}`;
}
