/**
 * Screened encode gives the dense path's codes, bit for bit, whatever the data; and what
 * makes it so is tested by itself: no pre-activation is above its upper bound, or further
 * below it than the row's width.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SparseCodes } from '../../engine/codes.js';
import { NumericError } from '../../engine/errors.js';
import { prepareInput } from '../../engine/prepare.js';
import type { Architecture, Sae } from '../../engine/sae.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { compileKernels, Kernels } from '../../engine/wasm/loader.js';
import { Screen, ScreenTrial } from '../../engine/wasm/screen.js';
import { loadGoldenStories } from '../shared/golden.js';
import { assertCodesMatch, makeSae, oracleRows, randomRows } from '../shared/oracle.js';
import { gaussian } from '../shared/random.js';

const ARCHITECTURES: readonly Architecture[] = ['standard', 'jumprelu', 'gated', 'topk', 'batchtopk'];
const backend = await createWasmBackend();

async function both(sae: Sae, xbar: Float32Array, rows: number): Promise<{ dense: SparseCodes; screened: SparseCodes; ratio: number }> {
  const dense = await backend.load(sae, { screen: 'off' });
  const screened = await backend.load(sae, { screen: 'on' });
  try {
    assert.equal(dense.report!().screen, null);
    const codes = { dense: await dense.encode(xbar, rows), screened: await screened.encode(xbar, rows) };
    return { ...codes, ratio: screened.report!().screen?.survivorRatio ?? 1 };
  } finally {
    dense.dispose();
    screened.dispose();
  }
}

function same({ dense, screened }: { dense: SparseCodes; screened: SparseCodes }): void {
  assert.deepEqual(screened.offsets, dense.offsets);
  assert.deepEqual(screened.features, dense.features);
  // As bits: -0 and the last place count.
  assert.deepEqual(new Uint32Array(screened.values.slice().buffer), new Uint32Array(dense.values.slice().buffer));
  assert.equal(screened.nearTies, dense.nearTies);
}

test('the same codes bit for bit: any architecture, shape, scale and sparsity', async () => {
  const shape = fc.record({
    architecture: fc.constantFrom(...ARCHITECTURES),
    rows: fc.integer({ min: 1, max: 140 }),
    d_in: fc.integer({ min: 1, max: 70 }),
    d_sae: fc.integer({ min: 1, max: 300 }),
    k: fc.integer({ min: 0, max: 20 }),
    seed: fc.nat(),
    bias: fc.double({ min: -4, max: 1, noNaN: true }),
    scaleX: fc.integer({ min: -60, max: 60 }),
    scaleW: fc.integer({ min: -40, max: 40 }),
    outliers: fc.integer({ min: 0, max: 12 }),
    rescaleActsByDecoderNorm: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ rows, d_in, bias, scaleX, scaleW, outliers, rescaleActsByDecoderNorm, ...rest }) => {
      const rescale = rescaleActsByDecoderNorm && rest.architecture !== 'gated';
      const sae = makeSae({ ...rest, d_in, d_out: 3, rescaleActsByDecoderNorm: rescale });
      const size = 2 ** (scaleX + scaleW);
      for (let at = 0; at < sae.W_enc.length; at++) sae.W_enc[at]! *= 2 ** scaleW;
      for (let i = 0; i < sae.d_sae; i++) {
        sae.b_enc[i] = (sae.b_enc[i]! + bias) * size;
        if (sae.threshold) sae.threshold[i]! *= size;
        if (sae.gate) sae.gate.b_gate[i] = (sae.gate.b_gate[i]! + bias) * size;
      }
      const xbar = randomRows(rows, d_in, rest.seed + 1).map((x) => x * 2 ** scaleX);
      for (let o = 0; o < Math.min(outliers, d_in); o++) for (let r = 0; r < rows; r++) xbar[r * d_in + o]! *= 300;
      const codes = await both(sae, xbar, rows);
      same(codes);
      if (rest.architecture !== 'batchtopk' && Math.abs(scaleX + scaleW) < 30) assertCodesMatch(sae, xbar, rows, codes.screened);
    }),
    { numRuns: 150 },
  );
});

test('the same codes for rows in the hundreds, and features past the blocks that give the first floors', async () => {
  for (const architecture of ARCHITECTURES) {
    const sae = makeSae({ architecture, d_in: 40, d_sae: 9000, d_out: 2, k: 20, seed: 5 });
    for (let i = 0; i < 9000; i++) {
      sae.b_enc[i]! -= 2;
      if (sae.gate) sae.gate.b_gate[i]! -= 2;
    }
    const codes = await both(sae, randomRows(300, 40, 6), 300);
    same(codes);
    assert.ok(codes.ratio < 0.3, `${architecture}: ${codes.ratio} of the pre-activations were computed`);
  }
});

test('equal values, zeros, edges met exactly: decided as the dense path decides', async () => {
  const d_sae = 700;
  for (const architecture of ARCHITECTURES) {
    const made = makeSae({ architecture, d_in: 4, d_sae, d_out: 2, k: 7, seed: 8 });
    const next = gaussian(9);
    const whole = (length: number, most: number): Float32Array => Float32Array.from({ length }, () => Math.round(most * next()));
    const sae: Sae = {
      ...made,
      W_enc: whole(4 * d_sae, 1),
      b_enc: whole(d_sae, 1),
      threshold: made.threshold && whole(d_sae, 1),
      gate: made.gate ? { r_mag: new Float32Array(d_sae), b_gate: whole(d_sae, 1) } : null,
    };
    const xbar = whole(90 * 4, 1);
    xbar.fill(0, 0, 40);
    const codes = await both(sae, xbar, 90);
    same(codes);
    if (architecture !== 'batchtopk') assertCodesMatch(sae, xbar, 90, codes.screened, { exact: true });
  }
});

test('all equal, all near their thresholds, on purpose: decided as the dense path decides', async () => {
  const d_in = 33;
  const d_sae = 400;
  const xbar = randomRows(70, d_in, 2);
  // Every feature is the first one; k cuts through the ties.
  const equal = makeSae({ architecture: 'topk', d_in, d_sae, d_out: 2, k: 150, seed: 8 });
  equal.W_enc.forEach((_, at, all) => (all[at] = all[at - (at % d_sae)]!));
  equal.b_enc.fill(0.5);
  same(await both(equal, xbar, 70));
  // Each feature's threshold is its own z of some row, or a last place beside it.
  const near = makeSae({ architecture: 'jumprelu', d_in, d_sae, d_out: 2, seed: 9 });
  const dense = await backend.load(near, { screen: 'off' });
  const z = await dense.preactivations!(xbar, 70);
  near.threshold!.forEach((_, i, all) => (all[i] = z[(i % 70) * d_sae + i]! * (1 + ((i % 3) - 1) * 2 ** -23)));
  const codes = await both(near, xbar, 70);
  same(codes);
  assert.ok(codes.dense.nearTies >= d_sae / 3, `${codes.dense.nearTies} near ties`);
});

test("the embedded model's activations", async () => {
  const { sae, activations, indices } = await loadGoldenStories('examples/stories260k/sae/', 'test/fixtures/');
  const rows = indices.length;
  const { xbar } = prepareInput(sae, activations, rows);
  const codes = await both(sae, xbar, rows);
  same(codes);
  assertCodesMatch(sae, xbar, rows, codes.screened);
});

test('integers do not overflow: rows and features that point the same way, at 4,608 dimensions', async () => {
  const d_in = 4608;
  const sae = makeSae({ architecture: 'standard', d_in, d_sae: 24, d_out: 2, seed: 3 });
  const xbar = new Float32Array(8 * d_in);
  const next = gaussian(4);
  for (let d = 0; d < d_in; d++) {
    // Flat, random, one large value and many small ones; either sign.
    const patterns = [1, next(), d === 7 ? 1e4 : 1e-2, d % 2 ? 1 : -1];
    patterns.forEach((value, p) => {
      for (const sign of [0, 1]) xbar[(2 * p + sign) * d_in + d] = sign ? -value : value;
      for (let i = 0; i < 6; i++) sae.W_enc[d * 24 + p * 6 + i] = i % 2 ? -value * (i + 1) : value * (i + 1);
    });
  }
  const codes = await both(sae, xbar, 8);
  same(codes);
  assertCodesMatch(sae, xbar, 8, codes.screened);
});

test('what is not finite is named as the dense path names it', async () => {
  for (const architecture of ARCHITECTURES) {
    const sae = makeSae({ architecture, d_in: 2, d_sae: 300, d_out: 2, seed: 31 });
    sae.W_enc[299] = 3e38;
    sae.W_enc[599] = -3e38;
    const xbar = randomRows(40, 2, 1).map((x) => x / 100);
    xbar.fill(1e3, 34 * 2, 36 * 2);
    for (const bad of [xbar, xbar.map((x, at) => (at === 13 ? NaN : x))]) {
      const messages = [];
      for (const screen of ['off', 'on'] as const) {
        const loaded = await backend.load(sae, { screen });
        messages.push(await loaded.encode(bad, 40).then(() => 'no error', (error: unknown) => (assert.ok(error instanceof NumericError), error.message)));
      }
      assert.match(messages[0]!, bad === xbar ? /pre-activations, row 34/ : /xbar, row 6/);
      assert.equal(messages[1], messages[0]);
    }
  }
});

test('no pre-activation is above its bound, or further below it than the width', async () => {
  const module = await compileKernels();
  for (const [d_in, outliers] of [[1, 0], [9, 0], [64, 2], [257, 0], [600, 5]] as const) {
    const kernels = new Kernels(module);
    const rows = 6;
    const d_sae = 16;
    const sae = makeSae({ architecture: 'standard', d_in, d_sae, seed: d_in });
    const xbar = randomRows(rows, d_in, 2);
    for (let o = 0; o < outliers; o++) for (let r = 0; r < rows; r++) xbar[r * d_in + 11 * o]! *= 50;
    const room = (bytes: number): number => kernels.alloc(bytes, 'the test');
    const w = room(16 * d_in * 4);
    const bias = room(16 * 4);
    kernels.f32(bias, 16).set(sae.b_enc);
    const staging = room(16 * 4);
    for (let d = 0; d < d_in; d++) {
      kernels.f32(staging, 16).set(sae.W_enc.subarray(d * 16, d * 16 + 16));
      kernels.call.packWeights(staging, 2, d, d_in, w);
    }
    const screen = new Screen(kernels, { d_in, d_sae, panels: 2, w, bias, edges: null, biases: sae.b_enc, gated: false, magnification: 1 });
    const x = room(rows * d_in * 4);
    const packed = room(8 * d_in * 4);
    const state = room(8 * 32);
    kernels.f32(x, rows * d_in).set(xbar);
    kernels.call.packRows(x, rows, d_in, packed, state, 0, 0);
    const chunk = screen.begin(x, packed, state, rows, 0)!;
    const tile = room(rows * 16 * 4);
    screen.bound(chunk, 0, 2, tile, 64);
    const bounds = kernels.f32(tile, rows * 16).slice();
    const widths = Array.from({ length: rows }, (_, r) => kernels.f32(chunk.widths + 16 * r, 1)[0]!);
    const dense = await backend.load(sae, { screen: 'off' });
    const z = await dense.preactivations!(xbar, rows);
    let r = 0;
    let norms = 0;
    for (const { z: exact } of oracleRows(sae, xbar, rows)) {
      for (let i = 0; i < d_sae; i++) {
        const above = bounds[r * 16 + i]!;
        assert.ok(above >= z[r * 16 + i]! && above >= exact[i]!, `row ${r}, feature ${i}: ${z[r * 16 + i]} is above ${above}`);
        assert.ok(above - widths[r]! <= z[r * 16 + i]!, `row ${r}, feature ${i}: ${z[r * 16 + i]} is ${above - z[r * 16 + i]!} below, width ${widths[r]}`);
      }
      norms = Math.max(norms, widths[r]! / Math.hypot(...xbar.subarray(r * d_in, (r + 1) * d_in)));
      r++;
    }
    // A bound that holds because it is wide would be of no use: columns here have norms of about 1.
    assert.ok(norms < 4e-3, `a width of ${norms} of the row's norm at d_in ${d_in}`);
  }
});

test('auto: dense until it is known that a screen pays, the same codes all the while', async () => {
  const sae = makeSae({ architecture: 'topk', d_in: 128, d_sae: 2048, d_out: 2, k: 8, seed: 5 });
  const loaded = await backend.load(sae);
  const dense = await backend.load(sae, { screen: 'off' });
  assert.equal(loaded.report!().screen, null);
  const xbar = randomRows(2048, 128, 6);
  const before = loaded.report!().weightBytes;
  same({ dense: await dense.encode(xbar, 2048), screened: await loaded.encode(xbar, 2048) });
  const { screen, weightBytes } = loaded.report!();
  assert.ok(weightBytes > before, 'the rounded weights are counted');
  if (screen !== null) assert.ok(screen.survivorRatio > 0 && screen.survivorRatio < 0.2, `${screen.survivorRatio} of the pre-activations were computed`);
});

test('a trial takes both ways in turns, then the faster one, and asks again in time', () => {
  const trial = new ScreenTrial();
  const ways: string[] = [];
  for (let at = 0; at < 8; at++) {
    assert.equal(trial.verdict, null);
    ways.push(trial.next);
    // The first chunk of each is slow, which must not count.
    trial.took(trial.next, at < 2 ? 1000 : trial.next === 'dense' ? 2 : 1.5);
  }
  assert.deepEqual(ways, ['dense', 'screened', 'dense', 'screened', 'dense', 'screened', 'dense', 'screened']);
  assert.equal(trial.verdict, 'screened');
  for (let at = 0; at < 2000; at++) trial.took(trial.next, 1.5);
  assert.equal(trial.verdict, null);
  for (let at = 0; at < 8; at++) trial.took(trial.next, trial.next === 'dense' ? 1 : 1.5);
  assert.equal(trial.verdict, 'dense');
});
