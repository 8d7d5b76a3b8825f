/** Errors from sparse codes against the f64 reconstruction, and against decoding everything at once. */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { sparseErrors } from '../../engine/ops/sparse-error.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { makeSae, oracleDecode, randomRows } from '../shared/oracle.js';

const backend = await createWasmBackend();
after(() => backend.dispose());

it('errors of sparse reconstructions: those of the whole, row by row, whatever the pieces', async () => {
  const [rows, d_in, d_sae] = [600, 11, 40];
  const sae = makeSae({ architecture: 'topk', d_in, d_sae, k: 5, seed: 2 });
  const loaded = await backend.load(sae);
  const x = randomRows(rows, d_in, 7);
  const codes = await loaded.encode(x, rows);
  const got = await sparseErrors(loaded, codes, x, d_in);
  const exact = oracleDecode(sae, codes);
  const whole = await loaded.decode(codes);
  for (let r = 0; r < rows; r++) {
    const [row, hat, f32] = [x, exact, whole].map((values) => Array.from(values.subarray(r * d_in, (r + 1) * d_in))) as [number[], number[], number[]];
    const dot = (a: number[], b: number[]): number => a.reduce((sum, value, c) => sum + value * b[c]!, 0);
    const difference = row.map((value, c) => value - f32[c]!);
    assert.deepEqual([got.error[r], got.target[r], got.output[r], got.product[r]], [dot(difference, difference), dot(row, row), dot(f32, f32), dot(row, f32)]);
    const error = row.map((value, c) => value - hat[c]!);
    assert.ok(Math.abs(got.error[r]! - dot(error, error)) <= 1e-5 * (1 + dot(row, row)));
  }
  const seen: number[] = [];
  const doubled = await sparseErrors(loaded, codes, x, d_in, {
    restore(decoded, first, count) {
      seen.push(first, count);
      decoded.forEach((value, at) => (decoded[at] = 2 * value));
    },
  });
  assert.deepEqual(seen, [0, 256, 256, 256, 512, 88]);
  doubled.output.forEach((value, r) => assert.equal(value, 4 * got.output[r]!));
  await assert.rejects(sparseErrors(loaded, codes, x.subarray(1), d_in), /600 rows x 11/);
  loaded.dispose();
});
