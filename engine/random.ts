/**
 * Randomness without state: every draw is a hash of (seed, index), so that it
 * depends on nothing but its own name. Batches may be split, shards merged and
 * workers added, and each item still draws the same number. No `Math.random`
 * anywhere in the engine.
 *
 * The hash is XXH32 (Yann Collet, xxHash; the specification's short-input path)
 * of the eight bytes le32(a) || le32(b). It passes SMHasher, and golden values
 * can be had from any xxHash library.
 */

const PRIME2 = 0x85ebca77;
const PRIME3 = 0xc2b2ae3d;
const PRIME4 = 0x27d4eb2f;
const PRIME5 = 0x165667b1;

/**
 * XXH32 of the words `a`, `b` under `seed`: a whole number of [0, 2^32).
 *
 * @param seed, a, b whole numbers, taken modulo 2^32. For an index beyond 2^32
 *   pass `index % 2^32` and `Math.floor(index / 2^32)`.
 */
export function hash32(seed: number, a: number, b = 0): number {
  let h = (seed + PRIME5 + 8) | 0;
  h = round(h, a);
  h = round(h, b);
  h = Math.imul(h ^ (h >>> 15), PRIME2);
  h = Math.imul(h ^ (h >>> 13), PRIME3);
  return (h ^ (h >>> 16)) >>> 0;
}

function round(h: number, word: number): number {
  const sum = (h + Math.imul(word, PRIME3)) | 0;
  return Math.imul((sum << 17) | (sum >>> 15), PRIME4);
}

/** A number of [0, 1) with 32 random bits: `hash32(seed, a, b) / 2^32`. */
export function uniform(seed: number, a: number, b = 0): number {
  return hash32(seed, a, b) / 2 ** 32;
}

/** A sequence of draws from one seed. */
export interface Random {
  /** A whole number of [0, 2^32). */
  uint32(): number;
  /** A number of [0, 1) with 53 random bits. */
  uniform(): number;
  /** A whole number of [0, n), each equally likely; n from 1 to 2^32. */
  below(n: number): number;
}

/** The generator whose i-th word is `hash32(seed, i)`: two of them with one seed give the same sequence. */
export function createRandom(seed: number): Random {
  let index = 0;
  const uint32 = (): number => {
    const word = hash32(seed, index, Math.floor(index / 2 ** 32));
    index++;
    return word;
  };
  return {
    uint32,
    uniform: () => ((uint32() >>> 5) * 2 ** 26 + (uint32() >>> 6)) / 2 ** 53,
    below(n) {
      if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) throw new RangeError(`below(n) takes a whole number from 1 to 2^32, not ${n}`);
      // The largest multiple of n: words at or beyond it would favour small results.
      const limit = 2 ** 32 - (2 ** 32 % n);
      let word = uint32();
      while (word >= limit) word = uint32();
      return word % n;
    },
  };
}
