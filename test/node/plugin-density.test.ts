/** sae/density against counting everything, and a density that is known. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { clopperPearson, regularizedBeta, wilsonInterval } from '../../engine/statistics.js';
import type { Sae } from '../../engine/sae.js';
import { density } from '../../plugins/builtin/density/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { makeSae, oracleEncode } from '../shared/oracle.js';
import { gaussian } from '../shared/random.js';
import { analysisOf, columnOf, makeStream, numbersOf, runWhole, type TestStream } from '../support/analysis-stream.js';

/** P(Z > -x) for a standard normal: Simpson's rule on the density, far beyond the accuracy that is asked. */
function normalAbove(x: number): number {
  const steps = 4000;
  const h = x / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i++) sum += Math.exp(-((i * h) ** 2) / 2) * (i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2);
  return 0.5 + ((h / 3) * sum) / Math.sqrt(2 * Math.PI);
}

describe('sae/density', () => {
  it('counts as counting everything does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 1, max: 9 }), async (seed, d_sae) => {
        const stream = makeStream({ contexts: 4, positions: 10, d_sae, seed, density: (i) => [0, 0.02, 0.5, 1][i % 4]!, ignored: 0.2 });
        const tokens = stream.counted.reduce((sum, value) => sum + value, 0);
        const result = await runWhole(analysisOf(density, stream));
        checkResult('sae/density', result, d_sae, { columns: new Set(), tables: new Set() });
        const counts = Array.from({ length: d_sae }, (_, i) => stream.dense.filter((row) => row[i]! > 0).length);
        assert.deepEqual(numbersOf(result, 'count'), counts);
        assert.deepEqual(numbersOf(result, 'density'), counts.map((count) => count / tokens));
        assert.deepEqual(numbersOf(result, 'density_low'), counts.map((count) => (count === 0 ? 0 : wilsonInterval(count, tokens).low)));
        assert.deepEqual(numbersOf(result, 'density_high'), counts.map((count) => (count === 0 ? Math.min(1, 3 / tokens) : wilsonInterval(count, tokens).high)));
        const names = Array.from(columnOf(result, 'class').data);
        assert.deepEqual(names, counts.map((count) => (count === 0 ? 'dead' : count / tokens > 0.1 ? 'dense' : 'live')));
        const classes = result.summary!.classes as Record<string, number>;
        assert.equal(classes.dead, names.filter((name) => name === 'dead').length);
        assert.equal(Object.values(classes).reduce((a, b) => a + b), d_sae);
        assert.equal(result.summary!.tokens, tokens);
      }),
      { numRuns: 40 },
    );
  });

  it('stays exact past 2^32', async () => {
    const stream = makeStream({ contexts: 1, positions: 4, d_sae: 1, seed: 1, density: 1, ignored: 0 });
    const accumulator = await analysisOf(density, stream).create();
    accumulator.merge({ tokens: 2 ** 40 + 1, counts: Float64Array.of(2 ** 33 + 1) });
    accumulator.merge({ tokens: 2, counts: Float64Array.of(2) });
    assert.deepEqual(numbersOf(await accumulator.finish(), 'count'), [2 ** 33 + 3]);
  });

  it('classes features by their exact densities', async () => {
    const accumulator = await analysisOf(density, makeStream({ contexts: 1, positions: 1, d_sae: 7, seed: 1, density: 0 })).create();
    accumulator.merge({ tokens: 1e9, counts: Float64Array.of(0, 1, 999, 1000, 100_000, 1e8, 1e8 + 1) });
    const result = await accumulator.finish();
    assert.deepEqual(Array.from(columnOf(result, 'class').data), ['dead', 'ultralow', 'ultralow', 'rare', 'live', 'live', 'dense']);
    assert.deepEqual(result.summary, { classes: { dead: 1, ultralow: 2, rare: 1, live: 2, dense: 1 }, tokens: 1e9, floor: 3e-9 });
  });

  it('finds the density Q(-m/s) of a planted Gaussian, within the exact binomial interval at 99.9 %', async () => {
    const rows = 20_000;
    const next = gaussian(2024);
    for (const [m, s] of [[-2, 1], [-0.5, 2], [0, 1], [0.3, 0.5]] as const) {
      // One feature that reads coordinate 0: f = relu(x + b).
      const sae: Sae = { ...makeSae({ architecture: 'standard', d_in: 1, d_sae: 1, seed: 1 }), W_enc: Float32Array.of(1), b_enc: Float32Array.of(m), b_dec: new Float32Array(1) };
      const x = Float32Array.from({ length: rows }, () => s * next());
      const codes = oracleEncode(sae, x, rows);
      const dense = Array.from({ length: rows }, (_, r) => Float32Array.of(codes.offsets[r + 1]! > codes.offsets[r]! ? codes.values[codes.offsets[r]!]! : 0));
      const stream: TestStream = { contexts: rows / 100, positions: 100, d: 1, d_sae: 1, tokens: null, counted: new Uint8Array(rows).fill(1), x, xhat: x, dense };
      const result = await runWhole(analysisOf(density, stream, { sae }));
      const [count] = numbersOf(result, 'count') as [number];
      const p = m < 0 ? 1 - normalAbove(-m / s) : normalAbove(m / s);
      // P(X <= count) and P(X >= count) under the true density.
      assert.ok(1 - regularizedBeta(p, count + 1, rows - count) > 0.0005, `${count} is too few for p = ${p}`);
      assert.ok(regularizedBeta(p, count, rows - count + 1) > 0.0005, `${count} is too many for p = ${p}`);
      const { low, high } = clopperPearson(count, rows, 0.001);
      assert.ok(low <= p && p <= high);
    }
  });
});
