/**
 * Which of many features fire, each with its own probability, without asking every one.
 *
 * Features are sorted into buckets whose probabilities are within a factor of 2 of each
 * other. In a bucket, the next candidate is a geometric number of places away, by the
 * bucket's largest probability p, and is accepted with p_i / p: exactly independent draws,
 * at a cost in proportion to the number that fire, not to the number that there are.
 */
import type { RowRandom } from './row-random.js';

/** From this probability on a number for each feature costs less than its logarithm does. */
const DENSE = 0.125;

export class FiringSampler {
  /** Features by falling probability, those of probability 0 left out. */
  readonly #features: Int32Array;
  readonly #accept: Float64Array;
  /** End of each bucket in `#features`, its 1 / log(1 - p), 0 for a bucket that is gone through. */
  readonly #ends: Int32Array;
  readonly #rates: Float64Array;

  /** @param features which features these are @param probabilities theirs, in the same order, of [0, 1] */
  constructor(features: ArrayLike<number>, probabilities: ArrayLike<number>) {
    const order = Array.from({ length: features.length }, (_, i) => i).filter((i) => probabilities[i]! > 0).sort((a, b) => probabilities[b]! - probabilities[a]! || a - b);
    this.#features = Int32Array.from(order, (i) => features[i]!);
    this.#accept = new Float64Array(order.length);
    const ends: number[] = [];
    const rates: number[] = [];
    for (let start = 0; start < order.length; ) {
      const largest = probabilities[order[start]!]!;
      const isDense = largest > DENSE;
      let end = start;
      for (; end < order.length; end++) {
        const p = probabilities[order[end]!]!;
        if (isDense ? p <= DENSE : p <= largest / 2) break;
        this.#accept[end] = isDense ? p : p / largest;
      }
      ends.push(end);
      rates.push(isDense ? 0 : 1 / Math.log1p(-largest));
      start = end;
    }
    this.#ends = Int32Array.from(ends);
    this.#rates = Float64Array.from(rates);
  }

  /** Writes the features that fire to `out` from place `count` on, and returns where they end. */
  draw(random: RowRandom, out: Int32Array, count = 0): number {
    const features = this.#features;
    const accept = this.#accept;
    let at = 0;
    for (let bucket = 0; bucket < this.#ends.length; bucket++) {
      const end = this.#ends[bucket]!;
      const rate = this.#rates[bucket]!;
      if (rate === 0) {
        for (; at < end; at++) if (random.uniform() < accept[at]!) out[count++] = features[at]!;
        continue;
      }
      for (;;) {
        at += Math.floor(Math.log(random.open()) * rate);
        if (at >= end) break;
        if (random.uniform() < accept[at]!) out[count++] = features[at]!;
        at++;
      }
      at = end;
    }
    return count;
  }
}
