/** Features that are born dead: the formulas against the published table and against counting, and the plugin that reports them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { countBornDead, deadRelu, deadTopK, deadTopKFinite, forecastDeath, gammaOf, layerNormRows } from '../../engine/dying/forecast.js';
import type { ForecastReport } from '../../engine/dying/rates-reports.js';
import { encodeState, decodeState } from '../../engine/state.js';
import { RowSample } from '../../engine/sketches/row-sample.js';
import { forecast } from '../../plugins/builtin/forecast/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { makeSae } from '../shared/oracle.js';
import { gaussian } from '../shared/random.js';
import { batchOf, contextFor, makeStream, type TestStream } from '../support/analysis-stream.js';

const near = (value: number, expected: number, tolerance: number, what = ''): void => assert.ok(Math.abs(value - expected) <= tolerance, `${what} ${value}, expected ${expected} ± ${tolerance}`);

/** Isotropic Gaussian rows of total sd sqrt(d), whose mean is gamma times that long. */
function shifted(rows: number, d: number, gamma: number, seed: number): Float32Array {
  const normal = gaussian(seed);
  const direction = Float64Array.from({ length: d }, normal);
  const scale = (gamma * Math.sqrt(d)) / Math.hypot(...direction);
  const x = new Float32Array(rows * d);
  for (let at = 0; at < x.length; at++) x[at] = direction[at % d]! * scale + normal();
  return x;
}

test('the published formulas: Phi(-C / gamma) at N 20 000, Phi(t_k - C / gamma) at N 5000, k 64 of 4096; and of the adaptive elastic net', () => {
  near(deadRelu(5, 20_000), 0.218, 5e-4);
  near(deadRelu(10, 20_000), 0.349, 5e-4);
  near(deadRelu(40, 20_000), 0.461, 5e-4);
  near(deadTopK(5, 5000, 64, 4096), 0.926, 5e-4);
  near(deadTopK(1, 5000, 64, 4096), 0.083, 5e-4);
  near(deadTopK(2.5, 50_000, 32, 1024), 0.586, 0.003);
  near(deadTopK(8.9, 50_000, 32, 1024), 0.919, 0.003);
  fc.assert(fc.property(fc.double({ min: 0.1, max: 100, noNaN: true }), fc.integer({ min: 2, max: 1e9 }), fc.integer({ min: 1, max: 500 }), (gamma, tokens, k) => {
    const at = forecastDeath(gamma, { tokens, k, features: 1024 });
    assert.ok(at.relu >= 0 && at.relu <= 0.5 && at.topk! >= at.relu && at.topk_finite! >= at.topk!);
    // More rows, or a mean nearer to 0, kill fewer; more that fire, too.
    assert.ok(deadRelu(gamma, 2 * tokens) <= at.relu + 1e-15 && deadRelu(gamma / 2, tokens) <= at.relu);
    assert.ok(deadTopK(gamma, tokens, k + 1, 1024) <= at.topk!);
  }));
  assert.deepEqual(forecastDeath(0, { tokens: 100, k: 3, features: 10 }), { gamma: 0, relu: 0, topk: 0, topk_finite: 0 });
  assert.equal(deadTopK(3, 100, 10, 10), 0);
  assert.throws(() => forecastDeath(1, { tokens: 1, k: null, features: 1 }), /at least 2/);
});

test('the death-at-initialisation table: random features counted on rows, within sampling error of what was published', async () => {
  const d = 64;
  for (const [gamma, published, formula] of [[5, 0.206, 0.218], [10, 0.35, 0.349], [40, 0.466, 0.461]] as const) {
    const features = 1024;
    const { relu } = await countBornDead({ x: shifted(20_000, d, gamma, gamma), rows: 20_000, d, features, k: null, seed: 1 });
    // The published count has 4096 features of its own.
    const error = Math.sqrt(published * (1 - published) * (1 / features + 1 / 4096));
    near(relu.value!, published, 3 * error, `gamma ${gamma}`);
    near(relu.value!, formula, 0.05);
    assert.ok(relu.low! < relu.value! && relu.high! > relu.value!);
  }
});

test('the same under TopK: 0.931 at gamma 5; 0.253 at gamma 1, where only the threshold of whole rows comes near', async () => {
  const [d, features, rows] = [64, 1024, 5000];
  const k = (64 * features) / 4096;
  for (const [gamma, published] of [[5, 0.931], [1, 0.253]] as const) {
    const { topk } = await countBornDead({ x: shifted(rows, d, gamma, 20 + gamma), rows, d, features, k, seed: 2 });
    near(topk!.value!, published, 3 * Math.sqrt(published * (1 - published) * (1 / features + 1 / 4096)) + (gamma === 1 ? 0.03 : 0.01), `gamma ${gamma}`);
    const [plain, finite] = [deadTopK(gamma, rows, k, features), deadTopKFinite(gamma, rows, k, features)];
    assert.ok(Math.abs(finite - topk!.value!) < Math.abs(plain - topk!.value!), `${finite} and ${plain}, counted ${topk!.value}`);
  }
});

test('given columns: what the definition says of each', async () => {
  await fc.assert(fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 1, max: 5 }), async (seed, k) => {
    const normal = gaussian(seed);
    const [d, features, rows] = [3, 12, 9];
    const make = (length: number, shift = 0): Float32Array => Float32Array.from({ length }, () => shift + normal());
    const [x, encoder, bias, centre] = [make(rows * d, 1), make(features * d), make(features, -1), make(d)];
    const found = await countBornDead({ x, rows, d, features, encoder, bias, centre, k });
    const z = Array.from({ length: rows }, (_, r) => Array.from({ length: features }, (__, i) => Array.from({ length: d }, (___, c) => encoder[i * d + c]! * (x[r * d + c]! - centre[c]!)).reduce((sum, value) => sum + value, bias[i]!)));
    const dead = (fires: (row: number[], i: number) => boolean): number => Array.from({ length: features }, (_, i) => i).filter((i) => !z.some((row) => fires(row, i))).length / features;
    assert.equal(found.relu.value, dead((row, i) => row[i]! > 0));
    assert.equal(found.topk!.value, dead((row, i) => row[i]! > 0 && row.filter((value) => value > row[i]!).length < k));
    assert.equal((await countBornDead({ x, rows, d, features, encoder, bias, centre, k: null })).relu.value, found.relu.value);
  }), { numRuns: 40 });
  await assert.rejects(countBornDead({ x: new Float32Array(5), rows: 2, d: 3, features: 1, k: null }), /expected 2 x 3/);
});

test('gamma and LayerNorm', () => {
  near(gammaOf([3, 4], [9, 16]), 1, 1e-12);
  near(gammaOf([3, 4], [9, 16], [3, 4]), 0, 0);
  assert.equal(gammaOf([1], [0]), Infinity);
  assert.throws(() => gammaOf([1, 2], [1]), /expected as many/);
  const out = layerNormRows(Float32Array.of(1, 3, 5, 5), 2, 2);
  assert.deepEqual([...out], [-1, 1, 0, 0]);
});

/** Rows of d that lie far from the origin, in contexts, through the plugin. */
async function runForecast(stream: TestStream, shards: readonly (readonly [number, number])[], settings: Record<string, unknown> = {}, k: number | null = null): Promise<ForecastReport> {
  const sae = makeSae({ architecture: k === null ? 'standard' : 'topk', d_in: stream.d, d_sae: stream.d_sae, seed: 5, ...(k === null ? {} : { k }) });
  const sample = new RowSample({ d: stream.d, bytes: 1e7, seed: 1, hasTokens: false });
  const ctx = contextFor(forecast as never, stream, { sae, settings, rows: () => Promise.resolve(sample.rows()) });
  const total = await (await forecast.load()).create(ctx as never);
  for (const [from, to] of shards) {
    const part = await (await forecast.load()).create(ctx as never);
    const batch = batchOf(stream, from, to);
    await part.update(batch);
    sample.update(batch);
    total.merge(decodeState(encodeState(part.save())));
  }
  const result = await total.finish();
  checkResult('sae/forecast', result, stream.d_sae, { columns: new Set(), tables: new Set() });
  return JSON.parse(JSON.stringify(result.summary)) as ForecastReport;
}

test('sae/forecast: moments of the rows that count, however they were cut; forecasts by the formulas; counts beside them', async () => {
  const stream = makeStream({ contexts: 6, positions: 50, d_sae: 64, d: 8, seed: 3, ignored: 0.3 });
  const report = await runForecast(stream, [[0, 6]]);
  const kept = Array.from({ length: 300 }, (_, r) => stream.x.subarray(r * 8, r * 8 + 8)).filter((_, r) => stream.counted[r] !== 0);
  const mean = Array.from({ length: 8 }, (_, c) => kept.reduce((sum, row) => sum + row[c]!, 0) / kept.length);
  const variance = mean.reduce((sum, m, c) => sum + kept.reduce((part, row) => part + (row[c]! - m) ** 2, 0) / kept.length, 0);
  assert.equal(report.rows, kept.length);
  near(report.mean_norm, Math.hypot(...mean), 1e-9);
  near(report.sd_norm, Math.sqrt(variance), 1e-9);
  near(report.raw.gamma, Math.hypot(...mean) / Math.sqrt(variance), 1e-9);
  near(report.raw.relu, deadRelu(report.raw.gamma, 100_000), 1e-12);
  assert.deepEqual(report.centred, { gamma: 0, relu: 0, topk: null, topk_finite: null });
  assert.deepEqual([report.k, report.raw.topk, report.counted!.zero.topk], [null, null, null]);
  // Rows under LayerNorm have no mean over dims left.
  assert.ok(report.layer_norm.gamma < report.raw.gamma);
  assert.equal(report.counted!.zero.rows, kept.length);
  near(report.counted!.formula.relu, deadRelu(report.raw.gamma, kept.length), 1e-12);
  assert.ok(report.counted!.zero.relu.value! > 0.1 && report.counted!.mean.relu.value! < 0.02, JSON.stringify(report.counted));
  const cut = await runForecast(stream, [[3, 6], [0, 1], [1, 3]]);
  near(cut.raw.gamma, report.raw.gamma, 1e-12);
  near(cut.layer_norm.gamma, report.layer_norm.gamma, 1e-12);
});

test('sae/forecast: TopK, settings and caveats', async () => {
  const stream = makeStream({ contexts: 4, positions: 50, d_sae: 64, d: 8, seed: 4, ignored: 0 });
  const own = await runForecast(stream, [[0, 4]], {}, 4);
  assert.equal(own.k, 4);
  assert.ok(own.raw.topk! > own.raw.relu && own.counted!.zero.topk!.value! >= own.counted!.zero.relu.value!);
  assert.ok(own.counted!.mean.topk!.value! < own.counted!.zero.topk!.value!);
  const given = await runForecast(stream, [[0, 4]], { k: 16, draw: 16, draw_rows: 100, tokens: 500 }, 4);
  assert.deepEqual([given.k, given.tokens, given.counted!.zero.features, given.counted!.zero.rows], [16, 500, 16, 100]);
  assert.ok(given.caveats.some((text) => /only 4 fire/.test(text)), given.caveats.join(' '));
  assert.ok(given.caveats.some((text) => /Gaussian/.test(text)));
});
