/**
 * A feature reduced to its margin c: it fires on a share p = S(c) of rows, and whatever moves its
 * bias moves c. In f64, to see which of the things that act on a feature make its density fall as the laws of
 * density-law.ts say, and which give it an equilibrium. A step draws the firings of a batch,
 *
 *   off ~ Binomial(B, S(c))       rows where it fires for nothing: each has gradient -lambda in c
 *   on  ~ Binomial(B, rate)       rows with the signal of a useful feature, of which it fires on all while
 *                                 c < magnitude: gradient 2 c - lambda, since f = magnitude - c
 *
 * and moves c by SGD (with momentum) or Adam (bias-corrected) on the batch's mean gradient, then
 *
 *   gradient_noise   adds a mean-zero term to the gradient for each row where the feature fires: all that
 *                    a feature of a TopK SAE has, for which lambda = 0. What never fires is frozen
 *   isotropic        adds N(0, isotropic^2) to c itself and reflects it at `bounds`, as noise that does not
 *                    come from data does to the angle of an encoder column of length 1, which is folded
 *                    onto [0, pi]. It revives what is dead, and has a stationary law in closed form,
 *                    pi(c) ~ exp(2 lr lambda gain / isotropic^2 int S)  (SGD)
 *
 * `expected` takes the mean of the batch's gradient for the batch: SGD's gradient flow.
 */
import { UsageError } from '../errors.js';
import { RowRandom } from '../generate/row-random.js';
import { Pace } from '../pace.js';
import type { LawRecipe } from './density-law.js';

export interface SimulationOptions {
  readonly recipe: LawRecipe;
  readonly survival: (c: number) => number;
  /** Margins at first: one for each feature. */
  readonly margins: ArrayLike<number>;
  /** Steps after which densities are kept, ascending. */
  readonly record: ArrayLike<number>;
  readonly expected?: boolean | undefined;
  /** What a unit of bias moves the margin by; default 1. */
  readonly gain?: number | undefined;
  readonly useful?: { readonly rate: number; readonly magnitude: number } | undefined;
  readonly gradient_noise?: number | undefined;
  readonly isotropic?: number | undefined;
  readonly bounds?: readonly [number, number] | undefined;
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Simulated {
  readonly step: Float64Array;
  /** By recorded step: [features] */
  readonly margin: readonly Float64Array[];
  /** Densities, of useful features with the signal's. */
  readonly p: readonly Float64Array[];
}

/** Binomial means above which counts are drawn from the normal law. */
const NORMAL_FROM = 60;
/** Steps between two looks at the clock. */
const PART = 4096;

/** @throws UsageError for `expected` with anything but SGD without noise, and for isotropic noise without bounds */
export async function simulateDying(options: SimulationOptions): Promise<Simulated> {
  const { recipe, survival, margins, record, expected = false, useful, isotropic = 0, bounds, gradient_noise = 0, seed = 0, signal } = options;
  if (expected && (recipe.optimizer !== 'sgd' || gradient_noise !== 0)) throw new UsageError('the expected gradient is SGD\'s without noise: Adam\'s step depends on the batch');
  if (isotropic > 0 && bounds === undefined) throw new UsageError('isotropic noise needs bounds: without, every feature diffuses away');
  const step = Float64Array.from(record);
  const n = margins.length;
  const result = { step, margin: Array.from(step, () => new Float64Array(n)), p: Array.from(step, () => new Float64Array(n)) };
  const pace = new Pace(signal, 20);
  const density = (c: number): number => survival(c) + (useful !== undefined && c < useful.magnitude ? useful.rate : 0);
  for (let i = 0; i < n; i++) {
    const random = new RowRandom(seed, 0x64796e67).seek(i);
    const feature = new Feature(margins[i]!, options, random);
    let done = 0;
    for (let j = 0; j < step.length; j++) {
      for (; done < step[j]!; done++) {
        if (expected) feature.expectedStep();
        else feature.step();
        if (isotropic > 0) feature.diffuse(isotropic, bounds!);
        if (done % PART === 0 && pace.isDue) await pace.pause();
      }
      result.margin[j]![i] = feature.margin;
      result.p[j]![i] = density(feature.margin);
    }
  }
  return result;
}

class Feature {
  margin: number;
  readonly #options: SimulationOptions;
  readonly #random: RowRandom;
  readonly #lambda: number;
  readonly #gain: number;
  #m = 0;
  #v = 0;
  /** beta1^t and beta2^t. */
  #decay1 = 1;
  #decay2 = 1;
  /** S at the margin where it was last asked. */
  #at = NaN;
  #p = 0;

  constructor(margin: number, options: SimulationOptions, random: RowRandom) {
    const { recipe } = options;
    this.margin = margin;
    this.#options = options;
    this.#random = random;
    this.#lambda = recipe.l1 * (recipe.l1_reduction === 'sum' ? recipe.batch : 1);
    this.#gain = options.gain ?? 1;
  }

  /** Descent on the mean gradient in c; the bias is -c, and the margin moves by gain times that. */
  expectedStep(): void {
    const { useful } = this.#options;
    let gradient = -this.#lambda * this.#density();
    if (useful !== undefined && this.margin < useful.magnitude) gradient += useful.rate * (2 * this.margin - this.#lambda);
    this.#descend(gradient);
  }

  step(): void {
    const { useful, recipe, gradient_noise = 0 } = this.#options;
    const off = this.#binomial(recipe.batch, this.#density());
    const on = useful !== undefined && this.margin < useful.magnitude ? this.#binomial(recipe.batch, useful.rate) : 0;
    let sum = -this.#lambda * off + on * (2 * this.margin - this.#lambda);
    if (gradient_noise > 0 && off + on > 0) sum += gradient_noise * Math.sqrt(off + on) * this.#random.normal();
    this.#descend(sum / recipe.batch);
  }

  diffuse(sd: number, [low, high]: readonly [number, number]): void {
    let c = this.margin + sd * this.#random.normal();
    for (let i = 0; (c < low || c > high) && i < 1000; i++) c = c < low ? 2 * low - c : 2 * high - c;
    this.margin = c;
  }

  #density(): number {
    if (this.margin !== this.#at) {
      this.#at = this.margin;
      this.#p = this.#options.survival(this.margin);
    }
    return this.#p;
  }

  #descend(gradient: number): void {
    const { optimizer, lr, beta1 = 0.9, beta2 = 0.999, eps = 0, momentum = 0 } = this.#options.recipe;
    if (optimizer === 'sgd') {
      this.#m = momentum * this.#m + gradient;
      if (this.#m !== 0) this.margin -= lr * this.#gain * this.#m;
      return;
    }
    this.#m = beta1 * this.#m + (1 - beta1) * gradient;
    this.#v = beta2 * this.#v + (1 - beta2) * gradient * gradient;
    this.#decay1 *= beta1;
    this.#decay2 *= beta2;
    if (this.#m === 0) return;
    const corrected = this.#m / (1 - this.#decay1);
    this.margin -= (lr * this.#gain * corrected) / (Math.sqrt(this.#v / (1 - this.#decay2)) + eps);
  }

  #binomial(trials: number, p: number): number {
    if (!(p > 0)) return 0;
    if (p >= 1) return trials;
    const mean = trials * p;
    if (mean > NORMAL_FROM) return Math.max(0, Math.min(trials, Math.round(mean + Math.sqrt(mean * (1 - p)) * this.#random.normal())));
    let u = this.#random.uniform();
    // At least one firing has probability at most the mean.
    if (u > mean) return 0;
    u += this.#random.uniform() * 2 ** -32;
    // k is the number of j with u < P(count > j).
    let term = Math.exp(trials * Math.log1p(-p));
    let above = -Math.expm1(trials * Math.log1p(-p));
    let k = 0;
    while (u < above && k < trials) {
      k++;
      term *= ((trials - k + 1) / k) * (p / (1 - p));
      above -= term;
    }
    return k;
  }
}

/** E p under the stationary law of SGD with isotropic noise between reflecting bounds, by the trapezoidal rule. */
export function stationaryDensity({ survival, drift, isotropic, bounds: [low, high], points = 20_000 }: { readonly survival: (c: number) => number; /** lr lambda gain */ readonly drift: number; readonly isotropic: number; readonly bounds: readonly [number, number]; readonly points?: number }): number {
  const cell = (high - low) / points;
  const rate = (2 * drift) / (isotropic * isotropic);
  // The potential is measured from the far end, where it is largest.
  const potential = new Float64Array(points + 1);
  for (let i = points - 1; i >= 0; i--) potential[i] = potential[i + 1]! - (rate * cell * (survival(low + i * cell) + survival(low + (i + 1) * cell))) / 2;
  let mass = 0;
  let firing = 0;
  for (let i = 0; i <= points; i++) {
    const weight = Math.exp(potential[i]!) * (i === 0 || i === points ? 0.5 : 1);
    mass += weight;
    firing += weight * survival(low + i * cell);
  }
  return firing / mass;
}
