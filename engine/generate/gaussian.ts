/** Rows of N(mean, covariance). Known: the moments, and the rarest half-space (the dying direction) in closed form. */
import { affine, resolveAffine, type AffineFields } from './affine.js';
import type { FieldReader } from './fields.js';
import type { Sampler } from './sampler.js';

export interface GaussianSpec extends AffineFields {
  readonly kind: 'gaussian';
  readonly d: number;
  readonly seed: number;
}

export function resolveGaussian(fields: FieldReader, d: number, seed: number): GaussianSpec {
  return { kind: 'gaussian', d, seed, ...resolveAffine(fields, d) };
}

export function gaussianSampler(spec: GaussianSpec): Sampler {
  const map = affine(spec);
  const z = new Float64Array(spec.d);
  return {
    d: spec.d,
    truth: null,
    moments: map,
    row(random, out, at) {
      for (let i = 0; i < z.length; i++) z[i] = random.normal();
      map.apply(z, 1, out, at);
    },
  };
}
