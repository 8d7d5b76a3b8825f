/** Input normalisation, by its definitions and closed forms. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NumericError, ShapeError } from '../../engine/errors.js';
import { prepareInput } from '../../engine/prepare.js';
import type { Sae } from '../../engine/sae.js';
import { makeSae, randomRows } from '../shared/oracle.js';

const d = 4;
const plain: Sae = { ...makeSae({ architecture: 'standard', d_in: d, d_sae: 3, seed: 1 }), b_dec: Float32Array.of(1, 2, -3, 0.5) };

test('none: b_dec is subtracted, or the very array is passed on', () => {
  const x = Float32Array.of(1, 1, 1, 1, 0, 0, 0, 0);
  const { xbar, restore } = prepareInput(plain, x, 2);
  assert.deepEqual([...xbar], [0, -1, 4, 0.5, -1, -2, 3, -0.5]);
  const y = Float32Array.of(5, 6, 7, 8, 9, 10, 11, 12);
  const before = y.slice();
  restore(y);
  assert.deepEqual(y, before);
  assert.equal(prepareInput({ ...plain, applyBDecToInput: false }, x, 2).xbar, x);
  assert.equal(prepareInput({ ...plain, b_dec: new Float32Array(d) }, x, 2).xbar, x);
  assert.deepEqual([...x], [1, 1, 1, 1, 0, 0, 0, 0]);
});

test('constant_norm_rescale: closed form', () => {
  const sae: Sae = { ...plain, normalizeActivations: 'constant_norm_rescale', applyBDecToInput: false };
  // ||(3, 4, 0, 0)|| = 5, sqrt(d) = 2: c = 0.4.
  const { xbar, restore } = prepareInput(sae, Float32Array.of(3, 4, 0, 0), 1);
  assert.deepEqual(xbar, Float32Array.of(1.2, 1.6, 0, 0));
  const y = Float32Array.of(2, 4, 6, 8);
  restore(y);
  assert.deepEqual([...y], [5, 10, 15, 20]);
});

test('layer_norm: ddof 1, eps on the way in and none on the way out, b_dec after it', () => {
  const sae: Sae = { ...plain, normalizeActivations: 'layer_norm' };
  // mean 3, deviations -3 -1 1 3: sd = sqrt(20 / 3).
  const sd = Math.sqrt(20 / 3);
  const { xbar, restore } = prepareInput(sae, Float32Array.of(0, 2, 4, 6), 1);
  assert.deepEqual(xbar, Float32Array.from([-3, -1, 1, 3], (value, i) => value / (sd + 1e-5) - plain.b_dec[i]!));
  const y = Float32Array.of(1, 0, -1, 2);
  restore(y);
  assert.deepEqual(y, Float32Array.of(sd + 3, 3, -sd + 3, 2 * sd + 3));
});

test('layer_norm of a constant row is 0, not NaN', () => {
  const sae: Sae = { ...plain, normalizeActivations: 'layer_norm', applyBDecToInput: false };
  const { xbar } = prepareInput(sae, Float32Array.of(7, 7, 7, 7), 1);
  assert.deepEqual([...xbar], [0, 0, 0, 0]);
});

test('property: rescaled rows have norm sqrt(d); restoring undoes normalising', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 1, max: 6 }), fc.integer(), fc.double({ min: 1e-3, max: 1e3, noNaN: true }), (width, rows, seed, size) => {
      const x = randomRows(rows, width, seed).map((value) => value * size);
      const sae: Sae = { ...makeSae({ architecture: 'standard', d_in: width, d_sae: 2, seed: 1 }), applyBDecToInput: false };
      for (const normalizeActivations of ['constant_norm_rescale', 'layer_norm'] as const) {
        const { xbar, restore } = prepareInput({ ...sae, normalizeActivations }, x, rows);
        for (let r = 0; r < rows; r++) {
          const squares = xbar.subarray(r * width, (r + 1) * width).reduce((sum, value) => sum + value * value, 0);
          const raw = Array.from(x.subarray(r * width, (r + 1) * width));
          const mean = raw.reduce((sum, value) => sum + value, 0) / width;
          const sd = Math.sqrt(raw.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (width - 1));
          // The layer norm's eps leaves a trace in small rows.
          const target = normalizeActivations === 'layer_norm' ? (width - 1) * (sd / (sd + 1e-5)) ** 2 : width;
          assert.ok(Math.abs(squares / target - 1) < 1e-5, `${squares}, expected ${target}`);
        }
        const back = xbar.slice();
        restore(back);
        const scale = Math.max(...x.map(Math.abs));
        back.forEach((value, at) => assert.ok(Math.abs(value - x[at]!) <= 1e-4 * scale + 1e-4, `${value} for ${x[at]}`));
      }
    }),
    { numRuns: 60 },
  );
});

test('errors name the row and the sizes', () => {
  const rescaled: Sae = { ...plain, normalizeActivations: 'constant_norm_rescale' };
  assert.throws(() => prepareInput(rescaled, Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0), 2), (error) => error instanceof NumericError && /row 1: all values are 0/.test(error.message));
  assert.throws(() => prepareInput(plain, new Float32Array(7), 2), (error) => error instanceof ShapeError && /7 values, expected 2 rows x 4/.test(error.message));
  assert.throws(() => prepareInput({ ...plain, d_out: 5, b_dec: new Float32Array(5) }, new Float32Array(4), 1), /needs d_in = d_out/);
  const narrow: Sae = { ...makeSae({ architecture: 'standard', d_in: 1, d_sae: 1, seed: 1 }), normalizeActivations: 'layer_norm' };
  assert.throws(() => prepareInput(narrow, Float32Array.of(1), 1), /d_in of at least 2/);
  const { restore } = prepareInput(rescaled, Float32Array.of(1, 2, 3, 4), 1);
  assert.throws(() => restore(new Float32Array(3)), ShapeError);
});

test('values that are not finite pass through, for encode to name their row', () => {
  for (const normalizeActivations of ['none', 'constant_norm_rescale', 'layer_norm'] as const) {
    const { xbar } = prepareInput({ ...plain, normalizeActivations }, Float32Array.of(1, NaN, 2, 3, 1, 2, 3, 4), 2);
    assert.ok(xbar.subarray(0, 4).some(Number.isNaN));
    assert.ok(xbar.subarray(4).every(Number.isFinite));
  }
});
