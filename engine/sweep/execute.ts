/**
 * One run of a sweep, here and now: the training job in its folder, which goes on
 * from the state that is there, and the figures of its end.
 */
import { chooseTrainBackend } from '../choose-train-backend.js';
import { loadSae } from '../formats/load-sae.js';
import type { Sae } from '../sae.js';
import { evaluate } from '../train/evaluate.js';
import { resolveRecipe } from '../train/resolve-recipe.js';
import { openRun } from '../train/run-reader.js';
import { checkpointFolder } from '../train/run-record.js';
import { train } from '../train/train.js';
import { canonical, type SweepConfig, type SweepRun } from './config.js';
import type { RunAsked } from './folder-node.js';
import { measureRun } from './measure.js';
import type { SweepFigures } from './row.js';
import { checkData, openRunData, trainDataOptions } from './run-data.js';
import type { ExecuteRun, PlannedRun } from './sweep.js';

/** Widths of data that were opened to plan a sweep: a file's header is read once, not once a run. */
const widths = new WeakMap<SweepConfig, Map<string, number>>();

/**
 * What a run is asked for, complete: its recipe and its data with all defaults. A
 * sweep that says nothing of checkpoints keeps the first step and the last.
 * @throws UsageError naming the knob or the setting of the data
 */
export async function planRun(run: SweepRun, config: SweepConfig, signal?: AbortSignal): Promise<RunAsked> {
  const data = checkData(run.data);
  const recipe = resolveRecipe(run.recipe, { d: await widthOf(config, data, signal) });
  return { recipe: run.recipe.checkpoints === undefined ? { ...recipe, checkpoints: `0,${recipe.steps}` } : recipe, data, evaluate: config.evaluate };
}

async function widthOf(config: SweepConfig, data: SweepRun['data'], signal: AbortSignal | undefined): Promise<number> {
  if (typeof data['d'] === 'number') return data['d'];
  const known = widths.get(config) ?? new Map<string, number>();
  widths.set(config, known);
  const key = canonical(data);
  const found = known.get(key);
  if (found !== undefined) return found;
  const opened = await openRunData(data, 0, signal);
  await opened.data.close();
  known.set(key, opened.data.d);
  return opened.data.d;
}

/** Trains a run to its end, or until the signal stops it, and measures it. */
export const executeRun: ExecuteRun = async (run, { signal, onStep }) => {
  const { folder, name, recipe } = run;
  const { exists } = await import('./folder-node.js');
  const backend = await chooseTrainBackend({ backend: run.backend });
  try {
    // One that was killed before its first state begins again.
    const begun = await exists(`${folder}/state.bin`);
    const report = await train({ ...trainDataOptions(run.data), recipe: { ...recipe }, recipeName: `run ${name}`, out: folder, resume: begun, overwrite: !begun, backend, signal, evaluateRows: run.evaluate.rows, onEvent: (event) => void (event.type === 'metrics' && onStep?.(event.metrics.step)) });
    const { status, message } = report;
    if (status === 'diverged' || status === 'stopped') return { status, message, figures: null };
    return { status, message, figures: await figuresOf(run, signal) };
  } finally {
    await backend.dispose();
  }
};

/** From the run's folder alone, so that it does not matter how often the run was interrupted. */
async function figuresOf({ folder, data: description, recipe, evaluate: { rows: wanted } }: PlannedRun, signal: AbortSignal | undefined): Promise<SweepFigures> {
  const run = await openRun(folder);
  const { record } = run;
  const metrics = await run.metrics();
  const at = (step: number): Promise<Sae> => loadSae(`${folder}/${checkpointFolder(step)}`);
  const first = record.checkpoints.some(({ step }) => step === 0) ? await at(0) : null;
  const sae = await at(record.step);
  const { data, truth } = await openRunData(description, recipe.seed, signal);
  try {
    const limit = data.rows === null ? wanted : Math.min(wanted, data.rows);
    const { l0, mse, fvu, counts, tokens: rows } = await evaluate({ data, recipe, step: record.step, sae: () => Promise.resolve(sae) }, { rows: limit, signal });
    const end = { steps: record.step, tokens: record.tokens, seconds: record.seconds, sae, firstBDec: first?.b_dec ?? null, silent: metrics.at(-1)?.dead ?? 0, l0, mse, fvu, dead: counts.filter((count) => count === 0).length, below_1e_4: counts.filter((count) => count < 1e-4 * rows).length };
    return await measureRun(end, data, truth, rows, signal);
  } finally {
    await data.close();
  }
}
