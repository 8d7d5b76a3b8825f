import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { createRandom, hash32, uniform } from '../../engine/random.js';

// python-xxhash: xxh32(struct.pack('<II', a, b), seed).intdigest()
const GOLDEN: readonly (readonly [number, number, number, number])[] = [
  [0, 0, 0, 3736311059],
  [0, 1, 0, 149775153],
  [1, 0, 0, 3521805802],
  [42, 7, 0, 416356078],
  [4294967295, 4294967295, 4294967295, 2685863586],
  [12345, 2147483648, 3, 4216828275],
  [2147483648, 123456789, 987654321, 1249685549],
];

test('hash32 is XXH32 of the two words', () => {
  for (const [seed, a, b, expected] of GOLDEN) assert.equal(hash32(seed, a, b), expected, `${seed} ${a} ${b}`);
  assert.equal(hash32(42, 7), hash32(42, 7, 0));
  assert.equal(hash32(3, 5 + 2 ** 32), hash32(3, 5), 'words are taken modulo 2^32');
});

test('hash32 spreads neighbouring indices evenly over 256 bins and over each bit', () => {
  const bins = new Uint32Array(256);
  const bits = new Uint32Array(32);
  const n = 1 << 18;
  for (let i = 0; i < n; i++) {
    const h = hash32(9, i);
    bins[h >>> 24]!++;
    for (let bit = 0; bit < 32; bit++) bits[bit]! += (h >>> bit) & 1;
  }
  // Chi-square with 255 degrees of freedom: the 1e-6 tails lie at about 155 and 370.
  const chi = bins.reduce((sum, count) => sum + (count - n / 256) ** 2 / (n / 256), 0);
  assert.ok(chi > 155 && chi < 370, `chi-square ${chi}`);
  for (const count of bits) assert.ok(Math.abs(count - n / 2) < 5.5 * Math.sqrt(n / 4), `bit count ${count}`);
});

test('uniform lies in [0, 1) and is hash32 scaled', () => {
  fc.assert(fc.property(fc.nat(), fc.nat(), (seed, a) => {
    const u = uniform(seed, a);
    assert.ok(u >= 0 && u < 1);
    assert.equal(u * 2 ** 32, hash32(seed, a));
  }));
});

test('a generator repeats itself, and below(n) is even', () => {
  const [a, b] = [createRandom(5), createRandom(5)];
  for (let i = 0; i < 100; i++) assert.equal(a.uint32(), b.uint32());
  assert.equal(createRandom(5).uint32(), hash32(5, 0));
  const counts = new Uint32Array(7);
  const random = createRandom(1);
  for (let i = 0; i < 70_000; i++) counts[random.below(7)]!++;
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 5.5 * Math.sqrt(10_000 * 6 / 7), `${count}`);
  for (let i = 0; i < 1000; i++) {
    const u = random.uniform();
    assert.ok(u >= 0 && u < 1);
  }
  assert.equal(createRandom(1).below(1), 0);
  for (const n of [0, -1, 1.5, NaN, 2 ** 33]) assert.throws(() => random.below(n), RangeError);
});
