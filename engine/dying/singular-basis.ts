/**
 * Would linear algebra have found a direction? w in the basis of the right singular vectors v_j of a
 * matrix: cosines (v_j . w), and the participation ratio 1 / sum_j (v_j . w)^4 of w of length 1:
 * 1 where w is a singular vector, d where it is spread evenly. A direction drawn at random has
 * E sum cos^4 = 3 / (d + 2), in every basis; draws of it are the null that goes with both.
 *
 * For w* of a Gaussian at b = 0 and covariance eigenvectors v_j: cos = -(v_j . Sigma^-1 mu) / ||Sigma^-1 mu||.
 */
import { createRandom } from '../random.js';
import { symmetricEigen } from './eigen.js';
import { dot, unit, type FrameRows, type RowMoments } from './frame-rows.js';
import type { SpectrumReport } from './hyperplane-report.js';
import { normalQuantile } from './normal.js';

export type MatrixName = SpectrumReport['matrix'];

export interface SpectrumOptions {
  readonly matrix: MatrixName;
  /** Random directions to compare with; default 500. */
  readonly draws?: number | undefined;
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Singular values below this share of the largest are rounding. */
const NO_RANK = 1e-7;

/**
 * Of a matrix known by its Gram matrix M' M.
 * @param gram [d, d]
 * @param w [d] of length 1
 */
export async function directionSpectrum(gram: Float64Array, w: Float64Array, options: SpectrumOptions): Promise<SpectrumReport> {
  const d = w.length;
  const { matrix, draws = 500, seed = 0, signal } = options;
  const { values, vectors } = await symmetricEigen(gram, d, signal);
  const singular = Array.from(values, (value) => Math.sqrt(Math.max(0, value)));
  const cosines = Array.from({ length: d }, (_, j) => Math.min(1, Math.abs(dot(vectors.subarray(j * d, (j + 1) * d), w))));
  const own = shape(cosines);
  const random = createRandom(seed);
  const shapes = Array.from({ length: draws }, () => shape(unit(Float64Array.from({ length: d }, () => normalQuantile((random.uint32() + 0.5) / 2 ** 32)))!));
  const band = (pick: (s: Shape) => number): [number, number, number] => {
    const sorted = Float64Array.from(shapes, pick).sort();
    return [0.5, 0.025, 0.975].map((q) => sorted[Math.round(q * (sorted.length - 1))]!) as [number, number, number];
  };
  return {
    matrix,
    rank: singular.filter((value) => value > NO_RANK * singular[0]!).length,
    singular_values: singular,
    cosines,
    largest: { cosine: own.largest, index: own.index },
    participation: own.participation,
    random: { largest: band((s) => s.largest), participation: band((s) => s.participation) },
  };
}

interface Shape {
  readonly largest: number;
  readonly index: number;
  readonly participation: number;
}

function shape(cosines: ArrayLike<number>): Shape {
  let [largest, index, fourth] = [0, 0, 0];
  for (let j = 0; j < cosines.length; j++) {
    const size = Math.abs(cosines[j]!);
    fourth += size ** 4;
    if (size > largest) [largest, index] = [size, j];
  }
  return { largest, index, participation: 1 / fourth };
}

/** X' X / rows of raw rows: their covariance and the mean about 0, put together. */
export function rawGram({ d, covariance, mean }: RowMoments, { origin }: Pick<FrameRows, 'origin'>): Float64Array {
  return Float64Array.from(covariance, (value, at) => {
    const [a, c] = [Math.floor(at / d), at % d];
    return value + (mean[a]! + origin[a]!) * (mean[c]! + origin[c]!);
  });
}

/** M' M of a matrix by rows, [rows, d]. */
export function rowGram(matrix: Float32Array, d: number): Float64Array {
  const gram = new Float64Array(d * d);
  for (let first = 0; first < matrix.length; first += d) {
    for (let a = 0; a < d; a++) {
      const value = matrix[first + a]!;
      if (value === 0) continue;
      for (let c = 0, at = a * d; c <= a; c++, at++) gram[at] = gram[at]! + value * matrix[first + c]!;
    }
  }
  for (let a = 0; a < d; a++) for (let c = 0; c < a; c++) gram[c * d + a] = gram[a * d + c]!;
  return gram;
}

/** M M' of a matrix by columns, [d, columns]. */
export function columnGram(matrix: Float32Array, d: number): Float64Array {
  const columns = matrix.length / d;
  const gram = new Float64Array(d * d);
  for (let a = 0; a < d; a++) {
    for (let c = 0; c <= a; c++) {
      let sum = 0;
      for (let j = 0, i = a * columns, k = c * columns; j < columns; j++, i++, k++) sum += matrix[i]! * matrix[k]!;
      gram[a * d + c] = gram[c * d + a] = sum;
    }
  }
  return gram;
}
