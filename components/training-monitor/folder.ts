/** A run's folder as the monitor shows it. The reader comes when the first folder is asked for. */
import type { Recipe } from '../../engine/train/recipe.js';
import { RunSeries } from './series.js';

export interface FolderRun {
  readonly series: RunSeries;
  readonly recipe: Recipe;
  readonly status: string;
}

/** @throws FormatError where there is no run, or it is damaged; an AbortError */
export async function readRun(src: string, signal: AbortSignal): Promise<FolderRun> {
  const { openRun } = await import('../../engine/train/run-reader.js');
  const run = await openRun(new URL(src, document.baseURI).href);
  signal.throwIfAborted();
  const [metrics, densities] = await Promise.all([run.metrics(), run.densities()]);
  signal.throwIfAborted();
  const { record } = run;
  const series = new RunSeries();
  for (const one of metrics) series.add({ type: 'metrics', metrics: one });
  series.windows = densities.filter(({ tokens }) => tokens > 0).map(({ step, tokens, counts }) => ({ step, rows: tokens, counts: Uint32Array.from(counts) }));
  series.checkpoints = record.checkpoints.map(({ step, folder, l0, fvu }) => ({ step, folder, l0, fvu }));
  if (record.status === 'diverged') series.diverged = { step: record.step, message: record.message ?? `at step ${record.step}` };
  return { series, recipe: record.recipe, status: record.status };
}
