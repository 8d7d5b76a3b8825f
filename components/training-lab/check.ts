/**
 * Whether settings make a run, and if not, which knob is wrong: the trainer's own checks, asked
 * before anything starts. Loaded when the first question comes.
 */
import { SaekitError, UsageError } from '../../engine/errors.js';
import { resolveGenerator } from '../../engine/generate/generators.js';
import type { Recipe } from '../../engine/train/recipe.js';
import { resolveRecipe } from '../../engine/train/resolve-recipe.js';
import { recipeOf, type LabSettings, type RunName } from './settings.js';

export interface Checked {
  /** Path of a field (fields.ts), '' where no field is to blame, and what is wrong. */
  readonly errors: ReadonlyMap<string, string>;
  /** Complete; null where one is wrong. */
  readonly a: Recipe | null;
  /** Null where there is no B, too. */
  readonly b: Recipe | null;
}

/** d d_sae at most: a frame of more would keep the page's own thread for too long. */
export const MOST_WEIGHTS = 2 ** 22;
const MOST_ROWS = 2 ** 20;
const MOST_STEPS = 10_000_000;

/** @param d width of the page's activations; null where it is not known yet, or the data are generated */
export function check(settings: LabSettings, d: number | null): Checked {
  const errors = new Map<string, string>();
  const { rows, data } = settings;
  if (!Number.isInteger(rows) || rows < 100 || rows > MOST_ROWS) errors.set('rows', `Expected a whole number from 100 to ${MOST_ROWS}.`);
  const width = data.kind === 'acts' ? d : attempt(() => resolveGenerator(data).d, errors, (error) => dataPath(error, data.kind));
  const resolve = (run: RunName): Recipe | null => {
    const place = run === 'A' ? 'recipe' : 'b';
    const recipe = attempt(() => resolveRecipe(recipeOf(settings, run), { d: width ?? 1 }), errors, (error) => recipePath(error, place, settings));
    if (recipe === null) return null;
    if (width !== null && recipe.d_sae * width > MOST_WEIGHTS) errors.set(`${place}.d_sae`, `d times features is ${recipe.d_sae * width}; expected at most ${MOST_WEIGHTS} in a page.`);
    if (recipe.steps > MOST_STEPS) errors.set(`${place}.steps`, `Expected at most ${MOST_STEPS}.`);
    return recipe;
  };
  const a = resolve('A');
  const b = settings.b === null || a === null ? null : resolve('B');
  return { errors, a, b };
}

/** The field that an error is about, once a run was refused; '' for none. */
export function placeOf(error: unknown, settings: LabSettings, run: RunName = 'A'): string {
  if (!(error instanceof UsageError)) return '';
  return error.message.startsWith('generator') ? dataPath(error, settings.data.kind) : recipePath(error, run === 'A' ? 'recipe' : 'b', settings);
}

function attempt<T>(what: () => T, errors: Map<string, string>, where: (error: UsageError) => string): T | null {
  try {
    return what();
  } catch (error) {
    if (!(error instanceof SaekitError)) throw error;
    errors.set(error instanceof UsageError ? where(error) : '', sentence(error));
    return null;
  }
}

/** `generator shifted: "gamma" is …`: a field of the kind, or of its base. */
function dataPath({ message }: Error, kind: string): string {
  const [, of, field] = /^generator ([\w-]+): "(\w+)"/.exec(message) ?? [];
  if (field === undefined) return 'data.kind';
  return of === kind || field === 'd' || field === 'seed' ? `data.${field}` : `data.base.${field}`;
}

/** `the recipe: lr is …`: B's where B says otherwise, else A's. */
function recipePath({ message }: Error, place: 'recipe' | 'b', { b }: LabSettings): string {
  const [, knob] = /^(?:the recipe: )?(\w+)\b/.exec(message) ?? [];
  if (knob === undefined) return '';
  const own = place === 'b' && b !== null && (Object.hasOwn(b, knob) || (knob === 'freeze_b_dec' && Object.hasOwn(b, 'b_dec')));
  return `${own ? 'b' : 'recipe'}.${knob}`;
}

/** What is wrong and what to do, without the prefix that a form does not need. */
export function sentence(error: unknown): string {
  const { message, hint } = Object(error) as { readonly message?: unknown; readonly hint?: unknown };
  const text = String(message ?? error).replace(/^(the recipe|generator [\w-]+): /, '');
  return `${text}${/[.!?]$/.test(text) ? '' : '.'}${typeof hint === 'string' ? ` ${hint}` : ''}`;
}
