/** Plain JavaScript, written as well as it reasonably is by hand: what a page has without any library. */
import type { DenseProblem, Peer, Sparse, TopkProblem } from './peer.js';

/** Rows of x and columns of W that one inner loop accumulates in locals: 4 x 4. */
function dense({ rows, d_in, d_sae, x, W, b }: DenseProblem, z: Float32Array): void {
  const evenRows = rows - (rows % 4);
  const evenColumns = d_sae - (d_sae % 4);
  // A block of columns of W stays in the cache while all rows pass it.
  for (let block = 0; block < evenColumns; block += 64) {
    const end = Math.min(block + 64, evenColumns);
    for (let r = 0; r < evenRows; r += 4) {
      const [x0, x1, x2, x3] = [r * d_in, (r + 1) * d_in, (r + 2) * d_in, (r + 3) * d_in];
      for (let i = block; i < end; i += 4) {
        let a00 = b[i]!, a01 = b[i + 1]!, a02 = b[i + 2]!, a03 = b[i + 3]!;
        let a10 = a00, a11 = a01, a12 = a02, a13 = a03;
        let a20 = a00, a21 = a01, a22 = a02, a23 = a03;
        let a30 = a00, a31 = a01, a32 = a02, a33 = a03;
        for (let d = 0, w = i; d < d_in; d++, w += d_sae) {
          const w0 = W[w]!, w1 = W[w + 1]!, w2 = W[w + 2]!, w3 = W[w + 3]!;
          const p = x[x0 + d]!, q = x[x1 + d]!, s = x[x2 + d]!, t = x[x3 + d]!;
          a00 += p * w0; a01 += p * w1; a02 += p * w2; a03 += p * w3;
          a10 += q * w0; a11 += q * w1; a12 += q * w2; a13 += q * w3;
          a20 += s * w0; a21 += s * w1; a22 += s * w2; a23 += s * w3;
          a30 += t * w0; a31 += t * w1; a32 += t * w2; a33 += t * w3;
        }
        const z0 = r * d_sae + i, z1 = z0 + d_sae, z2 = z1 + d_sae, z3 = z2 + d_sae;
        z[z0] = a00; z[z0 + 1] = a01; z[z0 + 2] = a02; z[z0 + 3] = a03;
        z[z1] = a10; z[z1 + 1] = a11; z[z1 + 2] = a12; z[z1 + 3] = a13;
        z[z2] = a20; z[z2 + 1] = a21; z[z2 + 2] = a22; z[z2 + 3] = a23;
        z[z3] = a30; z[z3 + 1] = a31; z[z3 + 2] = a32; z[z3 + 3] = a33;
      }
    }
  }
  const one = (r: number, i: number): void => {
    let sum = b[i]!;
    for (let d = 0; d < d_in; d++) sum += x[r * d_in + d]! * W[d * d_sae + i]!;
    z[r * d_sae + i] = sum;
  };
  for (let r = 0; r < rows; r++) for (let i = r < evenRows ? evenColumns : 0; i < d_sae; i++) one(r, i);
}

/** The k largest of each row by a heap of the best so far, its least at the root. */
function topk({ rows, n, k, z }: TopkProblem): Sparse {
  const values = new Float32Array(rows * k);
  const features = new Uint32Array(rows * k);
  for (let row = 0; row < rows; row++) {
    const v = values.subarray(row * k, (row + 1) * k);
    const f = features.subarray(row * k, (row + 1) * k);
    v.set(z.subarray(row * n, row * n + k));
    for (let i = 0; i < k; i++) f[i] = i;
    for (let i = (k >> 1) - 1; i >= 0; i--) sink(v, f, i, k);
    for (let i = k; i < n; i++) {
      const value = z[row * n + i]!;
      // Not >=: of two equal values the lower index stays.
      if (!(value > v[0]!)) continue;
      v[0] = value;
      f[0] = i;
      sink(v, f, 0, k);
    }
  }
  return { offsets: Uint32Array.from({ length: rows + 1 }, (_, row) => row * k), features, values };
}

/** The lesser value is nearer to the root; of equal ones the higher index, which leaves first. */
function sink(v: Float32Array, f: Uint32Array, from: number, k: number): void {
  let at = from;
  for (;;) {
    let least = at;
    for (let child = 2 * at + 1; child <= 2 * at + 2 && child < k; child++) {
      if (v[child]! < v[least]! || (v[child]! === v[least]! && f[child]! > f[least]!)) least = child;
    }
    if (least === at) return;
    [v[at], v[least]] = [v[least]!, v[at]!];
    [f[at], f[least]] = [f[least]!, f[at]!];
    at = least;
  }
}

export function openPlain(): Peer {
  return {
    name: 'plain JavaScript',
    threads: 1,
    dense: (problem) =>
      Promise.resolve({
        note: () => '4 x 4 register tiles',
        run() {
          const z = new Float32Array(problem.rows * problem.d_sae);
          dense(problem, z);
          return Promise.resolve({ value: () => z });
        },
      }),
    topk: (problem) =>
      Promise.resolve({
        note: () => 'a heap of k',
        run() {
          const result = topk(problem);
          return Promise.resolve({ value: () => result });
        },
      }),
  };
}
