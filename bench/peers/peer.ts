/**
 * What is compared, as one contract: saekit's backends and other people's
 * libraries each offer some of five tasks. A task is bound to its problem once
 * (weights are uploaded or packed then, for everybody), and each run goes from
 * Float32Arrays that JavaScript holds to typed arrays that JavaScript holds.
 */
import type { SparseCodes } from '../../engine/codes.js';
import type { Sae } from '../../engine/sae.js';
import type { TrainProblem } from './training.js';

/** x @ W + b: x [rows, d_in], W [d_in, d_sae] row-major. */
export interface DenseProblem {
  readonly rows: number;
  readonly d_in: number;
  readonly d_sae: number;
  readonly x: Float32Array;
  readonly W: Float32Array;
  readonly b: Float32Array;
}

/** The k largest of each row of z [rows, n], with their indices. */
export interface TopkProblem {
  readonly rows: number;
  readonly n: number;
  readonly k: number;
  readonly z: Float32Array;
}

/** x to sparse codes; `sae` says by which rule. */
export interface EncodeProblem {
  readonly rows: number;
  readonly x: Float32Array;
  readonly sae: Sae;
}

/** f @ W_dec + b_dec from codes; `f` gives the same codes as a dense matrix [rows, d_sae]. */
export interface DecodeProblem {
  readonly sae: Sae;
  readonly codes: SparseCodes;
  readonly f: Float32Array;
}

/** CSR: what top-k and encode come to. The order within a row is the giver's own. */
export type Sparse = Pick<SparseCodes, 'offsets' | 'features' | 'values'>;

/** What one run leaves. */
export interface Outcome<T> {
  /** The result laid out for comparison, which is not timed. */
  value(): T | Promise<T>;
  /** Seconds by the clock of another process that did the work. */
  readonly seconds?: number;
  /** The result's memory, where it is not the garbage collector's. */
  free?(): void;
}

export interface Task<T> {
  /** Besides the peer's name, how it does it, e.g. `matmul, then a loop`. */
  readonly how?: string;
  /** Asked after the runs. */
  note?(): string;
  run(): Promise<Outcome<T>>;
  dispose?(): void | Promise<void>;
}

export interface Peer {
  /** `onnxruntime-web 1.30.0` */
  readonly name: string;
  /** 0 on a GPU. Compared are those with equally many. */
  readonly threads: number;
  readonly note?: string;
  dense?(problem: DenseProblem): Promise<Task<Float32Array>>;
  topk?(problem: TopkProblem): Promise<Task<Sparse>>;
  /** Every way that the library has of getting there. */
  encode?(problem: EncodeProblem): Promise<Task<Sparse>[]>;
  decode?(problem: DecodeProblem): Promise<Task<Float32Array>>;
  /** A run is one step of training; the value is the losses of the first few (training.ts). */
  train?(problem: TrainProblem): Promise<Task<Float64Array>>;
  dispose?(): void | Promise<void>;
}

/** A way that is not there in this build or on this machine: the row is left out, and the run says so. */
export class Unsupported extends Error {}

/** A top-k result [rows, k] as CSR. */
export function csrOfTopk(rows: number, k: number, indices: ArrayLike<number | bigint>, values: Float32Array): Sparse {
  return {
    offsets: Uint32Array.from({ length: rows + 1 }, (_, row) => row * k),
    features: Uint32Array.from({ length: rows * k }, (_, at) => Number(indices[at])),
    values,
  };
}

/** What a page does with dense pre-activations when it wants what fires: one pass over them. */
export function compact(z: Float32Array, rows: number, d_sae: number, threshold: Float32Array): Sparse {
  const offsets = new Uint32Array(rows + 1);
  let features = new Uint32Array(rows * 64);
  let values = new Float32Array(rows * 64);
  let count = 0;
  for (let row = 0; row < rows; row++) {
    const base = row * d_sae;
    if (count + d_sae > features.length) {
      const larger = Math.max(2 * features.length, count + d_sae);
      const [f, v] = [new Uint32Array(larger), new Float32Array(larger)];
      f.set(features);
      v.set(values);
      [features, values] = [f, v];
    }
    for (let i = 0; i < d_sae; i++) {
      const value = z[base + i]!;
      if (value > threshold[i]! && value > 0) {
        features[count] = i;
        values[count] = value;
        count++;
      }
    }
    offsets[row + 1] = count;
  }
  return { offsets, features: features.subarray(0, count), values: values.subarray(0, count) };
}
