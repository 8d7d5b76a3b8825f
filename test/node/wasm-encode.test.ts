/** Encoding on the WASM backend, against the float64 oracle and by its invariants. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { Backend } from '../../engine/backend.js';
import type { SparseCodes } from '../../engine/codes.js';
import { NumericError, ShapeError } from '../../engine/errors.js';
import type { Architecture, Sae } from '../../engine/sae.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { BLOCK, CHUNK } from '../../engine/wasm/shape.js';
import { assertCodesMatch, assertDecodeMatches, makeSae, oracleEncode, oracleRows, randomRows } from '../shared/oracle.js';
import { uniform } from '../shared/random.js';

const ARCHITECTURES: Architecture[] = ['standard', 'topk', 'jumprelu'];

let backend: Backend;
before(async () => {
  backend = await createWasmBackend();
});
after(() => backend.dispose());

async function encode(sae: Sae, xbar: Float32Array, rows: number): Promise<SparseCodes> {
  const loaded = await backend.load(sae);
  const codes = await loaded.encode(xbar, rows);
  loaded.dispose();
  return codes;
}

/** Weights, biases and inputs that are small integers: every sum is exact, and ties abound. */
function integers(sae: Sae, seed: number): Sae {
  const next = uniform(seed);
  const fill = (length: number, size: number) => Float32Array.from({ length }, () => Math.round((2 * next() - 1) * size));
  return {
    ...sae,
    W_enc: fill(sae.W_enc.length, 2),
    b_enc: fill(sae.d_sae, 2),
    threshold: sae.threshold === null ? null : fill(sae.d_sae, 3),
  };
}

/** A topk SAE whose pre-activations are the rows themselves: W_enc = 1, b_enc = 0. */
function identitySae(d: number, k: number): Sae {
  const W_enc = new Float32Array(d * d);
  for (let i = 0; i < d; i++) W_enc[i * d + i] = 1;
  return { ...makeSae({ architecture: 'topk', d_in: d, d_sae: d, k, seed: 1 }), W_enc, b_enc: new Float32Array(d) };
}

const entries = (codes: SparseCodes, row = 0): [number, number][] =>
  Array.from(codes.features.subarray(codes.offsets[row]!, codes.offsets[row + 1]!), (feature, at) => [feature, codes.values[codes.offsets[row]! + at]!]);

describe('shapes', () => {
  // rows, d_in, d_sae: ones, primes, register tile 4 x 8 +- 1, chunk, block and depth-block +- 1.
  const shapes: [number, number, number][] = [
    [1, 1, 1], [1, 1, 2], [2, 3, 5], [3, 1, 7], [4, 2, 8], [5, 5, 9], [7, 13, 31],
    [CHUNK - 1, 17, BLOCK - 1], [CHUNK, 16, BLOCK], [CHUNK + 1, 15, BLOCK + 1],
    [3, 255, 33], [3, 256, 33], [3, 257, 33], [2, 769, 2 * BLOCK + 7], [2 * CHUNK + 3, 11, 1009],
  ];
  for (const architecture of ARCHITECTURES) {
    for (const [rows, d_in, d_sae] of shapes) {
      test(`${architecture} ${rows} x ${d_in} x ${d_sae}`, async () => {
        const sae = makeSae({ architecture, d_in, d_sae, seed: rows * 31 + d_in * 7 + d_sae });
        const xbar = randomRows(rows, d_in, d_sae);
        assertCodesMatch(sae, xbar, rows, await encode(sae, xbar, rows));
        const exact = integers(sae, d_sae + d_in);
        const whole = xbar.map((value) => Math.round(2 * value));
        assertCodesMatch(exact, whole, rows, await encode(exact, whole, rows), { exact: true });
      });
    }
  }

  test('no rows', async () => {
    const codes = await encode(makeSae({ architecture: 'standard', d_in: 3, d_sae: 4, seed: 1 }), new Float32Array(0), 0);
    assert.deepEqual([codes.rows, [...codes.offsets], codes.features.length], [0, [0], 0]);
  });

  test('topk with the decoder norms', async () => {
    for (const d_out of [1, 5, 24]) {
      const sae = { ...makeSae({ architecture: 'topk', d_in: 24, d_sae: 203, d_out, k: 9, seed: 5, rescaleActsByDecoderNorm: true }) };
      // A feature whose decoder row is zero never fires and leaves no NaN.
      sae.W_dec.fill(0, 7 * d_out, 8 * d_out);
      sae.b_enc[7] = 100;
      const xbar = randomRows(70, 24, 6);
      const loaded = await backend.load(sae);
      const codes = await loaded.encode(xbar, 70);
      assertCodesMatch(sae, xbar, 70, codes);
      assert.ok(!codes.features.includes(7));
      assertDecodeMatches(sae, codes, await loaded.decode(codes));
    }
  });

  test('everything fires', async () => {
    const sae = makeSae({ architecture: 'standard', d_in: 9, d_sae: 700, seed: 3 });
    sae.b_enc.fill(1000);
    const xbar = randomRows(300, 9, 4);
    const codes = await encode(sae, xbar, 300);
    assert.equal(codes.features.length, 300 * 700);
    assertCodesMatch(sae, xbar, 300, codes);
  });
});

describe('strictness and ties', () => {
  test('a threshold is exceeded or not reached: z = threshold does not fire, z = 0 does not fire', async () => {
    const sae = { ...makeSae({ architecture: 'jumprelu', d_in: 1, d_sae: 6, seed: 1 }), W_enc: Float32Array.of(1, 1, 1, 1, 1, 1), b_enc: Float32Array.of(0, 0, 0, -2, -3, 0), threshold: Float32Array.of(2, 1, 3, -1, -5, -0) };
    const codes = await encode(sae, Float32Array.of(2), 1);
    // z = 2 2 2 0 -1 2
    assert.deepEqual(entries(codes), [[1, 2], [5, 2]]);
    // The first meets its threshold exactly, the fourth meets 0.
    assert.equal(codes.nearTies, 2);
  });

  const cases: { name: string; row: number[]; k: number; fires: number[]; ties?: number }[] = [
    { name: 'all equal', row: Array<number>(40).fill(3), k: 5, fires: [0, 1, 2, 3, 4], ties: 1 },
    { name: 'all zero', row: Array<number>(40).fill(0), k: 5, fires: [] },
    { name: 'plus and minus zero', row: [-0, 0, -0, 0, 1, -0], k: 3, fires: [4] },
    { name: 'fewer positive than k', row: [-1, 2, -3, 4, -5, -0.5], k: 4, fires: [1, 3], ties: 0 },
    { name: 'all negative', row: [-1, -2, -3], k: 2, fires: [], ties: 0 },
    { name: 'k = 0', row: [1, 2, 3], k: 0, fires: [], ties: 0 },
    { name: 'k = d_sae', row: [1, -2, 3], k: 3, fires: [0, 2], ties: 0 },
    { name: 'k > d_sae', row: [1, -2, 3], k: 1000, fires: [0, 2], ties: 0 },
    { name: 'ties across the boundary', row: [5, 7, 5, 9, 5, 5], k: 4, fires: [0, 1, 2, 3], ties: 1 },
    { name: 'denormals are told apart', row: [1e-44, 3e-44, 2e-44, 0], k: 2, fires: [1, 2] },
    { name: 'largest and smallest floats', row: [3.4e38, -3.4e38, 1.2e-38, 3.3e38], k: 2, fires: [0, 3] },
    { name: 'ascending over many blocks', row: Array.from({ length: 450 }, (_, i) => i), k: 3, fires: [447, 448, 449], ties: 0 },
    { name: 'descending over many blocks', row: Array.from({ length: 450 }, (_, i) => 450 - i), k: 3, fires: [0, 1, 2], ties: 0 },
    { name: 'equal over many blocks', row: Array<number>(900).fill(1), k: 200, fires: Array.from({ length: 200 }, (_, i) => i), ties: 1 },
    { name: 'large k over many blocks', row: Array.from({ length: 450 }, (_, i) => (i * 7) % 450), k: 449, fires: Array.from({ length: 450 }, (_, i) => i).filter((i) => i !== 0), ties: 0 },
  ];
  for (const { name, row, k, fires, ties } of cases) {
    test(`topk: ${name}`, async () => {
      const sae = identitySae(row.length, k);
      const codes = await encode(sae, Float32Array.from(row), 1);
      assert.deepEqual(entries(codes), fires.map((i) => [i, Math.fround(row[i]!)]));
      if (ties !== undefined) assert.equal(codes.nearTies, ties);
    });
  }

  test('near ties are those within the announced tolerance', async () => {
    // W_enc is the identity, so that tol = gamma_3 ||x||, and twice that for topk, which compares two rounded numbers.
    const sae: Sae = { ...identitySae(2, 1) };
    const gap = (delta: number) => encode(sae, Float32Array.of(3, 3 + delta), 1).then((codes) => codes.nearTies);
    const tolerance = 2 * (3 * 2 ** -24) * Math.hypot(3, 3);
    assert.equal(await gap(tolerance * 0.9), 1);
    assert.equal(await gap(tolerance * 1.5), 0);
    const standard: Sae = { ...sae, architecture: 'standard', k: null };
    const zero = (value: number) => encode(standard, Float32Array.of(4, value), 1).then((codes) => codes.nearTies);
    assert.equal(await zero(3 * 2 ** -24 * 4 * 0.9), 1);
    assert.equal(await zero(-3 * 2 ** -24 * 4 * 0.9), 1);
    assert.equal(await zero(3 * 2 ** -24 * 4 * 1.2), 0);
  });

  test('property: on integer inputs the selection is the oracle\'s, ties included', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 400 }).chain((d) => fc.tuple(fc.array(fc.integer({ min: -4, max: 4 }), { minLength: d, maxLength: d }), fc.integer({ min: 0, max: d + 2 }))),
        async ([row, k]) => {
          const sae = identitySae(row.length, k);
          const xbar = Float32Array.from(row);
          assertCodesMatch(sae, xbar, 1, await encode(sae, xbar, 1), { exact: true });
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('invariance, to the bit', () => {
  for (const architecture of ARCHITECTURES) {
    test(`${architecture}: any split of a batch, any order of its rows`, async () => {
      const rows = 150;
      const d_in = 300;
      const sae = makeSae({ architecture, d_in, d_sae: 261, k: 12, seed: 8 });
      const xbar = randomRows(rows, d_in, 9);
      const loaded = await backend.load(sae);
      const whole = await loaded.encode(xbar, rows);
      // Single rows have a kernel of their own.
      for (const r of [0, 77, rows - 1]) {
        assert.deepEqual(entries(await loaded.encode(xbar.slice(r * d_in, (r + 1) * d_in), 1)), entries(whole, r));
      }
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 0, max: rows }), { maxLength: 6 }), async (cuts) => {
          const edges = [0, ...cuts.sort((a, b) => a - b), rows];
          let ties = 0;
          for (let p = 0; p + 1 < edges.length; p++) {
            const [from, to] = [edges[p]!, edges[p + 1]!];
            const piece = await loaded.encode(xbar.slice(from * d_in, to * d_in), to - from);
            ties += piece.nearTies;
            for (let r = from; r < to; r++) assert.deepEqual(entries(piece, r - from), entries(whole, r));
          }
          assert.equal(ties, whole.nearTies);
        }),
        { numRuns: 12 },
      );
      await fc.assert(
        fc.asyncProperty(fc.shuffledSubarray(Array.from({ length: rows }, (_, r) => r), { minLength: 1 }), async (order) => {
          const moved = new Float32Array(order.length * d_in);
          order.forEach((from, to) => moved.set(xbar.subarray(from * d_in, (from + 1) * d_in), to * d_in));
          const codes = await loaded.encode(moved, order.length);
          order.forEach((from, to) => assert.deepEqual(entries(codes, to), entries(whole, from)));
        }),
        { numRuns: 8 },
      );
    });
  }

  test('concurrent calls on one SAE do not disturb each other', async () => {
    const sae = makeSae({ architecture: 'topk', d_in: 128, d_sae: 2048, k: 16, seed: 2 });
    const loaded = await backend.load(sae);
    const inputs = [1, 2, 3].map((seed) => randomRows(1500, 128, seed));
    const together = await Promise.all(inputs.map((xbar) => loaded.encode(xbar, 1500)));
    for (const [at, xbar] of inputs.entries()) assert.deepEqual(await loaded.encode(xbar, 1500), together[at]);
  });
});

describe('errors', () => {
  const sae = makeSae({ architecture: 'topk', d_in: 5, d_sae: 150, k: 4, seed: 3 });
  for (const architecture of ARCHITECTURES) {
    for (const bad of [NaN, Infinity, -Infinity]) {
      test(`${architecture}: an input of ${bad} is named by its row, the lowest first`, async () => {
        const xbar = randomRows(400, 5, 3);
        xbar[377 * 5 + 4] = bad;
        xbar[201 * 5] = bad;
        const own = makeSae({ architecture, d_in: 5, d_sae: 150, seed: 3 });
        await assert.rejects(encode(own, xbar, 400), (error) => error instanceof NumericError && /xbar, row 201:/.test(error.message));
      });
    }
    test(`${architecture}: a pre-activation that overflows is named by its row`, async () => {
      const own = makeSae({ architecture, d_in: 5, d_sae: 150, seed: 3 });
      const xbar = randomRows(140, 5, 3);
      xbar.fill(3e38, 131 * 5, 132 * 5);
      own.W_enc.fill(10);
      await assert.rejects(encode(own, xbar, 140), (error) => error instanceof NumericError && /pre-activations, row 131:/.test(error.message));
    });
  }

  test('after an error the same SAE encodes on', async () => {
    const loaded = await backend.load(sae);
    await assert.rejects(loaded.encode(new Float32Array(5).fill(NaN), 1), NumericError);
    const xbar = randomRows(3, 5, 1);
    assertCodesMatch(sae, xbar, 3, await loaded.encode(xbar, 3));
  });

  test('weights that are not finite are named by tensor and place', async () => {
    const bad = { ...sae, W_enc: sae.W_enc.slice() };
    bad.W_enc[2 * 150 + 7] = NaN;
    await assert.rejects(backend.load(bad), /W_enc: NaN at row 2/);
    await assert.rejects(backend.load({ ...sae, b_dec: Float32Array.of(0, 0, 0, Infinity, 0) }), /b_dec: Infinity at position 3/);
  });

  test('lengths that do not fit', async () => {
    await assert.rejects(backend.load({ ...sae, b_enc: new Float32Array(149) }), ShapeError);
    await assert.rejects(backend.load({ ...sae, k: null }), /needs k/);
    await assert.rejects(backend.load({ ...sae, architecture: 'jumprelu' }), /threshold/);
    const loaded = await backend.load(sae);
    await assert.rejects(loaded.encode(new Float32Array(9), 2), /xbar has 9 values, expected 2 rows x d_in 5/);
    await assert.rejects(loaded.encode(new Float32Array(0), -1), ShapeError);
    loaded.dispose();
    await assert.rejects(loaded.encode(new Float32Array(5), 1), /disposed/);
  });
});

test('the oracle notices: a missing, an extra, a wrong and a misplaced entry', () => {
  const sae = makeSae({ architecture: 'topk', d_in: 6, d_sae: 40, k: 5, seed: 4 });
  const xbar = randomRows(2, 6, 5);
  const exact = oracleEncode(sae, xbar, 2);
  const good: SparseCodes = { ...exact, values: Float32Array.from(exact.values) };
  assertCodesMatch(sae, xbar, 2, good);
  const second = good.features.slice();
  const silent = Array.from({ length: 40 }, (_, i) => i).find((i) => !second.subarray(0, 5).includes(i) && i < second[0]!) ?? 0;
  assert.throws(() => assertCodesMatch(sae, xbar, 2, { ...good, features: second.map((f, e) => (e === 0 ? silent : f)) }));
  assert.throws(() => assertCodesMatch(sae, xbar, 2, { ...good, values: good.values.map((v, e) => (e === 3 ? v * 1.00001 : v)) }), /value/);
  assert.throws(() => assertCodesMatch(sae, xbar, 2, { ...good, features: second.map((f, e) => (e === 1 ? second[0]! : f)) }), /after/);
  const [row] = oracleRows(sae, xbar, 1);
  assert.equal(row!.fires.length, 5);
});
