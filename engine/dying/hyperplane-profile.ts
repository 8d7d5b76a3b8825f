/**
 * The profile psi(beta) beside the rare features of an SAE: none can lie below it, and one that lies
 * below what the solver had found shows the solver a better direction, its own.
 */
import { Pace } from '../pace.js';
import { closedForm } from './data-hyperplane.js';
import { dot, PAUSE_EVERY, preactivations, type FrameRows, type RowMoments } from './frame-rows.js';
import type { ProfileReport } from './hyperplane-report.js';
import { profileAt, rateProfile, shareAbove } from './tukey-depth.js';

export interface ProfileFeatures {
  /** [k] indices in the SAE */
  readonly features: ArrayLike<number>;
  /** [k, d] and [k]: z = w . x~ + b. */
  readonly w: Float32Array;
  readonly b: ArrayLike<number>;
}

const POINTS = 16;

export async function profileReport(frame: FrameRows, moments: RowMoments, known: readonly Float64Array[], { features, w, b }: ProfileFeatures, { seed, signal }: { readonly seed: number; readonly signal: AbortSignal | undefined }): Promise<{ readonly report: ProfileReport; readonly directions: readonly Float64Array[] }> {
  const { d } = frame;
  const pace = new Pace(signal, PAUSE_EVERY);
  const offsets = Array.from(features, (_, i) => {
    const own = w.subarray(i * d, (i + 1) * d);
    return -b[i]! / Math.sqrt(dot(own, own));
  });
  // To where the first of the directions that are known has no row left, and somewhat further.
  let farthest = Infinity;
  for (const direction of known) {
    const z = new Float64Array(frame.rows);
    await preactivations(frame, direction, 0, z, pace);
    farthest = Math.min(farthest, 1.25 * Math.max(0, z.reduce((most, value) => Math.max(most, value), 0)));
  }
  const scale = Math.sqrt(Array.from({ length: d }, (_, c) => moments.covariance[c * d + c]!).reduce((sum, value) => sum + value, 0) / d);
  if (!Number.isFinite(farthest) || farthest === 0) farthest = scale;
  const grid = Float64Array.from({ length: POINTS }, (_, i) => (farthest * i) / (POINTS - 1));
  const profile = await rateProfile(frame, grid, { moments, seed, signal, starts: known.map((direction) => ({ from: 'known', w: direction })) });
  const points: { feature: number; beta: number; probability: number; psi: number }[] = [];
  const psi = Array.from(profile.psi);
  let below = 0;
  let worst: number | null = null;
  for (let i = 0; i < features.length; i++) {
    const beta = offsets[i]!;
    if (!Number.isFinite(beta)) continue;
    const own = w.subarray(i * d, (i + 1) * d);
    const length = Math.sqrt(dot(own, own));
    const z = new Float64Array(frame.rows);
    await preactivations(frame, Float64Array.from(own, (value) => value / length), 0, z, pace);
    z.sort();
    const probability = shareAbove(z, beta);
    const found = profileAt(profile, beta);
    points.push({ feature: features[i]!, beta, probability, psi: found });
    if (probability >= found) continue;
    below++;
    worst = probability === 0 ? worst : Math.max(worst ?? 0, found / probability);
    // What the solver had missed bounds psi, too.
    for (let k = 0; k < POINTS; k++) psi[k] = Math.min(psi[k]!, shareAbove(z, grid[k]!));
  }
  return {
    report: {
      beta: Array.from(grid),
      psi,
      gaussian: Array.from(grid, (beta) => closedForm(moments, -beta, 'rate')?.probability ?? null),
      points: thinned(points),
      below,
      worst,
    },
    directions: profile.directions,
  };
}

/** Points that are reported, at most: a summary is read with every card. */
const REPORTED = 128;

/** All of them, or so many evenly spaced by rate. */
function thinned<T extends { readonly probability: number }>(points: readonly T[]): T[] {
  if (points.length <= REPORTED) return [...points];
  const sorted = [...points].sort((a, b) => a.probability - b.probability);
  return Array.from({ length: REPORTED }, (_, i) => sorted[Math.round((i * (sorted.length - 1)) / (REPORTED - 1))]!);
}
