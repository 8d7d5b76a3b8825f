/** Moments in one pass against two passes in f64. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Moments } from '../../engine/sketches/moments.js';
import { gaussian, uniform } from '../shared/random.js';

function exact(values: readonly number[]) {
  const n = values.length;
  const mean = values.reduce((sum, x) => sum + x, 0) / n;
  const central = (p: number): number => values.reduce((sum, x) => sum + (x - mean) ** p, 0) / n;
  const variance = central(2);
  return { n, mean, variance, skew: central(3) / variance ** 1.5, kurtosis: central(4) / variance ** 2 };
}

/** Holds to the bound of the module's header: n u sqrt(1 + mean^2 / variance), with room for the higher orders. */
function assertMoments(moments: Moments, feature: number, values: readonly number[]): void {
  const { n, mean, variance, skew, kurtosis } = exact(values);
  assert.equal(moments.count(feature), n);
  const bound = 64 * n * 2 ** -53 * Math.sqrt(1 + mean ** 2 / variance);
  const close = (got: number | null, expected: number, scale: number): void => assert.ok(Math.abs(got! - expected) <= bound * scale, `${got} ${expected} ${bound * scale}`);
  close(moments.mean(feature), mean, Math.abs(mean));
  if (!(variance > 1e-11 * mean ** 2)) return;
  close(moments.variance(feature), variance, variance);
  close(moments.skew(feature), skew, kurtosis);
  close(moments.kurtosis(feature), kurtosis, kurtosis);
}

describe('moments', () => {
  it('knows a small sample', () => {
    const moments = new Moments(1);
    for (const value of [1, 2, 3, 4, 10]) moments.add(0, value);
    assert.equal(moments.mean(0), 4);
    assert.equal(moments.variance(0), 10);
    assert.ok(Math.abs(moments.skew(0)! - 180 / 5 / 10 ** 1.5) < 1e-14);
    assert.ok(Math.abs(moments.kurtosis(0)! - 1394 / 5 / 100) < 1e-14);
  });

  it('has nothing to say without values, or where all are equal', () => {
    const moments = new Moments(2);
    for (let i = 0; i < 1000; i++) moments.add(1, 0.1);
    assert.deepEqual([moments.mean(0), moments.variance(0), moments.skew(0), moments.kurtosis(0)], [null, null, null, null]);
    assert.deepEqual([moments.mean(1), moments.variance(1), moments.skew(1), moments.kurtosis(1)], [0.1, 0, null, null]);
  });

  it('agrees with two passes, whatever the mean', () => {
    for (const shift of [0, 10, 1e4]) {
      const next = gaussian(3);
      const values = Array.from({ length: 5000 }, () => Math.fround(shift + Math.exp(next())));
      const moments = new Moments(1);
      for (const value of values) moments.add(0, value);
      assertMoments(moments, 0, values);
    }
  });

  it('finds 3 for a normal sample and 9/5 for a uniform one', () => {
    const moments = new Moments(2);
    const normal = gaussian(1);
    const flat = uniform(2);
    for (let i = 0; i < 200_000; i++) {
      moments.add(0, normal());
      moments.add(1, flat());
    }
    assert.ok(Math.abs(moments.kurtosis(0)! - 3) < 0.05 && Math.abs(moments.skew(0)!) < 0.03);
    assert.ok(Math.abs(moments.kurtosis(1)! - 1.8) < 0.01 && Math.abs(moments.variance(1)! - 1 / 12) < 1e-3);
  });

  it('merges to what one pass gives, within the bound', () => {
    const value = fc.float({ min: Math.fround(1e-3), max: 1000, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(value, fc.integer({ min: 0, max: 3 })), { minLength: 2, maxLength: 100 }), (entries) => {
        const shards = [0, 1, 2, 3].map(() => new Moments(1));
        for (const [x, shard] of entries) shards[shard]!.add(0, x);
        const merged = new Moments(1);
        for (const shard of shards) merged.merge(shard.save());
        assertMoments(merged, 0, entries.map(([x]) => x));
      }),
    );
  });

  it('restores to the very state', () => {
    const next = uniform(4);
    const moments = new Moments(3);
    for (let i = 0; i < 100; i++) moments.add(i % 2, next());
    const restored = new Moments(3);
    restored.merge(moments.save());
    assert.deepEqual(restored.save(), moments.save());
  });
});
