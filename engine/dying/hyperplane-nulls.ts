/**
 * How rare a direction chance alone would give: the same problem solved on data without the structure,
 * and the direction found on one half of the rows tried on the other.
 *
 *   gaussian   rows of N(mu~, Sigma) with the data's moments: what two moments explain
 *   permuted   each coordinate permuted over rows by itself: what the marginals explain
 *   split      choosing w on the rows it is judged on biases its rate down, by a share
 *              of the order of sqrt(d / N); rows that it was not chosen on say by how much
 */
import { Pace } from '../pace.js';
import { createRandom } from '../random.js';
import { clopperPearson } from '../statistics.js';
import { cholesky } from './cholesky.js';
import { dataHyperplane, type HyperplaneOptions } from './data-hyperplane.js';
import { chooseRows, cosine, frameRows, PAUSE_EVERY, rowMoments, type FrameRows, type RowMoments } from './frame-rows.js';
import type { HyperplaneNull, NullsReport } from './hyperplane-report.js';
import { FiringEvaluator } from './smooth-firing.js';

export type NullName = HyperplaneNull['name'];

/** As many rows of a Gaussian with the moments, in the frame of the origin. */
export async function gaussianRows({ d, mean, covariance }: RowMoments, rows: number, seed: number, signal?: AbortSignal): Promise<FrameRows> {
  const pace = new Pace(signal, PAUSE_EVERY);
  let trace = 0;
  for (let c = 0; c < d; c++) trace += covariance[c * d + c]!;
  // Dimensions that are always 0 have no Cholesky factor; a millionth of the variance is not seen.
  const l = cholesky(covariance, d) ?? cholesky(covariance, d, (1e-6 * trace) / d) ?? new Float64Array(d * d);
  const random = createRandom(seed);
  const x = new Float32Array(rows * d);
  const z = new Float64Array(d);
  for (let r = 0; r < rows; r++) {
    // Box and Muller: two at a time.
    for (let c = 0; c < d; c += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
      const angle = 2 * Math.PI * random.uniform();
      z[c] = radius * Math.cos(angle);
      if (c + 1 < d) z[c + 1] = radius * Math.sin(angle);
    }
    for (let a = 0; a < d; a++) {
      let sum = mean[a]!;
      for (let c = 0, at = a * d; c <= a; c++, at++) sum += l[at]! * z[c]!;
      x[r * d + a] = sum;
    }
    if (pace.isDue) await pace.pause();
  }
  return frameRows(x, d);
}

/** Each coordinate in an order of its own (Fisher and Yates). */
export async function permutedRows({ x, rows, d, origin }: FrameRows, seed: number, signal?: AbortSignal): Promise<FrameRows> {
  const pace = new Pace(signal, PAUSE_EVERY);
  const random = createRandom(seed);
  const out = x.slice();
  for (let c = 0; c < d; c++) {
    for (let r = rows - 1; r > 0; r--) {
      const other = random.below(r + 1);
      [out[r * d + c], out[other * d + c]] = [out[other * d + c]!, out[r * d + c]!];
    }
    if (pace.isDue) await pace.pause();
  }
  return frameRows(out, d, { origin });
}

export interface NullOptions extends Pick<HyperplaneOptions, 'objective' | 'signal' | 'onProgress'> {
  /** Replicates of each null; default 5. */
  readonly replicates?: number | undefined;
  readonly seed?: number | undefined;
}

/** Rows count once each. */
export async function hyperplaneNulls(frame: FrameRows, options: NullOptions = {}): Promise<NullsReport> {
  const { replicates = 5, seed = 0, signal, objective = 'activation', onProgress } = options;
  const moments = await rowMoments(frame, signal);
  const solve = (rows: FrameRows): ReturnType<typeof dataHyperplane> => dataHyperplane(rows, { objective, random: 1, seed, signal });
  const own = (await solve(frame)).best;
  const nulls: HyperplaneNull[] = [];
  let done = 0;
  for (const name of ['gaussian', 'permuted'] as const) {
    const probability: number[] = [];
    const activation: number[] = [];
    for (let i = 0; i < replicates; i++) {
      onProgress?.(done++, 2 * replicates + 1);
      const rows = name === 'gaussian' ? await gaussianRows(moments, frame.rows, seed + 1000 + i, signal) : await permutedRows(frame, seed + 2000 + i, signal);
      const { best } = await solve(rows);
      probability.push(best.probability);
      activation.push(best.activation);
    }
    nulls.push({ name, replicates, probability, activation, p_value: (1 + probability.filter((p) => p <= own.probability).length) / (1 + replicates) });
  }
  onProgress?.(2 * replicates, 2 * replicates + 1);
  return { nulls, split: await splitHalf(frame, { objective, seed, signal }), bias_scale: Math.sqrt(frame.d / frame.rows) };
}

/** w* of one half of the rows, tried on the other. Halves are drawn at random. */
export async function splitHalf(frame: FrameRows, options: HyperplaneOptions = {}): Promise<NullsReport['split']> {
  const { seed = 0, signal, b = 0 } = options;
  const random = createRandom(seed + 3000);
  const order = Uint32Array.from({ length: frame.rows }, (_, r) => r);
  for (let r = order.length - 1; r > 0; r--) {
    const other = random.below(r + 1);
    [order[r], order[other]] = [order[other]!, order[r]!];
  }
  const half = frame.rows >> 1;
  const [one, two] = [chooseRows(frame, order.subarray(0, half).sort()), chooseRows(frame, order.subarray(half).sort())];
  const first = await dataHyperplane(one, { random: 1, ...options });
  const second = await dataHyperplane(two, { random: 1, ...options });
  const { firing, probability } = await new FiringEvaluator(two, new Pace(signal, PAUSE_EVERY)).exact(first.best.w, b);
  return { rows: half, in_sample: first.best.probability, held_out: { value: probability, ...clopperPearson(firing, two.rows) }, cosine: cosine(first.best.w, second.best.w) };
}
