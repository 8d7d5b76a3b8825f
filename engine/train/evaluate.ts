/**
 * The SAE of a run as whoever loads it will have it: encoded and decoded by an inference backend
 * over the training data, not by the session that trains it.
 */
import type { Backend } from '../backend.js';
import { chooseBackend } from '../choose-backend.js';
import type { FeatureClass } from '../pack/schema.js';
import { prepareInput } from '../prepare.js';
import { VectorMoments } from '../sketches/vector-moments.js';
import { classOf } from '../statistics.js';
import type { Evaluation } from './events.js';
import type { Trainer } from './trainer.js';

export interface EvaluateOptions {
  /** Rows to look at; default all, and 131,072 of data that never end. */
  readonly rows?: number | undefined;
  /** What encodes; default WASM on one thread, opened and closed here. */
  readonly backend?: Backend | undefined;
  readonly signal?: AbortSignal | undefined;
}

const ENDLESS_ROWS = 131_072;
/** Early SAEs fire on half of everything: a piece's codes stay within tens of megabytes. */
const ENTRIES = 2 ** 22;

/** Counts are exact; sums are in f64. */
export async function evaluate(trainer: Pick<Trainer, 'data' | 'recipe' | 'step' | 'sae'>, { rows: limit, backend: given, signal }: EvaluateOptions = {}): Promise<Evaluation> {
  const { data, recipe } = trainer;
  const backend = given ?? (await chooseBackend({ backend: 'wasm' }));
  try {
    const sae = await trainer.sae({ name: 'training', source: 'a training run' });
    const loaded = await backend.load(sae, { signal });
    try {
      const counts = new Float64Array(recipe.d_sae);
      const moments = new VectorMoments(data.d, false);
      let squares = 0;
      let entries = 0;
      const visit = async (x: Float32Array, rows: number): Promise<void> => {
        const prepared = prepareInput(sae, x.subarray(0, rows * data.d), rows);
        const codes = await loaded.encode(prepared.xbar, rows, { signal });
        for (const feature of codes.features) counts[feature] = counts[feature]! + 1;
        entries += codes.features.length;
        const y = await loaded.decode(codes, { signal });
        prepared.restore(y);
        for (let at = 0; at < y.length; at++) squares += (y[at]! - x[at]!) ** 2;
        moments.add(x, rows, null);
      };
      const size = Math.max(64, Math.min(4096, Math.floor(ENTRIES / recipe.d_sae)));
      const rows = await data.scan(visit, { size, limit: limit ?? (data.rows === null ? ENDLESS_ROWS : undefined), signal });
      return { step: trainer.step, tokens: rows, l0: entries / rows, mse: squares / rows, fvu: squares / rows / totalVariance(moments), ...classesOf(counts, rows), counts };
    } finally {
      loaded.dispose();
    }
  } finally {
    if (given === undefined) await backend.dispose();
  }
}

function totalVariance(moments: VectorMoments): number {
  let sum = 0;
  for (let c = 0; c < moments.d; c++) sum += moments.variance(c);
  return sum;
}

/** Features by class, and how many fired on less than 1e-5 and 1e-4 of the tokens. */
export function classesOf(counts: ArrayLike<number>, tokens: number): Pick<Evaluation, 'classes' | 'below_1e_5' | 'below_1e_4'> {
  const classes: Record<FeatureClass, number> = { dead: 0, ultralow: 0, rare: 0, live: 0, dense: 0 };
  let below_1e_5 = 0;
  let below_1e_4 = 0;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i]!;
    classes[classOf(count, tokens)]++;
    if (count > 0 && count < 1e-5 * tokens) below_1e_5++;
    if (count > 0 && count < 1e-4 * tokens) below_1e_4++;
  }
  return { classes, below_1e_5, below_1e_4 };
}
