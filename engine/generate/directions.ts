/**
 * Directions and bases that a world is made of, from a seed.
 */
import { RowRandom, STREAM } from './row-random.js';

/** Parts of a world that are drawn independently of each other; a part's numbers do not move when another part changes. */
export const PART = { atoms: 1, shared: 2, mean: 3, basis: 4, spread: 5, factor: 6, dense: 7, group: 8, items: 9, shift: 10, rare: 11 } as const;

/** Random numbers of item `index` of a part. */
export function worldRandom(seed: number, part: number): RowRandom {
  return new RowRandom(seed, STREAM.world + part);
}

/** Makes the row of length 1. */
function normalize(rows: Float64Array, at: number, d: number): void {
  let sum = 0;
  for (let c = at; c < at + d; c++) sum += rows[c]! ** 2;
  const scale = 1 / Math.sqrt(sum);
  for (let c = at; c < at + d; c++) rows[c] = rows[c]! * scale;
}

/** [n, d] unit rows, uniform on the sphere, in f64. Row i depends on nothing but (seed, part, i). */
export function randomDirections(seed: number, part: number, n: number, d: number): Float64Array {
  const random = worldRandom(seed, part);
  const rows = new Float64Array(n * d);
  for (let i = 0; i < n; i++) {
    random.seek(i);
    for (let c = 0; c < d; c++) rows[i * d + c] = random.normal();
    normalize(rows, i * d, d);
  }
  return rows;
}

/** [n, d] orthonormal rows, n at most d: Gram and Schmidt's, twice over, of random directions. */
export function orthonormalRows(seed: number, part: number, n: number, d: number): Float64Array {
  const rows = randomDirections(seed, part, n, d);
  for (let i = 0; i < n; i++) {
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) {
        let dot = 0;
        for (let c = 0; c < d; c++) dot += rows[i * d + c]! * rows[j * d + c]!;
        for (let c = 0; c < d; c++) rows[i * d + c] = rows[i * d + c]! - dot * rows[j * d + c]!;
      }
      normalize(rows, i * d, d);
    }
  }
  return rows;
}

/**
 * Rows sqrt(1 - rho) u_i + sqrt(rho) v, brought to length 1: directions with an expected cosine of about rho.
 * @param atoms [n, d] unit rows u_i, changed in place @param v [d] a unit vector
 */
export function spike(atoms: Float64Array, v: Float64Array, rho: number, first = 0): void {
  const d = v.length;
  const [own, shared] = [Math.sqrt(1 - rho), Math.sqrt(rho)];
  for (let at = first * d; at < atoms.length; at += d) {
    for (let c = 0; c < d; c++) atoms[at + c] = own * atoms[at + c]! + shared * v[c]!;
    normalize(atoms, at, d);
  }
}
