/** An SAE in blocks of latents: codes and reconstruction are those of the SAE in one piece, to the bit. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { LoadedSae } from '../../engine/backend.js';
import { loadBlocked } from '../../engine/blocked.js';
import type { SparseCodes } from '../../engine/codes.js';
import type { Sae } from '../../engine/sae.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { heldWeights, streamedSae } from '../../engine/weight-source.js';
import { makeSae, randomRows } from '../shared/oracle.js';

const backend = await createWasmBackend();
after(() => backend.dispose());

/** The same SAE, whose matrices are only to be had in pieces. */
function streamed(sae: Sae): Sae {
  const { W_enc, W_dec, ...rest } = sae;
  return streamedSae(rest, heldWeights({ ...rest, W_enc, W_dec }));
}

async function both(sae: Sae, latents: number, work: (whole: LoadedSae, blocked: LoadedSae) => Promise<void>): Promise<void> {
  const whole = await backend.load(sae);
  const blocked = await loadBlocked(backend, streamed(sae), { blockBytes: 4 * sae.d_in * latents });
  try {
    await work(whole, blocked);
  } finally {
    whole.dispose();
    blocked.dispose();
  }
}

function same(got: SparseCodes, expected: SparseCodes): void {
  assert.deepEqual({ ...got }, { ...expected });
}

for (const architecture of ['standard', 'topk', 'jumprelu'] as const) {
  test(`${architecture}: any blocks, any rows`, () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 80 }), fc.integer({ min: 0, max: 9 }), fc.nat(12), fc.nat(1000), fc.boolean(), async (d_in, d_sae, latents, rows, k, seed, rescale) => {
        const made = makeSae({ architecture, d_in, d_sae, k: Math.min(k, d_sae), seed });
        const sae = { ...made, rescaleActsByDecoderNorm: rescale && architecture === 'topk' };
        // A decoder row of norm 0 among them.
        if (seed % 3 === 0) sae.W_dec.fill(0, 0, sae.d_out);
        const xbar = randomRows(rows, d_in, seed);
        await both(sae, latents, async (whole, blocked) => {
          const codes = await whole.encode(xbar, rows);
          same(await blocked.encode(xbar, rows), codes);
          assert.deepEqual(await blocked.decode(codes), await whole.decode(codes));
        });
      }),
      { numRuns: 60 },
    ));
}

test('topk: ties between blocks go to the lowest feature, near ties are counted alike, also where too few are positive', async () => {
  const made = makeSae({ architecture: 'topk', d_in: 3, d_sae: 24, k: 5, seed: 1 });
  const ties = { ...made, W_enc: new Float32Array(72).fill(0.5), b_enc: new Float32Array(24).fill(0.25) };
  const few = { ...made, b_enc: made.b_enc.map((b, i) => (i < 3 ? b + 5 : -20)) };
  // z of 0 within the tolerance, and just outside of it.
  const zero = { ...few, W_enc: made.W_enc.map((w, at) => (at % 24 === 9 ? 0 : w)), b_enc: few.b_enc.map((b, i) => (i === 9 ? 0 : b)) };
  const below = { ...zero, b_enc: zero.b_enc.map((b, i) => (i === 9 ? -1e-7 : b)) };
  for (const sae of [ties, few, zero, below]) {
    const xbar = randomRows(6, 3, 4);
    await both(sae, 7, async (whole, blocked) => {
      const codes = await whole.encode(xbar, 6);
      same(await blocked.encode(xbar, 6), codes);
    });
  }
});

test('the report names the blocks; an abort ends a call; what was disposed of says so', async () => {
  const sae = makeSae({ architecture: 'standard', d_in: 8, d_sae: 100, seed: 3 });
  await both(sae, 30, async (_, blocked) => {
    assert.equal(blocked.report?.().shards, 4);
    await assert.rejects(blocked.encode(randomRows(2, 8, 1), 2, { signal: AbortSignal.abort() }), { name: 'AbortError' });
    blocked.dispose();
    await assert.rejects(blocked.encode(randomRows(2, 8, 1), 2), /disposed of/);
  });
});

test('a source that fails in the middle fails the call with its error', async () => {
  const sae = makeSae({ architecture: 'standard', d_in: 8, d_sae: 100, seed: 3 });
  const { W_enc, W_dec, ...rest } = sae;
  const held = heldWeights(sae);
  let broken = false;
  const source = { ...held, encoderColumns: (first: number, count: number) => (broken && first > 0 ? Promise.reject(new Error('the disk is gone')) : held.encoderColumns(first, count)) };
  const blocked = await loadBlocked(backend, streamedSae(rest, source), { blockBytes: 4 * 8 * 30 });
  broken = true;
  await assert.rejects(blocked.encode(randomRows(2, 8, 1), 2), /the disk is gone/);
  broken = false;
  const whole = await backend.load({ ...rest, W_enc, W_dec });
  same(await blocked.encode(randomRows(2, 8, 1), 2), await whole.encode(randomRows(2, 8, 1), 2));
});

test('batchtopk, whose rule is of a whole batch, is refused', () =>
  assert.rejects(loadBlocked(backend, streamed({ ...makeSae({ architecture: 'topk', d_in: 4, d_sae: 8, k: 2, seed: 1 }), architecture: 'batchtopk' })), /batchtopk/));
