/**
 * The arrays that are compared on: the same numbers in every runtime, from
 * engine/random.ts. Weights of unit expected column norm and rows of unit
 * variance, so that pre-activations are about standard normal; a threshold is
 * then the quantile that gives the wanted L0.
 *
 * Gaussian data are the hard case of screened encoding: a trained SAE's
 * pre-activations are sparser, so fewer of them lie near a threshold.
 */
import { createRandom } from '../engine/random.js';
import type { Architecture, Sae } from '../engine/sae.js';

/** Standard normal numbers (Marsaglia's polar method), f32. */
export function gaussians(length: number, seed: number, scale = 1): Float32Array {
  const random = createRandom(seed);
  const values = new Float32Array(length);
  const draw = (): number => random.uint32() / 2 ** 31 - 1;
  for (let i = 0; i < length; i += 2) {
    let a: number;
    let b: number;
    let s: number;
    do {
      a = draw();
      b = draw();
      s = a * a + b * b;
    } while (s >= 1 || s === 0);
    const factor = scale * Math.sqrt((-2 * Math.log(s)) / s);
    values[i] = a * factor;
    if (i + 1 < length) values[i + 1] = b * factor;
  }
  return values;
}

/**
 * Rows that are made of features, as a trained SAE's are: each is `l0` of the
 * encoder's directions with coefficients of 4 to 8, and a little noise, so that what
 * fires stands clear of what does not.
 */
export function plantedRows(rows: number, d_in: number, d_sae: number, W_enc: Float32Array, l0: number, seed: number): Float32Array {
  const random = createRandom(seed);
  const x = gaussians(rows * d_in, seed + 1, 0.1);
  for (let row = 0; row < rows; row++) {
    for (let n = 0; n < l0; n++) {
      const feature = random.below(d_sae);
      const coefficient = 4 + 4 * random.uniform();
      for (let d = 0; d < d_in; d++) x[row * d_in + d]! += coefficient * W_enc[d * d_sae + feature]!;
    }
  }
  return x;
}

export interface SaeParts {
  readonly architecture: Architecture;
  readonly d_in: number;
  readonly d_sae: number;
  readonly W_enc: Float32Array;
  readonly b_enc: Float32Array;
  /** Zeros where it is left out: an encoder's comparison does not touch it. */
  readonly W_dec?: Float32Array;
  readonly threshold?: Float32Array;
  readonly k?: number;
}

export function saeOf({ architecture, d_in, d_sae, W_enc, b_enc, W_dec, threshold, k }: SaeParts): Sae {
  return {
    architecture,
    d_in,
    d_sae,
    d_out: d_in,
    W_enc,
    b_enc,
    W_dec: W_dec ?? new Float32Array(d_sae * d_in),
    b_dec: new Float32Array(d_in),
    threshold: threshold ?? null,
    k: k ?? null,
    applyBDecToInput: false,
    normalizeActivations: 'none',
    rescaleActsByDecoderNorm: false,
    metadata: { name: `bench-${d_in}x${d_sae}`, model_name: null, hook_name: null, source: 'bench/arrays.ts', format: 'random', sha256: null },
    conventions: [],
  };
}

/** A random encoder: W_enc [d_in, d_sae] with columns of norm about 1, and small biases. */
export function encoderWeights(d_in: number, d_sae: number, seed = 1): { W_enc: Float32Array; b_enc: Float32Array } {
  return { W_enc: gaussians(d_in * d_sae, seed, 1 / Math.sqrt(d_in)), b_enc: gaussians(d_sae, seed + 1, 0.05) };
}

/** The z that a share `tail` of standard normal numbers passes: bisection on the complementary error function. */
export function normalQuantile(tail: number): number {
  let [low, high] = [-10, 10];
  for (let step = 0; step < 80; step++) {
    const middle = (low + high) / 2;
    if (normalTail(middle) > tail) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** P(Z > z) of a standard normal Z, to 1.5e-7 (Abramowitz and Stegun, 7.1.26). */
function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const t = 1 / (1 + (0.3275911 * z) / Math.SQRT2);
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return 0.5 * poly * Math.exp((-z * z) / 2);
}

/** Thresholds under which about `l0` of `d_sae` standard normal pre-activations fire, with a little spread between features. */
export function thresholdsFor(l0: number, d_sae: number, seed = 7): Float32Array {
  const middle = normalQuantile(l0 / d_sae);
  return gaussians(d_sae, seed, 0.02).map((jitter) => middle + jitter);
}
