/**
 * Any other generator's rows plus a constant vector, so that gamma = ||mean|| / ||sigma||
 * (||sigma||^2 the trace of the covariance) takes a value that is asked for. Nothing else
 * about the rows changes: what gamma alone does to training shows.
 *
 * The base's mean m and trace are those of its closed form where it has one, else of
 * `gamma_rows` of its held-out rows, which leaves gamma an error of about
 * 1 / sqrt(gamma_rows). Direction `random`: m + t u for a unit vector u and t >= 0;
 * `mean`: a multiple of m.
 */
import { UsageError } from '../errors.js';
import { VectorMoments } from '../sketches/vector-moments.js';
import { PART, randomDirections } from './directions.js';
import type { FieldReader } from './fields.js';
import { RowRandom, STREAM } from './row-random.js';
import type { Sampler } from './sampler.js';
import type { ResolvedSpec } from './generators.js';

export interface ShiftedSpec {
  readonly kind: 'shifted';
  readonly d: number;
  readonly seed: number;
  readonly base: ResolvedSpec;
  readonly gamma: number;
  readonly direction: 'random' | 'mean';
  readonly gamma_rows: number;
}

/** @param resolveBase reads the description of another generator of the same width, with this one's seed where it has none */
export function resolveShifted(fields: FieldReader, d: number, seed: number, resolveBase: (raw: unknown) => ResolvedSpec): ShiftedSpec {
  return {
    kind: 'shifted', d, seed,
    base: resolveBase(fields.raw('base')),
    gamma: fields.number('gamma', undefined, { low: 0 }),
    direction: fields.choice('direction', 'random', ['random', 'mean']),
    gamma_rows: fields.whole('gamma_rows', 16384, 256),
  };
}

export function shiftedSampler(spec: ShiftedSpec, base: Sampler): Sampler {
  const { d } = spec;
  const { mean, trace } = meanAndTrace(base, spec);
  const shift = shiftTo(mean, spec.gamma * Math.sqrt(trace), spec);
  const plus = (values: Float64Array): Float64Array => values.map((value, c) => value + shift[c]!);
  return {
    d,
    truth: base.truth === null ? null : { ...base.truth, offset: plus(base.truth.offset) },
    moments: base.moments === null ? null : { mean: plus(base.moments.mean), get covariance() {
      return base.moments?.covariance ?? null;
    } },
    row(random, out, at, codes) {
      base.row(random, out, at, codes);
      for (let c = 0; c < d; c++) out[at + c] = out[at + c]! + shift[c]!;
    },
  };
}

function meanAndTrace(base: Sampler, spec: ShiftedSpec): { mean: Float64Array; trace: number } {
  const { d } = base;
  const covariance = base.moments?.covariance ?? null;
  if (base.moments !== null && covariance !== null) {
    let trace = 0;
    for (let c = 0; c < d; c++) trace += covariance[c * d + c]!;
    return { mean: base.moments.mean, trace };
  }
  const random = new RowRandom(spec.base.seed, STREAM.heldOut);
  const moments = new VectorMoments(d, false);
  for (let first = 0; first < spec.gamma_rows; first += 256) {
    const rows = Math.min(256, spec.gamma_rows - first);
    const x = new Float32Array(rows * d);
    for (let r = 0; r < rows; r++) base.row(random.seek(first + r), x, r * d, null);
    moments.add(x, rows, null);
  }
  let trace = 0;
  for (let c = 0; c < d; c++) trace += moments.variance(c);
  return { mean: moments.mean, trace };
}

/** The vector that brings `mean` to length `target`. @throws UsageError where its direction cannot */
function shiftTo(mean: Float64Array, target: number, { d, seed, direction, gamma }: ShiftedSpec): Float64Array {
  const square = mean.reduce((sum, value) => sum + value * value, 0);
  if (direction === 'mean') {
    if (square === 0) throw new UsageError('generator shifted: "direction" is "mean", but the base has a mean of 0', { hint: 'Use "random".' });
    const scale = target / Math.sqrt(square) - 1;
    return mean.map((value) => scale * value);
  }
  const u = randomDirections(seed, PART.shift, 1, d);
  const along = mean.reduce((sum, value, c) => sum + value * u[c]!, 0);
  const inside = along * along + target * target - square;
  const t = Math.sqrt(inside) - along;
  if (!(t >= 0)) throw new UsageError(`generator shifted: the base already has a larger gamma than "gamma" ${gamma}, and no step in a random direction brings it back`, { hint: 'Use "direction": "mean".' });
  return u.map((value) => t * value);
}
