/** sae/inputs and the moments of vectors against two passes in f64, far from the origin too. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { VectorMoments } from '../../engine/sketches/vector-moments.js';
import { decodeState, encodeState } from '../../engine/state.js';
import { inputs } from '../../plugins/builtin/inputs/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { gaussian } from '../shared/random.js';
import { analysisOf, columnOf, makeStream, numbersOf, runShards, runWhole, type TestStream } from '../support/analysis-stream.js';

/** Exact sums of f32 numbers: as whole multiples of 2^-149. */
const exactly = (values: readonly number[]): bigint => values.reduce((sum, value) => sum + toBig(value), 0n);
const toBig = (value: number): bigint => BigInt(value * 2 ** 100) * 2n ** 49n;

function oracle({ x, d, counted }: TestStream): { mean: number[]; covariance: number[][] } {
  const rows = [...counted.keys()].filter((r) => counted[r] !== 0);
  const mean = Array.from({ length: d }, (_, c) => rows.reduce((sum, r) => sum + x[r * d + c]!, 0) / rows.length);
  const covariance = mean.map((ma, a) => mean.map((mb, b) => rows.reduce((sum, r) => sum + (x[r * d + a]! - ma) * (x[r * d + b]! - mb), 0) / rows.length));
  return { mean, covariance };
}

describe('sae/inputs', () => {
  it('agrees with two passes, in shards and batches', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 1, max: 11 }), fc.boolean(), async (seed, d, covariance) => {
      const stream = makeStream({ contexts: 5, positions: 7, d, d_sae: 3, seed });
      const expected = oracle(stream);
      const analysis = analysisOf(inputs as never, stream, { settings: { covariance } });
      for (const result of [await runWhole(analysis), await runShards(analysis, [0, 1, 2, 0, 1], [2, 0, 1])]) {
        checkResult('sae/inputs', result, 3, { columns: new Set(), tables: new Set() });
        const variances = numbersOf(result, 'variance', 'activation_mean');
        numbersOf(result, 'mean', 'activation_mean').forEach((mean, c) => {
          assert.ok(Math.abs(mean - expected.mean[c]!) < 1e-13);
          assert.ok(Math.abs(variances[c]! - expected.covariance[c]![c]!) < 1e-12);
        });
        const norm = Math.hypot(...expected.mean);
        const spread = Math.sqrt(expected.covariance.reduce((sum, row, c) => sum + row[c]!, 0));
        assert.ok(Math.abs((result.summary!.gamma as number) - norm / spread) < 1e-10);
        assert.equal(result.tables!.length, covariance ? 2 : 1);
        if (!covariance) continue;
        Array.from(columnOf(result, 'covariance', 'activation_covariance').data as ArrayLike<ArrayLike<number>>).forEach((row, a) => {
          for (let b = 0; b < d; b++) assert.ok(Math.abs(row[b]! - expected.covariance[a]![b]!) < 1e-12);
        });
      }
    }), { numRuns: 40 });
  });

  it('knows constants and plain cases', async () => {
    const stream = makeStream({ contexts: 2, positions: 4, d: 3, d_sae: 2, seed: 1, ignored: 0 });
    const still = await runWhole(analysisOf(inputs as never, { ...stream, x: stream.x.map((_, at) => at % 3) }));
    assert.deepEqual(numbersOf(still, 'mean', 'activation_mean'), [0, 1, 2]);
    assert.deepEqual(numbersOf(still, 'variance', 'activation_mean'), [0, 0, 0]);
    assert.equal(still.summary!.gamma, null);
    // Half at 3, half at 5: mean 4, deviation 1, gamma 4.
    const two = await runWhole(analysisOf(inputs as never, { ...stream, x: stream.x.map((_, at) => (Math.floor(at / 3) % 2 === 0 ? 3 : 5)) }));
    assert.equal(two.summary!.gamma, 4);
  });
});

describe('moments of vectors', () => {
  it('lose nothing far from the origin, where sums of squares would lose all', () => {
    const [n, d] = [20_000, 6];
    const normal = gaussian(3);
    const offset = 1e5;
    const x = Float32Array.from({ length: n * d }, () => offset + normal());
    const moments = new VectorMoments(d, true);
    for (let r = 0; r < n; r += 1000) moments.add(x.subarray(r * d, (r + 1000) * d), 1000, null);
    for (let a = 0; a < d; a++) {
      // f32 near 1e5 are multiples of 2^-7: their sums, and those of their squares, are exact as whole numbers.
      const column = Array.from({ length: n }, (_, r) => x[r * d + a]!);
      const mean = Number(exactly(column)) / 2 ** 149 / n;
      const whole = column.map((value) => BigInt((value - offset) * 128));
      const [sum, squares] = [whole.reduce((s, v) => s + v, 0n), whole.reduce((s, v) => s + v * v, 0n)];
      const variance = Number(squares * BigInt(n) - sum * sum) / n / n / 128 ** 2;
      assert.ok(Math.abs(moments.mean[a]! - mean) <= 1e-14 * mean, `${moments.mean[a]} ${mean}`);
      assert.ok(Math.abs(moments.variance(a) - variance) <= 1e-12 * variance);
      assert.equal(moments.covariance(a, a), moments.variance(a));
    }
  });

  it('have the same diagonal with and without the rest, and merge by bytes', () => {
    const normal = gaussian(9);
    const x = Float32Array.from({ length: 700 * 13 }, normal);
    const counted = Uint8Array.from({ length: 700 }, (_, r) => (r % 3 === 0 ? 0 : 1));
    const [diagonal, full] = [new VectorMoments(13, false), new VectorMoments(13, true)];
    diagonal.add(x, 700, counted);
    full.add(x, 700, counted);
    for (let c = 0; c < 13; c++) assert.ok(Math.abs(diagonal.variance(c) - full.variance(c)) < 1e-14);
    const copy = new VectorMoments(13, true);
    copy.merge(decodeState(encodeState(full.save())));
    assert.deepEqual(copy.save(), full.save());
    assert.throws(() => diagonal.merge(full.save()), /s is not an array of 13/);
    const empty = new VectorMoments(2, true);
    empty.add(new Float32Array(4), 2, new Uint8Array(2));
    assert.deepEqual([empty.n, empty.variance(0), empty.covariance(0, 1)], [0, 0, 0]);
  });
});
