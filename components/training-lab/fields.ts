/** The form's fields: where each lies in the settings, what it takes, and when it is there. Pure. */
import { DATA_DEFAULTS, type LabData, type LabSettings } from './settings.js';

/** What a field holds: text of a number or a list as a person types it, or a choice. */
export interface Field {
  /** Its place, by which errors find it: `data.gamma`, `recipe.lr`, `b.b_dec`. */
  readonly path: string;
  readonly label: string;
  readonly kind: 'number' | 'numbers' | 'choice' | 'flag';
  readonly choices?: readonly (readonly [value: string, label: string])[];
  /** Other paths whose errors belong here. */
  readonly also?: readonly string[];
}

export interface Section {
  readonly title: string;
  readonly fields: readonly Field[];
}

const number = (path: string, label: string): Field => ({ path, label, kind: 'number' });
const numbers = (path: string, label: string): Field => ({ path, label, kind: 'numbers' });
const choice = (path: string, label: string, choices: readonly (string | readonly [string, string])[], also: readonly string[] = []): Field => ({ path, label, kind: 'choice', also, choices: choices.map((one) => (typeof one === 'string' ? [one, one] : one)) });

const BASE = [number('data.base.features', 'true directions'), number('data.base.p_high', 'highest rate'), number('data.base.p_low', 'lowest rate')];

const DATA_FIELDS: Readonly<Record<string, readonly Field[]>> = {
  shifted: [number('data.gamma', 'γ = ‖mean‖ / ‖σ‖'), choice('data.direction', 'moved along', [['random', 'a random direction'], ['mean', 'the mean']]), ...BASE],
  superposition: [number('data.features', 'true directions'), number('data.p_high', 'highest rate'), number('data.p_low', 'lowest rate'), number('data.zipf', 'Zipf’s exponent')],
  spiked: [number('data.features', 'true directions'), number('data.active', 'active in a row'), number('data.rho', 'coherence ρ')],
  gaussian: [number('data.gamma', 'γ = ‖mean‖ / ‖σ‖'), number('data.decay', 'decay of the spectrum')],
  'heavy-tails': [number('data.gamma', 'γ = ‖mean‖ / ‖σ‖')],
  orthant: [choice('data.law', 'law', ['half-normal', 'exponential'])],
  rare: [numbers('data.probabilities', 'planted rates'), number('data.copies', 'directions at each'), ...BASE],
  'shared-direction': [number('data.group', 'directions in the group'), number('data.alignment', 'cosine with the shared one'), number('data.p_high', 'highest rate'), number('data.p_low', 'lowest rate')],
  acts: [],
};

export const KIND_LABELS: readonly (readonly [string, string])[] = [
  ['shifted', 'sparse directions, moved off the origin'],
  ['superposition', 'sparse directions'],
  ['spiked', 'coherent directions'],
  ['gaussian', 'gaussian'],
  ['heavy-tails', 'heavy tails'],
  ['orthant', 'nothing negative'],
  ['rare', 'rare useful directions, planted'],
  ['shared-direction', 'rare directions with a shared one, planted'],
  ['acts', 'the page’s activations'],
];

const B_DEC = [['zero', 'zero'], ['mean', 'the mean'], ['geometric-median', 'the geometric median'], ['zero frozen', 'zero, frozen'], ['mean frozen', 'the mean, frozen']] as const;
const RESAMPLE = [['none', 'none'], ['anthropic', 'Anthropic’s'], ['dictionary-learning', 'dictionary_learning’s'], ['nanda', 'Nanda’s']] as const;
const OPTIMIZER = [['adam', 'Adam'], ['sgd', 'SGD']] as const;
const B_ALSO = ['b.freeze_b_dec'];

const isRanked = ({ recipe }: LabSettings): boolean => recipe.arch === 'topk' || recipe.arch === 'batchtopk';

/** The sections for these settings: knobs that do nothing are not shown. @param acts whether the page brought activations */
export function sectionsOf(settings: LabSettings, acts: boolean): Section[] {
  const { data, recipe, b } = settings;
  const resamples = (recipe.resample ?? 'none') !== 'none' || (b?.resample ?? 'none') !== 'none';
  const nanda = recipe.resample === 'nanda' || b?.resample === 'nanda';
  const sgd = recipe.optimizer === 'sgd';
  return [
    {
      title: 'Data',
      fields: [
        choice('data.kind', 'rows are', KIND_LABELS.filter(([kind]) => acts || kind !== 'acts' || data.kind === 'acts')),
        ...(DATA_FIELDS[data.kind] ?? []),
        ...(data.kind === 'acts' ? [] : [number('data.d', 'dimensions d'), number('data.seed', 'data’s seed')]),
        number('rows', 'held-out rows a frame'),
      ],
    },
    {
      title: 'SAE',
      fields: [
        choice('recipe.arch', 'architecture', [['standard', 'ReLU, L1'], ['p-anneal', 'ReLU, Lp annealed'], ['jumprelu', 'JumpReLU'], ['topk', 'TopK'], ['batchtopk', 'BatchTopK']]),
        number('recipe.d_sae', 'features'),
        ...(isRanked(settings) ? [number('recipe.k', 'k'), number('recipe.auxk', 'AuxK’s coefficient')] : [number('recipe.l1', 'sparsity coefficient')]),
        choice('recipe.b_dec', 'b_dec begins at', B_DEC, ['recipe.freeze_b_dec']),
        number('recipe.seed', 'seed'),
      ],
    },
    {
      title: 'Optimiser',
      fields: [
        choice('recipe.optimizer', 'optimiser', OPTIMIZER),
        number('recipe.lr', 'learning rate'),
        ...(sgd ? [number('recipe.momentum', 'momentum')] : [number('recipe.beta1', 'β₁'), number('recipe.beta2', 'β₂')]),
        number('recipe.batch', 'rows a step'),
        number('recipe.steps', 'steps'),
      ],
    },
    {
      title: 'Dead features',
      fields: [
        choice('recipe.resample', 'resampled by', RESAMPLE),
        ...(resamples ? [numbers('recipe.resample_at', 'after steps'), number('recipe.resample_spare', 'share spared, as control')] : []),
        ...(nanda ? [number('recipe.resample_below', 'below density')] : []),
      ],
    },
    {
      title: 'Run B, beside it',
      fields: [
        { path: 'b', label: 'compare with a second run', kind: 'flag' },
        ...(b === null
          ? []
          : [
              choice('b.b_dec', 'b_dec begins at', [['', 'as in A'], ...B_DEC], B_ALSO),
              choice('b.resample', 'resampled by', [['', 'as in A'], ...RESAMPLE]),
              choice('b.optimizer', 'optimiser', [['', 'as in A'], ...OPTIMIZER]),
              number('b.lr', 'learning rate, if another'),
              number('b.l1', 'sparsity, if another'),
            ].filter(({ path }) => path !== 'b.l1' || !isRanked(settings))),
      ],
    },
  ];
}

type Tree = Readonly<Record<string, unknown>>;

const lookUp = (tree: unknown, path: readonly string[]): unknown => path.reduce<unknown>((at, name) => (at as Tree | null | undefined)?.[name], tree);

/** The same with another value at a path; undefined takes it out. */
function put(tree: Tree, [name, ...rest]: readonly string[], value: unknown): Tree {
  if (name === undefined) return tree;
  const next = rest.length === 0 ? value : put((tree[name] as Tree | undefined) ?? {}, rest, value);
  const { [name]: _, ...others } = tree;
  return next === undefined ? others : { ...tree, [name]: next };
}

/** What a field shows: text, a choice's value, or '' and 'true' of a flag. */
export function valueOf(settings: LabSettings, { path, kind }: Field): string {
  if (path === 'b') return settings.b === null ? '' : 'true';
  if (path.endsWith('.b_dec')) {
    const { b_dec, freeze_b_dec } = (lookUp(settings, [path.split('.')[0] as string]) ?? {}) as { b_dec?: string; freeze_b_dec?: boolean };
    // B may freeze what A leaves free, and the other way around.
    const base = b_dec ?? (freeze_b_dec === undefined ? undefined : settings.recipe.b_dec);
    return base === undefined ? '' : `${base}${freeze_b_dec === true ? ' frozen' : ''}`;
  }
  const value = lookUp(settings, path.split('.'));
  if (value === undefined || value === null) return kind === 'choice' && path.startsWith('data.') ? (DEFAULT_CHOICES[path] ?? '') : '';
  return Array.isArray(value) ? value.join(', ') : String(value);
}

const DEFAULT_CHOICES: Readonly<Record<string, string>> = { 'data.direction': 'random', 'data.law': 'half-normal' };

/** The settings after a person has changed a field. What is no number stays as it was typed, for the check to name. */
export function changed(settings: LabSettings, { path, kind }: Field, text: string): LabSettings {
  if (path === 'b') return { ...settings, b: text === '' ? null : { b_dec: settings.recipe.b_dec === 'mean' ? 'zero' : 'mean' } };
  if (path === 'data.kind') return { ...settings, data: DATA_DEFAULTS[text] as LabData };
  const tree = settings as unknown as Tree;
  if (path.endsWith('.b_dec')) {
    const run = path.split('.')[0] as string;
    const [b_dec, frozen] = text === '' ? [] : text.split(' ');
    return put(put(tree, [run, 'b_dec'], b_dec), [run, 'freeze_b_dec'], text === '' ? undefined : frozen === 'frozen') as unknown as LabSettings;
  }
  const trimmed = text.trim();
  const value = trimmed === '' ? undefined : kind === 'number' ? numberOf(trimmed) : kind === 'numbers' ? trimmed.split(/[\s,;]+/).filter((one) => one !== '').map(numberOf) : text;
  return put(tree, path.split('.'), path === 'rows' ? (value ?? NaN) : value) as unknown as LabSettings;
}

const numberOf = (text: string): number | string => (Number.isNaN(Number(text)) ? text : Number(text));
