/** Features that are planted in another generator's rows: what the kinds `rare` and `shared-direction` have in common. */
import type { FieldReader } from './fields.js';
import type { GeneratedTruth } from './sampler.js';
import type { ResolvedSpec } from './generators.js';

export interface PlantedFields {
  /** The rows that they are planted in; the planted features come after its own. */
  readonly base: ResolvedSpec;
  /** Magnitudes: max(0, N(mean, sd^2)). */
  readonly magnitude_mean: number;
  readonly magnitude_sd: number;
}

export function resolvePlanted(fields: FieldReader, resolveBase: (raw: unknown) => ResolvedSpec): PlantedFields {
  const mean = fields.number('magnitude_mean', 1, { low: 0, aboveLow: true });
  return { base: resolveBase(fields.raw('base')), magnitude_mean: mean, magnitude_sd: fields.number('magnitude_sd', 0.2 * mean, { low: 0 }) };
}

/**
 * The base's answers and the planted ones after them. Where the base has no dictionary, codes and
 * directions are those of the planted features alone, and the base's rows are what remains.
 * @param directions [n, d] @param probabilities [n]
 */
export function plantedTruth(base: GeneratedTruth | null, d: number, directions: Float64Array, probabilities: Float64Array, shared: Float32Array | null): GeneratedTruth {
  const own = base?.features ?? 0;
  const features = own + probabilities.length;
  const all = new Float32Array(features * d);
  if (base !== null) all.set(base.directions);
  all.set(directions, own * d);
  const before = base === null ? new Float64Array(0) : base.probabilities;
  const parents = base?.parents ?? null;
  return {
    features, d, directions: all, shared,
    probabilities: before === null ? null : join(before, probabilities),
    offset: base?.offset ?? new Float64Array(d),
    noise: base?.noise ?? 0,
    parents: parents === null ? null : Int32Array.from({ length: features }, (_, i) => parents[i] ?? -1),
  };
}

function join(a: Float64Array, b: Float64Array): Float64Array {
  const out = new Float64Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
