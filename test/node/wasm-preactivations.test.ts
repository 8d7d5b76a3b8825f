/** The dense z of the WASM backend: within the rounding bound of float64, the same bits in any batch, and those that encode decides on. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { gamma } from '../../engine/ties.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { makeSae, randomRows } from '../shared/oracle.js';

const backend = await createWasmBackend();
after(() => backend.dispose());

test('|z - exact| <= gamma_{d_in + 1} (|x|.|w| + |b|), on any shape, in any batch', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 150 }), fc.integer({ min: 0, max: 140 }), fc.nat(1000), async (d_in, d_sae, rows, seed) => {
      const sae = makeSae({ architecture: 'standard', d_in, d_sae, seed });
      const xbar = randomRows(rows, d_in, seed);
      const loaded = await backend.load(sae);
      const z = await loaded.preactivations!(xbar, rows);
      assert.equal(z.length, rows * d_sae);
      for (let r = 0; r < rows; r += 7) {
        for (let i = 0; i < d_sae; i += 5) {
          let exact = sae.b_enc[i]!;
          let size = Math.abs(exact);
          for (let d = 0; d < d_in; d++) {
            const product = xbar[r * d_in + d]! * sae.W_enc[d * d_sae + i]!;
            exact += product;
            size += Math.abs(product);
          }
          assert.ok(Math.abs(z[r * d_sae + i]! - exact) <= gamma(d_in + 1) * size * 1.0001, `row ${r}, feature ${i}: ${z[r * d_sae + i]} against ${exact}`);
        }
      }
      const half = rows >> 1;
      const [a, b] = [await loaded.preactivations!(xbar.subarray(0, half * d_in), half), await loaded.preactivations!(xbar.subarray(half * d_in), rows - half)];
      assert.deepEqual([...a, ...b], [...z]);
      const codes = await loaded.encode(xbar, rows);
      for (let r = 0; r < rows; r++) {
        const fires = [...z.subarray(r * d_sae, (r + 1) * d_sae)].flatMap((value, i) => (value > 0 ? [[i, value]] : []));
        const got = [...codes.features.subarray(codes.offsets[r], codes.offsets[r + 1])].map((i, at) => [i, codes.values[codes.offsets[r]! + at]!]);
        assert.deepEqual(got, fires);
      }
      loaded.dispose();
    }),
    { numRuns: 25 },
  ));

test('an input that is not finite is named; the report says what the weights take', async () => {
  const loaded = await backend.load(makeSae({ architecture: 'standard', d_in: 4, d_sae: 10, seed: 1 }));
  const xbar = randomRows(200, 4, 1);
  xbar[150 * 4 + 2] = NaN;
  await assert.rejects(loaded.preactivations!(xbar, 200), /xbar, row 150: a value is not finite/);
  await assert.rejects(loaded.preactivations!(xbar.subarray(0, 4), 1, { out: new Float32Array(1) }), /out has 1 values, expected at least 1 rows x/);
  // 16 padded columns of 4 weights, a bias and a threshold; 10 decoder rows of 4 and b_dec.
  assert.deepEqual(loaded.report!(), { weightBytes: 16 * 6 * 4 + 11 * 16, shards: 1, screen: null, storageErrorPerNorm: null });
});
