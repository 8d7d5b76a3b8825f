/**
 * Rows with heavy tails, as scale mixtures of gaussians: x = mean + sqrt(W) R z with
 *
 *   student   W = nu / chi^2_nu    Student's t with nu degrees of freedom; tail index 1 / nu
 *   laplace   W = exponential of mean 1: Laplace's law of variance 1 in each direction
 *
 * One W for the whole row (`elliptical`: contours of the density are ellipsoids, so that
 * the half-space that fires least is the gaussian's), or one for each of z's dimensions.
 * Student's W is scaled by (nu - 2) / nu where nu > 2, so that the covariance is the one
 * asked for; for nu <= 2 there is none, and R R^T is the scatter matrix.
 */
import { affine, resolveAffine, type AffineFields } from './affine.js';
import type { FieldReader } from './fields.js';
import type { Sampler } from './sampler.js';

export interface HeavyTailsSpec extends AffineFields {
  readonly kind: 'heavy-tails';
  readonly d: number;
  readonly seed: number;
  readonly law: 'student' | 'laplace';
  /** Degrees of freedom of `student`. */
  readonly nu: number;
  readonly elliptical: boolean;
}

export function resolveHeavyTails(fields: FieldReader, d: number, seed: number): HeavyTailsSpec {
  const law = fields.choice('law', 'student', ['student', 'laplace']);
  const nu = fields.number('nu', 5, { low: 0, aboveLow: true });
  const rest = resolveAffine(fields, d);
  if (law === 'student' && nu <= 2 && rest.gamma !== null) throw fields.wrong('gamma', 'nothing where nu is at most 2: there is no variance to measure it by');
  return { kind: 'heavy-tails', d, seed, law, nu, elliptical: fields.flag('elliptical', true), ...rest };
}

export function heavyTailsSampler(spec: HeavyTailsSpec): Sampler {
  const { d, law, nu, elliptical } = spec;
  const map = affine(spec);
  const z = new Float64Array(d);
  // sqrt(W) = sqrt((nu - 2) / (2 gamma(nu / 2))) with variance 1, sqrt(nu / (2 gamma(nu / 2))) without one.
  const numerator = nu > 2 ? nu - 2 : nu;
  const hasVariance = law === 'laplace' || nu > 2;
  const hasMean = law === 'laplace' || nu > 1;
  return {
    d,
    truth: null,
    moments: !hasMean ? null : hasVariance ? map : { mean: map.mean, covariance: null },
    row(random, out, at) {
      const width = (): number => Math.sqrt(law === 'laplace' ? random.exponential() : numerator / (2 * random.gamma(nu / 2)));
      const common = elliptical ? width() : 1;
      for (let i = 0; i < d; i++) z[i] = elliptical ? random.normal() : random.normal() * width();
      map.apply(z, common, out, at);
    },
  };
}
