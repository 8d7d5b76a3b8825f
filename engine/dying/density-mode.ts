/**
 * Where the distribution of log density has its mode, and how fast it moves: the prediction is a
 * decade down for each decade of steps, where p ~ 1 / step.
 *
 * The mode is that of a kernel estimate over y_i = log10(k_i / N) of the features that fired, with normal kernels of
 * width max(h, 1 / (sqrt(k_i) ln 10)): the second is the error of counting k_i, which spreads the few
 * values that small counts can take; h is Silverman's, 0.9 min(sd, IQR / 1.34) n^(-1/5), and 0.1 at least. Features that
 * did not fire have no y. Where a tenth of the group is silent, or the mode lies below 10 / N, counting has cut the
 * distribution off from below, and the mode that is left says where the rows end: such frames are censored.
 */
import { Pace } from '../pace.js';
import { createRandom } from '../random.js';
import type { ModeReport } from './evolution-report.js';
import { quartiles } from './rare-direction.js';
import type { DyingFrame } from './record.js';

const GRID = 0.02;
const LEAST_WIDTH = 0.1;
/** Features that must have fired for a mode. */
const LEAST_FIRING = 10;
const MOST_SILENT = 0.1;
/** Firings that a feature at the mode must have. */
const LEAST_COUNT = 10;
const SAMPLES = 200;

/** One frame's kernels: a curve over the grid for each count that occurs, and which of them each feature has. */
interface Kernels {
  readonly least: number;
  readonly curves: readonly Float64Array[];
  /** [features]; -1 where it did not fire. */
  readonly curve: Int32Array;
}

function kernelsOf(counts: Float64Array, rows: number): Kernels | null {
  const firing = counts.filter((count) => count > 0);
  if (firing.length < LEAST_FIRING) return null;
  const logs = Float64Array.from(firing, (count) => Math.log10(count / rows));
  const h = Math.max(LEAST_WIDTH, silverman(logs));
  const least = Math.log10(1 / rows) - 1;
  const points = Math.ceil((1 - least) / GRID);
  const at = new Map<number, number>();
  const curves: Float64Array[] = [];
  const curve = Int32Array.from(counts, (count) => {
    if (count === 0) return -1;
    // Large counts by their place on the grid: a curve for each would be many.
    const exact = count < 100;
    const log = exact ? Math.log10(count) : GRID * Math.round(Math.log10(count) / GRID);
    const known = at.get(log);
    if (known !== undefined) return known;
    const [y, width] = [log - Math.log10(rows), Math.max(h, 1 / (Math.sqrt(count) * Math.LN10))];
    curves.push(Float64Array.from({ length: points }, (_, g) => Math.exp(-0.5 * ((least + g * GRID - y) / width) ** 2) / width));
    at.set(log, curves.length - 1);
    return curves.length - 1;
  });
  return { least, curves, curve };
}

function silverman(values: Float64Array): number {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, n - 1));
  const { q25, q75 } = quartiles(Array.from(values))!;
  return 0.9 * Math.min(sd, (q75 - q25) / 1.34) * n ** -0.2;
}

/** @param weight how often each feature counts */
function modeOf({ least, curves, curve }: Kernels, weight: (feature: number) => number): number | null {
  const weights = new Float64Array(curves.length);
  curve.forEach((at, i) => {
    if (at >= 0) weights[at] = weights[at]! + weight(i);
  });
  const sum = new Float64Array(curves[0]!.length);
  curves.forEach((values, at) => {
    if (weights[at] === 0) return;
    for (let g = 0; g < sum.length; g++) sum[g] = sum[g]! + weights[at]! * values[g]!;
  });
  let best = 0;
  for (let g = 1; g < sum.length; g++) if (sum[g]! > sum[best]!) best = g;
  return sum[best]! > 0 ? least + best * GRID : null;
}

/** Least squares slope of y on log10 step. */
function slopeOf(points: readonly { readonly step: number; readonly y: number }[]): number | null {
  if (points.length < 3) return null;
  const logs = points.map(({ step }) => Math.log10(step));
  const mean = logs.reduce((sum, value) => sum + value, 0) / logs.length;
  const spread = logs.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return spread > 0 ? points.reduce((sum, { y }, at) => sum + y * (logs[at]! - mean), 0) / spread : null;
}

/**
 * The mode of a group of features in every frame.
 * @param from first step that enters the slope
 */
export async function densityMode(frames: readonly Pick<DyingFrame, 'step' | 'rows' | 'counts'>[], features: ArrayLike<number>, from: number, { seed = 0, signal }: { readonly seed?: number; readonly signal?: AbortSignal | undefined } = {}): Promise<ModeReport | null> {
  const n = features.length;
  if (n === 0) return null;
  const pace = new Pace(signal, 20);
  const kernels: (Kernels | null)[] = [];
  for (const { counts, rows } of frames) {
    kernels.push(kernelsOf(Float64Array.from({ length: n }, (_, at) => counts[features[at]!]!), rows));
    if (pace.isDue) await pace.pause();
  }
  const firing = frames.map(({ counts }) => Array.from({ length: n }, (_, at) => counts[features[at]!]!).filter((count) => count > 0).length);
  const silent = firing.map((count) => n - count);
  const mode = kernels.map((one) => (one === null ? null : modeOf(one, () => 1)));
  const censored = frames.map(({ rows }, j) => silent[j]! >= MOST_SILENT * n || (mode[j] ?? -Infinity) < Math.log10(LEAST_COUNT / rows));
  const used = frames.map((_, j) => j).filter((j) => frames[j]!.step >= Math.max(1, from) && !censored[j]! && mode[j] !== null);
  const value = slopeOf(used.map((j) => ({ step: frames[j]!.step, y: mode[j]! })));
  let slope: ModeReport['slope'] = null;
  if (value !== null) {
    const random = createRandom(seed);
    const draws: number[] = [];
    for (let sample = 0; sample < SAMPLES; sample++) {
      const weight = new Uint32Array(n);
      for (let draw = 0; draw < n; draw++) weight[random.below(n)]!++;
      const points = used.flatMap((j) => {
        const y = modeOf(kernels[j]!, (at) => weight[at]!);
        return y === null ? [] : [{ step: frames[j]!.step, y }];
      });
      const drawn = slopeOf(points);
      if (drawn !== null) draws.push(drawn);
      if (pace.isDue) await pace.pause();
    }
    draws.sort((a, b) => a - b);
    slope = { value, low: draws[Math.floor(0.025 * (draws.length - 1))] ?? null, high: draws[Math.ceil(0.975 * (draws.length - 1))] ?? null };
  }
  return { mode, firing, silent, censored, slope, from, frames: used.length };
}
