/** Where training rows come from: each once an epoch, the same at the same step, and only those that count. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { bytesSource } from '../../engine/io/bytes.js';
import { writeSafetensors } from '../../engine/formats/safetensors.js';
import { heldData } from '../../engine/train/held-data.js';
import { openTrainData } from '../../engine/train/open-data.js';
import { permutation } from '../../engine/train/permutation.js';

test('a permutation takes every place once, and is another one for another key', () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 0, max: 2 ** 31 }), fc.integer({ min: 0, max: 1000 }), (n, seed, key) => {
      const order = permutation(n, seed, key);
      const seen = new Set(Array.from({ length: n }, (_, at) => order(at)));
      assert.equal(seen.size, n);
      assert.ok([...seen].every((at) => Number.isInteger(at) && at >= 0 && at < n));
      if (n < 100) return;
      const other = permutation(n, seed, key + 1);
      assert.ok(Array.from({ length: n }, (_, at) => order(at) === other(at)).filter(Boolean).length < n / 4);
    }),
    { numRuns: 60 },
  ));

test('a permutation looks shuffled: no more neighbours stay neighbours than by chance', () => {
  const n = 20_000;
  const order = permutation(n, 7, 3);
  let neighbours = 0;
  let moved = 0;
  for (let at = 0; at + 1 < n; at++) {
    if (Math.abs(order(at) - order(at + 1)) === 1) neighbours++;
    moved += Math.abs(order(at) - at);
  }
  // By chance 2 in all, and a mean distance of n / 3.
  assert.ok(neighbours < 14, `${neighbours} neighbours`);
  assert.ok(Math.abs(moved / n / (n / 3) - 1) < 0.03, `mean distance ${moved / n}`);
});

const numbered = (rows: number, d: number): Float32Array => Float32Array.from({ length: rows * d }, (_, at) => Math.floor(at / d));

test('held rows: every row once an epoch whatever the batches, the same rows at the same step', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 4 }), async (rows, size, d) => {
      const data = heldData({ x: numbered(rows, d), d, seed: 5 });
      const steps = Math.ceil((3 * rows) / size);
      const stream: number[] = [];
      for (let step = 0; step < steps; step++) {
        const x = await data.batch(step, size);
        assert.equal(x.length, size * d);
        for (let r = 0; r < size; r++) {
          assert.ok(x.subarray(r * d, (r + 1) * d).every((value) => value === x[r * d]));
          stream.push(x[r * d]!);
        }
      }
      for (let epoch = 0; (epoch + 1) * rows <= stream.length; epoch++) assert.equal(new Set(stream.slice(epoch * rows, (epoch + 1) * rows)).size, rows);
      const again = await heldData({ x: numbered(rows, d), d, seed: 5 }).batch(steps - 1, size);
      assert.deepEqual(Array.from({ length: size }, (_, r) => again[r * d]!), stream.slice((steps - 1) * size));
    }),
    { numRuns: 40 },
  ));

test('held rows: scan goes in order, to its limit, and can be aborted', async () => {
  const data = heldData({ x: numbered(10, 2), d: 2, seed: 0 });
  const seen: number[] = [];
  assert.equal(await data.scan((x, rows) => void seen.push(rows, x[0]!), { size: 4, limit: 9 }), 9);
  assert.deepEqual(seen, [4, 0, 4, 4, 1, 8]);
  await assert.rejects(data.scan(() => undefined, { size: 4, signal: AbortSignal.abort(new Error('enough')) }), /enough/);
  assert.throws(() => heldData({ x: new Float32Array(5), d: 2, seed: 0 }), /5 values, expected at least one row of 2/);
});

const file = (name: string, tensors: Parameters<typeof writeSafetensors>[0]) => bytesSource(name, writeSafetensors(tensors));

test('activations from a file: rules leave rows out, and what does not fit is told', async () => {
  const acts = file('acts.safetensors', [{ name: 'x', shape: [3, 4, 2], data: numbered(12, 2) }]);
  const data = await openTrainData({ acts, ignorePositions: [0], seed: 1 });
  assert.equal(data.rows, 9);
  const kept: number[] = [];
  await data.scan((x, rows) => void kept.push(...Array.from({ length: rows }, (_, r) => x[2 * r]!)), { size: 100 });
  assert.deepEqual(kept, [1, 2, 3, 5, 6, 7, 9, 10, 11]);
  assert.deepEqual(data.provenance.ignore_positions, [0]);
  await assert.rejects(openTrainData({ seed: 0 }), /no training data were given/);
  await assert.rejects(openTrainData({ acts, generate: {}, seed: 0 }), /acts and generate were given together/);
  await assert.rejects(openTrainData({ model: 'model.onnx', seed: 0 }), /a model was given without tokens/);
  await assert.rejects(openTrainData({ acts, holdBytes: 16, seed: 0 }), /more than 2 rows of 2/);
  await assert.rejects(openTrainData({ acts, ignorePositions: [0, 1, 2, 3], seed: 0 }), /no row of the activations counts/);
  const bad = numbered(12, 2);
  bad[9] = Infinity;
  await assert.rejects(openTrainData({ acts: file('bad.safetensors', [{ name: 'x', shape: [12, 2], data: bad }]), seed: 0 }), /not finite|Infinity|infinit/i);
});
