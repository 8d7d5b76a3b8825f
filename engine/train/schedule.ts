/** What changes over a run: the learning rate, the coefficient, k, p, and when it is saved. Pure, by step. */
import { UsageError } from '../errors.js';
import type { Recipe } from './recipe.js';

/**
 * The learning rate of step `step` (1 for the first).
 * @param resampled the last step after which features were resampled, null for none
 */
export function learningRate(recipe: Recipe, step: number, resampled: number | null): number {
  const { lr, warmup, lr_schedule, lr_end, decay, steps, resample_warmup } = recipe;
  let rate = lr;
  if (lr_schedule === 'cosine') {
    const through = Math.min(1, Math.max(0, (step - warmup) / Math.max(1, steps - warmup - decay)));
    rate = lr_end + ((lr - lr_end) * (1 + Math.cos(Math.PI * through))) / 2;
  }
  if (warmup > 0) rate *= Math.min(1, step / warmup);
  if (decay > 0) rate *= Math.min(1, (steps - step + 1) / decay);
  if (resampled !== null && resample_warmup > 0) rate *= Math.min(1, (step - resampled) / resample_warmup);
  return rate;
}

/** What the penalty's mean over rows is multiplied by. @param alpha what p-annealing has made of it, else 1 */
export function coefficientOf(recipe: Recipe, step: number, alpha: number): number {
  const { l1, l1_warmup, l1_reduction, batch } = recipe;
  return l1 * alpha * (l1_reduction === 'sum' ? batch : 1) * (l1_warmup > 0 ? Math.min(1, step / l1_warmup) : 1);
}

/** k of a step; whole while it falls. @param d where it falls from if the recipe does not say */
export function kOf({ k, k_anneal, k_anneal_from, d_sae }: Recipe, step: number, d: number): number {
  if (k === null) return 1;
  const from = Math.min(d_sae, k_anneal_from ?? d);
  if (step > k_anneal || from <= k) return k;
  return Math.max(k, Math.round(from + ((k - from) * (step - 1)) / k_anneal));
}

/** p-annealing: p falls in equal parts, at equal distances, from `p_anneal_from` to the end. */
export function pOf({ p_start, p_end, p_anneal_from, p_anneal_changes, steps }: Recipe, changes: number): { p: number; next: number | null; at: number } {
  const part = (p_start - p_end) / p_anneal_changes;
  const p = p_start - part * changes;
  return { p, next: changes < p_anneal_changes ? p_start - part * (changes + 1) : null, at: Math.floor(p_anneal_from + ((steps - p_anneal_from) * changes) / p_anneal_changes) };
}

/**
 * The steps at which an SAE is saved, ascending: `log:N` is 0, and N numbers in geometric
 * progression from 10 to `steps`, rounded; `every:N`; `last`; or a list. The last step is always one.
 * @throws UsageError for a list with a step beyond the end
 */
export function checkpointSteps(spec: string, steps: number): number[] {
  const [kind, count = ''] = spec.split(':');
  const chosen = new Set<number>([steps]);
  if (kind === 'log') {
    chosen.add(0);
    const first = Math.min(10, steps);
    const number = Number(count);
    for (let at = 0; at < number; at++) chosen.add(Math.round(first * (steps / first) ** (number === 1 ? 1 : at / (number - 1))));
  } else if (kind === 'every') {
    for (let step = 0; step <= steps; step += Math.max(1, Number(count))) chosen.add(step);
  } else if (kind !== 'last') {
    for (const text of spec.split(',')) {
      const step = Number(text);
      if (step > steps) throw new UsageError(`checkpoints has step ${step}, and the run ends at ${steps}`);
      chosen.add(step);
    }
  }
  return [...chosen].sort((a, b) => a - b);
}
