/** Where runs start: distributions and lengths of the weights, the data's scale, mean and geometric median. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { NumericError } from '../../engine/errors.js';
import { activationScale, dataStatistics, geometricMedian } from '../../engine/train/data-statistics.js';
import { heldData } from '../../engine/train/held-data.js';
import { initialRows, initialState } from '../../engine/train/init.js';
import { objectiveOf, resolveRecipe } from '../../engine/train/resolve-recipe.js';
import { gaussian } from '../shared/random.js';

const recipe = (knobs: Record<string, unknown> = {}) => resolveRecipe({ arch: 'standard', d_sae: 64, l1: 0.5, ...knobs }, { d: 16 });
const lengths = (W: Float32Array, d: number): number[] => Array.from({ length: W.length / d }, (_, i) => Math.hypot(...W.subarray(i * d, (i + 1) * d)));
const near = (actual: number, expected: number, tolerance: number): void => assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);

test('decoder rows have their length, orthogonal ones right angles in each block', async () => {
  for (const decoder_init of ['kaiming', 'normal', 'orthogonal']) {
    const chosen = recipe({ decoder_init, decoder_init_norm: 0.1, d_sae: 40 });
    const { parameters, m, v } = await initialState(chosen, objectiveOf(chosen, 16), new Float32Array(16));
    const W = parameters.W_dec!;
    lengths(W, 16).forEach((length) => near(length, 0.1, 1e-7));
    assert.ok([...m.W_enc!, ...v.W_dec!, ...parameters.b_enc!].every((value) => value === 0));
    if (decoder_init !== 'orthogonal') continue;
    for (let i = 0; i < 40; i++) for (let j = i - (i % 16); j < i; j++) near(W.subarray(i * 16, i * 16 + 16).reduce((sum, value, c) => sum + value * W[j * 16 + c]!, 0), 0, 1e-9);
  }
});

test('encoders: the decoder times a number, uniform within the bound, normal', () => {
  const tied = initialRows(recipe({ encoder_init: 'decoder:0.5' }), 16, 0, 64);
  assert.deepEqual(tied.encoder, tied.decoder.map((value) => value * 0.5));
  const d = 64;
  const bound = 0.5 * Math.sqrt(6 / d);
  const uniform = initialRows(recipe({ encoder_init: 'kaiming:0.5' }), d, 0, 1000).encoder;
  assert.ok(uniform.every((value) => Math.abs(value) <= bound));
  const variance = (values: Float32Array): number => values.reduce((sum, value) => sum + value * value, 0) / values.length;
  near(variance(uniform), bound ** 2 / 3, 0.01 * bound ** 2);
  near(variance(initialRows(recipe({ encoder_init: 'normal:0.1' }), d, 0, 1000).encoder), 0.01, 0.0003);
});

test('a feature does not depend on which others are drawn with it, and does on the seed', () => {
  const chosen = recipe({ encoder_init: 'kaiming:1', seed: 7 });
  const whole = initialRows(chosen, 16, 0, 64);
  const one = initialRows(chosen, 16, 41, 1);
  assert.deepEqual(one.encoder, whole.encoder.slice(41 * 16, 42 * 16));
  assert.deepEqual(one.decoder, whole.decoder.slice(41 * 16, 42 * 16));
  assert.notDeepEqual(one.decoder, initialRows({ ...chosen, seed: 8 }, 16, 41, 1).decoder);
});

test('thresholds start where the recipe says, b_dec where it is given', async () => {
  const chosen = recipe({ arch: 'jumprelu', threshold_init: 0.25 });
  const { parameters } = await initialState(chosen, objectiveOf(chosen, 16), new Float32Array(16).fill(3));
  assert.ok(parameters.threshold!.every((value) => value === 0.25));
  assert.ok(parameters.b_dec!.every((value) => value === 3));
});

test('statistics equal their definitions, and nothing is not data', async () => {
  const draw = gaussian(3);
  const d = 5;
  const x = Float32Array.from({ length: 5000 * d }, (_, at) => draw() + (at % d));
  const { rows, mean, meanNorm } = await dataStatistics(heldData({ x, d, seed: 0 }), { median: false });
  assert.equal(rows, 5000);
  const norms = lengths(x, d);
  near(meanNorm, norms.reduce((sum, norm) => sum + norm, 0) / 5000, 1e-9);
  for (let c = 0; c < d; c++) near(mean[c]!, x.reduce((sum, value, at) => (at % d === c ? sum + value : sum), 0) / 5000, 1e-9);
  near(activationScale({ meanNorm }, d) * meanNorm, Math.sqrt(d), 1e-12);
  await assert.rejects(dataStatistics(heldData({ x: Float32Array.of(1, NaN), d: 1, seed: 0 }), { median: false }), NumericError);
  assert.throws(() => activationScale({ meanNorm: 0 }, d), NumericError);
});

test('the geometric median: known points, and no row is nearer to all', async () => {
  // The corners of a square and their centre: the iteration starts on a row.
  assert.deepEqual([...(await geometricMedian(Float32Array.of(1, 1, -1, 1, 1, -1, -1, -1, 0, 0), 2))], [0, 0]);
  // Three of four rows in one place: that place, where every weight would be infinite.
  const heavy = await geometricMedian(Float32Array.of(2, 2, 2, 2, 2, 2, 9, 9), 2);
  near(heavy[0]!, 2, 1e-4);
  await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 })), { minLength: 1, maxLength: 12 }), async (points) => {
    const sum = (g: ArrayLike<number>): number => points.reduce((total, [a, b]) => total + Math.hypot(a - g[0]!, b - g[1]!), 0);
    const g = await geometricMedian(Float32Array.from(points.flat()), 2, undefined, { rounds: 2000, tolerance: 1e-10 });
    assert.ok([...g].every(Number.isFinite));
    for (const point of points) assert.ok(sum(g) <= sum(point) * (1 + 1e-3) + 1e-6, `${g.join()} costs ${sum(g)}, ${point.join()} ${sum(point)}`);
  }));
});
