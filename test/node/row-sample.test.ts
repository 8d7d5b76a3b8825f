/** The sample of rows that analyses share: the same whatever the stream is cut into, and the bottom-k that it says it is. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { plainOps } from '../../engine/ops/ops.js';
import { prepareInput } from '../../engine/prepare.js';
import { hash32 } from '../../engine/random.js';
import { RowSample, type SampledRows } from '../../engine/sketches/row-sample.js';
import { decodeState, encodeState } from '../../engine/state.js';
import { assertCodesMatch, makeSae, randomRows } from '../shared/oracle.js';

interface Rows {
  readonly d: number;
  readonly x: Float32Array;
  readonly counted: Uint8Array;
  readonly tokens: Int32Array;
}

function rowsOf(n: number, d: number, out: readonly number[]): Rows {
  const counted = new Uint8Array(n).fill(1);
  for (const row of out) counted[row % n] = 0;
  return { d, x: Float32Array.from({ length: n * d }, (_, i) => i + 0.5), counted, tokens: Int32Array.from({ length: n }, (_, i) => 3 * i) };
}

const batch = ({ d, x, counted, tokens }: Rows, from: number, to: number): Parameters<RowSample['update']>[0] => ({ rowOffset: from, rows: to - from, counted: counted.slice(from, to), x: x.slice(from * d, to * d), tokens: tokens.slice(from, to) });

/** The rows of the lowest (hash, index). */
function oracle({ d, x, counted, tokens }: Rows, capacity: number, seed: number): SampledRows {
  const all = [...counted.keys()].filter((row) => counted[row] === 1);
  const kept = [...all].sort((a, b) => hash32(seed, a) - hash32(seed, b) || a - b).slice(0, capacity).sort((a, b) => a - b);
  return { d, x: Float32Array.from(kept.flatMap((row) => [...x.subarray(row * d, (row + 1) * d)])), rows: kept.length, total: all.length, whole: kept.length === all.length, tokens: Int32Array.from(kept, (row) => tokens[row]!), index: Float64Array.from(kept) };
}

test('however it is cut, and whatever is merged, the rows of the lowest keys', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 40 }), fc.nat(1000), fc.array(fc.nat(119), { maxLength: 10 }), fc.array(fc.nat(119), { maxLength: 4 }), fc.nat(3), (n, d, capacity, seed, out, cuts, shards) => {
      const rows = rowsOf(n, d, out);
      const make = (): RowSample => new RowSample({ d, bytes: 4 * d * capacity, seed, hasTokens: true });
      const edges = [...new Set([0, n, ...cuts.map((cut) => cut % n)])].sort((a, b) => a - b);
      const samples = Array.from({ length: shards + 1 }, make);
      for (let i = 0; i + 1 < edges.length; i++) samples[i % samples.length]!.update(batch(rows, edges[i]!, edges[i + 1]!));
      // Merged last to first, through bytes.
      const whole = make();
      for (const sample of samples.reverse()) whole.merge(decodeState(encodeState(sample.save())));
      assert.deepEqual(whole.rows(), oracle(rows, capacity, seed));
    }),
    { numRuns: 300 },
  );
});

test('where everything fits, everything, and no tokens where there are none', () => {
  const rows = rowsOf(9000, 2, [5]);
  const sample = new RowSample({ d: 2, bytes: 2 ** 20, seed: 1, hasTokens: false });
  sample.update({ ...batch(rows, 0, 9000), tokens: null });
  const { x, whole, tokens, index, total } = sample.rows();
  assert.deepEqual([whole, tokens, total, index[5]], [true, null, 8999, 6]);
  assert.deepEqual(x.subarray(10, 12), rows.x.subarray(12, 14));
});

test('a sample of another seed or size is not merged', () => {
  const other = new RowSample({ d: 2, bytes: 80, seed: 1, hasTokens: true }).save();
  assert.throws(() => new RowSample({ d: 2, bytes: 80, seed: 2, hasTokens: true }).merge(other), /seed 1, this one 10 with seed 2/);
});

test('rows are encoded with any SAE, whatever the pieces', async () => {
  for (const architecture of ['standard', 'topk', 'jumprelu', 'gated'] as const) {
    const sae = makeSae({ architecture, d_in: 12, d_sae: 70, k: 5, seed: 3 });
    const x = randomRows(37, 12, 4);
    for (const rowsPerPiece of [undefined, 10]) {
      let next = 0;
      for await (const { first, codes } of plainOps.encode(sae, x, 37, { rowsPerPiece })) {
        assert.equal(first, next);
        const piece = x.slice(first * 12, (first + codes.rows) * 12);
        assertCodesMatch(sae, prepareInput(sae, piece, codes.rows).xbar, codes.rows, codes);
        next += codes.rows;
      }
      assert.equal(next, 37);
    }
  }
  await assert.rejects(async () => {
    for await (const piece of plainOps.encode(makeSae({ architecture: 'standard', d_in: 12, d_sae: 7, seed: 3 }), new Float32Array(5), 1)) void piece;
  }, /rows to encode: 5 values, expected 1 x 12/);
});
