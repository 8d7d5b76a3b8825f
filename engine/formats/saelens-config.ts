/**
 * SAELens' cfg.json, versions 3 to 6, read into one shape.
 *
 * What SAELens does on load is done here in its order (handle_config_defaulting
 * and handle_pre_6_0_config of sae_lens/loading/pretrained_sae_loaders.py):
 * older names are renamed, older defaults are filled in, and each thing that was
 * assumed rather than written becomes a line of `notes`.
 */
import { FormatError } from '../errors.js';

export interface SaelensConfig {
  readonly architecture: 'standard' | 'topk' | 'jumprelu' | 'gated';
  /** True for the training checkpoint of a BatchTopK SAE, whose threshold is a scalar of its own. */
  readonly batchTopK: boolean;
  readonly d_in: number;
  readonly d_sae: number;
  readonly k: number | null;
  readonly dtype: string;
  readonly applyBDecToInput: boolean;
  readonly normalizeActivations: 'none' | 'constant_norm_rescale' | 'layer_norm' | 'expected_average_only_in';
  readonly rescaleActsByDecoderNorm: boolean;
  readonly finetuningScalingFactor: boolean;
  readonly model_name: string | null;
  readonly hook_name: string | null;
  /** Release that wrote the file, or `before 6`. */
  readonly version: string;
  readonly notes: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

const RENAMED: Readonly<Record<string, string>> = {
  hook_point: 'hook_name',
  hook_point_layer: 'hook_layer',
  hook_point_head_index: 'hook_head_index',
  activation_fn_str: 'activation_fn',
};
const NORMALIZATIONS = ['none', 'constant_norm_rescale', 'layer_norm', 'expected_average_only_in'] as const;
const DTYPES = ['float32', 'float64', 'float16', 'bfloat16'];

/** Architectures that SAELens knows and saekit does not read. */
const OTHERS: Readonly<Record<string, string>> = {
  transcoder: 'transcoder',
  skip_transcoder: 'transcoder with a skip connection',
  jumprelu_transcoder: 'JumpReLU transcoder',
  jumprelu_skip_transcoder: 'JumpReLU transcoder with a skip connection',
  temporal: 'temporal SAE',
  matching_pursuit: 'matching-pursuit SAE',
};
const SUPPORTED = 'Supported are standard, topk, jumprelu and gated, and batchtopk checkpoints that carry their threshold.';

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True when `version` comes before 6.0.0-rc.0, by the rules of PEP 440 as far as they matter here. */
function isBefore6(version: unknown): boolean {
  const major = typeof version === 'string' ? /^v?(\d+)/.exec(version.trim())?.[1] : undefined;
  return major === undefined || Number(major) < 6;
}

/**
 * @param file name of the cfg.json, for messages
 * @param json what it holds
 * @throws FormatError naming the key, what was found and what is supported
 */
export function readSaelensConfig(file: string, json: unknown): SaelensConfig {
  if (!isObject(json)) throw new FormatError(`${file}: a JSON object was expected`);
  const notes: string[] = [];
  // Release candidates of version 6 called it `meta`.
  const meta: Json = isObject(json['metadata']) ? json['metadata'] : isObject(json['meta']) ? json['meta'] : {};
  const version = json['sae_lens_version'] ?? meta['sae_lens_version'];
  const old = isBefore6(version);
  const cfg: Json = old ? Object.fromEntries(Object.entries(json).map(([key, value]) => [RENAMED[key] ?? key, value])) : json;
  if (old) notes.push('The configuration is older than SAELens 6 or names no version: its older names and defaults are used, as SAELens does.');

  const bad = (key: string, expected: string): FormatError => new FormatError(`${file}: ${key} is ${JSON.stringify(cfg[key])}, ${expected} was expected`);
  const count = (key: string): number => {
    const value = cfg[key];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) throw bad(key, 'a positive whole number');
    return value;
  };
  const flag = (key: string, fallback: boolean, why: string): boolean => {
    const value = cfg[key];
    if (value === undefined || value === null) {
      if (why !== '') notes.push(`${key} is not written: ${why}.`);
      return fallback;
    }
    if (typeof value !== 'boolean') throw bad(key, 'true or false');
    return value;
  };
  const text = (key: string): string | null => {
    const value = meta[key] ?? cfg[key];
    return typeof value === 'string' ? value : null;
  };

  const { architecture, batchTopK, k } = readArchitecture(file, cfg, notes, count);
  return {
    architecture,
    batchTopK,
    d_in: count('d_in'),
    d_sae: count('d_sae'),
    k,
    dtype: readDtype(cfg, bad),
    applyBDecToInput: flag('apply_b_dec_to_input', true, 'true is assumed (SAELens’ default)'),
    normalizeActivations: readNormalization(cfg, notes, bad),
    rescaleActsByDecoderNorm: flag('rescale_acts_by_decoder_norm', false, ''),
    finetuningScalingFactor: flag('finetuning_scaling_factor', false, ''),
    ...readHook(file, cfg, text, notes),
    version: typeof version === 'string' ? version : 'before 6',
    notes,
  };
}

function readArchitecture(file: string, cfg: Json, notes: string[], count: (key: string) => number): { architecture: SaelensConfig['architecture']; batchTopK: boolean; k: number | null } {
  const found = cfg['architecture'] ?? 'standard';
  if (cfg['architecture'] === undefined) notes.push('architecture is not written: standard is assumed (SAELens’ default).');
  const activation = cfg['activation_fn'] ?? 'relu';
  const kwargs: Json = isObject(cfg['activation_fn_kwargs']) ? cfg['activation_fn_kwargs'] : {};
  const unsupported = (what: string): FormatError => new FormatError(`${file}: ${what}`, { hint: SUPPORTED });

  if (found === 'topk' || (found === 'standard' && activation === 'topk')) {
    if (found === 'standard') notes.push('architecture is standard with activation_fn topk: read as topk.');
    const value = cfg['k'] ?? kwargs['k'];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
      throw new FormatError(`${file}: the architecture is topk and k is ${JSON.stringify(value)}, a positive whole number was expected in k or activation_fn_kwargs.k`);
    }
    if (value > count('d_sae')) throw new FormatError(`${file}: k is ${value}, d_sae only ${count('d_sae')}`);
    return { architecture: 'topk', batchTopK: false, k: value };
  }
  if (found === 'batchtopk' || found === 'matryoshka_batchtopk') return { architecture: 'jumprelu', batchTopK: true, k: null };
  if (found !== 'standard' && found !== 'jumprelu' && found !== 'gated') {
    const known = typeof found === 'string' ? OTHERS[found] : undefined;
    throw unsupported(`the architecture is ${JSON.stringify(found)}${known === undefined ? '' : `, a ${known}`}, which is not supported yet`);
  }
  if (activation !== 'relu') throw unsupported(`activation_fn is ${JSON.stringify(activation)}, relu or topk was expected`);
  return { architecture: found, batchTopK: false, k: null };
}

function readDtype(cfg: Json, bad: (key: string, expected: string) => FormatError): string {
  const value = cfg['dtype'] ?? 'float32';
  const name = typeof value === 'string' ? value.replace(/^torch\./, '') : '';
  if (!DTYPES.includes(name)) throw bad('dtype', DTYPES.join(', '));
  return name;
}

function readNormalization(cfg: Json, notes: string[], bad: (key: string, expected: string) => FormatError): SaelensConfig['normalizeActivations'] {
  const value = cfg['normalize_activations'];
  if (value === undefined || value === null) {
    if (value === undefined) notes.push('normalize_activations is not written: none is assumed (SAELens’ default).');
    return 'none';
  }
  if (typeof value === 'boolean') {
    notes.push(`normalize_activations is ${value}: read as ${value ? 'expected_average_only_in' : 'none'}, as SAELens does.`);
    return value ? 'expected_average_only_in' : 'none';
  }
  const known = NORMALIZATIONS.find((name) => name === value);
  if (known === undefined) throw bad('normalize_activations', NORMALIZATIONS.join(', '));
  return known;
}

function readHook(file: string, cfg: Json, text: (key: string) => string | null, notes: string[]): { model_name: string | null; hook_name: string | null } {
  const hook_name = text('hook_name');
  const reshape = cfg['reshape_activations'] ?? (hook_name?.includes('hook_z') === true ? 'hook_z' : 'none');
  if (reshape === 'hook_z') notes.push('The hook is hook_z: its heads are laid side by side, [.., heads, d_head] to [.., heads * d_head], before encoding.');
  else if (reshape !== 'none') throw new FormatError(`${file}: reshape_activations is ${JSON.stringify(reshape)}, none or hook_z was expected`);
  if (hook_name === null) notes.push('No hook is named: it has to be given.');
  return { model_name: text('model_name'), hook_name };
}
