/** The firings of some features on rows that are in memory, row by row, and the contexts that the rows are of. */
import type { SparseCodes } from '../codes.js';

export interface GroupFirings {
  readonly rows: number;
  /** The features, ascending; `members` index into them. */
  readonly features: Uint32Array;
  /** [rows + 1] */
  readonly offsets: Uint32Array;
  /** [nnz] place in `features`, ascending within a row. */
  readonly members: Uint32Array;
  /** [nnz] activations */
  readonly values: Float32Array;
}

/** Collects the firings of some features from codes of consecutive rows. */
export class FiringCollector {
  readonly features: Uint32Array;
  readonly #place: Int32Array;
  readonly #offsets: number[] = [0];
  readonly #members: number[] = [];
  readonly #values: number[] = [];

  /** @param features ascending */
  constructor(features: Uint32Array, d_sae: number) {
    this.features = features;
    this.#place = new Int32Array(d_sae).fill(-1);
    features.forEach((feature, at) => (this.#place[feature] = at));
  }

  add({ rows, offsets, features, values }: SparseCodes): void {
    for (let row = 0; row < rows; row++) {
      for (let entry = offsets[row]!; entry < offsets[row + 1]!; entry++) {
        const place = this.#place[features[entry]!]!;
        if (place < 0) continue;
        this.#members.push(place);
        this.#values.push(values[entry]!);
      }
      this.#offsets.push(this.#members.length);
    }
  }

  finish(): GroupFirings {
    return { rows: this.#offsets.length - 1, features: this.features, offsets: Uint32Array.from(this.#offsets), members: Uint32Array.from(this.#members), values: Float32Array.from(this.#values) };
  }
}

export interface RowContexts {
  readonly contexts: number;
  /** [rows] 0 .. contexts - 1 */
  readonly of: Uint32Array;
}

/** Contexts of sampled rows. @param index [rows] place of each in the stream, ascending @param positions rows of a context */
export function rowContexts(index: ArrayLike<number>, positions: number): RowContexts {
  const of = new Uint32Array(index.length);
  let contexts = 0;
  for (let row = 0; row < index.length; row++) {
    if (row === 0 || Math.floor(index[row]! / positions) !== Math.floor(index[row - 1]! / positions)) contexts++;
    of[row] = contexts - 1;
  }
  return { contexts, of };
}

/** Firings of each feature, [features]. */
export function firingCounts({ features, members }: GroupFirings): Float64Array {
  const counts = new Float64Array(features.length);
  for (const member of members) counts[member] = counts[member]! + 1;
  return counts;
}
