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
import type { Sampler } from './sampler.js';
import { resolveSpiked, spikedSampler, type SpikedSpec } from './spiked.js';

/** A complete description: what `resolveGenerator` gives. */
export type ResolvedSpec = GaussianSpec | OrthantSpec | HeavyTailsSpec | SpikedSpec;

export type GeneratorKind = ResolvedSpec['kind'];

type Open<T> = T extends { readonly kind: infer K; readonly d: number } ? { readonly kind: K; readonly d: number } & { readonly [F in Exclude<keyof T, 'kind' | 'd'>]?: T[F] | undefined } : never;

/** A description as a person writes it: a kind and a width; all else has defaults. */
export type GeneratorSpec = Open<ResolvedSpec>;

const KINDS: { readonly [K in GeneratorKind]: {
  readonly resolve: (fields: FieldReader, d: number, seed: number) => Extract<ResolvedSpec, { kind: K }>;
  readonly sampler: (spec: Extract<ResolvedSpec, { kind: K }>) => Sampler;
} } = {
  gaussian: { resolve: resolveGaussian, sampler: gaussianSampler },
  orthant: { resolve: resolveOrthant, sampler: orthantSampler },
  'heavy-tails': { resolve: resolveHeavyTails, sampler: heavyTailsSampler },
  spiked: { resolve: resolveSpiked, sampler: spikedSampler },
};

/** In the order in which they are listed to people. */
export const GENERATOR_KINDS = Object.keys(KINDS) as GeneratorKind[];

/**
 * Checks a description, which may come from a file, and fills in what it leaves out.
 * @throws UsageError naming the field, what was found and what was expected
 */
export function resolveGenerator(spec: GeneratorSpec | Readonly<Record<string, unknown>>): ResolvedSpec {
  const kind = GENERATOR_KINDS.find((name) => name === (spec as { kind?: unknown } | null)?.kind);
  if (kind === undefined) {
    throw new UsageError(`generator: "kind" is ${JSON.stringify((spec as { kind?: unknown } | null)?.kind) ?? 'missing'}`, { hint: `There are ${GENERATOR_KINDS.join(', ')}.` });
  }
  const fields = new FieldReader(spec, kind);
  const resolved = KINDS[kind].resolve(fields, fields.whole('d', undefined, 1, 2 ** 16), fields.whole('seed', 0, 0, 2 ** 32 - 1));
  fields.end();
  return resolved;
}

/** What writes the rows of a complete description. */
export function samplerOf(spec: ResolvedSpec): Sampler {
  return (KINDS[spec.kind].sampler as (spec: ResolvedSpec) => Sampler)(spec);
}
