/**
 * Are rare features a cluster of their own? Features that never fired are an atom, told apart by their
 * count; the others are fitted with one and with two components, on log10 density alone and on log10
 * density, effective bias and D/E together ("clearly separable" along the three where single axes
 * overlap: Towards Monosemanticity, 2023).
 *
 * Two components are believed where BIC prefers them and Hartigan's dip rejects one mode: BIC alone
 * splits whatever is skewed. On several axes the dip is taken along the direction that separates the
 * components best, which is chosen on one half of the features and tested on the other.
 *
 * A count k of N rows says that the density has about the distribution Gamma(k + 1/2) / N. One draw of it
 * stands for each feature in fits and tests: whole counts would pile up at log10(1/N), log10(2/N), and
 * the gaps between them would be taken for valleys.
 */
import { NumericError, ShapeError } from '../errors.js';
import type { Pace } from '../pace.js';
import { createRandom, type Random } from '../random.js';
import type { ClusterFit, ClusterReport } from './anatomy-reports.js';
import { normalDraw, shuffle } from './bootstrap.js';
import { cholesky, choleskySolve } from './cholesky.js';
import { dipTest } from './dip.js';
import { fitMixture, posteriors, VARIANCE_OF_SCALE, type Mixture } from './mixture.js';

export interface ClusterInput {
  /** [n] firings among `tokens` */
  readonly counts: ArrayLike<number>;
  readonly tokens: number;
  /** [n] effective bias and D/E; features where one is not finite are left out of the joint fit. */
  readonly bias: ArrayLike<number>;
  readonly de: ArrayLike<number>;
  readonly edge: number;
  readonly seed: number;
  readonly pace: Pace;
}

/** Features below which nothing is fitted. */
const LEAST = 40;

/** @returns the report, and per feature the posterior of the rarer cluster: NaN where it never fired, or nothing was split @throws ShapeError where lengths differ */
export async function clusterFeatures({ counts, tokens, bias, de, edge, seed, pace }: ClusterInput): Promise<{ report: ClusterReport; posterior: Float64Array }> {
  const n = counts.length;
  if (bias.length !== n || de.length !== n) throw new ShapeError(`${n} counts, ${bias.length} biases and ${de.length} D/E`);
  const random = createRandom(seed);
  const fired = Array.from({ length: n }, (_, i) => i).filter((i) => counts[i]! > 0);
  const drawn = Float64Array.from({ length: n }, (_, i) => (counts[i]! > 0 ? Math.log10(gammaDraw(counts[i]! + 0.5, random) / tokens) : NaN));
  const centred = Float64Array.from({ length: n }, (_, i) => Math.log10((counts[i]! + 0.5) / tokens));
  const caveats: string[] = [];
  const whole = fired.filter((i) => Number.isFinite(bias[i]!) && Number.isFinite(de[i]!));
  const density = await fit(['log10_density'], fired, (i) => [drawn[i]!], caveats, seed, pace);
  const joint = await fit(['log10_density', 'effective_bias', 'de'], whole, (i) => [drawn[i]!, bias[i]!, de[i]!], caveats, seed, pace);
  const chosen = joint?.fit.split === true ? { ...joint, features: whole } : density?.fit.split === true ? { ...density, features: fired } : null;
  const posterior = new Float64Array(n).fill(NaN);
  if (chosen !== null) {
    const points = Float64Array.from(chosen.features.flatMap((i) => (chosen.mixture.d === 1 ? [centred[i]!] : [centred[i]!, bias[i]!, de[i]!])));
    const found = posteriors(chosen.mixture, points);
    chosen.features.forEach((i, at) => (posterior[i] = found[at]!));
  }
  const below = fired.filter((i) => counts[i]! < edge * tokens);
  return {
    posterior,
    report: {
      tokens,
      dead: n - fired.length,
      expected_dead: density === null ? null : expectedDead(density.mixture, fired.length, tokens),
      firing: fired.length,
      density: density?.fit ?? null,
      joint: joint?.fit ?? null,
      rare_cluster: chosen === null ? null : posterior.filter((value) => value > 0.5).length,
      edge,
      below_edge: below.length,
      both: chosen === null ? null : below.filter((i) => posterior[i]! > 0.5).length,
      caveats,
    },
  };
}

async function fit(axes: readonly string[], features: readonly number[], point: (i: number) => number[], caveats: string[], seed: number, pace: Pace): Promise<{ fit: ClusterFit; mixture: Mixture } | null> {
  const d = axes.length;
  if (features.length < LEAST) {
    caveats.push(`${axes.join(', ')}: ${features.length} features are too few to tell clusters apart (${LEAST})`);
    return null;
  }
  const pointsOf = (some: readonly number[]): Float64Array => Float64Array.from(some.flatMap(point));
  try {
    const points = pointsOf(features);
    const one = await fitMixture(points, d, 1, { seed, pace });
    const mixture = byDensity(await fitMixture(points, d, 2, { seed, pace }));
    const { dip, p_value } = d === 1 ? await dipTest(points, { seed, pace }) : await dipAcross(features, pointsOf, d, seed, pace);
    const found = posteriors(mixture, points);
    let error = 0;
    for (let at = 0; at < features.length; at++) error += Math.min(found[at]!, found[features.length + at]!) / features.length;
    const gain = one.bic - mixture.bic;
    const components = mixture.components.map(({ weight, centre, scale }) => ({ weight, centre: Array.from(centre), sd: Array.from(centre, (_, c) => Math.sqrt(scale[c * d + c]! * VARIANCE_OF_SCALE)) }));
    return { mixture, fit: { axes, features: features.length, components, bic_gain: gain, expected_error: error, dip, p_value, split: gain > 0 && p_value < 0.05 } };
  } catch (error) {
    if (!(error instanceof NumericError)) throw error;
    caveats.push(`${axes.join(', ')}: ${error.message}`);
    return null;
  }
}

/** The component of lower density first. */
function byDensity(mixture: Mixture): Mixture {
  return { ...mixture, components: [...mixture.components].sort((a, b) => a.centre[0]! - b.centre[0]!) };
}

/** The dip of one half along the discriminant of the other, S^-1 (c_2 - c_1), S the components' scale by weight. */
async function dipAcross(features: readonly number[], pointsOf: (some: readonly number[]) => Float64Array, d: number, seed: number, pace: Pace): Promise<{ dip: number; p_value: number }> {
  const order = shuffle([...features], createRandom(seed + 1));
  const half = Math.floor(order.length / 2);
  const { components } = await fitMixture(pointsOf(order.slice(0, half)), d, 2, { seed, pace });
  const [a, b] = components as [Mixture['components'][0], Mixture['components'][0]];
  const within = a.scale.map((value, at) => a.weight * value + b.weight * b.scale[at]!);
  const factor = cholesky(within, d);
  if (factor === null) throw new NumericError("the components' covariance is singular");
  const axis = choleskySolve(factor, d, b.centre.map((value, c) => value - a.centre[c]!));
  const points = pointsOf(order.slice(half));
  const along = Float64Array.from({ length: order.length - half }, (_, r) => axis.reduce((sum, value, c) => sum + value * points[r * d + c]!, 0));
  return dipTest(along, { seed, pace });
}

/**
 * Features that the fitted densities would leave without a firing in N rows, beside those that fired:
 * firing P0 / (1 - P0), P0 the mixture's mean of exp(-N p). What exceeds it is no tail of these clusters.
 */
export function expectedDead({ components }: Pick<Mixture, 'components'>, firing: number, tokens: number): number {
  let [dead, total] = [0, 0];
  for (const { weight, centre, scale } of components) {
    const sd = Math.sqrt(scale[0]!);
    for (let step = -400; step <= 400; step++) {
      const t = step / 20;
      // Density of t with 10 degrees of freedom, up to its constant.
      const density = weight * (1 + (t * t) / 10) ** -5.5;
      total += density;
      dead += density * Math.exp(-tokens * 10 ** (centre[0]! + sd * t));
    }
  }
  const share = Math.min(dead / total, 1 - 1e-9);
  return (firing * share) / (1 - share);
}

/** Gamma of shape at least 1 and scale 1: Marsaglia and Tsang (2000). */
export function gammaDraw(shape: number, random: Random): number {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const z = normalDraw(random);
    const v = (1 + c * z) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * z * z + d * (1 - v + Math.log(v))) return d * v;
  }
}
