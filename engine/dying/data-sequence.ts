/**
 * How many directions keep nearly all data on one side? The path of w*(b) over biases, and the
 * sequence of mutually orthogonal hyperplanes: w_{k+1} fires least at b = 0 among directions orthogonal to
 * w_1 .. w_k.
 *
 * For a Gaussian kappa_2^2 = m_1 - m_2^2 / m_3, m_j = mu' Sigma^-j mu: the second hyperplane is far worse
 * than the first, and there is none where Sigma is a multiple of I. Data in an orthant have d:
 * coordinates that lie on one side of the origin come first in the sequence, lowest index first, since
 * they are orthogonal as they are, while minimisation would spend all of them on one direction in
 * their midst.
 */
import { Pace } from '../pace.js';
import { cholesky, choleskySolve } from './cholesky.js';
import { closedForm, dataHyperplane, deviation, type DataHyperplane, type StartDirection } from './data-hyperplane.js';
import { symmetricEigen } from './eigen.js';
import { cosine, dot, PAUSE_EVERY, rowMoments, type FrameRows, type RowMoments } from './frame-rows.js';
import { orthogonalHyperplanes } from './gaussian-hyperplane.js';
import type { HyperplaneObjective, PathPoint } from './hyperplane-report.js';
import { silentAxes } from './separation.js';
import { FiringEvaluator } from './smooth-firing.js';

export interface SequenceOptions {
  readonly count?: number | undefined;
  readonly objective?: HyperplaneObjective | undefined;
  readonly moments?: RowMoments | undefined;
  readonly random?: number | undefined;
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface OrthogonalDirection {
  readonly w: Float64Array;
  readonly probability: number;
  readonly activation: number;
  /** -w . mu~ / s by the rows' moments. */
  readonly kappa: number;
  /** Whether it is a coordinate axis that no row fires on. */
  readonly axis: boolean;
}

/** @returns `count` directions, d at most */
export async function orthogonalSequence(frame: FrameRows, options: SequenceOptions = {}): Promise<OrthogonalDirection[]> {
  const { count = 4, objective = 'activation', random = 2, seed = 0, signal, onProgress } = options;
  const { d } = frame;
  const moments = options.moments ?? (await rowMoments(frame, signal));
  const evaluator = new FiringEvaluator(frame, new Pace(signal, PAUSE_EVERY));
  const found: OrthogonalDirection[] = [];
  const add = async (w: Float64Array, axis: boolean): Promise<void> => {
    const { probability, activation } = await evaluator.exact(w, 0);
    found.push({ w, probability, activation, kappa: -dot(w, moments.mean) / deviation(moments, w), axis });
  };
  for (const [c, sign] of silentAxes(frame).entries()) {
    if (sign === 0 || found.length === Math.min(count, d)) continue;
    await add(Float64Array.from({ length: d }, (_, a) => (a === c ? sign : 0)), true);
  }
  // The Gaussian's own sequence is where one of the starts comes from, while it is cheap.
  const gaussian: StartDirection[] = found.length === 0 && d <= 256 && cholesky(moments.covariance, d) !== null && dot(moments.mean, moments.mean) > 0 ? orthogonalHyperplanes(moments, count).map(({ w }, k) => ({ from: `Gaussian ${k + 1}`, w })) : [];
  while (found.length < Math.min(count, d)) {
    onProgress?.(found.length, count);
    const orthogonalTo = found.map(({ w }) => w);
    const next = await dataHyperplane(frame, { objective, moments, orthogonalTo, random, seed: seed + found.length, signal, starts: gaussian.slice(found.length, found.length + 1) });
    await add(next.best.w, false);
  }
  onProgress?.(count, count);
  return found;
}

/** kappa_1 and kappa_2 of a Gaussian from m_1, m_2, m_3; null where the covariance is singular. */
export function gaussianKappas({ d, mean, covariance }: RowMoments): { readonly first: number; readonly second: number } | null {
  const l = cholesky(covariance, d);
  if (l === null) return null;
  const once = choleskySolve(l, d, mean);
  const twice = choleskySolve(l, d, once);
  const [m1, m2, m3] = [dot(mean, once), dot(once, once), dot(once, twice)];
  return { first: Math.sqrt(m1), second: m3 > 0 ? Math.sqrt(Math.max(0, m1 - (m2 * m2) / m3)) : 0 };
}

export interface PathOptions {
  readonly moments?: RowMoments | undefined;
  readonly objective?: HyperplaneObjective | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * w*(b) at several biases, each from its own starts and from its neighbour's end.
 * @param zero w*(0), solved before
 */
export async function biasPath(frame: FrameRows, biases: readonly number[], zero: DataHyperplane, options: PathOptions = {}): Promise<{ readonly points: PathPoint[]; readonly directions: Float64Array[] }> {
  const { signal, onProgress } = options;
  const { objective } = zero;
  const moments = options.moments ?? (await rowMoments(frame, signal));
  const { d, mean, covariance } = moments;
  const { vectors } = await symmetricEigen(covariance, d, signal);
  const least = vectors.subarray((d - 1) * d);
  const toMean = mean.map((value) => -value);
  const formZero = closedForm(moments, 0, objective);
  const found = new Map<number, DataHyperplane>([[0, zero]]);
  let done = 0;
  // Outwards from 0 on both sides.
  for (const side of [biases.filter((b) => b < 0).sort((a, c) => c - a), biases.filter((b) => b > 0).sort((a, c) => a - c)]) {
    let before = zero;
    for (const b of side) {
      onProgress?.(done++, biases.length);
      // Where no row fires the minimiser has the widest margin, whatever b is.
      if (b < 0 && before.best.activation === 0) {
        found.set(b, { ...before, b, kappa: -(dot(before.best.w, mean) + b) / deviation(moments, before.best.w) });
        continue;
      }
      const leasts = [least, least.map((value) => -value)].map((w) => ({ from: 'least variance', w }));
      before = await dataHyperplane(frame, { b, objective, moments, random: 0, signal, starts: [{ from: 'neighbour', w: before.best.w }, ...(b < 0 ? leasts : [])] });
      found.set(b, before);
    }
  }
  onProgress?.(biases.length, biases.length);
  const solved = biases.map((b) => found.get(b)!);
  const points = solved.map(({ b, best }): PathPoint => {
    const form = closedForm(moments, b, objective);
    return {
      b,
      probability: best.probability,
      activation: best.activation,
      cos_zero: cosine(best.w, zero.best.w),
      cos_mean: cosine(best.w, toMean),
      cos_least_variance: Math.abs(cosine(best.w, least)),
      cos_closed_form: form === null ? null : cosine(best.w, form.w),
      closed_form_cos_zero: form === null || formZero === null ? null : cosine(form.w, formZero.w),
    };
  });
  return { points, directions: solved.map(({ best }) => best.w) };
}
