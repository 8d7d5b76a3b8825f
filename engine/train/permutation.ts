/**
 * A permutation of 0 .. n - 1 that is not stored: a Feistel network of four rounds over
 * engine/random.ts's hash, on the least even number of bits that holds n, walked until it lands
 * below n again (Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains"). At most
 * four steps of the walk on average.
 */
import { hash32 } from '../random.js';

const ROUNDS = 4;

/** @param n at most 2^52 @param key whole number: another permutation for each */
export function permutation(n: number, seed: number, key: number): (at: number) => number {
  const bits = Math.max(1, Math.ceil(Math.log2(Math.max(2, n)) / 2));
  const side = 2 ** bits;
  return (at) => {
    let value = at;
    do {
      let left = Math.floor(value / side);
      let right = value % side;
      for (let round = 0; round < ROUNDS; round++) {
        const next = (left ^ (hash32(seed, right, Math.imul(key, ROUNDS) + round) & (side - 1))) >>> 0;
        left = right;
        right = next;
      }
      value = left * side + right;
    } while (value >= n);
    return value;
  };
}
