/**
 * How well a dictionary recovers one that is known.
 *
 *   mcc         mean |cos| of the pairs of the best one-to-one matching (arXiv 2505.20254;
 *               SAELens' mean_correlation_coefficient): min(n, n_true) pairs, matched by |cos|.
 *               With `signed` cos takes the place of |cos| in the matching and in the mean.
 *   mmcs        mean over true features of the largest cos with a latent (Sharkey et al. 2022),
 *               signed: a latent that points the other way does not reconstruct the feature.
 *               `latentMmcs` is the same the other way round.
 *   uniqueness  how many different true features are some latent's nearest by |cos|, per latent (SynthSAEBench).
 *   precision, recall, f1   at a threshold: pairs of the matching whose cosine reaches it, as a
 *               share of latents and of true features. A second latent on a feature counts as false.
 *               (Scores of the same names that compare firings: firing-scores.ts.)
 */
import { ShapeError, UsageError } from '../errors.js';
import { PANEL } from '../dot-tiles.js';
import { Pace } from '../pace.js';
import type { Truth } from '../train/data.js';
import { cosineOf, unitPanels, visitCosines } from './cosines.js';
import { hungarian } from './hungarian.js';

export interface MatchOptions {
  /** Match by cos instead of |cos|. Default false, as SAELens does. */
  readonly signed?: boolean;
  /** From which cosine on a pair counts as recovered. Default 0.9. */
  readonly threshold?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface MatchedPair {
  readonly latent: number;
  readonly feature: number;
  /** Signed. */
  readonly cosine: number;
}

export interface DictionaryMatch {
  readonly mcc: number;
  readonly mmcs: number;
  readonly latentMmcs: number;
  readonly uniqueness: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly threshold: number;
  /** By latent. */
  readonly pairs: readonly MatchedPair[];
  /** [n] each latent's nearest true feature by |cos|, and its cosine, signed. */
  readonly nearest: Int32Array;
  readonly nearestCosine: Float64Array;
  /** [n_true] the largest signed cosine of each true feature with a latent. */
  readonly bestOfFeature: Float64Array;
}

/**
 * @param decoder [n, d] by latent, of any length; rows of zeros match with cosine 0
 * @throws ShapeError where widths differ; UsageError where one side is empty
 */
export async function matchDictionaries(decoder: Float32Array, truth: Pick<Truth, 'features' | 'd' | 'directions'>, options: MatchOptions = {}): Promise<DictionaryMatch> {
  const { signed = false, threshold = 0.9 } = options;
  const { features, d } = truth;
  const n = decoder.length / d;
  if (!Number.isInteger(n)) throw new ShapeError(`matchDictionaries: the decoder's ${decoder.length} numbers are not rows of ${d}, the truth's width`);
  if (n === 0 || features === 0) throw new UsageError(`matchDictionaries: ${n} latents and ${features} true features; neither may be 0`);
  const latents = unitPanels(decoder, n, d, 'decoder');
  const known = unitPanels(truth.directions, features, d, 'truth');
  // The largest thing here: 4 n n_true bytes.
  const cost = new Float32Array(n * features);
  const nearest = new Int32Array(n);
  const nearestCosine = new Float64Array(n);
  const latentBest = new Float64Array(n).fill(-Infinity);
  const bestOfFeature = new Float64Array(features).fill(-Infinity);
  const pace = new Pace(options.signal);
  options.signal?.throwIfAborted();
  for (let panel = 0; panel < n; panel += PANEL) {
    visitCosines(latents, known, panel, panel + 1, 0, (i, j, raw) => {
      // Rounding may carry a cosine past 1.
      const cosine = Math.max(-1, Math.min(1, raw));
      cost[i * features + j] = 1 - (signed ? cosine : Math.abs(cosine));
      if (Math.abs(cosine) > Math.abs(nearestCosine[i]!)) {
        nearestCosine[i] = cosine;
        nearest[i] = j;
      }
      if (cosine > latentBest[i]!) latentBest[i] = cosine;
      if (cosine > bestOfFeature[j]!) bestOfFeature[j] = cosine;
    });
    if (pace.isDue) await pace.pause();
  }
  const { columnOf } = hungarian(cost, n, features);
  const pairs: MatchedPair[] = [];
  for (let latent = 0; latent < n; latent++) {
    const feature = columnOf[latent]!;
    if (feature >= 0) pairs.push({ latent, feature, cosine: cosineOf(latents, latent, known, feature) });
  }
  const size = ({ cosine }: MatchedPair): number => (signed ? cosine : Math.abs(cosine));
  const recovered = pairs.filter((pair) => size(pair) >= threshold).length;
  const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    mcc: pairs.reduce((sum, pair) => sum + size(pair), 0) / pairs.length,
    mmcs: mean(bestOfFeature),
    latentMmcs: mean(latentBest),
    uniqueness: new Set(nearest).size / n,
    precision: recovered / n,
    recall: recovered / features,
    // 2 P R / (P + R), which is 0 / 0 where nothing is recovered.
    f1: (2 * recovered) / (n + features),
    threshold, pairs, nearest, nearestCosine, bestOfFeature,
  };
}
