/**
 * Settings of a plugin: their descriptors checked, values checked against them,
 * defaults filled in, and a JSON Schema for forms and documentation.
 */
import { UsageError } from '../engine/errors.js';
import type { InferSettings, SettingDescriptor, SettingsSchema } from './types.js';

export interface ResolvedSettings<S extends SettingsSchema> {
  /** A value for every setting of the schema, and nothing else. */
  readonly values: InferSettings<S>;
  /** Keys that were given and are in no schema: to be reported, not to fail on. */
  readonly unknown: readonly string[];
}

const show = (value: unknown): string => (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function' ? String(value) : (JSON.stringify(value) ?? 'undefined'));

/** What is wrong with a value, or null. */
export function settingProblem(descriptor: SettingDescriptor, value: unknown): string | null {
  if (typeof value !== descriptor.type) return `expected a ${descriptor.type}, got ${show(value)}`;
  if (descriptor.type === 'number') {
    const number = value as number;
    const { min, max, integer } = descriptor;
    if (!Number.isFinite(number)) return `expected a finite number, got ${number}`;
    if (integer === true && !Number.isInteger(number)) return `expected a whole number, got ${number}`;
    if (min !== undefined && number < min) return `expected at least ${min}, got ${number}`;
    if (max !== undefined && number > max) return `expected at most ${max}, got ${number}`;
  }
  if (descriptor.type === 'string' && descriptor.enum !== undefined && !descriptor.enum.includes(value as string)) {
    return `expected one of ${descriptor.enum.join(', ')}, got ${show(value)}`;
  }
  return null;
}

/** What is wrong with a schema, or null: an unknown type, limits that contradict each other, a default that its own limits refuse. */
export function schemaProblem(schema: unknown): string | null {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return 'settings must be an object of descriptors';
  for (const [name, descriptor] of Object.entries(schema as Record<string, SettingDescriptor | null | undefined>)) {
    if (!/^[A-Za-z_]\w*$/.test(name) || name === '__proto__') return `setting ${show(name)}: a name is letters, digits and _`;
    if (!['number', 'string', 'boolean'].includes(descriptor?.type as string)) return `setting ${name}: type must be number, string or boolean, got ${show(descriptor?.type)}`;
    const known = descriptor as SettingDescriptor;
    const problem = settingProblem(known, known.default);
    if (problem !== null) return `setting ${name}: its default does not fit: ${problem}`;
  }
  return null;
}

/**
 * Values for a run.
 * @param given what the person set; own properties only, `undefined` counts as not given
 * @throws UsageError naming plugin, setting, what was expected and what was given
 */
export function resolveSettings<S extends SettingsSchema>(plugin: string, schema: S | undefined, given: Readonly<Record<string, unknown>> = {}): ResolvedSettings<S> {
  const values: Record<string, unknown> = {};
  for (const [name, descriptor] of Object.entries<SettingDescriptor>(schema ?? {})) {
    const value = Object.hasOwn(given, name) && given[name] !== undefined ? given[name] : descriptor.default;
    const problem = settingProblem(descriptor, value);
    if (problem !== null) throw new UsageError(`setting ${plugin}.${name}: ${problem}`, { hint: descriptor.description });
    values[name] = value;
  }
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(schema ?? {}, name));
  return { values: Object.freeze(values) as InferSettings<S>, unknown };
}

/** The schema as JSON Schema (draft 2020-12): an object with one property a setting. */
export function settingsJsonSchema(schema: SettingsSchema, title?: string): Record<string, unknown> {
  const properties = Object.entries(schema).map(([name, descriptor]): [string, Record<string, unknown>] => {
    const property: Record<string, unknown> = { type: descriptor.type, default: descriptor.default, description: descriptor.description };
    if (descriptor.type === 'number') {
      if (descriptor.integer === true) property['type'] = 'integer';
      if (descriptor.min !== undefined) property['minimum'] = descriptor.min;
      if (descriptor.max !== undefined) property['maximum'] = descriptor.max;
    }
    if (descriptor.type === 'string' && descriptor.enum !== undefined) property['enum'] = [...descriptor.enum];
    return [name, property];
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...(title === undefined ? {} : { title }),
    type: 'object',
    properties: Object.fromEntries(properties),
    additionalProperties: false,
  };
}
