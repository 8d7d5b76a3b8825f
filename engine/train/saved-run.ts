/** What a trainer saves of itself: everything that a run needs to go on, as plain data for engine/state.ts. */
import { FormatError } from '../errors.js';
import type { StateValue } from '../run/accumulator.js';
import type { Directions } from './encoder-hooks.js';
import type { Recipe } from './recipe.js';
import type { TrainState } from './session.js';

/** Bumped when what is saved changes its meaning. */
export const VERSION = 1;

/** Knobs that runs of earlier versions do not name, with what those versions did. */
const ADDED = { noise: 0, deflate: 'none', b_enc_init: 'zero' } as const satisfies Partial<Recipe>;

/** p-annealing's state: how often p was changed, what the coefficient was multiplied by, and the last penalties at p and at the next p. */
export interface Annealing {
  changes: number;
  alpha: number;
  now: number[];
  next: number[];
}

/** Dead features replaced after a step, and those that were due and left alone. */
export interface Resampling {
  readonly step: number;
  readonly features: readonly number[];
  readonly spared: readonly number[];
}

export interface Saved {
  readonly version: number;
  /** JSON. */
  readonly recipe: string;
  readonly step: number;
  readonly tokens: number;
  readonly scale: number;
  readonly state: TrainState;
  readonly since: StateValue;
  readonly densities: StateValue;
  readonly window: StateValue;
  readonly watched: StateValue;
  readonly threshold: number | null;
  readonly stall: StateValue;
  readonly stalled: boolean;
  readonly annealing: Annealing;
  readonly resampledAt: number | null;
  /** Absent in what earlier versions saved, as `directions`. */
  readonly resamplings: readonly Resampling[];
  readonly directions: Directions;
  readonly resampling: boolean;
  readonly checkpointed: number;
}

/** @throws FormatError where it is not a saved run */
export function savedRun(saved: StateValue): Omit<Saved, 'recipe'> & { readonly recipe: Recipe } {
  const whole = (saved ?? {}) as unknown as Partial<Saved>;
  const { version, recipe } = whole;
  if (version !== VERSION || typeof recipe !== 'string') throw new FormatError(`the saved training state is of version ${String(version)}, expected ${VERSION}`);
  const known = JSON.parse(recipe) as Recipe;
  // Added behind the others: a recipe is written again in the order in which it was read.
  const added = Object.fromEntries(Object.entries(ADDED).filter(([name]) => !Object.hasOwn(known, name)));
  return { ...(whole as Saved), resamplings: whole.resamplings ?? [], directions: whole.directions ?? [], recipe: { ...known, ...added } };
}

/** The recipe of a saved run. @throws FormatError */
export function savedRecipe(saved: StateValue): Recipe {
  return savedRun(saved).recipe;
}
