/**
 * The random numbers of one row. A row's draws are a function of (seed, stream, row)
 * and of nothing that was drawn before, so that rows can be made alone, in any order,
 * and batches cut anywhere.
 *
 * A row's key is 64 bits wide, so that two of 10^8 rows practically never share one;
 * its j-th word is `hash32(key, j, key')` (../random.ts). `Math.log`, `Math.cos` and
 * `Math.sin` may differ in the last bit between JavaScript engines, and so may a
 * row's last bits; within one engine rows are the same bit for bit.
 */
import { hash32 } from '../random.js';

/** Streams of one seed: rows to train on, rows held out, and what the dictionary is drawn from. */
export const STREAM = { train: 0, heldOut: 1, world: 2 } as const;

export class RowRandom {
  readonly #a: number;
  readonly #b: number;
  #low = 0;
  #high = 0;
  #index = 0;
  #spare = 0;
  #hasSpare = false;

  /** @param seed a whole number, taken modulo 2^32 @param stream one of `STREAM`, or any whole number */
  constructor(seed: number, stream: number) {
    this.#a = hash32(seed, stream, 0x9e3779b9);
    this.#b = hash32(seed, stream, 0x7f4a7c15);
  }

  /** Begins row `row`, a whole number up to 2^53. */
  seek(row: number): this {
    const above = Math.floor(row / 2 ** 32);
    this.#low = hash32(this.#a, row, above);
    this.#high = hash32(this.#b, row, above);
    this.#index = 0;
    this.#hasSpare = false;
    return this;
  }

  /** A number of (0, 1): (h + 1/2) / 2^32, so that its logarithm is finite. */
  open(): number {
    return (hash32(this.#low, this.#index++, this.#high) + 0.5) * 2.3283064365386963e-10;
  }

  /** A number of [0, 1) with 32 random bits. */
  uniform(): number {
    return hash32(this.#low, this.#index++, this.#high) * 2.3283064365386963e-10;
  }

  /** A whole number of [0, n), n up to 2^21 or so (n / 2^32 is the largest relative error of a probability). */
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** A standard normal number: Box and Muller's, both of a pair used. */
  normal(): number {
    if (this.#hasSpare) {
      this.#hasSpare = false;
      return this.#spare;
    }
    const radius = Math.sqrt(-2 * Math.log(this.open()));
    const angle = 6.283185307179586 * this.uniform();
    this.#spare = radius * Math.sin(angle);
    this.#hasSpare = true;
    return radius * Math.cos(angle);
  }

  /** An exponential number of mean 1. */
  exponential(): number {
    return -Math.log(this.open());
  }

  /** Gamma(shape, 1), shape above 0: Marsaglia and Tsang (ACM TOMS 26, 2000). */
  gamma(shape: number): number {
    if (shape < 1) return this.gamma(shape + 1) * this.open() ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const z = this.normal();
      const v = (1 + c * z) ** 3;
      if (v > 0 && Math.log(this.open()) < 0.5 * z * z + d - d * v + d * Math.log(v)) return d * v;
    }
  }
}
