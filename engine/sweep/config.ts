/**
 * A sweep's description: what all runs share, and a grid of what differs.
 *
 *   { "name": "spiked", "out": "runs/spiked",
 *     "base": { recipe knobs }, "data": { a generator's spec, or files },
 *     "grid": { "data.rho": [0, 0.3, 0.9], "b_dec": ["zero", "mean"], "seed": [0, 1, 2] },
 *     "evaluate": { "rows": 262144 } }
 *
 * The runs are the product of the grid's lists in the order in which they are
 * written, the last key fastest. A grid key is a recipe knob, or `data.` and the
 * path of a setting of the data. Nothing in here depends on where it runs.
 */
import { UsageError } from '../errors.js';
import { hash32 } from '../random.js';
import type { Recipe } from '../train/recipe.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export interface SweepConfig {
  readonly name: string;
  /** Folder of the sweep; null where the caller has to say. */
  readonly out: string | null;
  /** Recipe knobs of every run; a knob of the grid takes the place of one here. */
  readonly base: Partial<Recipe>;
  /** A generator's spec (it has `kind`), or what `saekit train` takes: `acts`, or `model`, `tokens`, `hook`. */
  readonly data: JsonObject;
  readonly grid: Readonly<Record<string, readonly Json[]>>;
  readonly evaluate: {
    /** Rows on which a run's last SAE is measured, and its data's mean and variance. */
    readonly rows: number;
  };
  readonly backend: 'auto' | 'webgpu' | 'wasm';
}

/** One point of the grid. */
export interface SweepRun {
  /** Folder's name: every swept knob with its value, `rho-0.3_b_dec-mean_seed-0`. */
  readonly name: string;
  /** The swept knobs, by their keys in the grid. */
  readonly settings: JsonObject;
  readonly recipe: Partial<Recipe>;
  readonly data: JsonObject;
}

const KEYS = ['name', 'out', 'base', 'data', 'grid', 'evaluate', 'backend'];
const BACKENDS = ['auto', 'webgpu', 'wasm'] as const;
/** Rows of an evaluation where the config does not say: a density of 1e-5 is seen three times. */
export const EVALUATED_ROWS = 262_144;
/** More runs than anybody means to start; a slip in the grid is seen before its table is built. */
const MOST_RUNS = 100_000;

/**
 * Checks a config's shape. Whether its knobs exist and fit together is
 * `resolveRecipe`'s and the generators' to say.
 * @param file for messages
 * @throws UsageError naming the file and the key
 */
export function parseSweep(json: unknown, file: string): SweepConfig {
  const fail = (what: string, hint?: string): never => {
    throw new UsageError(`${file}: ${what}`, { hint });
  };
  if (!isObject(json)) return fail('is no sweep: expected a JSON object', `It has ${KEYS.join(', ')}.`);
  for (const key of Object.keys(json)) if (!KEYS.includes(key)) fail(`${key}: there is no such key`, `A sweep has ${KEYS.join(', ')}.`);
  const object = (key: 'base' | 'data' | 'grid' | 'evaluate', required: boolean): JsonObject => {
    const value = json[key];
    if (value === undefined && !required) return {};
    return isObject(value) ? (value as JsonObject) : fail(`${key}: expected an object, found ${value === undefined ? 'nothing' : describe(value)}`);
  };
  const { name = 'sweep', out = null, backend = 'auto' } = json as { name?: unknown; out?: unknown; backend?: unknown };
  if (typeof name !== 'string' || name === '') return fail(`name: expected a text, found ${describe(name)}`);
  if (out !== null && (typeof out !== 'string' || out === '')) return fail(`out: expected a folder's path, found ${describe(out)}`);
  const chosen = BACKENDS.find((one) => one === backend) ?? fail(`backend: expected ${BACKENDS.join(', ')}, found ${describe(backend)}`);
  const base = object('base', false);
  const data = object('data', true);
  const evaluate = object('evaluate', false);
  for (const key of Object.keys(evaluate)) if (key !== 'rows') fail(`evaluate.${key}: there is no such key`, 'evaluate has rows.');
  const rows = evaluate['rows'] ?? EVALUATED_ROWS;
  if (typeof rows !== 'number' || !Number.isSafeInteger(rows) || rows < 2) return fail(`evaluate.rows: expected a whole number of at least 2, found ${describe(rows)}`);
  return { name, out, base: base as Partial<Recipe>, data, grid: checkGrid(object('grid', true), data, fail), evaluate: { rows }, backend: chosen };
}

function checkGrid(grid: JsonObject, data: JsonObject, fail: (what: string, hint?: string) => never): Record<string, readonly Json[]> {
  const checked: Record<string, readonly Json[]> = {};
  for (const [key, values] of Object.entries(grid)) {
    const where = `grid.${key}`;
    if (!Array.isArray(values)) return fail(`${where}: expected a list of values, found ${describe(values)}`, `For one value alone, ${key.startsWith('data.') ? 'put it in data' : 'put it in base'}.`);
    if (values.length === 0) fail(`${where}: has no values, so that there are no runs`, 'Give one at least, or take the key out.');
    if (!/^[a-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$/.test(key) || (key.includes('.') && !key.startsWith('data.'))) fail(`${where}: is neither a knob of the recipe nor data. and a setting of the data`, 'For example b_dec, or data.rho.');
    if (key.startsWith('data.')) place(data, key.slice(5).split('.'), null, (what) => fail(`${where}: ${what}`));
    const seen = new Set<string>();
    for (const value of values as readonly Json[]) {
      const text = canonical(value);
      if (seen.has(text)) fail(`${where}: has ${text} twice`, 'Every run must differ from every other.');
      seen.add(text);
    }
    checked[key] = values as readonly Json[];
  }
  const keys = Object.keys(checked);
  if (keys.length === 0) fail('grid: is empty, so that there is nothing to sweep', 'For example {"seed": [0, 1, 2]}.');
  for (const key of keys) {
    const inside = keys.find((other) => other.startsWith(`${key}.`));
    if (inside !== undefined) fail(`grid.${inside}: lies inside of ${key}, which is swept too`, 'Sweep one of the two.');
  }
  const runs = Object.values(checked).reduce((product, values) => product * values.length, 1);
  if (runs > MOST_RUNS) fail(`grid: has ${runs} runs; expected at most ${MOST_RUNS}`, 'Sweep fewer knobs at a time.');
  return checked;
}

/**
 * All runs, in their order. Where the data are a generator's whose seed neither
 * `data` nor the grid gives, they follow the run's seed, so that a repeated seed
 * repeats everything and another one changes everything.
 */
export function expandGrid(config: SweepConfig): SweepRun[] {
  const axes = Object.entries(config.grid);
  const labels = shortNames(axes.map(([key]) => key));
  let points: { readonly settings: JsonObject; readonly name: string }[] = [{ settings: {}, name: '' }];
  for (const [at, [key, values]] of axes.entries()) {
    points = points.flatMap((point) => values.map((value) => ({ settings: { ...point.settings, [key]: value }, name: `${point.name}${at === 0 ? '' : '_'}${labels[at]}-${valueName(value)}` })));
  }
  const names = new Map<string, number>();
  // Some file systems do not tell A from a.
  for (const { name } of points) names.set(name.toLowerCase(), (names.get(name.toLowerCase()) ?? 0) + 1);
  return points.map(({ settings, name }) => {
    let data = config.data;
    const recipe: Record<string, Json> = { ...(config.base as JsonObject) };
    for (const [key, value] of Object.entries(settings)) {
      if (key.startsWith('data.')) data = place(data, key.slice(5).split('.'), value);
      else recipe[key] = value;
    }
    if (typeof data['kind'] === 'string' && data['seed'] === undefined) data = { ...data, seed: recipe['seed'] ?? 0 };
    // Values that a file name cannot tell apart (`a:b`, `a/b`), or that are long, are told apart by their hash.
    const unique = (names.get(name.toLowerCase()) ?? 0) > 1 || name.length > 120 ? `${name.slice(0, 120)}_${hashOf(settings)}` : name;
    return { name: unique, settings, recipe: recipe as Partial<Recipe>, data };
  });
}

/**
 * The runs that `--only` leaves: KEY=VALUE pairs joined by commas, all of which
 * must hold. KEY is a grid key, or its last part; VALUE as JSON or as plain text.
 * @throws UsageError for a key that is not swept, or a filter that no run passes
 */
export function onlyRuns(runs: readonly SweepRun[], filter: string): SweepRun[] {
  const keys = Object.keys(runs[0]?.settings ?? {});
  const short = shortNames(keys);
  const pairs = filter.split(',').map((pair) => {
    const at = pair.indexOf('=');
    const name = pair.slice(0, Math.max(at, 0)).trim();
    const key = keys.find((one, i) => one === name || short[i] === name);
    if (at < 1 || key === undefined) throw new UsageError(`--only ${filter}: ${at < 1 ? `${JSON.stringify(pair)} is no KEY=VALUE` : `${name} is not swept`}`, { hint: `The grid has ${keys.join(', ')}; for example --only ${keys[0] ?? 'seed'}=${valueName(runs[0]?.settings[keys[0] ?? ''] ?? 0)}.` });
    return { key, value: pair.slice(at + 1).trim() };
  });
  const kept = runs.filter(({ settings }) => pairs.every(({ key, value }) => {
    const is = settings[key] ?? null;
    return is === value || (typeof is === 'number' && value !== '' && Number(value) === is) || canonical(is) === value;
  }));
  if (kept.length === 0) throw new UsageError(`--only ${filter}: no run has that`, { hint: `Runs are called ${runs.slice(0, 3).map(({ name }) => name).join(', ')}${runs.length > 3 ? ', …' : ''}.` });
  return kept;
}

/** The last part of each key, or all of it where that is not the only one. */
export function shortNames(keys: readonly string[]): string[] {
  const last = keys.map((key) => key.slice(key.lastIndexOf('.') + 1));
  return keys.map((key, at) => (last.filter((one) => one === last[at]).length === 1 ? (last[at] as string) : key));
}

/** JSON with sorted keys: equal values give equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => (isObject(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item)) ?? 'null';
}

/** A knob's value as people write it: texts bare, the rest as JSON, null as nothing. */
export function cell(value: Json): string {
  return value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
}

/** A value as part of a file's name that every file system and host takes. */
function valueName(value: Json): string {
  const text = Array.isArray(value) ? value.map((item) => valueName(item as Json)).join('-') : typeof value === 'object' && value !== null ? hashOf(value) : String(value);
  const clean = text.replace(/[^A-Za-z0-9.+-]+/g, '-').replace(/^-+(?!\d)|[-.]+$/g, '');
  return clean === '' ? hashOf(value) : clean;
}

/** Eight hexadecimal digits of a value. */
function hashOf(value: unknown): string {
  let hash = 0;
  for (const character of canonical(value)) hash = hash32(hash, character.codePointAt(0) ?? 0);
  return hash.toString(16).padStart(8, '0');
}

/** `data` with `value` at `path`; what it goes through is copied. */
function place(data: JsonObject, path: readonly string[], value: Json, fail?: (what: string) => never): JsonObject {
  const [key, ...rest] = path as [string, ...string[]];
  if (rest.length === 0) return { ...data, [key]: value };
  const inner = data[key] ?? {};
  if (!isObject(inner)) {
    if (fail !== undefined) return fail(`data.${key} is ${describe(inner)}, in which there is no ${rest.join('.')}`);
    return data;
  }
  return { ...data, [key]: place(inner as JsonObject, rest, value, fail) };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function describe(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : JSON.stringify(value);
}
