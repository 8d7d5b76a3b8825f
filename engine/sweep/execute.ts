/**
 * One run of a sweep, here and now: its data, the training in its folder, and the
 * figures of its end. The run's state is written at every checkpoint and when it
 * is stopped; a run that finds a state goes on from it, bit for bit.
 */
import { FormatError } from '../errors.js';
import type { StateValue } from '../run/accumulator.js';
import { decodeState, encodeState } from '../state.js';
import { evaluate } from '../train/evaluate.js';
import { resolveRecipe } from '../train/resolve-recipe.js';
import { runTrainer } from '../train/run-trainer.js';
import { Trainer } from '../train/trainer.js';
import { createWasmTrainBackend } from '../wasm/train/backend.js';
import { canonical, type SweepConfig, type SweepRun } from './config.js';
import type { RunAsked } from './folder-node.js';
import { measureRun } from './measure.js';
import { checkData, openRunData } from './run-data.js';
import type { ExecuteRun } from './sweep.js';

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

/** What is kept of a run beside the trainer's own state. */
interface Kept {
  readonly trainer: StateValue;
  /** b_dec of step 0, in the scale of raw activations. */
  readonly firstBDec: Float32Array;
  readonly silent: number;
  readonly seconds: number;
}

/** Trains a run to its end, or until the signal stops it, and measures it. */
export const executeRun: ExecuteRun = async (run, { signal, onStep }) => {
  const { recipe, folder, name } = run;
  const { readBytes, writeBytes } = await import('./folder-node.js');
  const { data, truth } = await openRunData(run.data, recipe.seed, signal);
  const backend = await createWasmTrainBackend();
  let trainer: Trainer | null = null;
  try {
    const saved = await readBytes(`${folder}/state.bin`);
    const before = saved === null ? null : keptOf(saved, folder);
    const started = performance.now();
    const running = (trainer = before === null ? await Trainer.create({ recipe, data, backend, signal }) : await Trainer.restore({ saved: before.trainer, data, backend, signal }));
    const firstBDec = before?.firstBDec ?? (await running.sae({ name, source: folder })).b_dec;
    let silent = before?.silent ?? 0;
    const seconds = (): number => (before?.seconds ?? 0) + (performance.now() - started) / 1000;
    const keep = async (): Promise<void> => writeBytes(`${folder}/state.bin`, encodeState({ trainer: await running.save(), firstBDec, silent, seconds: seconds() } satisfies Kept as unknown as StateValue));
    const end = await runTrainer(running, {
      signal,
      onEvent: async (event) => {
        if (event.type === 'metrics') {
          silent = event.metrics.dead;
          onStep?.(event.metrics.step);
        } else if (event.type === 'checkpoint') await keep();
      },
    });
    if (end.type === 'diverged') return { status: 'diverged', message: end.message, figures: null };
    await keep();
    if (end.reason === 'stopped') return { status: 'stopped', message: null, figures: null };
    const trained = seconds();
    const { l0, mse, fvu, counts, tokens: rows } = await evaluate(running, { rows: data.rows === null ? run.evaluate.rows : Math.min(run.evaluate.rows, data.rows), signal });
    const sae = await running.sae({ name, source: folder });
    const figures = await measureRun({ steps: running.step, tokens: running.tokens, seconds: trained, sae, firstBDec, silent, l0, mse, fvu, dead: counts.filter((count) => count === 0).length, below_1e_4: counts.filter((count) => count < 1e-4 * rows).length }, data, truth, rows, signal);
    return { status: end.reason === 'early-stop' ? 'early-stop' : 'done', message: null, figures };
  } finally {
    trainer?.dispose();
    await backend.dispose();
    await data.close();
  }
};

/** @throws FormatError naming the file */
function keptOf(bytes: Uint8Array, folder: string): Kept {
  let kept: Partial<Kept> | null;
  try {
    kept = decodeState(bytes) as Partial<Kept> | null;
  } catch (cause) {
    throw new FormatError(`${folder}/state.bin: ${cause instanceof Error ? cause.message : String(cause)}`, { cause, hint: "Delete the run's folder to begin it again." });
  }
  if (!(kept?.firstBDec instanceof Float32Array) || kept.trainer === undefined || typeof kept.silent !== 'number' || typeof kept.seconds !== 'number') {
    throw new FormatError(`${folder}/state.bin: is not the state of a run of a sweep`, { hint: "Delete the run's folder to begin it again." });
  }
  return kept as Kept;
}
