/**
 * Rows of each kind that must stay what they are: a description that somebody has
 * written down gives the same data in later versions and in other runtimes. For Node,
 * browsers and Deno. Values but for rounding, since engines differ in the last bits of log, cos and sin.
 */
import { generate } from '../../engine/generate/generate.js';
import type { GeneratorSpec } from '../../engine/generate/generators.js';

interface Golden {
  readonly spec: GeneratorSpec;
  /** The first three numbers of row 1,000. */
  readonly first: readonly [number, number, number];
  /** sum of (i mod 7 + 1) x_i over rows 1,000 to 1,049. */
  readonly sum: number;
  /** Codes of those rows; null where there is no dictionary. */
  readonly codes: number | null;
}

/** What golden values are made of. */
export function summary(spec: GeneratorSpec): Omit<Golden, 'spec'> {
  const { x, codes } = generate(spec, 50, { first: 1000 });
  return { first: [x[0]!, x[1]!, x[2]!], sum: x.reduce((sum, value, i) => sum + ((i % 7) + 1) * value, 0), codes: codes?.features.length ?? null };
}

/** @throws Error saying what differs */
export function checkGolden({ spec, first, sum, codes }: Golden): void {
  const found = summary(spec);
  const differs = (a: number, b: number, size: number): boolean => !(Math.abs(a - b) <= 1e-5 * size);
  if (found.codes !== codes || differs(found.sum, sum, 50 * Math.abs(sum) ** 0.5 + 50) || first.some((value, i) => differs(found.first[i]!, value, 1 + Math.abs(value)))) {
    throw new Error(`${JSON.stringify(spec)}: rows are ${JSON.stringify(found)}, expected ${JSON.stringify({ first, sum, codes })}`);
  }
}

export const goldens: readonly Golden[] = [
  { spec: { kind: 'gaussian', d: 5, decay: 1, gamma: 2, seed: 11 }, first: [3.2830646, -0.12634626, 1.75650084], sum: -276.550968, codes: null },
  { spec: { kind: 'orthant', d: 4, law: 'exponential', seed: 12 }, first: [5.51168108, 1.23576498, 0.391775131], sum: 657.041581, codes: null },
  { spec: { kind: 'heavy-tails', d: 4, nu: 3, elliptical: false, seed: 13 }, first: [0.904741824, -0.10000056, -0.7090832], sum: 61.130448, codes: null },
  { spec: { kind: 'superposition', d: 8, features: 200, p_high: 0.3, bias: 1, dense: 1, groups: 2, group_size: 4, group_rank: 2, noise: 0.1, seed: 14 }, first: [-0.68470937, -1.25199449, 0.86304152], sum: -143.816176, codes: 273 },
  { spec: { kind: 'superposition', preset: 'synthsaebench-small', d: 16, seed: 15 }, first: [-1.14140046, -0.166117921, -1.07246387], sum: 616.407342, codes: 370 },
  { spec: { kind: 'shifted', d: 8, gamma: 4, gamma_rows: 512, base: { kind: 'spiked', features: 20, active: 3 }, seed: 16 }, first: [7.15026999, -5.73170614, -0.275837362], sum: -4018.84219, codes: 150 },
  { spec: { kind: 'spiked', d: 8, rho: 0.3 }, first: [1.69404113, 4.1785779, -6.1776123], sum: 4295.96558, codes: 800 },
  { spec: { kind: 'rare', d: 8, probabilities: [0.2, 0.01], base: { kind: 'superposition', features: 12 }, seed: 17 }, first: [0.750243545, -0.663828969, -0.959872305], sum: 58.3054097, codes: 100 },
  { spec: { kind: 'shared-direction', d: 8, group: 6, p_high: 0.5, p_low: 0.01, base: { kind: 'gaussian' }, seed: 18 }, first: [0.4990955, 0.737672567, -0.656609893], sum: -205.805504, codes: 35 },
  { spec: { kind: 'tasks', d: 12, tasks: 4, attributes: 5, items: 6, active: 2, seed: 19 }, first: [0.756171882, -0.480636507, -0.465237975], sum: -120.242465, codes: 229 },
];
