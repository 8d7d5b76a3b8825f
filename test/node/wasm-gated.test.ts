/** gated and batchtopk on the WASM backend, against their definitions in float64. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { selectBatch } from '../../engine/batch-topk.js';
import type { SparseCodes } from '../../engine/codes.js';
import type { Sae } from '../../engine/sae.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { assertCodesMatch, assertCsr, assertDecodeMatches, makeSae, oracleRows, randomRows } from '../shared/oracle.js';

const backend = await createWasmBackend();
const threaded = await createWasmBackend({ threads: 2 });
after(async () => {
  await backend.dispose();
  await threaded.dispose();
});

async function encode(sae: Sae, xbar: Float32Array, rows: number, on = backend): Promise<SparseCodes> {
  const loaded = await on.load(sae);
  try {
    return await loaded.encode(xbar, rows);
  } finally {
    loaded.dispose();
  }
}

test('gated: encode and decode against float64, any shape', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 140 }), fc.nat(1000), async (d_in, d_sae, rows, seed) => {
      const sae = makeSae({ architecture: 'gated', d_in, d_sae, seed });
      const xbar = randomRows(rows, d_in, seed);
      const loaded = await backend.load(sae);
      const codes = await loaded.encode(xbar, rows);
      assertCodesMatch(sae, xbar, rows, codes);
      assertDecodeMatches(sae, codes, await loaded.decode(codes));
      loaded.dispose();
    }),
    { numRuns: 30 },
  ));

test('gated: closed form of one dimension; both edges are strict; near ties are of the smaller of the two', async () => {
  const gate = { r_mag: Float32Array.of(0, Math.fround(Math.LN2), 0, 0), b_gate: Float32Array.of(-1, -1, -1, 0) };
  const sae: Sae = { ...makeSae({ architecture: 'gated', d_in: 1, d_sae: 4, seed: 1 }), W_enc: Float32Array.of(1, 1, 1, 1), b_enc: Float32Array.of(0.5, 0.5, -5, 0), gate };
  // x = 1: gates 0, 0, 0, 1. x = 3: gates 2, 2, 2, 3, magnitudes 3.5, 6.5, -2, 3. x = 0: everything at most 0.5, gates at most 0.
  const codes = await encode(sae, Float32Array.of(1, 3, 0), 3);
  assert.deepEqual([[...codes.offsets], [...codes.features]], [[0, 1, 4, 4], [3, 0, 1, 3]]);
  codes.values.forEach((value, at) => assert.ok(Math.abs(value - [1, 3.5, 6.5, 3][at]!) < 1e-6));
  // Rows 0: three gates of 0, of which one magnitude is far below; row 2: feature 3 has both at 0.
  assert.equal(codes.nearTies, 3);
});

test('gated: what is refused', async () => {
  const sae = makeSae({ architecture: 'gated', d_in: 2, d_sae: 3, seed: 1 });
  await assert.rejects(encode({ ...sae, gate: null }, new Float32Array(2), 1), /needs its gate/);
  await assert.rejects(encode({ ...sae, gate: { ...sae.gate!, r_mag: Float32Array.of(0, 100, 0) } }, new Float32Array(2), 1), /exp\(100\) at position 1 does not fit/);
  await assert.rejects(encode({ ...sae, gate: { ...sae.gate!, b_gate: new Float32Array(2) } }, new Float32Array(2), 1), /b_gate has 2 values/);
  await assert.rejects(encode({ ...sae, gate: { ...sae.gate!, r_mag: new Float32Array(3).fill(88) } }, new Float32Array(2).fill(1e3), 1), { name: 'NumericError' });
});

/** The definition: every z > 0 of the call, by value, then row, then feature; the first int(k * rows). */
function oracleBatch(sae: Sae, xbar: Float32Array, rows: number): { entries: [row: number, feature: number, z: number][]; next: number; tolerance: number } {
  const all: [number, number, number][] = [];
  let tolerance = 0;
  let r = 0;
  for (const row of oracleRows(sae, xbar, rows)) {
    row.z.forEach((z, i) => {
      if (z > 0) all.push([r, i, z]);
    });
    tolerance = Math.max(tolerance, row.tolerance);
    r++;
  }
  all.sort((a, b) => b[2] - a[2] || a[0] - b[0] || a[1] - b[1]);
  const budget = Math.floor(sae.k! * rows);
  return { entries: all.slice(0, budget), next: all[budget]?.[2] ?? -Infinity, tolerance };
}

const listed = (codes: SparseCodes): string[] => Array.from({ length: codes.rows }, (_, r) => [...codes.features.subarray(codes.offsets[r], codes.offsets[r + 1])].map((i) => `${r},${i}`)).flat();

test('batchtopk: the largest of the whole call, on one thread and two, whatever the shape', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 400 }), fc.oneof(fc.nat(6), fc.double({ min: 0, max: 3, noNaN: true }), fc.constant(500)), fc.nat(1000), async (d_in, d_sae, rows, k, seed) => {
      const sae = makeSae({ architecture: 'batchtopk', d_in, d_sae, k, seed });
      const xbar = randomRows(rows, d_in, seed);
      const codes = await encode(sae, xbar, rows);
      assertCsr(sae, rows, codes);
      const { entries, next, tolerance } = oracleBatch(sae, xbar, rows);
      const expected = new Set(entries.map(([r, i]) => `${r},${i}`));
      const got = listed(codes);
      const last = entries.at(-1)?.[2] ?? Infinity;
      if (got.length !== expected.size || got.some((entry) => !expected.has(entry))) {
        assert.ok(last - next < tolerance || last < tolerance || next < tolerance, `differs though ${last} and ${next} are ${tolerance} apart`);
        assert.ok(codes.nearTies > 0, 'a difference that no near tie announced');
      }
      assert.deepEqual(await encode(sae, xbar, rows, threaded), codes);
    }),
    { numRuns: 40 },
  ));

test('batchtopk: enough rows and entries that the floor rises on the way; equal values go to the first rows', async () => {
  const made = makeSae({ architecture: 'batchtopk', d_in: 4, d_sae: 600, k: 3, seed: 5 });
  const rows = 1000;
  const xbar = randomRows(rows, 4, 6);
  const codes = await encode(made, xbar, rows);
  assert.equal(codes.features.length, 3 * rows);
  const { entries } = oracleBatch(made, xbar, rows);
  const missing = entries.filter(([r, i]) => !new Set(codes.features.subarray(codes.offsets[r], codes.offsets[r + 1])).has(i)).length;
  assert.ok(missing <= 2 * codes.nearTies, `${missing} of the largest are missing`);

  const flat: Sae = { ...made, W_enc: new Float32Array(4 * 600), b_enc: new Float32Array(600).fill(1) };
  const ties = await encode(flat, xbar, rows);
  assert.deepEqual([...ties.offsets.subarray(0, 7)], [0, 600, 1200, 1800, 2400, 3000, 3000]);
  assert.equal(ties.nearTies, 1);
  assert.deepEqual(await encode(flat, xbar, rows, threaded), ties);
});

test('batchtopk: k of 0, too few positives, what is refused', async () => {
  const sae = makeSae({ architecture: 'batchtopk', d_in: 3, d_sae: 5, k: 0, seed: 5 });
  const xbar = randomRows(4, 3, 6);
  assert.deepEqual([...(await encode(sae, xbar, 4)).offsets], [0, 0, 0, 0, 0]);
  const silent = await encode({ ...sae, k: 2, b_enc: new Float32Array(5).fill(-50) }, xbar, 4);
  assert.deepEqual([silent.features.length, silent.nearTies], [0, 0]);
  await assert.rejects(encode({ ...sae, k: null }, xbar, 4), /batchtopk SAE needs k/);
  await assert.rejects(encode({ ...sae, k: -1 }, xbar, 4), /not -1/);
  await assert.rejects(encode({ ...sae, k: 1 }, Float32Array.of(1, 2, NaN), 1), { name: 'NumericError' });
});

test('selectBatch: exactly the budget, ties in order', () =>
  fc.assert(
    fc.property(fc.array(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 6 }), { maxLength: 8 }), fc.nat(30), (rows, budget) => {
      const offsets = Uint32Array.from([0, ...rows.map((_, r) => rows.slice(0, r + 1).flat().length)]);
      const values = Float32Array.from(rows.flat());
      const features = Uint32Array.from(rows.flatMap((row) => row.map((_, i) => i)));
      const cut = selectBatch({ rows: rows.length, d_sae: 6, offsets, features, values, nearTies: 0 }, budget, 0);
      const order = rows.flatMap((row, r) => row.map((value, i) => [value, r, i] as const)).sort((a, b) => b[0] - a[0] || a[1] - b[1] || a[2] - b[2]);
      assert.deepEqual(listed(cut).sort(), order.slice(0, budget).map(([, r, i]) => `${r},${i}`).sort());
    }),
  ));
