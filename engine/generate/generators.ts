/**
 * The kinds of generators: for each, how its description is read and what is made of it.
 * A description is plain JSON, `{"kind": "spiked", "d": 256, "seed": 0, ...}`; what is left
 * out has defaults, and what a run records is complete.
 */
import { UsageError } from '../errors.js';
import { FieldReader } from './fields.js';
import { gaussianSampler, resolveGaussian, type GaussianSpec } from './gaussian.js';
import { heavyTailsSampler, resolveHeavyTails, type HeavyTailsSpec } from './heavy-tails.js';
import { orthantSampler, resolveOrthant, type OrthantSpec } from './orthant.js';
import { PRESETS } from './presets.js';
import { rareSampler, resolveRare, type RareSpec } from './rare.js';
import type { Sampler } from './sampler.js';
import { resolveSharedDirection, sharedDirectionSampler, type SharedDirectionSpec } from './shared-direction.js';
import { resolveShifted, shiftedSampler, type ShiftedSpec } from './shifted.js';
import { resolveSpiked, spikedSampler, type SpikedSpec } from './spiked.js';
import { resolveSuperposition, superpositionSampler, type SuperpositionSpec } from './superposition.js';
import { resolveTasks, tasksSampler, type TasksSpec } from './tasks.js';

/** A complete description: what `resolveGenerator` gives. */
export type ResolvedSpec = GaussianSpec | OrthantSpec | HeavyTailsSpec | SuperpositionSpec | ShiftedSpec | SpikedSpec | RareSpec | SharedDirectionSpec | TasksSpec;

export type GeneratorKind = ResolvedSpec['kind'];

/** What a person may leave out of a description: all but the kind; the width too where a preset has one. */
type Open<T> = T extends { readonly kind: infer K }
  ? { readonly kind: K; readonly preset?: string | undefined } & { readonly [F in Exclude<keyof T, 'kind'>]?: (F extends 'base' ? GeneratorSpec : T[F]) | undefined }
  : never;

/** A description as a person writes it. */
export type GeneratorSpec = Open<ResolvedSpec>;

type Resolve<K> = (fields: FieldReader, d: number, seed: number, resolveBase: (raw: unknown) => ResolvedSpec) => Extract<ResolvedSpec, { kind: K }>;

const KINDS: { readonly [K in GeneratorKind]: {
  /** One line for people. */
  readonly about: string;
  readonly resolve: Resolve<K>;
  readonly sampler: (spec: Extract<ResolvedSpec, { kind: K }>) => Sampler;
} } = {
  gaussian: { about: 'N(mean, covariance); mean by vector or gamma, covariance by matrix or spectrum', resolve: resolveGaussian, sampler: gaussianSampler },
  orthant: { about: 'nothing negative: |gaussian| or exponential', resolve: resolveOrthant, sampler: orthantSampler },
  'heavy-tails': { about: "Student's t or Laplace, elliptical or independent", resolve: resolveHeavyTails, sampler: heavyTailsSampler },
  superposition: { about: 'many sparse directions: Zipf rates, trees, correlation, dense directions, low-rank groups', resolve: resolveSuperposition, sampler: superpositionSampler },
  shifted: { about: 'another generator plus a constant vector that gives it a gamma', resolve: resolveShifted, sampler: (spec) => shiftedSampler(spec, samplerOf(spec.base)) },
  spiked: { about: 'k of n directions active, coherence by one shared direction', resolve: resolveSpiked, sampler: spikedSampler },
  rare: { about: 'useful rare features planted in another generator', resolve: resolveRare, sampler: (spec) => rareSampler(spec, samplerOf(spec.base)) },
  'shared-direction': { about: 'rare features that share a direction planted in another generator', resolve: resolveSharedDirection, sampler: (spec) => sharedDirectionSampler(spec, samplerOf(spec.base)) },
  tasks: { about: 'tasks times attributes: items that are combinations of attributes', resolve: resolveTasks, sampler: tasksSampler },
};

/** In the order in which they are listed to people. */
export const GENERATOR_KINDS = Object.keys(KINDS) as GeneratorKind[];

/** One line about a kind. */
export function aboutKind(kind: GeneratorKind): string {
  return KINDS[kind].about;
}

/**
 * Checks a description, which may come from a file, and fills in what it leaves out.
 * @throws UsageError naming the field, what was found and what was expected
 */
export function resolveGenerator(spec: GeneratorSpec | Readonly<Record<string, unknown>>): ResolvedSpec {
  return resolveAt(spec, 0);
}

function resolveAt(given: unknown, depth: number): ResolvedSpec {
  const own = withPreset(given);
  const kind = GENERATOR_KINDS.find((name) => name === own['kind']);
  if (kind === undefined) {
    throw new UsageError(`generator: "kind" is ${own['kind'] === undefined ? 'missing' : JSON.stringify(own['kind'])}`, { hint: `There are ${GENERATOR_KINDS.join(', ')}.` });
  }
  if (depth > 4) throw new UsageError(`generator ${kind}: "base" within "base" goes too deep`);
  const fields = new FieldReader(own, kind);
  const d = fields.whole('d', undefined, 1, 2 ** 16);
  const seed = fields.whole('seed', 0, 0, 2 ** 32 - 1);
  const resolved = KINDS[kind].resolve(fields, d, seed, (raw) => {
    if (raw !== undefined && (typeof raw !== 'object' || raw === null || Array.isArray(raw))) throw fields.wrong('base', 'the description of another generator', raw);
    const base = resolveAt({ kind: raw !== undefined && 'preset' in raw ? undefined : 'superposition', d, seed, ...raw }, depth + 1);
    if (base.d !== d) throw new UsageError(`generator ${kind}: "base" has d ${base.d}; expected ${d}, as outside it`);
    return base;
  });
  fields.end();
  return resolved;
}

/** Fills in a preset's fields. */
function withPreset(given: unknown): Record<string, unknown> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw new UsageError(`generator: expected an object with a field "kind", not ${JSON.stringify(given) ?? 'nothing'}`);
  const { preset: name, ...own } = given as Record<string, unknown>;
  if (name === undefined || name === null) return own;
  const preset = typeof name === 'string' && Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
  if (preset === undefined) throw new UsageError(`generator: there is no preset ${JSON.stringify(name)}`, { hint: `There are ${Object.keys(PRESETS).join(', ')}.` });
  if (own['kind'] !== undefined && own['kind'] !== preset.kind) throw new UsageError(`generator ${String(own['kind'])}: "preset" is ${JSON.stringify(name)}, which is of the kind ${preset.kind}`);
  return { ...preset.fields, ...own, kind: preset.kind };
}

/** What writes the rows of a complete description. */
export function samplerOf(spec: ResolvedSpec): Sampler {
  return (KINDS[spec.kind].sampler as (spec: ResolvedSpec) => Sampler)(spec);
}
