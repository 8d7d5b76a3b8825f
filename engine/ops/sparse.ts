/** Sparse codes seen by feature, and what is gathered from them. */
import type { SparseCodes } from '../codes.js';

/** Codes in compressed sparse columns (CSC): a list of activations for every feature. */
export interface FeatureLists {
  readonly rows: number;
  readonly d_sae: number;
  /** [d_sae + 1]; feature i's entries are offsets[i] .. offsets[i + 1]. */
  readonly offsets: Uint32Array;
  /** [nnz] row, ascending within a feature. */
  readonly row: Uint32Array;
  /** [nnz] activation, > 0. */
  readonly values: Float32Array;
  /** [nnz] the entry's place among the codes' own. */
  readonly entry: Uint32Array;
}

/** By counting: two passes over the entries and one over the features, no comparison. */
export function toFeatureLists({ rows, d_sae, offsets: from, features, values: activations }: SparseCodes): FeatureLists {
  const nnz = features.length;
  const offsets = new Uint32Array(d_sae + 1);
  for (let e = 0; e < nnz; e++) offsets[features[e]! + 1] = offsets[features[e]! + 1]! + 1;
  for (let i = 0; i < d_sae; i++) offsets[i + 1] = offsets[i + 1]! + offsets[i]!;
  const next = offsets.slice(0, d_sae);
  const row = new Uint32Array(nnz);
  const values = new Float32Array(nnz);
  const entry = new Uint32Array(nnz);
  for (let r = 0; r < rows; r++) {
    for (let e = from[r]!; e < from[r + 1]!; e++) {
      const feature = features[e]!;
      const at = next[feature]!;
      next[feature] = at + 1;
      row[at] = r;
      values[at] = activations[e]!;
      entry[at] = e;
    }
  }
  return { rows, d_sae, offsets, row, values, entry };
}

/** The codes again: the inverse of `toFeatureLists`. Near ties are not theirs to know. */
export function fromFeatureLists({ rows, d_sae, offsets: from, row, values: activations }: FeatureLists): SparseCodes {
  const nnz = row.length;
  const offsets = new Uint32Array(rows + 1);
  for (let e = 0; e < nnz; e++) offsets[row[e]! + 1] = offsets[row[e]! + 1]! + 1;
  for (let r = 0; r < rows; r++) offsets[r + 1] = offsets[r + 1]! + offsets[r]!;
  const next = offsets.slice(0, rows);
  const features = new Uint32Array(nnz);
  const values = new Float32Array(nnz);
  for (let i = 0; i < d_sae; i++) {
    for (let e = from[i]!; e < from[i + 1]!; e++) {
      const at = next[row[e]!]!;
      next[row[e]!] = at + 1;
      features[at] = i;
      values[at] = activations[e]!;
    }
  }
  return { rows, d_sae, offsets, features, values, nearTies: 0 };
}

/** One feature's activation on every row, 0 where it does not fire, [rows]. */
export function featureColumn(lists: FeatureLists, feature: number): Float32Array {
  const column = new Float32Array(lists.rows);
  for (let e = lists.offsets[feature]!; e < lists.offsets[feature + 1]!; e++) column[lists.row[e]!] = lists.values[e]!;
  return column;
}

/** Some features' activations on every row, [rows, features.length], without lists of all: one pass over the codes. */
export function gatherFeatures(codes: SparseCodes, features: ArrayLike<number>): Float32Array {
  const width = features.length;
  const place = new Map<number, number[]>();
  for (let i = 0; i < width; i++) place.set(features[i]!, [...(place.get(features[i]!) ?? []), i]);
  const dense = new Float32Array(codes.rows * width);
  for (let r = 0; r < codes.rows; r++) {
    for (let e = codes.offsets[r]!; e < codes.offsets[r + 1]!; e++) {
      for (const at of place.get(codes.features[e]!) ?? []) dense[r * width + at] = codes.values[e]!;
    }
  }
  return dense;
}
