/**
 * Likelihoods of a slope on a grid: their peak and interval, and what they say together.
 *
 * Of features with slopes s_i ~ N(s, spread^2) the likelihood of s is each one's own, widened by the spread:
 * L_i(s) = int L_i(s_i) N(s_i; s, spread^2) ds_i. A profile over the grid is all that is kept of a feature, so that
 * a bootstrap over features is sums of profiles.
 */
import type { Pace } from '../pace.js';
import { createRandom } from '../random.js';
import type { Estimate } from './rates-reports.js';

/** Slopes that are looked at. */
export const LEAST = -10;
const MOST = 5;
export const SPACING = 0.05;
export const GRID = Math.round((MOST - LEAST) / SPACING) + 1;
/** Half the 95 % quantile of chi^2 with one degree of freedom. */
export const DROP_95 = 1.920729410347062;

/** The largest value of a profile, between grid points, and where it has dropped by 1.92; null where it lies on, or reaches, the grid's end. */
export function peakOf(profile: Float64Array): Estimate {
  const { at, value } = vertex(profile);
  const end = profile.length - 1;
  const cut = value - DROP_95;
  const bound = (direction: 1 | -1): number | null => {
    let i = direction === 1 ? Math.ceil(at) : Math.floor(at);
    let [inside, height] = [at, value];
    for (; i >= 0 && i <= end && profile[i]! > cut; i += direction) [inside, height] = [i, profile[i]!];
    return i < 0 || i > end ? null : LEAST + SPACING * (inside + ((i - inside) * (height - cut)) / (height - profile[i]!));
  };
  return { value: at === 0 || at === end ? null : LEAST + SPACING * at, low: bound(-1), high: bound(1) };
}

/** Place and height of the maximum, by the parabola through it and its neighbours. */
export function vertex(profile: Float64Array): { at: number; value: number } {
  let best = 0;
  for (let i = 1; i < profile.length; i++) if (profile[i]! > profile[best]!) best = i;
  if (best === 0 || best === profile.length - 1) return { at: best, value: profile[best]! };
  const [a, b, c] = [profile[best - 1]!, profile[best]!, profile[best + 1]!];
  const bend = a - 2 * b + c;
  if (!(bend < 0)) return { at: best, value: b };
  const off = (0.5 * (a - c)) / bend;
  return { at: best + off, value: b - 0.25 * (a - c) * off };
}

/** The spread of slopes over features that is likeliest, and each feature's log likelihood of the pooled slope with it. */
export async function spreadOf(profiles: readonly Float64Array[], pace: Pace): Promise<{ spread: number; widened: readonly Float64Array[] }> {
  let best = { spread: 0, widened: profiles, value: heightOf(profiles) };
  for (let spread = SPACING; profiles.length > 1 && spread < 3; spread *= 1.4) {
    const kernel = kernelOf(spread);
    const widened: Float64Array[] = [];
    for (const profile of profiles) {
      widened.push(widen(profile, kernel));
      if (pace.isDue) await pace.pause();
    }
    const value = heightOf(widened);
    if (value > best.value) best = { spread, widened, value };
    else if (value < best.value - 4) break;
  }
  return best;
}

/** The largest value of the sum of log likelihoods. */
function heightOf(profiles: readonly Float64Array[]): number {
  const sum = new Float64Array(GRID);
  for (const profile of profiles) for (let i = 0; i < GRID; i++) sum[i] = sum[i]! + profile[i]!;
  return vertex(sum).value;
}

/** Weights of N(0, spread^2) on the grid, out to four sds; they sum to 1. */
function kernelOf(spread: number): Float64Array {
  const reach = Math.ceil((4 * spread) / SPACING);
  const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * (((i - reach) * SPACING) / spread) ** 2));
  const total = kernel.reduce((sum, value) => sum + value, 0);
  return kernel.map((value) => value / total);
}

/** log of the convolution of a likelihood with the kernel; beyond the grid it goes on as at its ends. */
function widen(profile: Float64Array, kernel: Float64Array): Float64Array {
  const top = vertex(profile).value;
  const reach = (kernel.length - 1) / 2;
  const likelihood = Float64Array.from({ length: GRID + 2 * reach }, (_, i) => Math.exp(profile[Math.max(0, Math.min(GRID - 1, i - reach))]! - top));
  const out = new Float64Array(GRID);
  for (let i = 0; i < GRID; i++) {
    let sum = 0;
    for (let j = 0; j < kernel.length; j++) sum += kernel[j]! * likelihood[i + j]!;
    out[i] = top + Math.log(Math.max(sum, Number.MIN_VALUE));
  }
  return out;
}

/** The mean slope: the likeliest, with the bootstrap's interval. */
export async function pooledSlope(profiles: readonly Float64Array[], { seed, samples, pace }: { seed: number; samples: number; pace: Pace }): Promise<Estimate> {
  const n = profiles.length;
  if (n === 0) return { value: null, low: null, high: null };
  const sum = new Float64Array(GRID);
  for (const profile of profiles) for (let i = 0; i < GRID; i++) sum[i] = sum[i]! + profile[i]!;
  const likelihood = peakOf(sum);
  if (n < 2 || samples === 0) return likelihood;
  const random = createRandom(seed);
  const draws = new Float64Array(samples);
  for (let b = 0; b < samples; b++) {
    sum.fill(0);
    for (let draw = 0; draw < n; draw++) {
      const profile = profiles[random.below(n)]!;
      for (let i = 0; i < GRID; i++) sum[i] = sum[i]! + profile[i]!;
    }
    draws[b] = LEAST + SPACING * vertex(sum).at;
    if (pace.isDue) await pace.pause();
  }
  draws.sort();
  const low = draws[Math.floor(0.025 * (samples - 1))]!;
  const high = draws[Math.ceil(0.975 * (samples - 1))]!;
  if (n >= 10) return { value: likelihood.value, low, high };
  return { value: likelihood.value, low: likelihood.low === null ? null : Math.min(low, likelihood.low), high: likelihood.high === null ? null : Math.max(high, likelihood.high) };
}
