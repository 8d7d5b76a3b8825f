/**
 * What a reader chooses in the lab, as plain JSON: it is an attribute, a property and the
 * page's address. Pure.
 *
 * Kept true: `readSettings(JSON.parse(JSON.stringify(s)))` is `s`; knobs that belong to another
 * architecture, optimiser or resampler are remembered and left out of the recipe.
 */
import type { GeneratorSpec } from '../../engine/generate/generators.js';
import type { RecipePatch } from '../../engine/train/live.js';
import { UsageError } from '../../engine/errors.js';

/** A generator's description, or the activations that the page brought. */
export type LabData = GeneratorSpec | { readonly kind: 'acts' };

export const VIEW_NAMES = ['cloud', 'timelapse', 'hyperplane', 'collapse'] as const;
export type ViewName = (typeof VIEW_NAMES)[number];

export interface LabSettings {
  readonly data: LabData;
  /** Knobs of run A; both `l1` and `k` may be there, the architecture's own one counts. */
  readonly recipe: RecipePatch;
  /** What run B has otherwise; null for one run. */
  readonly b: RecipePatch | null;
  /** Held-out rows over which every frame is counted. */
  readonly rows: number;
  readonly views: readonly ViewName[];
}

export type RunName = 'A' | 'B';

const SUPERPOSITION = { kind: 'superposition', features: 96, p_high: 0.1, p_low: 0.002, zipf: 0.7 } as const;

/** A generator of each kind, as it is when a reader turns to it. */
export const DATA_DEFAULTS: Readonly<Record<string, LabData>> = {
  shifted: { kind: 'shifted', d: 32, seed: 1, gamma: 3, base: SUPERPOSITION },
  superposition: { d: 32, seed: 1, ...SUPERPOSITION },
  spiked: { kind: 'spiked', d: 32, seed: 1, features: 128, active: 8, rho: 0.5 },
  gaussian: { kind: 'gaussian', d: 32, seed: 1, gamma: 1 },
  'heavy-tails': { kind: 'heavy-tails', d: 32, seed: 1, gamma: 1 },
  orthant: { kind: 'orthant', d: 32, seed: 1 },
  rare: { kind: 'rare', d: 32, seed: 1, probabilities: [0.01, 0.003, 0.001], copies: 8, base: SUPERPOSITION },
  'shared-direction': { kind: 'shared-direction', d: 32, seed: 1, group: 32, alignment: 0.9, p_high: 0.01, p_low: 0.0001, base: SUPERPOSITION },
  acts: { kind: 'acts' },
};

/** What a run has that nobody was asked about. */
const FIXED: RecipePatch = { log_every: 10, checkpoints: 'log:40', warmup: 100 };

export const RECIPE: RecipePatch = { arch: 'standard', d_sae: 256, l1: 0.1, k: 8, steps: 10_000, batch: 256, lr: 1e-3, optimizer: 'adam', beta1: 0.9, beta2: 0.999, b_dec: 'zero', freeze_b_dec: false, resample: 'none', resample_at: [2000, 4000], resample_spare: 0.5, resample_below: 1e-4, seed: 0 };

export const DEFAULTS: LabSettings = { data: DATA_DEFAULTS['shifted'] as LabData, recipe: RECIPE, b: { b_dec: 'mean' }, rows: 16_384, views: ['cloud', 'timelapse', 'hyperplane'] };

const RANKED: ReadonlySet<unknown> = new Set(['topk', 'batchtopk', 'matryoshka']);

/** The recipe of a run, before defaults. */
export function recipeOf({ recipe, b }: LabSettings, run: RunName): RecipePatch {
  const all = { ...recipe, ...(run === 'B' ? b : null) };
  const { l1, k, auxk = 0, momentum, resample = 'none', resample_at, resample_below, resample_spare, resample_window, ...rest } = all;
  const steps = rest.steps ?? 10_000;
  return {
    ...FIXED,
    warmup: Math.min(FIXED.warmup ?? 0, Math.floor(steps / 10)),
    density_window: 100 * (rest.batch ?? 256),
    dead_after: 200 * (rest.batch ?? 256),
    ...rest,
    ...(RANKED.has(rest.arch) ? { k: k ?? null, auxk } : l1 === undefined ? {} : { l1 }),
    ...(rest.optimizer === 'sgd' && momentum !== undefined ? { momentum } : {}),
    resample,
    ...(resample === 'none'
      ? {}
      : {
          resample_at: resample_at ?? [],
          resample_spare: resample_spare ?? 0,
          resample_window: resample_window ?? Math.max(1, Math.min(500, Math.floor(steps / 10))),
          resample_rows: 8192,
          ...(resample === 'nanda' && resample_below !== undefined ? { resample_below } : {}),
        }),
  };
}

/** Knobs with which a run begins: to change one of them is to begin again. */
export const BEGINNING: ReadonlySet<string> = new Set(['arch', 'preset', 'd_sae', 'normalize', 'b_dec', 'encoder_init', 'decoder_init', 'decoder_init_norm', 'b_enc_init', 'seed']);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Settings from JSON; what is left out has its default.
 * @throws UsageError for what is no settings at all; knobs are checked when they are used
 */
export function readSettings(value: unknown): LabSettings {
  if (!isObject(value)) throw new UsageError(`settings of the lab: expected an object, not ${JSON.stringify(value) ?? 'nothing'}`);
  const unknown = Object.keys(value).find((name) => !Object.hasOwn(DEFAULTS, name));
  if (unknown !== undefined) throw new UsageError(`settings of the lab: there is no field ${JSON.stringify(unknown)}`, { hint: `There are ${Object.keys(DEFAULTS).join(', ')}.` });
  for (const name of ['data', 'recipe'] as const) if (value[name] !== undefined && !isObject(value[name])) throw new UsageError(`settings of the lab: "${name}" is ${JSON.stringify(value[name])}, expected an object`);
  const { data = DEFAULTS.data, recipe = {}, b = null, rows = DEFAULTS.rows, views = DEFAULTS.views } = value;
  if (b !== null && !isObject(b)) throw new UsageError(`settings of the lab: "b" is ${JSON.stringify(b)}, expected an object of knobs, or null for one run`);
  if (typeof rows !== 'number') throw new UsageError(`settings of the lab: "rows" is ${JSON.stringify(rows)}, expected a number`);
  if (!Array.isArray(views) || !views.every((view) => (VIEW_NAMES as readonly unknown[]).includes(view))) throw new UsageError(`settings of the lab: "views" is ${JSON.stringify(views)}, expected some of ${VIEW_NAMES.join(', ')}`);
  return { data: data as LabData, recipe: { ...RECIPE, ...(recipe as RecipePatch) }, b: b as RecipePatch | null, rows, views: views as ViewName[] };
}

const KEY = '#lab=';

/** The address of a page that opens with these settings. */
export function permalink(settings: LabSettings, page: string): string {
  return `${page.split('#')[0] ?? ''}${KEY}${encodeURIComponent(JSON.stringify(settings))}`;
}

/** Settings from a page's hash; null where it has none. @throws UsageError where they are damaged */
export function fromHash(hash: string): LabSettings | null {
  if (!hash.startsWith(KEY)) return null;
  let value: unknown;
  try {
    value = JSON.parse(decodeURIComponent(hash.slice(KEY.length)));
  } catch (cause) {
    throw new UsageError('the settings in the address are damaged', { cause, hint: 'Copy the whole link.' });
  }
  return readSettings(value);
}
