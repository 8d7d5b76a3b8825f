/**
 * Useful features that are rare: for each probability of a list some features with
 * directions of their own, planted in the rows of another generator. They carry as much
 * when they fire as any other, so that an SAE that kills them loses something; what it
 * does with them against what it does with useless features is the question
 * (a useful rare feature has an equilibrium, a useless one does not).
 */
import { PART, randomDirections } from './directions.js';
import type { FieldReader } from './fields.js';
import { FiringSampler } from './firing.js';
import { normalCdf } from './normal.js';
import { plantedTruth, resolvePlanted, type PlantedFields } from './planted.js';
import { addDirection, type Sampler } from './sampler.js';
import type { ResolvedSpec } from './generators.js';

export interface RareSpec extends PlantedFields {
  readonly kind: 'rare';
  readonly d: number;
  readonly seed: number;
  readonly probabilities: readonly number[];
  /** Features for each probability. */
  readonly copies: number;
}

export function resolveRare(fields: FieldReader, d: number, seed: number, resolveBase: (raw: unknown) => ResolvedSpec): RareSpec {
  return {
    kind: 'rare', d, seed,
    probabilities: fields.list('probabilities', null, { low: 0, aboveLow: true, high: 1 }) ?? [1e-3, 1e-4, 1e-5, 1e-6],
    copies: fields.whole('copies', 8, 1, 2 ** 16),
    ...resolvePlanted(fields, resolveBase),
  };
}

export function rareSampler({ d, seed, probabilities, copies, magnitude_mean: mean, magnitude_sd: sd }: RareSpec, base: Sampler): Sampler {
  const n = probabilities.length * copies;
  const atoms = randomDirections(seed, PART.rare, n, d);
  const chances = Float64Array.from({ length: n }, (_, i) => probabilities[Math.floor(i / copies)]!);
  const active = sd === 0 ? 1 : normalCdf(mean / sd);
  const truth = plantedTruth(base.truth, d, atoms, chances.map((p) => p * active), base.truth?.shared ?? null);
  const first = truth.features - n;
  const firing = new FiringSampler(Array.from({ length: n }, (_, i) => first + i), chances);
  const on = new Int32Array(n);
  return {
    d, truth,
    moments: null,
    row(random, out, at, codes) {
      base.row(random, out, at, codes);
      const count = firing.draw(random, on);
      for (let c = 0; c < count; c++) {
        const value = mean + (sd === 0 ? 0 : sd * random.normal());
        if (value <= 0) continue;
        codes?.add(on[c]!, value);
        addDirection(out, at, d, truth.directions, on[c]!, value);
      }
    },
  };
}
