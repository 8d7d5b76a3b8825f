/**
 * A group of rare features that share a direction v, planted in the rows of another
 * generator: d_i = alignment v + sqrt(1 - alignment^2) e_i, e_i orthogonal to v, so that
 * cos(d_i, v) is `alignment` and two of the group have a cosine of about its square.
 * Rates fall from p_high to p_low in equal ratios.
 *
 * `nested`: one number t ~ U(0, 1) decides for the whole group, feature i is on where
 * t < p_i: firing sets contain each other, as those of half-spaces with one normal and
 * different offsets do (nestedness 1). Else the group fires independently.
 */
import { PART, randomDirections } from './directions.js';
import type { FieldReader } from './fields.js';
import { FiringSampler } from './firing.js';
import { normalCdf } from './normal.js';
import { plantedTruth, resolvePlanted, type PlantedFields } from './planted.js';
import { addDirection, type Sampler } from './sampler.js';
import type { ResolvedSpec } from './generators.js';

export interface SharedDirectionSpec extends PlantedFields {
  readonly kind: 'shared-direction';
  readonly d: number;
  readonly seed: number;
  readonly group: number;
  readonly alignment: number;
  readonly p_high: number;
  readonly p_low: number;
  readonly nested: boolean;
}

export function resolveSharedDirection(fields: FieldReader, d: number, seed: number, resolveBase: (raw: unknown) => ResolvedSpec): SharedDirectionSpec {
  const high = fields.number('p_high', 1e-2, { low: 0, aboveLow: true, high: 1 });
  return {
    kind: 'shared-direction', d, seed,
    group: fields.whole('group', 32, 1, 2 ** 16),
    alignment: fields.number('alignment', 0.9, { low: 0, high: 1 }),
    p_high: high,
    p_low: fields.number('p_low', Math.min(1e-5, high), { low: 0, aboveLow: true, high }),
    nested: fields.flag('nested', true),
    ...resolvePlanted(fields, resolveBase),
  };
}

export function sharedDirectionSampler(spec: SharedDirectionSpec, base: Sampler): Sampler {
  const { d, seed, group, alignment, p_high: high, p_low: low, nested, magnitude_mean: mean, magnitude_sd: sd } = spec;
  const v = randomDirections(seed, PART.shared, 1, d);
  const atoms = randomDirections(seed, PART.group, group, d);
  for (let i = 0; i < group; i++) {
    let along = 0;
    for (let c = 0; c < d; c++) along += atoms[i * d + c]! * v[c]!;
    let rest = 0;
    for (let c = 0; c < d; c++) rest += (atoms[i * d + c]! - along * v[c]!) ** 2;
    // In one dimension nothing is left beside v.
    const scale = rest > 0 ? Math.sqrt((1 - alignment * alignment) / rest) : 0;
    for (let c = 0; c < d; c++) atoms[i * d + c] = alignment * v[c]! + scale * (atoms[i * d + c]! - along * v[c]!);
  }
  const chances = Float64Array.from({ length: group }, (_, i) => high * (low / high) ** (i / Math.max(1, group - 1)));
  const active = sd === 0 ? 1 : normalCdf(mean / sd);
  const truth = plantedTruth(base.truth, d, atoms, chances.map((p) => p * active), Float32Array.from(v));
  const first = truth.features - group;
  const firing = new FiringSampler(Array.from({ length: group }, (_, i) => first + i), chances);
  const on = new Int32Array(group);
  return {
    d, truth,
    moments: null,
    row(random, out, at, codes) {
      base.row(random, out, at, codes);
      let count = 0;
      if (nested) {
        const t = random.uniform();
        while (count < group && t < chances[count]!) on[count] = first + count++;
      } else count = firing.draw(random, on);
      for (let c = 0; c < count; c++) {
        const value = mean + (sd === 0 ? 0 : sd * random.normal());
        if (value <= 0) continue;
        codes?.add(on[c]!, value);
        addDirection(out, at, d, truth.directions, on[c]!, value);
      }
    },
  };
}
