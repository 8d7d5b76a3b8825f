/**
 * Superposition: many unit directions in few dimensions, each with its own rate.
 *
 *   x = bias + sum over features that are on of a_i d_i + sum over dense directions of N(0, dense_sd^2) u_j + noise
 *
 * Rates fall by Zipf's law over the feature's number, p_i = low + (high - low) (i^-e - n^-e) / (1 - n^-e),
 * i = 1 .. n; features may stand in trees (trees.ts) and fire together (copula.ts). The
 * fields express SynthSAEBench-16k (Chanin and Garriga-Alonso, arXiv 2602.14687); what
 * is left out of it, and why it does not matter, is in docs/generators.md.
 */
import { Copula } from './copula.js';
import { PART, orthonormalRows, randomDirections, worldRandom } from './directions.js';
import type { FieldReader } from './fields.js';
import { FiringSampler } from './firing.js';
import { normalCdf } from './normal.js';
import { addDirections, type GeneratedTruth, type Sampler } from './sampler.js';
import { plantTrees, rates } from './trees.js';

export interface SuperpositionSpec {
  readonly kind: 'superposition';
  readonly d: number;
  readonly seed: number;
  /** n, how many true features there are (dense directions come on top). */
  readonly features: number;
  /** [n] rates, in place of Zipf's. */
  readonly probabilities: readonly number[] | null;
  /** Zipf's exponent; 0 gives every feature `p_high`. */
  readonly zipf: number;
  readonly p_high: number;
  readonly p_low: number;
  /** Law of the magnitudes; what falls below 0 is 0, and the feature is off. */
  readonly magnitude: 'normal' | 'uniform';
  /** Mean of the first and of the last feature, linear between; and standard deviations |N(sd, sd_spread^2)|. */
  readonly magnitude_mean: number;
  readonly magnitude_mean_last: number;
  readonly magnitude_sd: number;
  readonly magnitude_sd_spread: number;
  /** Trees; 0 for none. */
  readonly roots: number;
  readonly branching: number;
  readonly depth: number;
  readonly exclusive: boolean;
  readonly compensate: boolean;
  /** A child's magnitude is multiplied by its parent's over the parent's mean. */
  readonly scale_children: boolean;
  /** Standard deviation of the copula's factor; 0 for independent features. */
  readonly correlation: number;
  readonly correlation_rank: number;
  /** Directions are orthonormal; n at most d. */
  readonly orthogonal: boolean;
  /** The last `groups` times `group_size` features lie in random subspaces of `group_rank` dimensions, a group in each. */
  readonly groups: number;
  readonly group_size: number;
  readonly group_rank: number;
  /** Directions that are always on, with either sign. */
  readonly dense: number;
  readonly dense_sd: number;
  /** Length of a constant vector in a random direction. */
  readonly bias: number;
  readonly noise: number;
}

export function resolveSuperposition(fields: FieldReader, d: number, seed: number): SuperpositionSpec {
  const features = fields.whole('features', 1024, 1, 2 ** 21);
  const share = { low: 0, high: 1 };
  const positive = { low: 0, aboveLow: true };
  const mean = fields.number('magnitude_mean', 1, positive);
  const spec: SuperpositionSpec = {
    kind: 'superposition', d, seed, features,
    probabilities: fields.list('probabilities', features, share),
    zipf: fields.number('zipf', 0.5, { low: 0 }),
    p_high: fields.number('p_high', 0.1, { ...share, aboveLow: true }),
    p_low: fields.number('p_low', 0.001, share),
    magnitude: fields.choice('magnitude', 'normal', ['normal', 'uniform']),
    magnitude_mean: mean,
    magnitude_mean_last: fields.number('magnitude_mean_last', mean, positive),
    magnitude_sd: fields.number('magnitude_sd', 0.2 * mean, { low: 0 }),
    magnitude_sd_spread: fields.number('magnitude_sd_spread', 0, { low: 0 }),
    roots: fields.whole('roots', 0, 0, features),
    branching: fields.whole('branching', 4, 1),
    depth: fields.whole('depth', 1, 1),
    exclusive: fields.flag('exclusive', false),
    compensate: fields.flag('compensate', true),
    scale_children: fields.flag('scale_children', false),
    correlation: fields.number('correlation', 0, { low: 0 }),
    correlation_rank: fields.whole('correlation_rank', 25, 1, 1024),
    orthogonal: fields.flag('orthogonal', false),
    groups: fields.whole('groups', 0, 0),
    group_size: fields.whole('group_size', 16, 1),
    group_rank: fields.whole('group_rank', Math.min(4, d), 1, d),
    dense: fields.whole('dense', 0, 0, d),
    dense_sd: fields.number('dense_sd', 1, positive),
    bias: fields.number('bias', 0, { low: 0 }),
    noise: fields.number('noise', 0, { low: 0 }),
  };
  if (spec.p_low > spec.p_high) throw fields.wrong('p_low', `a number of at most p_high, ${spec.p_high}`, spec.p_low);
  if (spec.orthogonal && features > d) throw fields.wrong('orthogonal', `false: ${features} directions of ${d} dimensions cannot be orthogonal`, true);
  if (spec.groups * spec.group_size > features) throw fields.wrong('groups', `groups times group_size of at most ${features} features`, spec.groups);
  return spec;
}

/** [n] rates by Zipf's law. */
export function zipfRates(n: number, exponent: number, low: number, high: number): Float64Array {
  const least = n ** -exponent;
  return Float64Array.from({ length: n }, (_, i) => (exponent === 0 || n === 1 ? high : low + ((high - low) * ((i + 1) ** -exponent - least)) / (1 - least)));
}

/** [n + dense, d] */
function dictionary(spec: SuperpositionSpec): Float32Array {
  const { d, seed, features, groups, group_size: size, group_rank: rank } = spec;
  const rows = new Float32Array((features + spec.dense) * d);
  rows.set(spec.orthogonal ? orthonormalRows(seed, PART.atoms, features, d) : randomDirections(seed, PART.atoms, features, d));
  for (let group = 0; group < groups; group++) {
    const basis = orthonormalRows(seed, PART.group + 1000 * (group + 1), rank, d);
    const inside = randomDirections(seed, PART.group + 1000 * (group + 1) + 500, size, rank);
    for (let i = 0; i < size; i++) {
      const at = (features - (groups - group) * size + i) * d;
      for (let c = 0; c < d; c++) {
        let sum = 0;
        for (let k = 0; k < rank; k++) sum += inside[i * rank + k]! * basis[k * d + c]!;
        rows[at + c] = sum;
      }
    }
  }
  if (spec.dense > 0) rows.set(orthonormalRows(seed, PART.dense, spec.dense, d), features * d);
  return rows;
}

export function superpositionSampler(spec: SuperpositionSpec): Sampler {
  const { d, seed, features: n, exclusive, dense, noise } = spec;
  const isNormal = spec.magnitude === 'normal';
  const directions = dictionary(spec);
  const asked = Float64Array.from(spec.probabilities ?? zipfRates(n, spec.zipf, spec.p_low, spec.p_high));
  const mean = Float64Array.from({ length: n }, (_, i) => spec.magnitude_mean + ((spec.magnitude_mean_last - spec.magnitude_mean) * i) / Math.max(1, n - 1));
  const spread = worldRandom(seed, PART.spread);
  const sd = Float64Array.from({ length: n }, (_, i) => Math.abs(spec.magnitude_sd + (spec.magnitude_sd_spread === 0 ? 0 : spec.magnitude_sd_spread * spread.seek(i).normal())));
  // The chance that a magnitude is above 0.
  const active = sd.map((s, i) => (s === 0 ? 1 : isNormal ? normalCdf(mean[i]! / s) : Math.min(1, 0.5 + mean[i]! / (2 * Math.sqrt(3) * s))));
  const trees = plantTrees(asked, spec);
  const { parents, firstChild, children, chances } = trees;
  const free = Int32Array.from({ length: n }, (_, i) => i).filter((i) => parents[i]! < 0);
  const copula = spec.correlation === 0 ? null : new Copula(seed, chances, free, spec.correlation_rank, spec.correlation);
  const independent = new FiringSampler(free, Array.from(free, (i) => chances[i]!));
  const hasTrees = free.length < n;

  const offset = new Float64Array(d);
  const biasDirection = randomDirections(seed, PART.mean, 1, d);
  if (spec.bias > 0) for (let c = 0; c < d; c++) offset[c] = spec.bias * biasDirection[c]!;
  const probabilities = new Float64Array(n + dense).fill(1);
  probabilities.set(rates(trees, active, exclusive));
  const truth: GeneratedTruth = {
    features: n + dense, d, directions, offset, noise,
    // Neither independent nor in a closed form: children whose chances come from a copula.
    probabilities: copula !== null && hasTrees ? null : probabilities,
    parents: hasTrees ? Int32Array.from({ length: n + dense }, (_, i) => parents[i] ?? -1) : null,
    shared: null,
  };

  const on = new Int32Array(2 * n + dense);
  const values = new Float64Array(n + dense);
  const half = Math.sqrt(3);
  return {
    d, truth,
    moments: null,
    row(random, out, at, codes) {
      const magnitude = (i: number): number => {
        const s = sd[i]!;
        return s === 0 ? mean[i]! : mean[i]! + s * (isNormal ? random.normal() : half * (2 * random.uniform() - 1));
      };
      const drawn = copula === null ? independent.draw(random, on) : copula.draw(random, on);
      let count = 0;
      for (let c = 0; c < drawn; c++) {
        const value = magnitude(on[c]!);
        if (value <= 0) continue;
        on[count] = on[c]!;
        values[count++] = value;
      }
      // Whatever is on has its children asked, and those that come on are asked in their turn.
      for (let c = 0; hasTrees && c < count; c++) {
        const parent = on[c]!;
        const end = firstChild[parent]! + children[parent]!;
        const scale = spec.scale_children ? values[c]! / mean[parent]! : 1;
        const start = count;
        for (let child = firstChild[parent]!; child < end; child++) {
          if (random.uniform() >= (copula === null ? chances[child]! : copula.probability(child))) continue;
          const value = magnitude(child);
          if (value <= 0) continue;
          on[count] = child;
          values[count++] = value * scale;
        }
        if (exclusive && count - start > 1) {
          const kept = start + random.below(count - start);
          on[start] = on[kept]!;
          values[start] = values[kept]!;
          count = start + 1;
        }
      }
      for (let j = 0; j < dense; j++) {
        on[count] = n + j;
        values[count++] = spec.dense_sd * random.normal();
      }
      for (let c = 0; codes !== null && c < count; c++) codes.add(on[c]!, values[c]!);
      if (spec.bias > 0) for (let c = 0; c < d; c++) out[at + c] = offset[c]!;
      addDirections(out, at, d, directions, on, values, count);
      if (noise > 0) for (let c = at; c < at + d; c++) out[c] = out[c]! + noise * random.normal();
    },
  };
}
