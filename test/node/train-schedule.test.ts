/** Schedules against their closed forms. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { resolveRecipe } from '../../engine/train/resolve-recipe.js';
import { checkpointSteps, coefficientOf, kOf, learningRate, pOf } from '../../engine/train/schedule.js';

const recipe = (knobs: Record<string, unknown>) => resolveRecipe({ arch: 'standard', d_sae: 32, l1: 0.5, steps: 100, warmup: 0, lr: 1, ...knobs }, { d: 8 });
const near = (actual: number, expected: number): void => assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);

test('log checkpoints are those of the reference run', () => {
  assert.deepEqual(checkpointSteps('log:24', 12_000), [0, 10, 14, 19, 25, 34, 47, 64, 87, 118, 160, 218, 297, 404, 550, 749, 1019, 1387, 1888, 2569, 3497, 4759, 6478, 8817, 12_000]);
  assert.deepEqual(checkpointSteps('every:30', 100), [0, 30, 60, 90, 100]);
  assert.deepEqual(checkpointSteps('last', 100), [100]);
  assert.deepEqual(checkpointSteps('5,2', 100), [2, 5, 100]);
});

test('checkpoints ascend from 0 to the last step, whatever the numbers are', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 100_000 }), (count, steps) => {
    const due = checkpointSteps(`log:${count}`, steps);
    assert.equal(due[0], 0);
    assert.equal(due.at(-1), steps);
    assert.ok(due.every((step, at) => Number.isInteger(step) && (at === 0 || step > due[at - 1]!)));
    assert.ok(due.length <= count + 2);
  }));
});

test('the rate warms up from step 1, follows the cosine, decays to the last step and warms up again', () => {
  const warm = recipe({ warmup: 4 });
  assert.deepEqual([1, 2, 4, 5, 100].map((step) => learningRate(warm, step, null)), [0.25, 0.5, 1, 1, 1]);
  const decay = recipe({ decay: 4 });
  assert.deepEqual([96, 97, 98, 100].map((step) => learningRate(decay, step, null)), [1, 1, 0.75, 0.25]);
  const cosine = recipe({ lr_schedule: 'cosine', lr_end: 0.2, warmup: 10 });
  near(learningRate(cosine, 10, null), 1);
  near(learningRate(cosine, 55, null), 0.6);
  near(learningRate(cosine, 100, null), 0.2);
  const again = recipe({ resample_warmup: 10 });
  assert.deepEqual([51, 55, 60, 70].map((step) => learningRate(again, step, 50)), [0.1, 0.5, 1, 1]);
});

test('the coefficient rises from 0, and sums over a batch where the recipe does', () => {
  assert.deepEqual([1, 5, 10, 50].map((step) => coefficientOf(recipe({ l1_warmup: 10 }), step, 1)), [0.05, 0.25, 0.5, 0.5]);
  assert.equal(coefficientOf(recipe({ l1_reduction: 'sum', batch: 4096, l1: 3e-4 }), 1, 1), 3e-4 * 4096);
});

test('k falls from d to its value, whole, and stays', () => {
  const annealed = resolveRecipe({ arch: 'topk', d_sae: 32, k: 2, k_anneal: 10, steps: 100, warmup: 0 }, { d: 8 });
  const ks = Array.from({ length: 20 }, (_, at) => kOf(annealed, at + 1, 8));
  assert.equal(ks[0], 8);
  assert.ok(ks.every((k, at) => Number.isInteger(k) && k >= 2 && (at === 0 || k <= ks[at - 1]!)));
  assert.deepEqual(ks.slice(10), Array<number>(10).fill(2));
});

test('p falls in equal parts at equal distances', () => {
  const { p_start, p_end } = recipe({});
  const annealed = recipe({ arch: 'p-anneal', p_anneal_from: 20, p_anneal_changes: 4 });
  assert.deepEqual([0, 1, 2, 3, 4].map((changes) => pOf(annealed, changes).at), [20, 40, 60, 80, 100]);
  near(pOf(annealed, 0).p, p_start);
  near(pOf(annealed, 4).p, p_end);
  assert.equal(pOf(annealed, 4).next, null);
  near(pOf(annealed, 1).next!, pOf(annealed, 2).p);
});
