/**
 * The rate law of a useless feature (engine/dying/density-law.ts), drawn over the medians of the groups that
 * fall: through the first median after the square root of the last step, where features have
 * mostly been told apart, and through the last one that the rows can show. Two points are fitted, so
 * that the curve's shape between and beyond them is what is predicted.
 */
import { adamKnees } from '../../engine/dying/adam-step.js';
import { lawCurve, marginSpeed, scaleThrough, type LawRecipe } from '../../engine/dying/density-law.js';
import type { DyingRecord } from '../../engine/dying/record.js';
import type { Group } from './groups.js';

export interface Law {
  readonly name: string;
  readonly step: ArrayLike<number>;
  readonly p: ArrayLike<number>;
}

export interface Knee {
  readonly name: string;
  readonly density: number;
}

function recipeOf({ recipe }: Pick<DyingRecord, 'recipe'>): LawRecipe | null {
  if (recipe === null) return null;
  const { optimizer, lr, batch, beta1, beta2, eps, momentum, l1, l1_reduction, arch } = recipe;
  if (optimizer === undefined || lr === undefined || batch === undefined) return null;
  // Features that TopK does not select get no gradient: there is no law to draw.
  if (arch === 'topk' || arch === 'batchtopk' || arch === 'matryoshka') return null;
  return { optimizer, lr, batch, beta1, beta2, eps, momentum, l1: l1 ?? 0, l1_reduction };
}

/** Densities at which Adam's law changes. */
export function kneesOf(record: Pick<DyingRecord, 'recipe'>): Knee[] {
  const recipe = recipeOf(record);
  if (recipe === null || recipe.optimizer !== 'adam' || recipe.beta2 === undefined) return [];
  const { batch, memory } = adamKnees(recipe.batch, recipe.beta2);
  return [{ name: '1/B', density: batch }, { name: '(1 − β₂)/B', density: memory }];
}

/** @param xi tail index of the data along the dying direction; 0 is an exponential tail */
export function lawsOf(record: Pick<DyingRecord, 'recipe' | 'frames'>, groups: readonly Group[], xi = 0): Law[] {
  const recipe = recipeOf(record);
  const last = record.frames.at(-1)?.step ?? 0;
  if (recipe === null || (recipe.optimizer === 'sgd' && !(recipe.l1 > 0)) || record.frames.length < 4) return [];
  return groups.flatMap(({ name, median }) => {
    if (name === 'end live' || name === 'end dense' || name === 'reset') return [];
    const seen = record.frames.flatMap(({ step }, at) => (median[at] !== null && median[at] !== undefined && step >= Math.sqrt(last) ? [{ step, p: median[at] }] : []));
    const [first, later] = [seen[0], seen.at(-1)];
    if (first === undefined || later === undefined || later.step <= first.step || !(later.p < first.p * 0.8)) return [];
    const speed = marginSpeed(recipe);
    const scale = scaleThrough(first, later, xi, speed);
    if (!(scale > 0) || !Number.isFinite(scale)) return [];
    const { step, p } = lawCurve({ recipe, tail: { xi, scale }, start: first, until: last, least: 1e-12 });
    return [{ name: `law for “${name}”`, step, p }];
  });
}
