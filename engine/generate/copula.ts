/**
 * Correlated firing by a gaussian copula of low rank, as in SynthSAEBench:
 *
 *   g_i = F_i . z + sqrt(1 - ||F_i||^2) eps_i,   z ~ N(0, I_r),   feature i fires where g_i > t_i
 *
 * with F [n, r] drawn from N(0, scale^2) and t_i = Phi^-1(1 - p_i), so that each feature
 * keeps its own probability while pairs have a latent correlation F_i . F_j. Given z the
 * features are independent with
 *
 *   P_i(z) = Phi((F_i . z - t_i) / sqrt(1 - ||F_i||^2))
 *
 * and are drawn by candidates: those with F_i . z below a bound by skipping with P at the
 * bound (firing.ts) and accepting with the ratio, the few above it one by one. Exact, and n r
 * multiplications a row remain.
 */
import { PART, worldRandom } from './directions.js';
import { FiringSampler } from './firing.js';
import { normalCdf, normalQuantile } from './normal.js';
import type { RowRandom } from './row-random.js';
import { addDirections } from './sampler.js';

/** The least that is left of a feature's own part; the factor is scaled down where some row would leave less. */
const LEAST_OWN = 0.01;

export class Copula {
  readonly rank: number;
  /** [n, rank] F */
  readonly #factor: Float32Array;
  readonly #threshold: Float64Array;
  /** 1 / sqrt(1 - ||F_i||^2) */
  readonly #own: Float64Array;
  readonly #roots: Int32Array;
  /** [rank, roots] F of the roots by columns, and what their products with z are. */
  readonly #rootFactor: Float32Array;
  readonly #rootShared: Float32Array;
  /** Below which F_i . z candidates are drawn, and P there; by place among the roots. */
  readonly #bound: number;
  readonly #atBound: Float64Array;
  readonly #candidates: FiringSampler;
  readonly #z: Float64Array;
  readonly #every: Int32Array;

  /**
   * @param probabilities [n] of every feature
   * @param roots the features that `draw` is asked about; the others by `probability`
   */
  constructor(seed: number, probabilities: Float64Array, roots: Int32Array, rank: number, scale: number) {
    const n = probabilities.length;
    this.rank = rank;
    this.#factor = randomFactor(seed, n, rank, scale);
    const squares = rowSquares(this.#factor, rank);
    this.#threshold = probabilities.map((p) => -normalQuantile(p));
    this.#own = squares.map((square) => 1 / Math.sqrt(1 - square));
    // Two standard deviations of a typical F_i . z: some 2 % lie above, and candidates stay few.
    this.#bound = 2 * Math.sqrt(squares.reduce((a, b) => a + b, 0) / n);
    this.#roots = roots;
    this.#rootFactor = new Float32Array(rank * roots.length);
    roots.forEach((i, place) => {
      for (let k = 0; k < rank; k++) this.#rootFactor[k * roots.length + place] = this.#factor[i * rank + k]!;
    });
    this.#rootShared = new Float32Array(roots.length);
    this.#atBound = Float64Array.from(roots, (i) => this.#chance(i, this.#bound));
    this.#candidates = new FiringSampler(Int32Array.from(roots.keys()), this.#atBound);
    this.#z = new Float64Array(rank);
    this.#every = Int32Array.from({ length: rank }, (_, k) => k);
  }

  #chance(i: number, shared: number): number {
    return normalCdf((shared - this.#threshold[i]!) * this.#own[i]!);
  }

  /** The latent correlation F_i . F_j of two features. */
  correlation(i: number, j: number): number {
    let sum = 0;
    for (let k = 0; k < this.rank; k++) sum += this.#factor[i * this.rank + k]! * this.#factor[j * this.rank + k]!;
    return sum;
  }

  /** P_i(z) with the z of the last `draw`. */
  probability(i: number): number {
    let shared = 0;
    for (let k = 0, at = i * this.rank; k < this.rank; k++, at++) shared += this.#factor[at]! * this.#z[k]!;
    return this.#chance(i, shared);
  }

  /** Draws z, and writes the roots that fire to `out`, which has room for twice as many as there are. */
  draw(random: RowRandom, out: Int32Array): number {
    const roots = this.#roots;
    const shared = this.#rootShared;
    const bound = this.#bound;
    for (let k = 0; k < this.rank; k++) this.#z[k] = random.normal();
    shared.fill(0);
    addDirections(shared, 0, roots.length, this.#rootFactor, this.#every, this.#z, this.rank);
    let count = 0;
    const candidates = this.#candidates.draw(random, out);
    for (let c = 0; c < candidates; c++) {
      const place = out[c]!;
      const u = random.uniform() * this.#atBound[place]!;
      if (shared[place]! <= bound && u < this.#chance(roots[place]!, shared[place]!)) out[count++] = roots[place]!;
    }
    for (let place = 0; place < roots.length; place++) {
      if (shared[place]! > bound && random.uniform() < this.#chance(roots[place]!, shared[place]!)) out[count++] = roots[place]!;
    }
    return count;
  }
}

/** [n, rank] of N(0, scale^2), scaled down as a whole where a row would leave a feature less than its least own part. */
function randomFactor(seed: number, n: number, rank: number, scale: number): Float32Array {
  const random = worldRandom(seed, PART.factor);
  const factor = new Float32Array(n * rank);
  for (let i = 0; i < n; i++) {
    random.seek(i);
    for (let k = 0; k < rank; k++) factor[i * rank + k] = scale * random.normal();
  }
  const largest = rowSquares(factor, rank).reduce((a, b) => Math.max(a, b), 0);
  return largest > 1 - LEAST_OWN ? factor.map((value) => value * Math.sqrt((1 - LEAST_OWN) / largest)) : factor;
}

/** [n] ||F_i||^2 */
function rowSquares(factor: Float32Array, rank: number): Float64Array {
  const squares = new Float64Array(factor.length / rank);
  for (let i = 0; i < factor.length; i++) squares[Math.floor(i / rank)] = squares[Math.floor(i / rank)]! + factor[i]! ** 2;
  return squares;
}
