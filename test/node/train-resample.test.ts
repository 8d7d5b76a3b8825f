/** Exact post-conditions of each resampling rule, and the draws behind them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { uniform } from '../../engine/random.js';
import { initialRows, initialState } from '../../engine/train/init.js';
import type { Recipe } from '../../engine/train/recipe.js';
import { drawRows, dueFeatures, resampled, type RowSampler } from '../../engine/train/resample.js';
import { objectiveOf, resolveRecipe } from '../../engine/train/resolve-recipe.js';
import type { TrainState } from '../../engine/train/session.js';
import { gaussian } from '../shared/random.js';

const d = 6;
const n = 12;
const recipe = (resample: string, knobs: Record<string, unknown> = {}): Recipe => resolveRecipe({ arch: 'standard', d_sae: n, l1: 0.5, steps: 100, encoder_init: 'kaiming:1', resample, resample_at: [50], ...knobs }, { d });
const length = (row: Float32Array): number => Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
const rowOf = (W: Float32Array, i: number): Float32Array => W.subarray(i * d, (i + 1) * d);

/** A state whose every number is a draw. */
async function randomState(of: Recipe): Promise<TrainState> {
  const state = await initialState(of, objectiveOf(of, d), new Float32Array(d));
  const draw = gaussian(5);
  for (const part of [state.parameters, state.m, state.v]) for (const values of Object.values(part)) for (let at = 0; at < values.length; at++) values[at] = Math.abs(draw()) + 0.1;
  return state;
}

const rows = Array.from({ length: 20 }, (_, r) => Float32Array.from({ length: d }, (_unused, c) => Math.sin(1 + r * d + c)));
const sampler: RowSampler = { losses: Float32Array.from({ length: 20 }, (_, r) => (r < 10 ? 0 : r)), row: (at) => Promise.resolve(rows[at]!.slice()) };
const counts = Uint32Array.from({ length: n }, (_, i) => (i % 4 === 1 ? 0 : 10));
const dead = [1, 5, 9];

for (const rule of ['anthropic', 'dictionary-learning'] as const) {
  for (const arch of ['standard', 'gated', 'jumprelu']) {
    test(`${rule}, ${arch}: decoder of length 1 along a row, encoder of its length, bias and moments 0, the others untouched`, async () => {
      const chosen = recipe(rule, { arch });
      const before = await randomState(chosen);
      const kept = structuredClone(before);
      const { state, replaced } = await resampled(chosen, before, dead, counts, d, 50, sampler);
      assert.deepEqual(before, kept);
      assert.deepEqual(replaced, dead);
      const live = Array.from({ length: n }, (_, i) => i).filter((i) => !dead.includes(i));
      const norm = live.reduce((sum, i) => sum + length(rowOf(before.parameters.W_enc!, i)), 0) / live.length;
      for (const i of dead) {
        const decoder = rowOf(state.parameters.W_dec!, i);
        assert.ok(Math.abs(length(decoder) - 1) < 1e-6);
        const source = rows.findIndex((row) => Math.abs(row.reduce((sum, value, c) => sum + value * decoder[c]!, 0) / length(row) - 1) < 1e-6);
        assert.ok(source >= 10, 'a row without loss was drawn');
        const wanted = 0.2 * norm * (rule === 'anthropic' ? 1 : length(rows[source]!));
        assert.ok(Math.abs(length(rowOf(state.parameters.W_enc!, i)) - wanted) < 1e-5 * wanted);
        assert.equal(state.parameters.b_enc![i], 0);
        if (arch === 'gated') assert.deepEqual([state.parameters.b_gate![i], state.parameters.r_mag![i]], [0, 0]);
        if (arch === 'jumprelu') assert.equal(state.parameters.threshold![i], Math.fround(chosen.threshold_init));
        for (const moments of [state.m, state.v]) for (const [name, values] of Object.entries(moments)) if (name !== 'b_dec') assert.ok((values.length === n ? [values[i]!] : [...rowOf(values, i)]).every((value) => value === 0), `${name} of ${i}`);
      }
      for (const part of ['parameters', 'm', 'v'] as const) {
        for (const [name, values] of Object.entries(state[part])) {
          const old = before[part][name as 'W_enc']!;
          if (name === 'b_dec') assert.deepEqual(values, old);
          else for (const i of live) assert.deepEqual(values.length === n ? [values[i]] : rowOf(values, i), values.length === n ? [old[i]] : rowOf(old, i));
        }
      }
    });
  }
}

test('nanda: what is rarer than the bound starts again from other draws; moments stay', async () => {
  const chosen = recipe('nanda', { resample_below: 0.01 });
  const due = dueFeatures(chosen, Uint32Array.from({ length: n }, (_, i) => i), 1000);
  assert.deepEqual(due, { features: Array.from({ length: 10 }, (_, i) => i), spared: [] });
  const before = await randomState(chosen);
  const { state, replaced } = await resampled(chosen, before, [2, 3], counts, d, 50, null);
  assert.deepEqual(replaced, [2, 3]);
  assert.deepEqual(state.m, before.m);
  assert.deepEqual(state.v, before.v);
  for (const i of [2, 3]) {
    assert.ok(Math.abs(length(rowOf(state.parameters.W_dec!, i)) - 1) < 1e-6);
    assert.ok(rowOf(state.parameters.W_enc!, i).every((value) => Math.abs(value) <= Math.sqrt(6 / d)));
    assert.notDeepEqual(rowOf(state.parameters.W_dec!, i), initialRows(chosen, d, i, 1).decoder);
    assert.equal(state.parameters.b_enc![i], 0);
  }
  assert.deepEqual(rowOf(state.parameters.W_enc!, 4), rowOf(before.parameters.W_enc!, 4));
  const later = await resampled(chosen, before, [2], counts, d, 60, null);
  assert.notDeepEqual(rowOf(later.state.parameters.W_dec!, 2), rowOf(state.parameters.W_dec!, 2));
});

test('a control cohort is about its share of those due, and the same features each time', () => {
  const chosen = recipe('anthropic', { d_sae: 4000, resample_spare: 0.25 });
  const all = dueFeatures(chosen, new Uint32Array(4000), 100);
  assert.equal(all.features.length + all.spared.length, 4000);
  assert.ok(Math.abs(all.spared.length - 1000) < 140, `${all.spared.length} of 4000 spared`);
  const half = dueFeatures(chosen, Uint32Array.from({ length: 4000 }, (_, i) => i % 2), 100);
  assert.deepEqual(half.spared, all.spared.filter((i) => i % 2 === 0));
  assert.deepEqual(dueFeatures({ ...chosen, resample_spare: 1 }, new Uint32Array(4000), 100).features, []);
});

test('rows are drawn in proportion to loss to the power, with or without replacement', () => {
  const losses = Float32Array.of(0, 1, 2, 3);
  const times = new Float64Array(4);
  for (const row of drawRows(losses, 28_000, 2, true, (at) => uniform(1, at))) times[row] = times[row]! + 1;
  [0, 1, 4, 9].forEach((weight, row) => assert.ok(Math.abs(times[row]! - 2000 * weight) <= 5 * Math.sqrt(2000 * weight), `row ${row}: ${times[row]}`));
  const first = new Float64Array(4);
  for (let trial = 0; trial < 6000; trial++) {
    const drawn = drawRows(losses, 10, 1, false, (at) => uniform(2, trial, at));
    assert.deepEqual([...drawn].sort(), [1, 2, 3]);
    first[drawn[0]!] = first[drawn[0]!]! + 1;
  }
  [1, 2, 3].forEach((weight) => assert.ok(Math.abs(first[weight]! - 1000 * weight) <= 5 * Math.sqrt(1000 * weight), `row ${weight} came first ${first[weight]} times`));
  assert.deepEqual(drawRows(new Float32Array(4), 3, 2, true, (at) => uniform(3, at)), []);
});
