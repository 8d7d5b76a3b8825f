/**
 * What is done about features that have died, at the steps that a recipe names.
 *
 *   anthropic             Bricken et al. 2023, "Neuron resampling": for each feature that did not fire in the
 *                         window, a row drawn with probability ~ loss^2 (with replacement); its decoder row
 *                         becomes x / ||x||, its encoder row the same at `resample_scale` times the mean norm
 *                         of live encoder rows, its bias 0; the optimiser's moments of these are reset
 *   dictionary-learning   saprmarks/dictionary_learning, StandardTrainer: probability ~ loss, without
 *                         replacement; the encoder row is x itself times that norm and scale, not normalised
 *   nanda                 1L-Sparse-Autoencoder (re_init): features rarer than `resample_below` start again
 *                         as the recipe's features do, from other draws, with bias 0; the moments stay as they are
 *
 * x is a row in the scale that is trained in. Where all features are dead the mean norm of live ones
 * is taken as 1.
 */
import { hash32, uniform } from '../random.js';
import { initialRows, streamSeed } from './init.js';
import type { Recipe } from './recipe.js';
import type { Parameters, TrainState } from './session.js';

/** Where rows to draw from come from: their losses, and the rows themselves. */
export interface RowSampler {
  /** ||xhat - x||^2 of each of so many rows. */
  readonly losses: Float32Array;
  /** [d] row `at`, as it is trained on. */
  row(at: number): Promise<Float32Array>;
}

/** The features that are due, ascending, and those of them that are left alone. */
export function dueFeatures(recipe: Recipe, counts: ArrayLike<number>, rows: number): { features: number[]; spared: number[] } {
  const { resample, resample_below, resample_spare, seed } = recipe;
  const due = Array.from({ length: counts.length }, (_, i) => i).filter((i) => (resample === 'nanda' ? counts[i]! < resample_below * rows : counts[i] === 0));
  // A feature that was spared once stays so: the draw has its name, not the step's.
  const spare = streamSeed(seed, 'spare');
  const isSpared = (i: number): boolean => uniform(spare, i) < resample_spare;
  return { features: due.filter((i) => !isSpared(i)), spared: due.filter(isSpared) };
}

/**
 * The state with features replaced, and which were: fewer where too few rows could be drawn, or a row of zeros was.
 * @param counts [d_sae] firings in the window
 * @param sampler for all rules but nanda's
 */
export async function resampled(recipe: Recipe, state: TrainState, features: readonly number[], counts: ArrayLike<number>, d: number, step: number, sampler: RowSampler | null): Promise<{ readonly state: TrainState; readonly replaced: readonly number[] }> {
  const copy = (parameters: Parameters): Record<string, Float32Array> => Object.fromEntries(Object.entries(parameters).map(([name, values]) => [name, values.slice()]));
  const next = { parameters: copy(state.parameters), m: copy(state.m), v: copy(state.v) };
  const seed = streamSeed(recipe.seed, 'resample');
  const set = (i: number, encoder: (c: number) => number, decoder: (c: number) => number): void => {
    for (let c = 0; c < d; c++) {
      next.parameters.W_enc![i * d + c] = encoder(c);
      next.parameters.W_dec![i * d + c] = decoder(c);
    }
    for (const name of ['b_enc', 'b_gate', 'r_mag']) if (next.parameters[name] !== undefined) next.parameters[name]![i] = 0;
    if (next.parameters.threshold !== undefined) next.parameters.threshold[i] = recipe.threshold_init;
  };
  if (recipe.resample === 'nanda' || sampler === null) {
    for (const i of features) {
      const { encoder, decoder } = initialRows(recipe, d, i, 1, hash32(seed, step));
      set(i, (c) => encoder[c]!, (c) => decoder[c]!);
    }
    return { state: next, replaced: features };
  }
  const norm = meanLiveNorm(state.parameters.W_enc!, features, counts, d) * recipe.resample_scale;
  const squared = recipe.resample === 'anthropic';
  const rows = drawRows(sampler.losses, features.length, squared ? 2 : 1, squared, (at) => uniform(seed, step, at));
  const replaced: number[] = [];
  for (const [at, i] of features.entries()) {
    const drawn = rows[at];
    if (drawn === undefined) continue;
    const x = await sampler.row(drawn);
    const length = Math.hypot(...x);
    if (length === 0) continue;
    replaced.push(i);
    set(i, (c) => x[c]! * norm * (squared ? 1 / length : 1), (c) => x[c]! / length);
    for (const moments of [next.m, next.v]) {
      for (const name of ['W_enc', 'W_dec']) moments[name]!.fill(0, i * d, (i + 1) * d);
      for (const name of ['b_enc', 'threshold', 'r_mag', 'b_gate']) if (moments[name] !== undefined) moments[name]![i] = 0;
    }
  }
  return { state: next, replaced };
}

/** Mean ||w_i|| over features that fired and are not to be replaced. */
function meanLiveNorm(W_enc: Float32Array, features: readonly number[], counts: ArrayLike<number>, d: number): number {
  const replaced = new Set(features);
  let sum = 0;
  let live = 0;
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] === 0 || replaced.has(i)) continue;
    let squares = 0;
    for (let c = 0; c < d; c++) squares += W_enc[i * d + c]! ** 2;
    sum += Math.sqrt(squares);
    live++;
  }
  return live > 0 ? sum / live : 1;
}

/**
 * Rows with probability ~ loss^power. Without replacement by the keys log(u) / weight of Efraimidis and
 * Spirakis (2006), at most as many as have a loss above 0.
 * @param draw a number of [0, 1) for the `at`-th draw
 */
export function drawRows(losses: Float32Array, count: number, power: number, replacement: boolean, draw: (at: number) => number): number[] {
  const weights = Float64Array.from(losses, (loss) => loss ** power);
  if (!replacement) {
    const keys = Array.from(weights, (weight, at) => ({ at, key: weight > 0 ? Math.log(1 - draw(at)) / weight : -Infinity }));
    return keys.filter(({ key }) => key > -Infinity).sort((a, b) => b.key - a.key || a.at - b.at).slice(0, count).map(({ at }) => at);
  }
  const sums = new Float64Array(weights.length);
  let total = 0;
  for (let at = 0; at < weights.length; at++) sums[at] = total += weights[at]!;
  if (!(total > 0)) return [];
  return Array.from({ length: count }, (_, at) => {
    const wanted = draw(at) * total;
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  });
}
