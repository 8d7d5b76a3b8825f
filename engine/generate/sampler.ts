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
 * Adds `count` directions with their values, eight or three in a pass, since it is loads and stores of the row that cost.
 * @param chosen, values lists of at least `count`
 */
export function addDirections(out: Float32Array, at: number, d: number, directions: Float32Array, chosen: Int32Array, values: Float64Array, count: number): void {
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    const v0 = values[i]!, v1 = values[i + 1]!, v2 = values[i + 2]!, v3 = values[i + 3]!;
    const v4 = values[i + 4]!, v5 = values[i + 5]!, v6 = values[i + 6]!, v7 = values[i + 7]!;
    const d0 = chosen[i]! * d, d1 = chosen[i + 1]! * d, d2 = chosen[i + 2]! * d, d3 = chosen[i + 3]! * d;
    const d4 = chosen[i + 4]! * d, d5 = chosen[i + 5]! * d, d6 = chosen[i + 6]! * d, d7 = chosen[i + 7]! * d;
    for (let c = 0; c < d; c++) {
      out[at + c] = out[at + c]!
        + v0 * directions[d0 + c]! + v1 * directions[d1 + c]! + v2 * directions[d2 + c]! + v3 * directions[d3 + c]!
        + v4 * directions[d4 + c]! + v5 * directions[d5 + c]! + v6 * directions[d6 + c]! + v7 * directions[d7 + c]!;
    }
  }
  for (; i + 3 <= count; i += 3) {
    const v0 = values[i]!, v1 = values[i + 1]!, v2 = values[i + 2]!;
    const d0 = chosen[i]! * d, d1 = chosen[i + 1]! * d, d2 = chosen[i + 2]! * d;
    for (let c = 0; c < d; c++) out[at + c] = out[at + c]! + v0 * directions[d0 + c]! + v1 * directions[d1 + c]! + v2 * directions[d2 + c]!;
  }
  for (; i < count; i++) addDirection(out, at, d, directions, chosen[i]!, values[i]!);
}
