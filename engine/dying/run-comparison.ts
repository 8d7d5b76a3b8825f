/**
 * Figures of several training runs by one measure, so that they can be compared: the same
 * held-out rows, the same classes, the same cohorts. What is compared is between runs that differ in
 * one knob (b_dec, the optimiser, l1, deflation, noise, top-k) or in the data they were trained on.
 */
import { Pace } from '../pace.js';
import { FEATURE_CLASSES, type FeatureClass } from '../pack/schema.js';
import type { RunReader } from '../train/run-reader.js';
import { classOf } from '../statistics.js';
import { cohortsOf } from './cohorts.js';
import { evolutionOf } from './evolution.js';
import type { RunFigures } from './evolution-report.js';
import { encoderRowsOf } from './frames.js';
import { quartiles, rareDirections } from './rare-direction.js';
import { RARE_EDGE, readRunFrames, type FramesOptions, type HeldRows, type RunFrames } from './run-frames.js';

export type { RunFigures };

export interface CompareOptions extends Omit<FramesOptions, 'onFrame' | 'kept' | 'held'> {
  /** Held-out rows; where a run's activations are of another kind, that run's own. */
  readonly held: HeldRows | ((run: RunReader) => HeldRows | Promise<HeldRows>);
  /** As evolution.ts. */
  readonly slopeFeatures?: number | undefined;
  readonly seed?: number | undefined;
  readonly onRun?: ((done: number, of: number) => void) | undefined;
}

/** One run after the other. @throws what a run's folder or its SAEs throw */
export async function compareRuns(runs: readonly { readonly name: string; readonly run: RunReader }[], options: CompareOptions): Promise<RunFigures[]> {
  const figures: RunFigures[] = [];
  for (const [at, { name, run }] of runs.entries()) {
    figures.push(await runFigures(name, run, options));
    options.onRun?.(at + 1, runs.length);
  }
  return figures;
}

/** @param frames those of the run, where they were read already with the same rows */
export async function runFigures(name: string, run: RunReader, options: CompareOptions, frames?: RunFrames): Promise<RunFigures> {
  const { edge = RARE_EDGE, signal } = options;
  const held = typeof options.held === 'function' ? await options.held(run) : options.held;
  const all = frames ?? (await readRunFrames(run, { ...options, held, kept: 1 }));
  const sae = all.last;
  const { report: evolution } = await evolutionOf(all, { ...options, held, run: run.name, status: run.record.status, recipe: run.record.recipe, cohorts: cohortsOf(run.record, sae.d_sae) });
  const last = all.frames.at(-1)!;
  const d = sae.d_in;
  const encoder = await encoderRowsOf(sae, Uint32Array.from({ length: sae.d_sae }, (_, i) => i), signal);
  const groups = rareDirections({ d, encoder, decoder: sae.W_dec, bias: last.bias, b_dec: sae.applyBDecToInput ? last.b_dec : new Float32Array(d), mean: all.mean, counts: last.counts, tokens: last.rows, edge });
  const classes = Object.fromEntries(FEATURE_CLASSES.map((one) => [one, 0])) as Record<FeatureClass, number>;
  for (const count of last.counts) classes[classOf(count, last.rows)]++;
  const medians = (values: Float32Array): RunFigures['effective_bias'] => {
    const of = (holds: (count: number) => boolean): number | null => quartiles(Array.from(values).filter((_, i) => holds(last.counts[i]!)))?.median ?? null;
    return { rare: of((count) => count > 0 && count < edge * last.rows), dead: of((count) => count === 0), live: of((count) => count >= edge * last.rows) };
  };
  const checkpoint = run.record.checkpoints.find(({ step }) => step === last.step);
  return {
    name,
    evolution,
    classes,
    groups,
    effective_bias: medians(last.effective_bias),
    encoder_norm: medians(last.encoder_norm),
    rare_direction: unitColumn(all.rare_column.at(-1) ?? null),
    mean: Array.from(all.mean),
    b_dec: Array.from(last.b_dec),
    gamma: evolution.mean_distance.at(-1)! / (await spreadOf(held, all.mean, signal)),
    l0: checkpoint?.l0 ?? null,
    fvu: checkpoint?.fvu ?? null,
  };
}

function unitColumn(column: Float64Array | null): number[] | null {
  const length = column === null ? 0 : Math.sqrt(column.reduce((sum, value) => sum + value * value, 0));
  return column !== null && length > 0 ? Array.from(column, (value) => value / length) : null;
}

/** sqrt(tr Sigma), about the mean. */
async function spreadOf({ x, rows, d }: HeldRows, mean: Float64Array, signal: AbortSignal | undefined): Promise<number> {
  const pace = new Pace(signal, 20);
  let sum = 0;
  for (let r = 0, at = 0; r < rows; r++) {
    for (let c = 0; c < d; c++, at++) sum += (x[at]! - mean[c]!) ** 2;
    if (r % 1024 === 1023 && pace.isDue) await pace.pause();
  }
  return Math.sqrt(sum / rows);
}
