/** Cholesky's factorisation and what is solved with it, in f64, for the covariances of activations. */

/**
 * L of S + shift I = L L^T.
 * @param s [d, d] symmetric; its lower triangle is read
 * @returns [d, d], the lower triangle; null where S + shift I is not positive definite
 */
export function cholesky(s: Float64Array, d: number, shift = 0): Float64Array | null {
  const l = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = s[i * d + j]! + (i === j ? shift : 0);
      const [a, b] = [i * d, j * d];
      for (let k = 0; k < j; k++) sum -= l[a + k]! * l[b + k]!;
      if (i === j) {
        if (!(sum > 0)) return null;
        l[a + i] = Math.sqrt(sum);
      } else l[a + j] = sum / l[b + j]!;
    }
  }
  return l;
}

/** x of L L^T x = b. */
export function choleskySolve(l: Float64Array, d: number, b: ArrayLike<number>): Float64Array {
  const x = Float64Array.from(b);
  for (let i = 0; i < d; i++) {
    let sum = x[i]!;
    for (let k = 0; k < i; k++) sum -= l[i * d + k]! * x[k]!;
    x[i] = sum / l[i * d + i]!;
  }
  for (let i = d - 1; i >= 0; i--) {
    let sum = x[i]!;
    for (let k = i + 1; k < d; k++) sum -= l[k * d + i]! * x[k]!;
    x[i] = sum / l[i * d + i]!;
  }
  return x;
}
