/**
 * The figures of a run that came to its end: what its evaluation says, and what
 * the literature blames for death whatever is swept, gamma, coherence, L0 and n/N.
 *
 *   gamma(b) = ||E x - b|| / sqrt(tr Cov x)
 *
 * is how far the data lie from b in units of their spread: at b = 0 the data's
 * own, at a run's b_dec what its encoder is given (Simon et al. 2026, arXiv
 * 2605.31518, take it to the share of features dead at the start).
 */
import { coherence } from '../matching/coherence.js';
import { gammaOf, type Gamma } from '../matching/gamma.js';
import { matchDictionaries } from '../matching/match-dictionaries.js';
import type { Sae } from '../sae.js';
import type { TrainData, Truth } from '../train/data.js';
import type { SweepFigures } from './row.js';

/** What a run's folder says of its end. */
export interface RunEnd {
  readonly steps: number;
  readonly tokens: number;
  readonly seconds: number;
  /** Raw activations go in. */
  readonly sae: Pick<Sae, 'W_dec' | 'b_dec' | 'd_sae'>;
  /** [d] b_dec of step 0, in the scale of raw activations; null where it was not kept. */
  readonly firstBDec: Float32Array | null;
  /** Features that had not fired for the recipe's `dead_after` rows. */
  readonly silent: number;
  readonly l0: number;
  readonly mse: number;
  readonly fvu: number;
  /** Features that fired on none of the evaluation's rows, and on less than 1e-4 of them. */
  readonly dead: number;
  readonly below_1e_4: number;
}

/** @param rows how many of the data's rows `gamma` is measured on: the evaluation's */
export async function measureRun(end: RunEnd, data: TrainData, truth: Truth | null, rows: number, signal?: AbortSignal): Promise<SweepFigures> {
  const { sae, firstBDec, steps, tokens, seconds, l0, mse, fvu } = end;
  const n = sae.d_sae;
  const measured = await gammaOf(data, { rows: data.rows === null ? rows : Math.min(rows, data.rows), signal });
  const match = truth === null ? null : await matchDictionaries(sae.W_dec, truth, { signal });
  const N = truth?.features ?? data.rows;
  return {
    steps, tokens, seconds,
    rows: measured.rows,
    gamma: measured.gamma,
    gamma_start: firstBDec === null ? null : gammaAround(measured, firstBDec),
    gamma_end: gammaAround(measured, sae.b_dec),
    coherence: coherence(sae.W_dec, n, data.d).mean,
    coherence_truth: truth === null ? null : coherence(truth.directions, truth.features, truth.d).mean,
    l0,
    n_over_N: N === null ? null : n / N,
    N_is: truth !== null ? 'features' : data.rows === null ? null : 'rows',
    mse, fvu,
    ev: 1 - fvu,
    dead: end.dead / n,
    silent: end.silent / n,
    below_1e_4: end.below_1e_4 / n,
    mcc: match?.mcc ?? null,
    mmcs: match?.mmcs ?? null,
    uniqueness: match?.uniqueness ?? null,
  };
}

/** gamma(b). Infinity for rows that are all the same. */
export function gammaAround({ mean, trace }: Gamma, b: ArrayLike<number>): number {
  let squares = 0;
  for (let c = 0; c < mean.length; c++) squares += ((mean[c] as number) - (b[c] as number)) ** 2;
  return Math.sqrt(squares / trace);
}
