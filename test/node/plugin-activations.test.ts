/** sae/activations against two passes over everything in f64. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { binEdge, binOf } from '../../engine/sketches/log-histogram.js';
import { activations } from '../../plugins/builtin/activations/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { uniform } from '../shared/random.js';
import { analysisOf, columnOf, makeStream, numbersOf, runWhole, type TestStream } from '../support/analysis-stream.js';

const close = (got: number, expected: number, relative = 1e-11): void => assert.ok(Math.abs(got - expected) <= relative * Math.abs(expected), `${got}, expected ${expected}`);

describe('sae/activations', () => {
  const stream = makeStream({ contexts: 12, positions: 32, d_sae: 7, seed: 3, density: (i) => [0, 0.003, 0.1, 0.9][i % 4]! });
  const tokens = stream.counted.reduce((sum, value) => sum + value, 0);
  const firings = Array.from({ length: stream.d_sae }, (_, i) => stream.dense.map((row) => row[i]!).filter((value) => value > 0).sort((a, b) => a - b));

  it('gives moments, maximum, histogram and quantiles of every feature', async () => {
    const result = await runWhole(analysisOf(activations, stream));
    checkResult('sae/activations', result, stream.d_sae, { columns: new Set(), tables: new Set() });
    const column = Object.fromEntries(result.features!.map(({ name }) => [name, numbersOf(result, name)]));
    assert.deepEqual(result.features!.map(({ name }) => name), ['mean', 'mean_all', 'variance', 'skew', 'kurtosis', 'max', 'q01', 'q05', 'q25', 'q50', 'q75', 'q95', 'q99']);
    const first = columnOf(result, 'first_bin', 'histograms').data as ArrayLike<number | null>;
    const counts = columnOf(result, 'counts', 'histograms').data as ArrayLike<Float64Array>;
    let checked = 0;
    firings.forEach((values, i) => {
      const n = values.length;
      if (n === 0) {
        assert.equal(column.mean_all![i], 0);
        for (const [name, data] of Object.entries(column)) if (name !== 'mean_all') assert.ok(Number.isNaN(data[i]), name);
        assert.equal(first[i], null);
        assert.equal(counts[i]!.length, 0);
        return;
      }
      const mean = values.reduce((a, b) => a + b) / n;
      const central = (p: number): number => values.reduce((sum, x) => sum + (x - mean) ** p, 0) / n;
      close(column.mean![i]!, mean);
      close(column.mean_all![i]!, values.reduce((a, b) => a + b) / tokens);
      if (n > 2) {
        close(column.variance![i]!, central(2));
        close(column.skew![i]!, central(3) / central(2) ** 1.5);
        close(column.kurtosis![i]!, central(4) / central(2) ** 2);
        checked++;
      }
      assert.equal(column.max![i], values.at(-1));
      assert.equal(first[i], binOf(values[0]!));
      assert.equal(counts[i]!.reduce((a, b) => a + b), n);
      counts[i]!.forEach((count, b) => assert.equal(count, values.filter((x) => x >= binEdge(first[i]! + b) && x < binEdge(first[i]! + b + 1)).length));
      for (const percent of [1, 5, 25, 50, 75, 95, 99]) {
        const exact = values[Math.ceil((percent / 100) * n - 1e-12) - 1]!;
        const got = column[`q${String(percent).padStart(2, '0')}`]![i]!;
        assert.ok(Math.abs(got - exact) <= exact / 16 && got <= values.at(-1)!);
      }
    });
    assert.ok(checked >= 3);
  });

  it('knows a uniform feature: mean 3/2, variance 1/12, kurtosis 9/5, quantiles 1 + q', async () => {
    const next = uniform(8);
    const rows = 40_000;
    const flat: TestStream = { contexts: 400, positions: 100, d: 1, d_sae: 1, tokens: null, counted: new Uint8Array(rows).fill(1), x: new Float32Array(rows), xhat: new Float32Array(rows), dense: Array.from({ length: rows }, () => Float32Array.of(1 + next())) };
    const result = await runWhole(analysisOf(activations, flat));
    const value = (name: string): number => numbersOf(result, name)[0]!;
    close(value('mean'), 1.5, 0.005);
    close(value('variance'), 1 / 12, 0.02);
    close(value('kurtosis'), 1.8, 0.02);
    assert.ok(Math.abs(value('skew')) < 0.03);
    for (const [name, q] of [['q05', 0.05], ['q50', 0.5], ['q95', 0.95]] as const) close(value(name), 1 + q, 0.01);
  });

  it('scales with the decoder norm that is folded into a feature, its shape unchanged', async () => {
    // Folding ||d|| = 4 into the encoder multiplies activations by 4: exactly, in f32.
    const folded = { ...stream, dense: stream.dense.map((row) => row.map((value) => 4 * value)) };
    const [before, after] = [await runWhole(analysisOf(activations, stream)), await runWhole(analysisOf(activations, folded))];
    const scaled = (name: string, factor: number): void => {
      const expected = numbersOf(before, name).map((value) => value * factor);
      numbersOf(after, name).forEach((value, i) => (Number.isNaN(expected[i]!) ? assert.ok(Number.isNaN(value)) : close(value, expected[i]!, 1e-12)));
    };
    for (const name of ['mean', 'mean_all', 'max', 'q01', 'q50', 'q99']) scaled(name, 4);
    scaled('variance', 16);
    scaled('skew', 1);
    scaled('kurtosis', 1);
    const shift = (result: typeof before): unknown[] => Array.from(columnOf(result, 'first_bin', 'histograms').data);
    assert.deepEqual(shift(after), shift(before).map((bin) => (bin === null ? null : (bin as number) + 32)));
  });
});
