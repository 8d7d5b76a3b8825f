/**
 * Eigenvalues and eigenvectors of a symmetric matrix, in f64: Householder's reduction to
 * tridiagonal form and QL steps with implicit shifts (Bowdler, Martin, Reinsch & Wilkinson 1968,
 * as in EISPACK's tred2 and tql2). 10 d^3 operations or so: a second for d of 700. Eigenvectors
 * are orthonormal to rounding, however close their eigenvalues are.
 */
import { NumericError, ShapeError } from '../errors.js';
import { Pace } from '../pace.js';
import { PAUSE_EVERY } from './frame-rows.js';

export interface Eigen {
  /** [d] descending */
  readonly values: Float64Array;
  /** [d, d] row j is the unit eigenvector of values[j]. */
  readonly vectors: Float64Array;
}

/** More than any matrix has needed of QL steps for one eigenvalue. */
const MOST_STEPS = 60;

/**
 * @param s [d, d] symmetric; the lower triangle is read
 * @throws ShapeError where its length is not d^2; NumericError where it has NaN or infinities
 */
export async function symmetricEigen(s: Float64Array, d: number, signal?: AbortSignal): Promise<Eigen> {
  if (s.length !== d * d) throw new ShapeError(`the matrix has ${s.length} values, expected ${d} x ${d}`);
  if (!s.every(Number.isFinite)) throw new NumericError('the matrix has entries that are not finite');
  const pace = new Pace(signal, PAUSE_EVERY);
  const v = new Float64Array(d * d);
  for (let i = 0; i < d; i++) for (let j = 0; j <= i; j++) v[i * d + j] = v[j * d + i] = s[i * d + j]!;
  const diagonal = new Float64Array(d);
  const off = new Float64Array(d);
  await tridiagonalise(v, d, diagonal, off, pace);
  // Eigenvectors as rows: a plane rotation then works on two stretches of memory.
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < i; j++) [v[i * d + j], v[j * d + i]] = [v[j * d + i]!, v[i * d + j]!];
  }
  await diagonalise(v, d, diagonal, off, pace);
  const order = Array.from({ length: d }, (_, i) => i).sort((a, b) => diagonal[b]! - diagonal[a]!);
  const vectors = new Float64Array(d * d);
  for (const [to, from] of order.entries()) vectors.set(v.subarray(from * d, (from + 1) * d), to * d);
  return { values: Float64Array.from(order, (i) => diagonal[i]!), vectors };
}

/** v becomes the orthogonal Q with Q' S Q tridiagonal; off[i] is beside diagonal[i - 1] and diagonal[i]. */
async function tridiagonalise(v: Float64Array, d: number, diagonal: Float64Array, off: Float64Array, pace: Pace): Promise<void> {
  for (let i = d - 1; i > 0; i--) {
    const row = i * d;
    let scale = 0;
    for (let k = 0; k < i; k++) scale += Math.abs(v[row + k]!);
    if (scale === 0 || i === 1) {
      off[i] = v[row + i - 1]!;
      diagonal[i] = 0;
      continue;
    }
    let h = 0;
    for (let k = 0; k < i; k++) {
      v[row + k] = v[row + k]! / scale;
      h += v[row + k]! ** 2;
    }
    const f = v[row + i - 1]!;
    const g = f >= 0 ? -Math.sqrt(h) : Math.sqrt(h);
    off[i] = scale * g;
    h -= f * g;
    v[row + i - 1] = f - g;
    // off[0 .. i) holds p = S u / h meanwhile.
    let sum = 0;
    off.fill(0, 0, i);
    for (let j = 0; j < i; j++) {
      v[j * d + i] = v[row + j]! / h;
      const u = v[row + j]!;
      let product = v[j * d + j]! * u;
      for (let k = 0, at = j * d; k < j; k++, at++) {
        product += v[at]! * v[row + k]!;
        off[k] = off[k]! + v[at]! * u;
      }
      off[j] = off[j]! + product;
    }
    for (let j = 0; j < i; j++) {
      off[j] = off[j]! / h;
      sum += off[j]! * v[row + j]!;
    }
    const half = sum / (h + h);
    for (let j = 0; j < i; j++) off[j] = off[j]! - half * v[row + j]!;
    for (let j = 0; j < i; j++) {
      const u = v[row + j]!;
      const q = off[j]!;
      for (let k = 0, at = j * d; k <= j; k++, at++) v[at] = v[at]! - (u * off[k]! + q * v[row + k]!);
    }
    diagonal[i] = h;
    if (pace.isDue) await pace.pause();
  }
  diagonal[0] = 0;
  off[0] = 0;
  const products = new Float64Array(d);
  for (let i = 0; i < d; i++) {
    const row = i * d;
    if (diagonal[i] !== 0) {
      products.fill(0, 0, i);
      for (let k = 0; k < i; k++) {
        const weight = v[row + k]!;
        for (let j = 0, at = k * d; j < i; j++, at++) products[j] = products[j]! + weight * v[at]!;
      }
      for (let k = 0; k < i; k++) {
        const weight = v[k * d + i]!;
        for (let j = 0, at = k * d; j < i; j++, at++) v[at] = v[at]! - products[j]! * weight;
      }
    }
    diagonal[i] = v[row + i]!;
    v[row + i] = 1;
    for (let j = 0; j < i; j++) v[j * d + i] = v[row + j] = 0;
    if (pace.isDue) await pace.pause();
  }
}

/** QL with implicit shifts; rows of v are rotated along. */
async function diagonalise(v: Float64Array, d: number, diagonal: Float64Array, off: Float64Array, pace: Pace): Promise<void> {
  off.copyWithin(0, 1);
  off[d - 1] = 0;
  for (let l = 0; l < d; l++) {
    for (let step = 0; ; step++) {
      let m = l;
      while (m < d - 1 && Math.abs(off[m]!) > Number.EPSILON * (Math.abs(diagonal[m]!) + Math.abs(diagonal[m + 1]!))) m++;
      if (m === l) break;
      if (step === MOST_STEPS) throw new NumericError(`no eigenvalue ${l} after ${MOST_STEPS} steps`);
      let g = (diagonal[l + 1]! - diagonal[l]!) / (2 * off[l]!);
      let r = Math.hypot(g, 1);
      g = diagonal[m]! - diagonal[l]! + off[l]! / (g + (g >= 0 ? r : -r));
      let [s, c, p] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; i--) {
        let f = s * off[i]!;
        const b = c * off[i]!;
        r = Math.hypot(f, g);
        off[i + 1] = r;
        if (r === 0) {
          diagonal[i + 1] = diagonal[i + 1]! - p;
          off[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = diagonal[i + 1]! - p;
        r = (diagonal[i]! - g) * s + 2 * c * b;
        p = s * r;
        diagonal[i + 1] = g + p;
        g = c * r - b;
        for (let k = 0, at = i * d, next = (i + 1) * d; k < d; k++, at++, next++) {
          f = v[next]!;
          v[next] = s * v[at]! + c * f;
          v[at] = c * v[at]! - s * f;
        }
      }
      if (r === 0 && i >= l) continue;
      diagonal[l] = diagonal[l]! - p;
      off[l] = g;
      off[m] = 0;
      if (pace.isDue) await pace.pause();
    }
  }
}
