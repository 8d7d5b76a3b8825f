/**
 * What every kind of generator is made into: something that writes one row, and the
 * answers that are known about its rows.
 */
import type { Truth } from '../train/data.js';
import type { RowRandom } from './row-random.js';

/** Where a row's true codes go: one call for each feature that is not 0, in any order. */
export interface CodeSink {
  add(feature: number, value: number): void;
}

/** A dictionary that is the right answer. A row is `codes @ directions + offset`, plus noise of `noise` standard deviation in each dimension. */
export interface GeneratedTruth extends Truth {
  /** [d] what every row has added to it. */
  readonly offset: Float64Array;
  readonly noise: number;
  /** Parent of each feature, -1 for none: a feature is on only where its parent is. Null where there are no trees. */
  readonly parents: Int32Array | null;
  /** [d] the direction that the features of a planted group share, where there is one. */
  readonly shared: Float32Array | null;
}

/** Moments in closed form, where the law has them. */
export interface Moments {
  /** [d] */
  readonly mean: Float64Array;
  /** [d, d]; null where it does not exist. May be computed when it is read. */
  readonly covariance: Float64Array | null;
}

export interface Sampler {
  readonly d: number;
  readonly truth: GeneratedTruth | null;
  /** Null where they are not known in closed form. */
  readonly moments: Moments | null;
  /**
   * Adds row `random` to out[at .. at + d], which holds zeros.
   * @param codes null where nobody wants them
   */
  row(random: RowRandom, out: Float32Array, at: number, codes: CodeSink | null): void;
}

/** out[at + c] += value * directions[feature * d + c] */
export function addDirection(out: Float32Array, at: number, d: number, directions: Float32Array, feature: number, value: number): void {
  for (let c = 0, from = feature * d; c < d; c++, from++) out[at + c] = out[at + c]! + value * directions[from]!;
}

/**
 * Adds `count` directions with their values, four in a pass, since it is loads and stores of the row that cost.
 * @param chosen, values lists of at least `count`
 */
export function addDirections(out: Float32Array, at: number, d: number, directions: Float32Array, chosen: Int32Array, values: Float64Array, count: number): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const [v0, v1, v2, v3] = [values[i]!, values[i + 1]!, values[i + 2]!, values[i + 3]!];
    let [a, b, c, e] = [chosen[i]! * d, chosen[i + 1]! * d, chosen[i + 2]! * d, chosen[i + 3]! * d];
    for (let to = at; to < at + d; to++) {
      out[to] = out[to]! + v0 * directions[a++]! + v1 * directions[b++]! + v2 * directions[c++]! + v3 * directions[e++]!;
    }
  }
  for (; i < count; i++) addDirection(out, at, d, directions, chosen[i]!, values[i]!);
}
