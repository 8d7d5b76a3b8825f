/**
 * x = mean + R z with R R^T = covariance: how gaussian and heavy-tailed rows get their
 * mean and covariance. The covariance comes as a matrix (Cholesky), as eigenvalues in
 * a random basis or along the axes, or as nothing (identity); the mean as a vector, or
 * by gamma = ||mean|| / ||sigma|| in a random direction, ||sigma||^2 the trace.
 */
import { ShapeError } from '../errors.js';
import { PART, orthonormalRows, randomDirections } from './directions.js';
import type { FieldReader } from './fields.js';
import type { Moments } from './sampler.js';

export interface AffineFields {
  /** [d]; null for 0, or what `gamma` says. */
  readonly mean: readonly number[] | null;
  /** ||mean|| / sqrt(trace of the covariance). */
  readonly gamma: number | null;
  /** [d][d], symmetric, positive semidefinite. */
  readonly covariance: readonly (readonly number[])[] | null;
  /** [d] eigenvalues. */
  readonly spectrum: readonly number[] | null;
  /** Eigenvalues i^-decay, i = 1 .. d, times d / their sum: a trace of d. */
  readonly decay: number | null;
  /** Where the eigenvectors of `spectrum` or `decay` lie. */
  readonly basis: 'random' | 'axes';
  /** Multiplies every standard deviation. */
  readonly sd: number;
}

export function resolveAffine(fields: FieldReader, d: number): AffineFields {
  const mean = fields.list('mean', d);
  const gamma = fields.optionalNumber('gamma', { low: 0 });
  const covariance = fields.raw('covariance') ?? null;
  const spectrum = fields.list('spectrum', d, { low: 0 });
  const decay = fields.optionalNumber('decay', { low: 0 });
  if (mean !== null && gamma !== null) throw fields.wrong('gamma', 'nothing where "mean" is given');
  if ([covariance, spectrum, decay].filter((value) => value !== null).length > 1) throw fields.wrong('covariance', 'one of "covariance", "spectrum" and "decay" at most');
  if (covariance !== null) checkMatrix(fields, covariance, d);
  return {
    mean, gamma, spectrum, decay,
    covariance: covariance as number[][] | null,
    basis: fields.choice('basis', 'random', ['random', 'axes']),
    sd: fields.number('sd', 1, { low: 0, aboveLow: true }),
  };
}

function checkMatrix(fields: FieldReader, value: unknown, d: number): void {
  const expected = `a symmetric matrix, ${d} lists of ${d} numbers`;
  if (!Array.isArray(value) || value.length !== d) throw fields.wrong('covariance', expected, value);
  const rows = value as unknown[];
  for (const row of rows) if (!Array.isArray(row) || row.length !== d || !row.every((item) => Number.isFinite(item))) throw fields.wrong('covariance', expected, row);
  const matrix = rows as number[][];
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < i; j++) {
      const [a, b] = [matrix[i]![j]!, matrix[j]![i]!];
      if (Math.abs(a - b) > 1e-9 * (Math.abs(a) + Math.abs(b))) throw fields.wrong('covariance', `${expected}; [${i}][${j}] is ${a}, [${j}][${i}] is ${b}`, matrix[i]);
    }
  }
}

export interface Affine extends Moments {
  readonly covariance: Float64Array;
  /** out[at + i] = (mean + scale R z)_i */
  apply(z: Float64Array, scale: number, out: Float32Array, at: number): void;
}

/** @throws ShapeError where the covariance is not positive semidefinite */
export function affine(spec: AffineFields & { readonly d: number; readonly seed: number }): Affine {
  const { d, sd, seed } = spec;
  const root = rootOf(spec);
  const trace = root === null ? d * sd * sd : root.reduce((sum, value) => sum + value * value, 0);
  const mean = Float64Array.from({ length: d }, (_, i) => spec.mean?.[i] ?? 0);
  if (spec.gamma !== null) {
    const direction = randomDirections(seed, PART.mean, 1, d);
    for (let i = 0; i < d; i++) mean[i] = spec.gamma * Math.sqrt(trace) * direction[i]!;
  }
  return {
    mean,
    // d^3 operations and d^2 numbers: only for those who ask.
    get covariance() {
      return root === null ? diagonal(d, sd * sd) : product(root, d);
    },
    apply(z, scale, out, at) {
      if (root === null) {
        for (let i = 0; i < d; i++) out[at + i] = mean[i]! + scale * sd * z[i]!;
        return;
      }
      for (let i = 0, from = 0; i < d; i++) {
        let sum = 0;
        for (let j = 0; j < d; j++, from++) sum += root[from]! * z[j]!;
        out[at + i] = mean[i]! + scale * sum;
      }
    },
  };
}

/** [d, d] R with its standard deviations; null for sd times the identity. */
function rootOf({ d, seed, sd, covariance, spectrum, decay, basis }: AffineFields & { readonly d: number; readonly seed: number }): Float64Array | null {
  if (covariance !== null) return cholesky(covariance, d).map((value) => value * sd);
  const eigenvalues = spectrum ?? (decay === null ? null : powerLaw(d, decay));
  if (eigenvalues === null) return null;
  const root = basis === 'axes' ? diagonal(d, 1) : orthonormalRows(seed, PART.basis, d, d);
  // Rows of the basis are the eigenvectors q_j; R's columns are sqrt(lambda_j) q_j.
  const result = new Float64Array(d * d);
  for (let i = 0; i < d; i++) for (let j = 0; j < d; j++) result[i * d + j] = sd * Math.sqrt(eigenvalues[j]!) * root[j * d + i]!;
  return result;
}

function powerLaw(d: number, decay: number): number[] {
  const values = Array.from({ length: d }, (_, i) => (i + 1) ** -decay);
  const scale = d / values.reduce((sum, value) => sum + value, 0);
  return values.map((value) => value * scale);
}

/** [d, d] value times the identity. */
export function diagonal(d: number, value: number): Float64Array {
  const matrix = new Float64Array(d * d);
  for (let i = 0; i < d; i++) matrix[i * d + i] = value;
  return matrix;
}

/** R R^T. */
function product(root: Float64Array, d: number): Float64Array {
  const out = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let c = 0; c < d; c++) sum += root[i * d + c]! * root[j * d + c]!;
      out[i * d + j] = sum;
      out[j * d + i] = sum;
    }
  }
  return out;
}

/**
 * The lower triangular root of a positive semidefinite matrix; a pivot that is 0 within
 * rounding makes a column of zeros.
 * @throws ShapeError naming the pivot where the matrix is not positive semidefinite
 */
export function cholesky(matrix: readonly (readonly number[])[], d: number): Float64Array {
  const root = new Float64Array(d * d);
  let largest = 0;
  for (let i = 0; i < d; i++) largest = Math.max(largest, matrix[i]![i]!);
  const tolerance = d * 2 ** -50 * largest;
  for (let j = 0; j < d; j++) {
    let pivot = matrix[j]![j]!;
    for (let c = 0; c < j; c++) pivot -= root[j * d + c]! ** 2;
    if (pivot < -tolerance) throw new ShapeError(`generator: "covariance" is not positive semidefinite (pivot ${j} is ${pivot})`, { hint: 'Add a small multiple of the identity.' });
    const isZero = pivot <= tolerance;
    root[j * d + j] = isZero ? 0 : Math.sqrt(pivot);
    for (let i = j + 1; i < d; i++) {
      let sum = matrix[i]![j]!;
      for (let c = 0; c < j; c++) sum -= root[i * d + c]! * root[j * d + c]!;
      if (isZero && Math.abs(sum) > Math.sqrt(Math.max(tolerance, 0) * largest) + tolerance) {
        throw new ShapeError(`generator: "covariance" is not positive semidefinite (pivot ${j} is 0, the entry below it at ${i} is ${sum})`, { hint: 'Add a small multiple of the identity.' });
      }
      root[i * d + j] = isZero ? 0 : sum / root[j * d + j]!;
    }
  }
  return root;
}
