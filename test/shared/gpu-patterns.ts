/** Pre-activations that try a selection and a threshold, known exactly. */
import type { Sae } from '../../engine/sae.js';
import { makeSae } from './oracle.js';

/** Rows of z that try a selection; 131 features: three threads of `select` go past the end of a row. */
const PATTERNS: readonly ((i: number) => number)[] = [
  () => 5,
  () => 0,
  () => -2,
  (i) => (i % 2 === 0 ? 0 : -0),
  (i) => i + 1,
  (i) => 131 - i,
  (i) => i - 127,
  (i) => (i === 130 ? 1 : -1),
  (i) => [3, 3, 2, -1][i % 4]!,
  (i) => (i < 4 ? 9 : i < 20 ? 4 : 1),
  (i) => (i > 100 ? 4 : -4),
  (i) => (i % 16 === 0 ? 2 : 0),
  (i) => ((i * 37) % 131) - 60,
  (i) => (i === 64 ? 1000 : i % 3),
  // At k 8, one thread of `select` meets a tie that is one too many and then a larger z.
  (i) => (i < 8 || i === 22 ? 4 : i === 23 ? 9 : 1),
];

/** Rows of the identity give the patterns as pre-activations, without rounding. */
export function patternSae(k: number | null): Sae {
  const d_in = PATTERNS.length;
  const d_sae = 131;
  const sae = makeSae({ architecture: k === null ? 'jumprelu' : 'topk', d_in, d_sae, d_out: 4, k: k ?? 1, seed: 1 });
  return {
    ...sae,
    k,
    W_enc: Float32Array.from({ length: d_in * d_sae }, (_, at) => PATTERNS[Math.floor(at / d_sae)]!(at % d_sae)),
    b_enc: new Float32Array(d_sae),
    threshold: k === null ? Float32Array.from({ length: d_sae }, (_, i) => [0, 1, 4, -3, 4.0001, 4.01][i % 6]!) : null,
  };
}

export function identity(n: number): Float32Array {
  return Float32Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 1 : 0));
}

/** Rows of the patterns whose k-th and next positive z are equal, or where a 0 is selected. */
export function exactTopkTies(sae: Sae, k: number): number {
  return PATTERNS.filter((_, r) => {
    const z = Array.from(sae.W_enc.subarray(r * sae.d_sae, (r + 1) * sae.d_sae)).sort((a, b) => b - a);
    const selected = z.slice(0, k);
    return selected.some((value) => value === 0) || (k > 0 && k < z.length && z[k - 1]! > 0 && z[k - 1] === z[k]);
  }).length;
}
