/** Parsing of option values, shared by the commands. Each parser throws a commander error that names the flag's value. */
import { InvalidArgumentError } from 'commander';
import { SaekitError, UsageError } from '../engine/errors.js';
import { resolveSettings, type AnyPlugin } from '../plugins/index.js';

/** A whole number from `low` to `high`. */
export function whole(low: number, high = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < low || value > high) {
      throw new InvalidArgumentError(`Expected a whole number ${high === Number.MAX_SAFE_INTEGER ? `of at least ${low}` : `from ${low} to ${high}`}.`);
    }
    return value;
  };
}

/** `0,1,2` → [0, 1, 2] */
export function wholeList(text: string): number[] {
  return text.split(',').map((part) => {
    const value = Number(part);
    if (!/^\s*\d+\s*$/.test(part) || !Number.isSafeInteger(value)) throw new InvalidArgumentError('Expected whole numbers joined by commas, for example 0,1.');
    return value;
  });
}

/** One of the words given. */
export function oneOf<const T extends string>(...words: readonly T[]) {
  return (text: string): T => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new InvalidArgumentError(`Expected one of ${words.join(', ')}.`);
    return found;
  };
}

const UNITS: Readonly<Record<string, number>> = { '': 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };

/** `512MiB` → 536870912 */
export function byteSize(text: string): number {
  const [, number = '', unit = ''] = /^([\d.]+)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const value = Number(number) * (UNITS[unit.toLowerCase()] ?? NaN);
  if (number === '' || !Number.isFinite(value)) throw new InvalidArgumentError('Expected a size, for example 512MiB or 2GiB.');
  return Math.floor(value);
}

/** Gathers a repeatable option. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** One `--set PLUGIN.SETTING=VALUE` as it was written. */
export interface GivenSetting {
  readonly plugin: string;
  readonly name: string;
  readonly value: string;
}

/** Gathers `sae/examples.top=10`; what type the value has is the plugin's to say. */
export function setting(text: string, before: readonly GivenSetting[] = []): GivenSetting[] {
  const match = /^([a-z0-9-]+\/[a-z0-9-]+)\.([A-Za-z_]\w*)=(.*)$/s.exec(text);
  if (match === null) throw new InvalidArgumentError('Expected PLUGIN.SETTING=VALUE, for example sae/examples.top=10.');
  const [, plugin = '', name = '', value = ''] = match;
  return [...before, { plugin, name, value }];
}

/** The analyses that `--with` names. @throws UsageError where there is none of that name */
export function chooseExtras(ids: readonly string[], extras: readonly AnyPlugin[]): AnyPlugin[] {
  return [...new Set(ids)].map((id) => {
    const extra = extras.find((plugin) => plugin.id === id);
    if (extra === undefined) throw new UsageError(`--with ${id}: there is no such analysis`, { hint: `There are ${extras.map((plugin) => plugin.id).join(', ')}; what is part of every run needs no --with.` });
    return extra;
  });
}

/** `--without` must name plugins that there are. @throws UsageError */
export function checkWithout(without: readonly string[], plugins: readonly AnyPlugin[]): void {
  for (const id of without) {
    if (!plugins.some((plugin) => plugin.id === id)) throw new UsageError(`--without ${id}: there is no such plugin`, { hint: `There are ${plugins.map((plugin) => plugin.id).join(', ')}.` });
  }
}

/**
 * Settings by plugin id, each of the type that its plugin declares.
 * @throws UsageError for a plugin or a setting that there is not, or a value that does not fit
 */
export function typedSettings(given: readonly GivenSetting[], plugins: readonly AnyPlugin[]): Record<string, Record<string, unknown>> {
  const typed: Record<string, Record<string, unknown>> = {};
  for (const { plugin: id, name, value } of given) {
    const where = `--set ${id}.${name}=${value}`;
    const plugin = plugins.find((one) => one.id === id);
    if (plugin === undefined) throw new UsageError(`${where}: there is no plugin ${id}`, { hint: `There are ${plugins.map((one) => one.id).join(', ')}.` });
    const schema = plugin.settings ?? {};
    const descriptor = Object.hasOwn(schema, name) ? schema[name] : undefined;
    if (descriptor === undefined) {
      const names = Object.keys(schema);
      throw new UsageError(`${where}: ${id} has no setting ${name}`, { hint: names.length === 0 ? 'It has no settings.' : `It has ${names.join(', ')}.` });
    }
    const own = (typed[id] ??= {});
    if (descriptor.type === 'string') own[name] = value;
    else if (descriptor.type === 'boolean' && (value === 'true' || value === 'false')) own[name] = value === 'true';
    else if (descriptor.type === 'number' && value.trim() !== '' && Number.isFinite(Number(value))) own[name] = Number(value);
    else throw new UsageError(`${where}: expected ${descriptor.type === 'boolean' ? 'true or false' : 'a number'}`, { hint: descriptor.description });
    // The run checks again; here it is told before anything was loaded.
    resolveSettings(id, schema, own);
  }
  return typed;
}

/**
 * Puts the flag in front of a message that begins with the flag's value: the
 * engine knows files, the person wrote flags.
 * @param flags values by the flags' names, as commander gives them
 */
export function nameFlag(error: unknown, flags: Readonly<Record<string, unknown>>): void {
  if (!(error instanceof SaekitError)) return;
  for (const [name, value] of Object.entries(flags)) {
    if (typeof value !== 'string' || value === '') continue;
    const file = value.replace(/#.*$/s, '').replace(/[\\/]+$/, '');
    if (!error.message.startsWith(file) || !/^[:#\\/ ]/.test(error.message.slice(file.length))) continue;
    error.message = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${error.message}`;
    return;
  }
}

/** Flags of every command that runs analyses over a stream of activations. */
export interface AnalysisFlags {
  readonly out: string;
  readonly model?: string;
  readonly hook?: string;
  readonly tokens?: string;
  readonly acts?: string;
  readonly contextSize?: number;
  readonly tokenizer?: string;
  readonly ignoreTokens?: number[];
  readonly ignorePositions?: number[];
  readonly backend: 'auto' | 'webgpu' | 'wasm';
  readonly threads?: number;
  readonly modelRuntime: 'auto' | 'web' | 'node';
  readonly seed: number;
  readonly without?: string[];
  readonly set?: GivenSetting[];
  readonly json?: boolean;
  readonly quiet?: boolean;
}
