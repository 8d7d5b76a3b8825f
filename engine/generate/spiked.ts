/**
 * Spiked superposition: a dictionary whose coherence is turned up by one shared
 * direction, and rows of exactly k active features with magnitudes U(low, high).
 *
 *   d_i = sqrt(1 - rho) u_i + sqrt(rho) v, brought to length 1;  u_i, v uniform on the sphere
 *   x   = sum over k distinct features of a_i d_i
 *
 * Where the magnitudes are not negative, rho raises the mean along with the coherence:
 * with m = E a, s = E a^2, q = k / n and pairs q' = k (k - 1) / (n (n - 1)),
 *
 *   E x = q m sum_i d_i,   E ||x||^2 = q s n + q' m^2 (||sum_i d_i||^2 - n)
 *
 * from which gamma follows: about 2.5 at rho 0.3 and 8.9 at rho 0.9 in the sweep that the
 * defaults are of (d 256, n 1024, k 16, U(1, 3); docs/generators.md).
 */
import { PART, randomDirections, spike } from './directions.js';
import type { FieldReader } from './fields.js';
import { addDirections, type GeneratedTruth, type Sampler } from './sampler.js';

export interface SpikedSpec {
  readonly kind: 'spiked';
  readonly d: number;
  readonly seed: number;
  /** n, how many true features there are. */
  readonly features: number;
  /** k, how many are active in each row. */
  readonly active: number;
  readonly rho: number;
  readonly low: number;
  readonly high: number;
  /** Each magnitude gets a random sign. */
  readonly signed: boolean;
  /** Standard deviation of gaussian noise in each dimension. */
  readonly noise: number;
}

export function resolveSpiked(fields: FieldReader, d: number, seed: number): SpikedSpec {
  const features = fields.whole('features', 1024, 1, 2 ** 21);
  const active = fields.whole('active', Math.min(16, features), 1, features);
  const low = fields.number('low', 1, { low: 0 });
  return {
    kind: 'spiked', d, seed, features, active,
    rho: fields.number('rho', 0, { low: 0, high: 1, belowHigh: true }),
    low,
    high: fields.number('high', 3, { low, aboveLow: true }),
    signed: fields.flag('signed', false),
    noise: fields.number('noise', 0, { low: 0 }),
  };
}

export function spikedSampler({ d, seed, features: n, active: k, rho, low, high, signed, noise }: SpikedSpec): Sampler {
  const atoms = randomDirections(seed, PART.atoms, n, d);
  const v = randomDirections(seed, PART.shared, 1, d);
  if (rho > 0) spike(atoms, v, rho);
  const directions = Float32Array.from(atoms);
  // A shuffle of which only the first k places are made, and undone after the row.
  const order = Int32Array.from({ length: n }, (_, i) => i);
  const swapped = new Int32Array(k);
  const chosen = new Int32Array(k);
  const values = new Float64Array(k);
  const truth: GeneratedTruth = {
    features: n, d, directions, noise,
    probabilities: new Float64Array(n).fill(k / n),
    offset: new Float64Array(d),
    parents: null,
    shared: rho > 0 ? Float32Array.from(v) : null,
  };
  return {
    d, truth,
    moments: signed ? { mean: new Float64Array(d), covariance: null } : { mean: meanOf(atoms, d, (k / n) * 0.5 * (low + high)), covariance: null },
    row(random, out, at, codes) {
      for (let i = 0; i < k; i++) {
        const j = i + random.below(n - i);
        const feature = order[j]!;
        order[j] = order[i]!;
        order[i] = feature;
        swapped[i] = j;
        chosen[i] = feature;
      }
      for (let i = k - 1; i >= 0; i--) {
        const j = swapped[i]!;
        const feature = order[j]!;
        order[j] = order[i]!;
        order[i] = feature;
      }
      for (let i = 0; i < k; i++) {
        const magnitude = low + (high - low) * random.uniform();
        values[i] = signed && random.uniform() < 0.5 ? -magnitude : magnitude;
        codes?.add(chosen[i]!, values[i]!);
      }
      addDirections(out, at, d, directions, chosen, values, k);
      if (noise > 0) for (let c = at; c < at + d; c++) out[c] = out[c]! + noise * random.normal();
    },
  };
}

/** [d] scale times the sum of the rows. */
function meanOf(rows: Float64Array, d: number, scale: number): Float64Array {
  const sum = new Float64Array(d);
  for (let i = 0; i < rows.length; i++) sum[i % d] = sum[i % d]! + scale * rows[i]!;
  return sum;
}
