/**
 * From what somebody wrote to a whole recipe: defaults, presets, and checks that name the knob.
 * And from a recipe to what a training session carries out.
 */
import { UsageError } from '../errors.js';
import { directionsOf } from './encoder-hooks.js';
import { KNOBS, type Knob } from './knobs.js';
import type { Objective, Optimizer, Penalty, Selection } from './objective.js';
import { presetValues } from './presets.js';
import type { Recipe, RecipeArchitecture } from './recipe.js';
import { checkpointSteps } from './schedule.js';

/** Every knob but the few that have to be given. */
function defaults(arch: RecipeArchitecture, batch: number, steps: number): Omit<Recipe, 'arch' | 'preset' | 'd_sae' | 'l1' | 'k'> {
  const ranked = isRanked(arch);
  return {
    mse: 'sum',
    l1_reduction: 'mean',
    l1_decoder_norm: false,
    l1_warmup: 0,
    k_anneal: 0,
    k_anneal_from: null,
    rescale_acts_by_decoder_norm: false,
    groups: null,
    group_weights: null,
    selection: 'batchtopk',
    threshold_init: 0.01,
    bandwidth: 0.05,
    jumprelu_penalty: 'l0',
    target_l0: null,
    tanh_scale: 4,
    ste_one_sided: false,
    ste_to_input: false,
    pre_act_loss: 0,
    gated_detach: true,
    p_start: 1,
    p_end: 0.2,
    p_anneal_from: Math.floor(steps / 4),
    p_anneal_changes: 10,
    p_root: false,
    p_queue: 10,
    dead_after: 1000 * batch,
    auxk: ranked ? 1 / 32 : 0,
    auxk_k: null,
    auxk_relu: true,
    auxk_scale_by_dead: false,
    auxk_normalize: 'variance',
    auxk_b_dec: false,
    ghost_grads: false,
    resample: 'none',
    resample_at: [],
    resample_window: Math.max(1, Math.floor(steps / 10)),
    resample_rows: 65_536,
    resample_scale: 0.2,
    resample_below: 10 ** -5.5,
    resample_warmup: 0,
    resample_spare: 0,
    optimizer: 'adam',
    lr: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    momentum: 0,
    warmup: Math.min(100, Math.floor(steps / 10)),
    lr_schedule: 'constant',
    lr_end: 0,
    decay: 0,
    clip: ranked ? 1 : null,
    remove_parallel: true,
    decoder_norm: 'unit',
    noise: 0,
    deflate: 'none',
    batch,
    steps,
    encoder_init: 'decoder',
    decoder_init: 'kaiming',
    decoder_init_norm: 1,
    b_enc_init: 'zero',
    b_dec: 'mean',
    freeze_b_dec: false,
    apply_b_dec_to_input: true,
    normalize: 'none',
    threshold_rate: 0.01,
    threshold_from: 0,
    seed: 0,
    checkpoints: 'log:24',
    log_every: 10,
    density_window: 50 * batch,
    early_stop: 0,
    early_stop_ratio: 0.001,
  };
}

const DEFAULT_BATCH = 2048;
const DEFAULT_STEPS = 10_000;

/** Whether codes are selected by rank. */
export function isRanked(arch: RecipeArchitecture): boolean {
  return arch === 'topk' || arch === 'batchtopk' || arch === 'matryoshka';
}

/**
 * A whole recipe from a part of one.
 * @param given knobs by their names, as JSON has them
 * @param where what they came from, for messages: `run.json`, `--config run.json`
 * @throws UsageError naming the knob, what was expected and what was found
 */
export function resolveRecipe(given: Readonly<Record<string, unknown>> | Partial<Recipe>, { d, where = 'the recipe' }: { readonly d: number; readonly where?: string }): Recipe {
  const values: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  for (const [name, value] of Object.entries(values)) {
    const knob = Object.hasOwn(KNOBS, name) ? KNOBS[name as keyof Recipe] : undefined;
    if (knob === undefined) throw new UsageError(`${where}: there is no knob ${JSON.stringify(name)}`, { hint: `There are ${Object.keys(KNOBS).join(', ')}.` });
    const problem = problemOf(knob, value);
    if (problem !== null) throw new UsageError(`${where}: ${name} is ${JSON.stringify(value)}, expected ${problem}`, { hint: `${name}: ${knob.text}.` });
  }
  const { arch, preset = null, d_sae } = values as Partial<Recipe>;
  if (arch === undefined) throw new UsageError(`${where}: arch is missing`, { hint: `It is one of ${(KNOBS.arch as { values: readonly string[] }).values.join(', ')}.` });
  if (d_sae === undefined) throw new UsageError(`${where}: d_sae is missing`, { hint: 'It is the number of features, for example 16 times the width of the activations.' });
  const preset_ = presetValues(preset, { arch, d, d_sae, batch: values.batch as number | undefined });
  const batch = (values.batch as number | undefined) ?? preset_.batch ?? DEFAULT_BATCH;
  const steps = (values.steps as number | undefined) ?? DEFAULT_STEPS;
  const filled = { ...defaults(arch, batch, steps), k: null, l1: isRanked(arch) ? 0 : undefined, ...preset_, ...values, arch, preset, d_sae, batch, steps };
  if (filled.l1 === undefined) throw new UsageError(`${where}: l1 is missing, and ${arch} has a penalty`, { hint: 'Give its coefficient: larger ones give sparser codes.' });
  const recipe = filled as Recipe;
  if ((preset === 'openai' || preset === 'sparsify') && !isRanked(arch)) throw new UsageError(`${where}: preset ${preset} selects by rank, and arch is ${arch}`, { hint: 'It goes with topk, batchtopk and matryoshka.' });
  if ((preset === 'towards-monosemanticity' || preset === 'nanda') && isRanked(arch)) throw new UsageError(`${where}: preset ${preset} has an L1 penalty, and arch is ${arch}`, { hint: 'It goes with standard.' });
  checkTogether(recipe, d, where);
  return recipe;
}

function problemOf(knob: Knob, value: unknown): string | null {
  if (value === null) return knob.nullable === true ? null : expectation(knob);
  const fits = (number: unknown, whole: boolean, { min = -Infinity, above = -Infinity, max = Infinity }: { min?: number; above?: number; max?: number }): boolean =>
    typeof number === 'number' && Number.isFinite(number) && (!whole || Number.isInteger(number)) && number >= min && number > above && number <= max;
  switch (knob.type) {
    case 'integer':
    case 'number':
      return fits(value, knob.type === 'integer', knob) ? null : expectation(knob);
    case 'boolean':
      return typeof value === 'boolean' ? null : expectation(knob);
    case 'enum':
      return knob.values.includes(value as string) ? null : expectation(knob);
    case 'string':
      return typeof value === 'string' && knob.pattern.test(value) ? null : expectation(knob);
    case 'integers':
    case 'numbers':
      return Array.isArray(value) && value.every((one) => fits(one, knob.type === 'integers', knob)) ? null : expectation(knob);
  }
}

/** What a knob takes, in words. */
export function expectation(knob: Knob): string {
  const none = knob.nullable === true ? ', or null' : '';
  switch (knob.type) {
    case 'integer':
    case 'number': {
      const bounds = [knob.min === undefined ? '' : `of at least ${knob.min}`, knob.above === undefined ? '' : `above ${knob.above}`, knob.max === undefined ? '' : `at most ${knob.max}`].filter((text) => text !== '').join(', ');
      return `a ${knob.type === 'integer' ? 'whole number' : 'number'}${bounds === '' ? '' : ` ${bounds}`}${none}`;
    }
    case 'boolean':
      return 'true or false';
    case 'enum':
      return `one of ${knob.values.join(', ')}${none}`;
    case 'string':
      return `for example ${knob.example}`;
    case 'integers':
    case 'numbers':
      return `a list of ${knob.type === 'integers' ? 'whole ' : ''}numbers of at least ${knob.min}${none}`;
  }
}

/** Knobs that must fit each other. */
function checkTogether(recipe: Recipe, d: number, where: string): void {
  const refuse = (message: string, hint?: string): never => {
    throw new UsageError(`${where}: ${message}`, hint === undefined ? {} : { hint });
  };
  const { arch, k, d_sae, groups, group_weights, jumprelu_penalty, target_l0, p_start, p_end, resample, resample_at, warmup, decay, steps, encoder_init, decoder_init } = recipe;
  if (isRanked(arch)) {
    if (k === null) refuse(`k is missing, and ${arch} selects by it`, 'Give how many features a row may use, for example 32.');
    else if (recipe.l1 > 0) refuse(`l1 is ${recipe.l1}, and ${arch} has no penalty: k sets its L0`, 'Leave l1 out.');
    else if (k > d_sae) refuse(`k is ${k}, more than d_sae, ${d_sae}`);
    else if ((arch === 'topk' || (arch === 'matryoshka' && recipe.selection === 'topk')) && !Number.isInteger(k)) refuse(`k is ${k}, expected a whole number for topk`, 'batchtopk takes an average.');
  }
  if (!isRanked(arch) && k !== null) refuse(`k is ${k}, and ${arch} does not select by rank`, 'Leave k out, or take topk or batchtopk.');
  if (!isRanked(arch) && recipe.rescale_acts_by_decoder_norm) refuse(`rescale_acts_by_decoder_norm goes with topk, batchtopk and matryoshka, not with ${arch}`);
  if (recipe.k_anneal_from !== null && recipe.k_anneal_from > d_sae) refuse(`k_anneal_from is ${recipe.k_anneal_from}, more than d_sae, ${d_sae}`);
  if (arch === 'gated' && recipe.auxk > 0) refuse('auxk goes with every arch but gated, whose features have two pre-activations', 'Resample dead features instead.');
  if (arch === 'gated' && recipe.ghost_grads) refuse('ghost_grads goes with every arch but gated, whose features have two pre-activations', 'Resample dead features instead.');
  if (arch === 'matryoshka') {
    const widths = groupsOf(recipe);
    if (widths.some((width, g) => width <= (widths[g - 1] ?? 0)) || widths.at(-1) !== d_sae) refuse(`groups are ${widths.join(', ')}, expected ascending widths of which the last is d_sae, ${d_sae}`);
    if (group_weights !== null && group_weights.length !== widths.length) refuse(`group_weights has ${group_weights.length} numbers, expected ${widths.length}, one for each of groups`);
  } else if (groups !== null || group_weights !== null) refuse(`groups go with matryoshka, not with ${arch}`);
  if (arch === 'jumprelu' && jumprelu_penalty === 'l0-target' && target_l0 === null) refuse('target_l0 is missing, and jumprelu_penalty is l0-target');
  if (arch !== 'jumprelu' && recipe.pre_act_loss > 0) refuse(`pre_act_loss goes with jumprelu, not with ${arch}`);
  if (arch === 'p-anneal' && p_end > p_start) refuse(`p_end is ${p_end}, expected at most p_start, ${p_start}`);
  if (arch === 'p-anneal' && p_end === 0) refuse('p_end is 0, whose penalty has no gradient', 'Take a small number, for example 0.1.');
  if (resample !== 'none' && resample_at.length === 0) refuse(`resample is ${resample}, and resample_at has no steps`, 'Give the steps after which it is done, for example 2500,5000.');
  if (warmup + decay > steps) refuse(`warmup and decay are ${warmup} and ${decay} steps, more than steps, ${steps}`);
  if (recipe.beta1 >= 1 || recipe.beta2 >= 1) refuse(`beta1 and beta2 are ${recipe.beta1} and ${recipe.beta2}, expected less than 1`);
  const scale = /:(.+)$/.exec(encoder_init);
  if (scale !== null && !(Number(scale[1]) > 0)) refuse(`encoder_init is ${JSON.stringify(encoder_init)}, expected a number above 0 after the colon`);
  if (decoder_init === 'orthogonal' && d_sae > 65_536) refuse(`decoder_init orthogonal is for at most 65,536 features, and d_sae is ${d_sae}`);
  if (recipe.deflate === 'mean' && recipe.apply_b_dec_to_input && recipe.b_dec === 'mean') refuse('deflate is mean, and b_dec starts there', 'With b_dec zero there is a direction between them.');
  if (!Number.isInteger(d) || d < 1) refuse(`d is ${d}, expected the width of the activations`);
  if (resample_at.some((step, at) => step <= (resample_at[at - 1] ?? 0))) refuse(`resample_at is ${resample_at.join(', ')}, expected ascending steps`);
  const late = resample_at.find((step) => step > steps);
  if (resample !== 'none' && late !== undefined && recipe.preset === null) refuse(`resample_at has step ${late}, and the run ends at ${steps}`);
  try {
    if (recipe.deflate !== 'mean') directionsOf(recipe.deflate, d, null);
    checkpointSteps(recipe.checkpoints, steps);
  } catch (error) {
    refuse((error as Error).message);
  }
}

/** Prefix widths: those given, else an eighth, a quarter, a half and all. */
function groupsOf({ groups, d_sae }: Recipe): readonly number[] {
  return groups ?? [...new Set([8, 4, 2, 1].map((part) => Math.max(1, Math.round(d_sae / part))))];
}

function selectionOf(recipe: Recipe): Selection {
  const { arch, rescale_acts_by_decoder_norm: byDecoderNorm, bandwidth, ste_one_sided: oneSided, ste_to_input: steToInput } = recipe;
  switch (arch) {
    case 'standard':
    case 'p-anneal':
      return { kind: 'relu' };
    case 'topk':
    case 'batchtopk':
      return { kind: arch, byDecoderNorm };
    case 'matryoshka':
      return { kind: recipe.selection, byDecoderNorm };
    case 'jumprelu':
      return { kind: 'jumprelu', bandwidth, oneSided, steToInput };
    case 'gated':
      return { kind: 'gated', detachAuxDecoder: recipe.gated_detach };
  }
}

function penaltyOf(recipe: Recipe): Penalty {
  switch (recipe.arch) {
    case 'standard':
    case 'gated':
      return { kind: 'l1', byDecoderNorm: recipe.l1_decoder_norm };
    case 'p-anneal':
      return { kind: 'lp', root: recipe.p_root };
    case 'jumprelu':
      if (recipe.jumprelu_penalty === 'l0-target') return { kind: 'l0-target', target: recipe.target_l0 ?? 1 };
      return recipe.jumprelu_penalty === 'tanh' ? { kind: 'tanh', scale: recipe.tanh_scale } : { kind: 'l0' };
    default:
      return { kind: 'none' };
  }
}

/** What a step does under a recipe. @param d width of the activations */
export function objectiveOf(recipe: Recipe, d: number): Objective {
  const { d_sae, arch } = recipe;
  const groups = arch === 'matryoshka' ? groupsOf(recipe) : [d_sae];
  return {
    d,
    d_sae,
    applyBDecToInput: recipe.apply_b_dec_to_input,
    selection: selectionOf(recipe),
    penalty: penaltyOf(recipe),
    mse: recipe.mse,
    groups,
    groupWeights: recipe.group_weights ?? groups.map(() => 1),
    auxk: recipe.auxk > 0 ? { k: Math.min(d_sae, recipe.auxk_k ?? Math.max(1, Math.floor(d / 2))), coefficient: recipe.auxk, relu: recipe.auxk_relu, scaleByDead: recipe.auxk_scale_by_dead, normalize: recipe.auxk_normalize, includeBDec: recipe.auxk_b_dec } : null,
    ghost: recipe.ghost_grads,
    preActivationCoefficient: recipe.pre_act_loss,
  };
}

export function optimizerOf(recipe: Recipe): Optimizer {
  const { optimizer, beta1, beta2, eps, momentum, clip, remove_parallel, decoder_norm, freeze_b_dec } = recipe;
  return { kind: optimizer, betas: [beta1, beta2], eps, momentum, clip, removeParallel: remove_parallel, renormalize: decoder_norm === 'unit' ? 'always' : decoder_norm === 'at-most-unit' ? 'at-most' : 'never', frozen: freeze_b_dec ? ['b_dec'] : [] };
}
