/** In what the form differs from the runs that go on. Pure. */
import type { RecipePatch } from '../../engine/train/live.js';
import type { Recipe } from '../../engine/train/recipe.js';
import type { Checked } from './check.js';
import type { LabRun } from './lab-run.js';
import { BEGINNING, type LabSettings } from './settings.js';

export const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** What a run that goes on can take over from a recipe. */
export function patchOf(now: Recipe, wanted: Recipe | null): RecipePatch {
  if (wanted === null) return {};
  return Object.fromEntries(Object.entries(wanted).filter(([knob, value]) => !BEGINNING.has(knob) && !same(value, now[knob as keyof Recipe])));
}

export interface Differences {
  /** Knobs that a run can change as it goes. */
  readonly tunable: readonly string[];
  /** Knobs with which a run begins. */
  readonly beginning: readonly string[];
}

/** @param before what the runs were opened with @param branched run B is a branch of A, and the form says nothing of it */
export function differences(runs: readonly LabRun[], { before, settings, checked, branched }: { readonly before: LabSettings | null; readonly settings: LabSettings; readonly checked: Checked | null; readonly branched: boolean }): Differences {
  if (checked === null || before === null || checked.errors.size > 0) return { tunable: [], beginning: [] };
  const tunable = new Set<string>();
  const beginning = new Set<string>();
  if (!same(before.data, settings.data)) beginning.add('data');
  if (before.rows !== settings.rows) beginning.add('rows');
  if (!branched && (settings.b === null) !== (before.b === null)) beginning.add('run B');
  for (const { name, live } of runs) {
    const wanted = name === 'A' ? checked.a : checked.b;
    if (wanted === null || (name === 'B' && branched)) continue;
    for (const knob of Object.keys(patchOf(live.recipe, wanted))) tunable.add(knob);
    for (const knob of BEGINNING) if (!same(wanted[knob as keyof Recipe], live.recipe[knob as keyof Recipe])) beginning.add(knob);
  }
  return { tunable: [...tunable], beginning: [...beginning] };
}
