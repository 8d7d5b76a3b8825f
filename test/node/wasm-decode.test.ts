/** Decoding on the WASM backend, against the float64 oracle. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Backend } from '../../engine/backend.js';
import type { SparseCodes } from '../../engine/codes.js';
import { ShapeError } from '../../engine/errors.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { DECODE_CHUNK } from '../../engine/wasm/decoder.js';
import { assertDecodeMatches, makeSae, oracleDecode } from '../shared/oracle.js';
import { gaussian, uniform } from '../shared/random.js';

let backend: Backend;
before(async () => {
  backend = await createWasmBackend();
});
after(() => backend.dispose());

/** Random codes; every third row is empty. */
function randomCodes(rows: number, d_sae: number, density: number, seed: number): SparseCodes {
  const next = uniform(seed);
  const normal = gaussian(seed + 1);
  const offsets = [0];
  const features: number[] = [];
  for (let r = 0; r < rows; r++) {
    if (r % 3 !== 2) for (let i = 0; i < d_sae; i++) if (next() < density) features.push(i);
    offsets.push(features.length);
  }
  return {
    rows,
    d_sae,
    offsets: Uint32Array.from(offsets),
    features: Uint32Array.from(features),
    values: Float32Array.from(features, () => Math.abs(normal()) + 1e-3),
    nearTies: 0,
  };
}

for (const [rows, d_sae, d_out] of [[1, 1, 1], [2, 3, 2], [5, 7, 3], [4, 8, 4], [9, 33, 5], [DECODE_CHUNK - 1, 40, 17], [DECODE_CHUNK, 40, 16], [DECODE_CHUNK + 1, 40, 15], [10, 999, 257]] as const) {
  for (const rescaleActsByDecoderNorm of [false, true]) {
    test(`${rows} x ${d_sae} -> ${d_out}${rescaleActsByDecoderNorm ? ', by decoder norms' : ''}`, async () => {
      const sae = makeSae({ architecture: 'topk', d_in: 3, d_sae, d_out, seed: d_sae + d_out, rescaleActsByDecoderNorm });
      const loaded = await backend.load(sae);
      for (const density of [0, 0.05, 1]) {
        const codes = randomCodes(rows, d_sae, density, rows + d_out);
        assertDecodeMatches(sae, codes, await loaded.decode(codes));
      }
    });
  }
}

test('an empty row is b_dec, to the bit; one entry is v w + b', async () => {
  const sae = makeSae({ architecture: 'standard', d_in: 4, d_sae: 6, d_out: 7, seed: 2 });
  const loaded = await backend.load(sae);
  const y = await loaded.decode({ rows: 2, d_sae: 6, offsets: Uint32Array.of(0, 0, 1), features: Uint32Array.of(4), values: Float32Array.of(2), nearTies: 0 });
  assert.deepEqual(y.slice(0, 7), sae.b_dec);
  assert.deepEqual(y.slice(7), Float32Array.from(sae.b_dec, (b, o) => Math.fround(b + 2 * sae.W_dec[4 * 7 + o]!)));
});

test('a row decodes to the same bits in any batch', async () => {
  const sae = makeSae({ architecture: 'standard', d_in: 4, d_sae: 300, d_out: 31, seed: 2 });
  const loaded = await backend.load(sae);
  const codes = randomCodes(600, 300, 0.1, 5);
  const whole = await loaded.decode(codes);
  for (const r of [0, 1, 255, 256, 257, 599]) {
    const [from, to] = [codes.offsets[r]!, codes.offsets[r + 1]!];
    const one = await loaded.decode({ rows: 1, d_sae: 300, offsets: Uint32Array.of(0, to - from), features: codes.features.slice(from, to), values: codes.values.slice(from, to), nearTies: 0 });
    assert.deepEqual(one, whole.slice(r * 31, (r + 1) * 31));
  }
});

test('codes that would read past the weights are refused', async () => {
  const sae = makeSae({ architecture: 'standard', d_in: 4, d_sae: 6, seed: 2 });
  const loaded = await backend.load(sae);
  const good = { rows: 1, d_sae: 6, offsets: Uint32Array.of(0, 1), features: Uint32Array.of(5), values: Float32Array.of(1), nearTies: 0 };
  await loaded.decode(good);
  await assert.rejects(loaded.decode({ ...good, features: Uint32Array.of(6) }), (error) => error instanceof ShapeError && /feature 6 after -1, expected ascending features below 6/.test(error.message));
  await assert.rejects(loaded.decode({ ...good, d_sae: 7 }), ShapeError);
  await assert.rejects(loaded.decode({ ...good, offsets: Uint32Array.of(0, 2) }), ShapeError);
  await assert.rejects(loaded.decode({ ...good, rows: 2, offsets: Uint32Array.of(0, 2, 1) }), /row 1: offsets descend/);
});

test('the oracle notices a wrong value', async () => {
  const sae = makeSae({ architecture: 'standard', d_in: 4, d_sae: 6, seed: 2 });
  const codes = randomCodes(4, 6, 0.5, 3);
  const y = Float32Array.from(oracleDecode(sae, codes));
  assertDecodeMatches(sae, codes, y);
  y[5]! += 1e-4;
  assert.throws(() => assertDecodeMatches(sae, codes, y), /row 1, column 1/);
});
