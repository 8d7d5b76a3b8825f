/**
 * Rows with no negative entry: |N(0, scale^2)| or exponential of mean `scale`,
 * independent in each dimension. Known: every w <= 0 with b <= 0 never fires, so that
 * d orthogonal directions exist along which a feature can die at no cost.
 *
 *   half-normal   mean scale sqrt(2 / pi), variance scale^2 (1 - 2 / pi)
 *   exponential   mean scale,              variance scale^2
 */
import { diagonal } from './affine.js';
import type { FieldReader } from './fields.js';
import type { Sampler } from './sampler.js';

export interface OrthantSpec {
  readonly kind: 'orthant';
  readonly d: number;
  readonly seed: number;
  readonly law: 'half-normal' | 'exponential';
  readonly scale: number;
}

export function resolveOrthant(fields: FieldReader, d: number, seed: number): OrthantSpec {
  return { kind: 'orthant', d, seed, law: fields.choice('law', 'half-normal', ['half-normal', 'exponential']), scale: fields.number('scale', 1, { low: 0, aboveLow: true }) };
}

export function orthantSampler({ d, law, scale }: OrthantSpec): Sampler {
  const isNormal = law === 'half-normal';
  const mean = scale * (isNormal ? Math.sqrt(2 / Math.PI) : 1);
  const variance = scale * scale * (isNormal ? 1 - 2 / Math.PI : 1);
  return {
    d,
    truth: null,
    moments: {
      mean: new Float64Array(d).fill(mean),
      get covariance() {
        return diagonal(d, variance);
      },
    },
    row(random, out, at) {
      for (let i = at; i < at + d; i++) out[i] = scale * (isNormal ? Math.abs(random.normal()) : random.exponential());
    },
  };
}
