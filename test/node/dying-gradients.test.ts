/** Gradient anatomy: against the training oracle's gradients, central differences of its loss, closed forms of a Gaussian, and every way to cut the stream. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { SparseCodes } from '../../engine/codes.js';
import { decoderBiasGradient, densityAtZero, featureGradients, GradientSums } from '../../engine/dying/gradient-anatomy.js';
import { gradientReport } from '../../engine/dying/gradient-report.js';
import { phi, upperTail } from '../../engine/dying/normal.js';
import { optimiserDirection } from '../../engine/dying/optimiser-direction.js';
import { Pace } from '../../engine/pace.js';
import type { Objective, ParameterName } from '../../engine/train/objective.js';
import { gradientAnatomy } from '../../plugins/builtin/gradient-anatomy/index.js';
import { lambdaOfRun } from '../../plugins/builtin/gradient-anatomy/analysis.js';
import { checkResult } from '../../plugins/check-result.js';
import { makeSae, oracleEncode } from '../shared/oracle.js';
import { gaussian } from '../shared/random.js';
import { plainObjective, randomParameters, randomRows } from '../shared/train-cases.js';
import { gradientsOf, lossOf } from '../shared/train-oracle.js';
import { analysisOf, columnOf, makeStream, numbersOf, plain, runInterrupted, runOrdered, runShards, runSplit, runWhole, type TestStream } from '../support/analysis-stream.js';

const pace = (): Pace => new Pace(undefined);
const near = (value: number, expected: number, tolerance: number, what: string): void => assert.ok(Math.abs(value - expected) <= tolerance, `${what}: ${value}, expected ${expected} ± ${tolerance}`);

interface Case {
  readonly objective: Objective;
  readonly parameters: Record<string, Float32Array>;
  readonly x: Float32Array;
  readonly rows: number;
  readonly sums: GradientSums;
}

/** A standard SAE by feature, its codes in f64. */
async function standardCase(seed: number, rows: number, d: number, n: number, objective: Objective): Promise<Case> {
  const parameters = randomParameters(objective, seed) as Record<string, Float32Array>;
  const x = randomRows(rows, d, seed + 1);
  const { W_enc, W_dec, b_enc, b_dec } = parameters as Record<ParameterName, Float32Array>;
  const input = x.map((value, at) => value - (objective.applyBDecToInput ? b_dec[at % d]! : 0));
  const offsets = [0];
  const [features, values]: [number[], number[]] = [[], []];
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < n; i++) {
      let z = b_enc[i]!;
      for (let c = 0; c < d; c++) z += W_enc[i * d + c]! * (x[r * d + c]! - (objective.applyBDecToInput ? b_dec[c]! : 0));
      if (z > 0) {
        features.push(i);
        values.push(z);
      }
    }
    offsets.push(features.length);
  }
  const codes = { rows, d_sae: n, offsets: Uint32Array.from(offsets), features: Uint32Array.from(features), values: Float64Array.from(values), nearTies: 0 } as unknown as SparseCodes;
  const sums = new GradientSums({ d_in: d, d_out: d, d_sae: n }, W_dec, b_dec);
  await sums.add({ input, target: x, codes, counted: null }, pace());
  return { objective, parameters, x, rows, sums };
}

const controls = { step: 1, lr: 1e-3, coefficient: 0.3, p: 1, pNext: null, k: 1, dead: null };

describe('gradient anatomy', () => {
  it('sums to the gradients of the training oracle, and to central differences of its loss', async () => {
    for (const [seed, applyBDecToInput, byDecoderNorm] of [[1, true, false], [2, false, false], [3, true, true]] as const) {
      const [rows, d, n] = [40, 5, 7];
      const objective = plainObjective({ d, d_sae: n, selection: { kind: 'relu' }, groups: [n], penalty: { kind: 'l1', byDecoderNorm }, applyBDecToInput });
      const { parameters, x, sums } = await standardCase(seed, rows, d, n, objective);
      const { W_dec, W_enc } = parameters as { W_dec: Float32Array; W_enc: Float32Array };
      const length = (i: number): number => Math.hypot(...W_dec.subarray(i * d, (i + 1) * d));
      const lambda = Float64Array.from({ length: n }, (_, i) => controls.coefficient * (byDecoderNorm ? length(i) : 1));
      const oracle = gradientsOf(objective, parameters, x, rows, controls).gradients;
      const nudged = (name: string, at: number, by: number): number => lossOf(objective, { ...parameters, [name]: Float64Array.from(parameters[name]!, (value, k) => value + (k === at ? by : 0)) }, x, rows, controls);
      const difference = (name: string, at: number): number => (nudged(name, at, 1e-5) - nudged(name, at, -1e-5)) / 2e-5;
      for (let i = 0; i < n; i++) {
        const own = featureGradients(sums, i, lambda[i]!, W_dec);
        for (let c = 0; c < d; c++) {
          // x - b_dec was rounded to f32, as backends are given it.
          near(own.encoder[c]!, oracle.get('W_enc')!.v[i * d + c]!, 1e-6, 'dL/dW_enc');
          near(own.l1[c]! + own.rec[c]!, own.encoder[c]!, 1e-15, 'both terms');
          near(own.encoder[c]!, difference('W_enc', i * d + c), 2e-6, 'difference of W_enc');
        }
        near(own.bias, oracle.get('b_enc')!.v[i]!, 1e-12, 'dL/db_enc');
        near(own.bias, difference('b_enc', i), 1e-6, 'difference of b_enc');
        // Less what lies along d_i: the penalty by decoder norm has nothing else.
        const whole = Array.from({ length: d }, (_, c) => oracle.get('W_dec')!.v[i * d + c]!);
        const part = whole.reduce((sum, value, c) => sum + value * W_dec[i * d + c]!, 0) / length(i) ** 2;
        own.decoder.forEach((value, c) => near(value, whole[c]! - part * W_dec[i * d + c]!, 1e-12, 'dL/dW_dec'));
        near(own.decoder.reduce((sum, value, c) => sum + value * W_dec[i * d + c]!, 0), 0, 1e-12, 'along d_i');
        const norm = (v: Float64Array): number => Math.hypot(...v);
        if (sums.counts[i]! > 0) {
          near(own.share, norm(own.l1) / (norm(own.l1) + norm(own.rec)), 1e-15, 'share');
          near(own.cosL1Encoder, own.l1.reduce((s, v, c) => s + v * own.encoder[c]!, 0) / norm(own.l1) / norm(own.encoder), 1e-12, 'cosine');
        }
      }
      decoderBiasGradient(sums, W_enc, lambda, applyBDecToInput).forEach((value, c) => {
        near(value, oracle.get('b_dec')!.v[c]!, 1e-12, 'dL/db_dec');
        near(value, difference('b_dec', c), 1e-5, 'difference of b_dec');
      });
    }
  });

  it('knows the density of a pre-activation at 0, and what fires at a half-space of a Gaussian', async () => {
    const [rows, d] = [200_000, 3];
    const next = gaussian(5);
    const [mu, b] = [[-1, 0.5, 0], 0.2];
    const x = Float32Array.from({ length: rows * d }, (_, at) => mu[at % d]! + (1 + (at % d)) * next());
    // Feature 0 fires where x_0 + b > 0, sd 1; feature 1 where 10 x_1 > 0, of sd 20.
    const z = (r: number, i: number): number => (i === 0 ? x[r * d]! + b : 10 * x[r * d + 1]!);
    const [features, values, offsets]: [number[], number[], number[]] = [[], [], [0]];
    for (let r = 0; r < rows; r++) {
      for (const i of [0, 1]) {
        if (z(r, i) <= 0) continue;
        features.push(i);
        values.push(z(r, i));
      }
      offsets.push(features.length);
    }
    const codes = { rows, d_sae: 3, offsets: Uint32Array.from(offsets), features: Uint32Array.from(features), values: Float32Array.from(values), nearTies: 0 };
    const sums = new GradientSums({ d_in: d, d_out: d, d_sae: 3 }, new Float32Array(3 * d), new Float32Array(d));
    await sums.add({ input: x, target: x, codes, counted: null }, pace());
    near(densityAtZero(sums, 0), phi(0.8), 0.05 * phi(0.8), 'density of feature 0');
    near(densityAtZero(sums, 1), phi(0.25) / 20, 0.05 * phi(0.25) / 20, 'density of feature 1');
    assert.equal(densityAtZero(sums, 2), 0);
    // mu_+ = mu + h(t) Sigma w / s, h = phi / Q, t = 0.8.
    const h = phi(0.8) / upperTail(0.8);
    const expected = [mu[0]! + h, mu[1]!, mu[2]!];
    expected.forEach((value, c) => near(sums.fire[c]! / sums.counts[0]!, value, 0.05, 'E[x | fire]'));
    const unit = (v: readonly number[]): number[] => v.map((value) => value / Math.hypot(...v));
    const squares = [0, 1, 2].map((c) => sums.fireSquares[c]! / sums.counts[0]!);
    const [sgd, adam] = (['sgd', 'adam'] as const).map((name) => optimiserDirection(name, sums.fire.subarray(0, d), sums.fireSquares.subarray(0, d), sums.counts[0]!)) as [Float64Array, Float64Array];
    unit(expected.map((value) => -value)).forEach((value, c) => near(sgd[c]!, value, 0.05, 'sgd'));
    unit(expected.map((value, c) => -value / Math.sqrt(squares[c]!))).forEach((value, c) => near(adam[c]!, value, 0.05, 'adam'));
    // All alike: Adam's direction is the sign of the mean.
    assert.deepEqual([...optimiserDirection('adam', [3, -6], [9, 36], 1)].map((value) => Math.round(value * Math.SQRT2)), [-1, 1]);
    assert.deepEqual([...optimiserDirection('sgd', [0, 0], [0, 0], 1)], [0, 0]);
  });

  it('says where the share of the penalty comes from: all of it for a feature whose decoder is of no use', async () => {
    const [rows, d, n] = [4000, 6, 40];
    const next = gaussian(8);
    const x = Float32Array.from({ length: rows * d }, (_, at) => (at % d === d - 1 ? 0 : (at % d === 0 ? -2 : 0) + next()));
    // Decoder rows along the last dimension, where there is nothing: d_i . r is 0 but for their own part.
    const decoder = new Float32Array(n * d);
    const encoder = new Float32Array(n * d);
    for (let i = 0; i < n; i++) {
      encoder[i * d] = 1;
      encoder[i * d + 1] = 0.1 * next();
      decoder[i * d + d - 1] = i % 2 === 0 ? 1e-4 : -1e-4;
    }
    const bias = Float32Array.from({ length: n }, (_, i) => -1 + i * 0.025);
    const [features, values, offsets]: [number[], number[], number[]] = [[], [], [0]];
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < n; i++) {
        const z = x[r * d]! * encoder[i * d]! + x[r * d + 1]! * encoder[i * d + 1]! + bias[i]!;
        if (z > 0) {
          features.push(i);
          values.push(z);
        }
      }
      offsets.push(features.length);
    }
    const codes = { rows, d_sae: n, offsets: Uint32Array.from(offsets), features: Uint32Array.from(features), values: Float32Array.from(values), nearTies: 0 };
    const sums = new GradientSums({ d_in: d, d_out: d, d_sae: n }, decoder, new Float32Array(d));
    await sums.add({ input: x, target: x, codes, counted: null }, pace());
    const { report } = await gradientReport({ sums, encoder, decoder, architecture: 'standard', subtracted: true, edge: 0.5, lambda: { value: 0.2, from: 'setting', byDecoderNorm: false }, seed: 1 });
    assert.ok(report.rare.share!.q25 > 0.999, `${report.rare.share!.q25}`);
    assert.ok(report.rare.cos_l1_encoder!.q25 > 0.999);
    assert.equal(report.rare.features, n);
    const everywhere = report.optimisers.find(({ rows: which, optimiser }) => which === 'everywhere' && optimiser === 'sgd')!;
    near(everywhere.cos_mean.value!, 1, 0.01, 'cos of rbar and -mean');
    // On their own rows the sign is that of the selection.
    const firing = report.optimisers.find(({ rows: which, optimiser }) => which === 'firing' && optimiser === 'sgd')!;
    assert.ok(firing.cos_features!.q75 < 0);
    assert.ok(firing.cos_mean.low! <= firing.cos_mean.value! && firing.cos_mean.value! <= firing.cos_mean.high!);
    // Unknown lambda, and no live feature to imply it: nothing is said of shares.
    const unknown = await gradientReport({ sums, encoder, decoder, architecture: 'standard', subtracted: true, edge: 0.5, lambda: null, seed: 1 });
    assert.deepEqual([unknown.report.lambda, unknown.report.rare.share, unknown.report.mean_gradients.length], [null, null, 0]);
    const live = await gradientReport({ sums, encoder, decoder, architecture: 'standard', subtracted: true, edge: 0, lambda: null, seed: 1 });
    near(live.report.lambda!, live.report.lambda_implied!.median, 0, 'implied');
  });
});

/** A stream whose codes are those of an SAE. */
function encodedStream(seed: number): { stream: TestStream; sae: ReturnType<typeof makeSae> } {
  const shape = makeStream({ contexts: 5, positions: 9, d: 4, d_sae: 6, seed });
  const sae = makeSae({ architecture: 'standard', d_in: 4, d_sae: 6, seed: seed + 1 });
  const rows = shape.contexts * shape.positions;
  const codes = oracleEncode(sae, shape.x.map((value, at) => value - sae.b_dec[at % 4]!), rows);
  const dense = Array.from({ length: rows }, (_, r) => {
    const row = new Float32Array(6);
    if (shape.counted[r] !== 0) for (let at = codes.offsets[r]!; at < codes.offsets[r + 1]!; at++) row[codes.features[at]!] = codes.values[at]!;
    return row;
  });
  return { stream: { ...shape, dense }, sae };
}

describe('sae/gradient-anatomy', () => {
  it('is the same however the stream is cut, merged and interrupted', async () => {
    const numbers = (value: unknown): number[] => (typeof value === 'number' ? [value] : typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbers) : []);
    await fc.assert(fc.asyncProperty(fc.nat(1e6), fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }), async (seed, order) => {
      const { stream, sae } = encodedStream(seed);
      const analysis = analysisOf(gradientAnatomy as never, stream, { sae, settings: { l1: 0.3, edge: 0.5 } });
      const whole = await runWhole(analysis);
      checkResult('sae/gradient-anatomy', whole, 6, { columns: new Set(), tables: new Set() });
      assert.deepEqual(plain(await runSplit(analysis, [2, 1])), plain(whole));
      for (const other of [await runOrdered(analysis, order), await runShards(analysis, [0, 1, 0, 2, 1], [2, 0, 1]), await runInterrupted(analysis, 2)]) {
        for (const column of ['gradient_l1_share', 'gradient_l1_cosine', 'gradient_decoder_cosine', 'gradient_bias', 'gradient_norm', 'flip_density']) {
          const [a, b] = [numbersOf(whole, column), numbersOf(other, column)];
          a.forEach((value, i) => assert.ok(Object.is(value, b[i]) || Math.abs(value - b[i]!) <= 1e-9 * (1 + Math.abs(value)), `${column} ${i}: ${value}, ${b[i]}`));
        }
        const [a, b] = [numbers(whole.summary), numbers(other.summary)];
        assert.equal(a.length, b.length);
      }
    }), { numRuns: 15 });
  });

  it('leaves out rows that do not count, and takes lambda from the run', async () => {
    const { stream, sae } = encodedStream(3);
    const counted = stream.counted.reduce((sum, value) => sum + value, 0);
    assert.ok(counted < stream.counted.length);
    const recipe = { arch: 'standard', l1: 0.2, l1_reduction: 'sum', batch: 10, mse: 'mean', l1_decoder_norm: false, auxk: 0, ghost_grads: false };
    const run = { record: { recipe, d: 4, activation_scale: 2 } } as never;
    const result = await runWhole(analysisOf(gradientAnatomy as never, stream, { sae, run }));
    const summary = result.summary as { rows: number; lambda: number; lambda_from: string };
    // sum over 10 rows, mean over 4 dims, errors 2^2 times as large in training.
    assert.deepEqual([summary.rows, summary.lambda, summary.lambda_from], [counted, (0.2 * 10 * 4) / 4, 'run']);
    assert.deepEqual(lambdaOfRun({ recipe: { ...recipe, l1_decoder_norm: true, mse: 'sum' }, d: 4, activation_scale: 2 } as never), { value: 1, from: 'run', byDecoderNorm: true });
    assert.equal(lambdaOfRun({ recipe: { ...recipe, arch: 'p-anneal' }, d: 4, activation_scale: 1 } as never), null);
    assert.equal(columnOf(result, 'gradient_bias').type, 'f64');
  });

  it('has no penalty in a TopK SAE', async () => {
    const { stream } = encodedStream(4);
    const result = await runWhole(analysisOf(gradientAnatomy as never, stream, { sae: makeSae({ architecture: 'topk', d_in: 4, d_sae: 6, k: 2, seed: 3 }) }));
    const summary = result.summary as { lambda: number; lambda_from: string; caveats: string[] };
    assert.deepEqual([summary.lambda, summary.lambda_from], [0, 'none']);
    assert.match(summary.caveats[0]!, /no penalty/);
    numbersOf(result, 'gradient_l1_share').forEach((value) => assert.ok(Number.isNaN(value) || value === 0));
  });
});
