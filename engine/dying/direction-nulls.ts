/**
 * Which direction do the rare features share, and could it be chance? rbar, the mean of their encoder
 * columns, is held against
 *
 *   closed_form          -(Sigma + nu I)^-1 mu~, the hyperplane of least activation of a Gaussian with the
 *                        data's moments, at the rare features' median bias (gaussian-hyperplane.ts)
 *   inverse_covariance   -Sigma^-1 mu~, the same at b = 0 by rate
 *   minus_mean           -mu~
 *   top_component        the leading eigenvector of Sigma, of either sign
 *   random               |cos| of directions drawn evenly: cos^2 ~ Beta(1/2, (d - 1) / 2)
 *
 * with intervals by drawing rare features again, and the group's own cosines and leading shares
 * beside those of as many live features. mu~ = mu - b_dec where b_dec is subtracted.
 */
import { UsageError } from '../errors.js';
import type { Pace } from '../pace.js';
import { createRandom } from '../random.js';
import { betaQuantile } from '../statistics.js';
import type { Estimate, NullRange, ProposedDirection } from './anatomy-reports.js';
import { affordable, bootstrap, bootstrapAll, nullRange, quantile, shuffle } from './bootstrap.js';
import { cholesky, choleskySolve } from './cholesky.js';
import { symmetricEigen } from './eigen.js';
import { cosine, dot, meanRow } from './feature-rows.js';
import { leastHyperplane, type GaussianData, type Hyperplane } from './gaussian-hyperplane.js';
import { leadingShare, quartiles } from './rare-direction.js';

export interface Proposals {
  /** null where there is none: a singular covariance, or a mean of 0. */
  readonly closedForm: Hyperplane | null;
  readonly directions: readonly { readonly name: Exclude<ProposedDirection['name'], 'random'>; readonly direction: Float64Array }[];
  readonly caveats: readonly string[];
}

/** @param b bias of a column of length 1, in the frame of b_dec; null for none */
export async function proposeDirections(data: GaussianData, b: number | null, signal?: AbortSignal): Promise<Proposals> {
  const { d, mean, covariance } = data;
  const caveats: string[] = [];
  const directions: { name: Exclude<ProposedDirection['name'], 'random'>; direction: Float64Array }[] = [];
  let closedForm: Hyperplane | null = null;
  if (b !== null) {
    try {
      closedForm = leastHyperplane(data, b, 'activation');
      directions.push({ name: 'closed_form', direction: closedForm.w });
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      caveats.push(`no closed form: ${error.message}`);
    }
  }
  const factor = cholesky(covariance, d);
  if (factor === null) caveats.push('the covariance is singular: there is no -Sigma^-1 mu');
  else directions.push({ name: 'inverse_covariance', direction: choleskySolve(factor, d, mean).map((value) => -value) });
  directions.push({ name: 'minus_mean', direction: Float64Array.from(mean, (value) => -value) });
  const { vectors } = await symmetricEigen(covariance, d, signal);
  directions.push({ name: 'top_component', direction: vectors.slice(0, d) });
  return { closedForm, directions, caveats };
}

/** Cosines of rbar and of single features with what was proposed, and with chance. @param rare features; rows of `encoder` [d_sae, d] */
export async function scoreDirections({ directions }: Pick<Proposals, 'directions'>, encoder: Float32Array, rare: Uint32Array, d: number, seed: number, pace: Pace): Promise<ProposedDirection[]> {
  const score = (name: string, value: number): number => (name === 'top_component' ? Math.abs(value) : value);
  const statistics = (items: Uint32Array): number[] => {
    const rbar = new Float64Array(d);
    for (const at of items) for (let c = 0, from = rare[at]! * d; c < d; c++) rbar[c] = rbar[c]! + encoder[from + c]!;
    return directions.map(({ name, direction }) => score(name, cosine(rbar, 0, direction, 0, d)));
  };
  const estimates = await bootstrapAll(rare.length, directions.length, statistics, { seed, replicates: affordable(rare.length * d), pace });
  const found = directions.map(({ name, direction }, at): ProposedDirection => {
    const own = Array.from(rare, (i) => score(name, cosine(encoder, i * d, direction, 0, d)));
    return { name, cosine: estimates[at]!, features: quartiles(own.filter(Number.isFinite)) };
  });
  return [...found, { name: 'random', cosine: randomCosine(d), features: null }];
}

/** Median and central 95 % of |cos| of a direction drawn evenly with any other. */
export function randomCosine(d: number): Estimate {
  // In one dimension there is one direction.
  const at = (p: number): number => (d === 1 ? 1 : Math.sqrt(betaQuantile(p, 0.5, (d - 1) / 2)));
  return { value: at(0.5), low: at(0.025), high: at(0.975) };
}

/** Median of cos(w_i, mean of the group's w). NaN of none. */
export function ownCosine(encoder: Float32Array, features: ArrayLike<number>, d: number): number {
  const mean = meanRow(encoder, features, d);
  return quantile(Array.from(features, (i) => cosine(encoder, i * d, mean, 0, d)).filter(Number.isFinite), 0.5);
}

export interface LiveNulls {
  readonly own_cosine: Estimate;
  readonly live_own_cosine: NullRange;
  readonly live_encoder_share: NullRange;
  readonly live_decoder_share: NullRange;
}

/** Draws of live features, and features of which shares of singular values are looked at: each is a few hundred products with a vector. */
const DRAWS = 99;
const MOST_SHARES = 512;

/**
 * The group's own cosine with its interval, and what as many live features drawn at random have (half of them, where there are fewer than twice as many).
 * Shares depend on how many features there are: they are of at most 512 of either group.
 */
export async function liveNulls(encoder: Float32Array, decoder: Float32Array, groups: { readonly rare: Uint32Array; readonly live: Uint32Array }, widths: { readonly d_in: number; readonly d_out: number }, seed: number, pace: Pace): Promise<LiveNulls> {
  const { rare, live } = groups;
  const { d_in, d_out } = widths;
  const random = createRandom(seed);
  const own_cosine = await bootstrap(rare.length, (items) => ownCosine(encoder, Uint32Array.from(items, (at) => rare[at]!), d_in), { seed, replicates: affordable(3 * rare.length * d_in), pace });
  const [own, encoderShares, decoderShares]: [number[], number[], number[]] = [[], [], []];
  // Half of the live ones at most: draws of nearly all of them would not differ.
  const size = Math.min(rare.length, Math.floor(live.length / 2));
  const few = Math.min(size, MOST_SHARES);
  for (let draw = 0; size > 1 && draw < DRAWS; draw++) {
    const order = shuffle(Uint32Array.from(live), random);
    own.push(ownCosine(encoder, order.subarray(0, size), d_in));
    if (draw < 19) {
      encoderShares.push(leadingShare(encoder, Array.from(order.subarray(0, few)), d_in));
      if (pace.isDue) await pace.pause();
      decoderShares.push(leadingShare(decoder, Array.from(order.subarray(0, few)), d_out));
    }
    if (pace.isDue) await pace.pause();
  }
  const some = Array.from(shuffle(Uint32Array.from(rare), random).subarray(0, few));
  const share = (matrix: Float32Array, d: number): number | null => (few > 1 ? leadingShare(matrix, some, d) : null);
  return {
    own_cosine,
    live_own_cosine: nullRange(own, own_cosine.value),
    live_encoder_share: nullRange(encoderShares, share(encoder, d_in)),
    live_decoder_share: nullRange(decoderShares, share(decoder, d_out)),
  };
}

/** u . x of rows [rows, d], for u of length 1 along `direction`. */
export async function valuesAlong(x: Float32Array, rows: number, direction: Float64Array, pace: Pace): Promise<Float64Array> {
  const d = direction.length;
  const length = Math.sqrt(dot(direction, 0, direction, 0, d));
  const values = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    values[row] = dot(x, row * d, direction, 0, d) / length;
    if (row % 1024 === 0 && pace.isDue) await pace.pause();
  }
  return values;
}
