/** sae/logits against plain loops in f64, and unembeddings whose answer is known. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { AnalysisResult } from '../../engine/run/accumulator.js';
import type { Sae } from '../../engine/sae.js';
import { logits } from '../../plugins/builtin/logits/index.js';
import { median } from '../../engine/ops/select.js';
import { checkResult } from '../../plugins/check-result.js';
import type { Unembedding } from '../../plugins/types.js';
import { makeSae, randomRows } from '../shared/oracle.js';
import { columnOf, contextFor, numbersOf, type ContextOptions } from '../support/analysis-stream.js';

async function analyse(sae: Sae, unembed: Unembedding, options: ContextOptions = {}, signal?: AbortSignal): Promise<AnalysisResult> {
  const stream = { positions: 8, d: sae.d_in, d_sae: sae.d_sae, tokens: null };
  const accumulator = await (await logits.load()).create(contextFor(logits, stream, { ...options, sae, unembed }));
  const result = await accumulator.finish(signal);
  checkResult('sae/logits', result, sae.d_sae, { columns: new Set(), tables: new Set() });
  return result;
}

const list = (result: AnalysisResult, name: string, feature: number): unknown[] => Array.from((columnOf(result, name, 'logits').data as ArrayLike<ArrayLike<unknown>>)[feature]!);
const middle = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1]!, sorted[sorted.length >> 1]!];
  return low + (high - low) / 2;
};

function assertOracle(sae: Sae, { vocabulary, W_U, final_norm_scale }: Unembedding, result: AnalysisResult): void {
  for (let i = 0; i < sae.d_sae; i++) {
    for (const variant of ['plain', 'normed'] as const) {
      const scale = variant === 'plain' ? null : final_norm_scale!;
      const raw = Array.from({ length: vocabulary }, (_, v) => {
        let sum = 0;
        for (let k = 0; k < sae.d_out; k++) sum += sae.W_dec[i * sae.d_out + k]! * (scale?.[k] ?? 1) * W_U[k * vocabulary + v]!;
        return sum;
      });
      const centre = middle(raw);
      const shifted = raw.map((value, id) => ({ id, value: value - centre }));
      // The same sums in the same order: exactly equal, ties included.
      for (const [side, sign] of [['top', 1], ['bottom', -1]] as const) {
        const expected = [...shifted].sort((a, b) => sign * (b.value - a.value) || a.id - b.id).slice(0, 10);
        assert.deepEqual(list(result, `${variant}_${side}_ids`, i), expected.map(({ id }) => id));
        assert.deepEqual(list(result, `${variant}_${side}_values`, i), expected.map(({ value }) => value));
        assert.deepEqual(list(result, `${variant}_${side}_tokens`, i), expected.map(({ id }) => `#${id}`));
      }
      const values = shifted.map(({ value }) => value);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const [from, to] = low === high ? [low - 0.5, high + 0.5] : [low, high];
      assert.equal(numbersOf(result, `${variant}_hist_low`, 'logits')[i], from);
      assert.equal(numbersOf(result, `${variant}_hist_high`, 'logits')[i], to);
      const counts = new Array<number>(50).fill(0);
      for (const value of values) counts[Math.min(49, Math.floor((value - from) * (50 / (to - from))))]!++;
      assert.deepEqual(list(result, `${variant}_hist_counts`, i), counts);
      assert.ok(Math.abs(middle(values)) <= 1e-15 * Math.max(...values.map(Math.abs), 1e-300));
    }
  }
}

describe('sae/logits', () => {
  it('agrees with plain loops on shapes around the blocks', async () => {
    for (const [d, d_sae, vocabulary] of [[1, 1, 1], [3, 5, 7], [4, 259, 11], [6, 4, 521], [700, 3, 190]] as const) {
      const sae = makeSae({ architecture: 'standard', d_in: d, d_sae, seed: vocabulary });
      const unembed = { d, vocabulary, W_U: randomRows(d, vocabulary, 3), final_norm_scale: randomRows(1, d, 4) };
      assertOracle(sae, unembed, await analyse(sae, unembed));
    }
  });

  it('gives ties to the lowest id', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 40 }), fc.infiniteStream(fc.integer({ min: -1, max: 1 })), async (d, vocabulary, digits) => {
        const take = (length: number): Float32Array => Float32Array.from({ length }, () => digits.next().value as number);
        const sae = { ...makeSae({ architecture: 'standard', d_in: d, d_sae: 3, seed: 1 }), W_dec: take(3 * d) };
        const unembed = { d, vocabulary, W_U: take(d * vocabulary), final_norm_scale: take(d) };
        assertOracle(sae, unembed, await analyse(sae, unembed));
      }),
      { numRuns: 60 },
    );
  });

  it('with the identity as unembedding shows the decoder row itself', async () => {
    const d = 21;
    const sae = makeSae({ architecture: 'standard', d_in: d, d_sae: 2, seed: 5 });
    const W_U = Float32Array.from({ length: d * d }, (_, at) => (Math.floor(at / d) === at % d ? 1 : 0));
    const result = await analyse(sae, { d, vocabulary: d, W_U, final_norm_scale: new Float32Array(d).fill(2) }, { tokenText: (id) => `t${id}` });
    for (let i = 0; i < 2; i++) {
      const row = Array.from(sae.W_dec.subarray(i * d, (i + 1) * d), (value, id) => ({ id, value })).sort((a, b) => b.value - a.value);
      const centre = row[10]!.value;
      assert.deepEqual(list(result, 'plain_top_ids', i), row.slice(0, 10).map(({ id }) => id));
      assert.deepEqual(list(result, 'plain_top_values', i), row.slice(0, 10).map(({ value }) => value - centre));
      assert.deepEqual(list(result, 'plain_top_tokens', i), row.slice(0, 10).map(({ id }) => `t${id}`));
      assert.deepEqual(list(result, 'plain_bottom_ids', i), row.slice(-10).reverse().map(({ id }) => id));
      assert.deepEqual(list(result, 'normed_top_values', i), row.slice(0, 10).map(({ value }) => 2 * (value - centre)));
    }
  });

  it('leaves the normed columns null without a scale', async () => {
    const sae = makeSae({ architecture: 'standard', d_in: 3, d_sae: 2, seed: 5 });
    const result = await analyse(sae, { d: 3, vocabulary: 12, W_U: randomRows(3, 12, 1), final_norm_scale: null });
    const columns = result.tables![0]!.columns;
    assert.equal(columns.length, 19);
    for (const { name, data } of columns) assert.equal(data[0] === null, name.startsWith('normed'), name);
    assert.deepEqual(result.summary!.variants, ['plain']);
  });

  it('refuses an unembedding of another width', async () => {
    const sae = makeSae({ architecture: 'standard', d_in: 3, d_sae: 2, seed: 5 });
    await assert.rejects(analyse(sae, { d: 4, vocabulary: 5, W_U: new Float32Array(20), final_norm_scale: null }), /4 dimensions.*d_out = 3/);
  });

  it('lets events in and stops when it is told to', async () => {
    const sae = makeSae({ architecture: 'standard', d_in: 128, d_sae: 2000, seed: 1 });
    const unembed = { d: 128, vocabulary: 4000, W_U: randomRows(128, 4000, 1), final_norm_scale: null };
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), 20);
    const started = performance.now();
    await assert.rejects(analyse(sae, unembed, {}, controller.signal), { name: 'AbortError' });
    clearTimeout(timer);
    assert.ok(performance.now() - started < 1500);
  });

  it('selects medians as sorting does', () => {
    const numbers = fc.array(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }), fc.integer({ min: -2, max: 2 })), { minLength: 1, maxLength: 60 });
    fc.assert(fc.property(numbers, (values) => assert.equal(median(Float64Array.from(values)) + 0, middle(values) + 0)));
  });
});
