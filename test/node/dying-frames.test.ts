/** Frames against plain f64 loops, boundaries against encoding, and which features and checkpoints are kept. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ShapeError } from '../../engine/errors.js';
import { encoderRowsOf, firingOffsets, frameOf, meanColumn, readFrame } from '../../engine/dying/frames.js';
import { countFirings, frameSteps, keptFeatures, meanOf } from '../../engine/dying/run-frames.js';
import { plainOps } from '../../engine/ops/ops.js';
import type { Architecture, Sae } from '../../engine/sae.js';
import { heldWeights, streamedSae } from '../../engine/weight-source.js';
import { makeSae, randomRows } from '../shared/oracle.js';

const ARCHITECTURES: readonly Architecture[] = ['standard', 'topk', 'jumprelu', 'gated'];
const close = (a: number, b: number, what: string): void => assert.ok((Number.isNaN(a) && Number.isNaN(b)) || Math.abs(a - b) <= 2e-6 * (1 + Math.abs(b)), `${what}: ${a}, expected ${b}`);

/** By the definitions, a feature at a time. */
function oracle(sae: Sae, i: number, direction: readonly number[]): Record<'bias' | 'effective_bias' | 'encoder_norm' | 'de' | 'de_cosine' | 'direction_cosine', number> {
  const { d_in, d_sae, d_out, W_enc, W_dec, b_enc, b_dec, gate, applyBDecToInput } = sae;
  const w = Array.from({ length: d_in }, (_, c) => W_enc[c * d_sae + i]! * (gate ? Math.exp(gate.r_mag[i]!) : 1));
  const v = Array.from(W_dec.subarray(i * d_out, (i + 1) * d_out));
  const dot = (a: readonly number[], b: ArrayLike<number>): number => a.reduce((sum, value, c) => sum + value * b[c]!, 0);
  const one = d_in === d_out;
  return {
    bias: b_enc[i]!,
    effective_bias: b_enc[i]! - (one && applyBDecToInput ? dot(w, b_dec) : 0),
    encoder_norm: Math.hypot(...w),
    de: one ? dot(w, v) : NaN,
    de_cosine: one ? dot(w, v) / (Math.hypot(...w) * Math.hypot(...v)) : NaN,
    direction_cosine: dot(w, direction) / (Math.hypot(...w) * Math.hypot(...direction)),
  };
}

for (const architecture of ARCHITECTURES) {
  test(`${architecture}: a frame is what the weights say, held or streamed, with b_dec in the input or not`, async () => {
    for (const [d_out, applyBDecToInput] of [[9, true], [9, false], [6, true]] as const) {
      const sae: Sae = { ...makeSae({ architecture, d_in: 9, d_sae: 40, d_out, seed: 3 }), applyBDecToInput };
      const direction = Array.from(randomRows(1, 9, 8));
      const counts = Float64Array.from({ length: 40 }, (_, i) => i * i);
      const frame = frameOf(sae, { step: 7, tokens: 70, rows: 2000, counts, direction });
      for (let i = 0; i < 40; i++) for (const [name, value] of Object.entries(oracle(sae, i, direction))) close(frame[name as 'de'][i]!, value, `${name} of ${i}`);
      assert.deepEqual([frame.step, frame.tokens, frame.rows, frame.b_dec], [7, 70, 2000, sae.b_dec]);
      assert.deepEqual(frame.counts, counts);
      counts[0] = 99;
      assert.equal(frame.counts[0], 0, 'counts are the frame\'s own');
      const { W_enc: _, W_dec: __, ...rest } = sae;
      const streamed = streamedSae(rest, heldWeights(sae));
      assert.deepEqual(await readFrame(streamed, { step: 7, tokens: 70, rows: 2000, counts: frame.counts, direction }), frame);
      const mean = (await meanColumn(streamed, [3, 4, 39]))!;
      const rows = await encoderRowsOf(sae, [3, 4, 39]);
      for (let c = 0; c < 9; c++) close(mean[c]!, (rows[c]! + rows[9 + c]! + rows[18 + c]!) / 3, 'mean column');
    }
  });
}

test('without a direction its cosine is NaN; a row of zeros has no cosine at all', () => {
  const sae = makeSae({ architecture: 'standard', d_in: 4, d_sae: 3, seed: 1 });
  for (let c = 0; c < 4; c++) sae.W_enc[c * 3 + 1] = 0;
  const frame = frameOf(sae, { step: 0, rows: 1, counts: [0, 0, 0], direction: [1, 0, 0, 0] });
  assert.deepEqual(Array.from(frame.direction_cosine, Number.isNaN), [false, true, false]);
  assert.deepEqual([frame.encoder_norm[1], frame.de[1], Number.isNaN(frame.de_cosine[1])], [0, 0, true]);
  assert.ok(frameOf(sae, { step: 0, rows: 1, counts: [0, 0, 0] }).direction_cosine.every(Number.isNaN));
  assert.throws(() => frameOf(sae, { step: 0, rows: 1, counts: [0, 0] }), ShapeError);
  assert.throws(() => frameOf(sae, { step: 0, rows: 1, counts: [0, 0, 0], direction: [0, 0, 0, 0] }), ShapeError);
});

test('a feature fires where w . x + offset > 0, of every architecture that has a boundary', async () => {
  for (const architecture of ['standard', 'jumprelu', 'gated'] as const) {
    for (const applyBDecToInput of [true, false]) {
      const sae: Sae = { ...makeSae({ architecture, d_in: 6, d_sae: 24, seed: 12 }), applyBDecToInput };
      const x = randomRows(400, 6, 5);
      const counts = await countFirings(sae, { x, rows: 400, d: 6 }, { ops: plainOps });
      const frame = frameOf(sae, { step: 0, rows: 400, counts });
      const all = Uint32Array.from({ length: 24 }, (_, i) => i);
      const rows = await encoderRowsOf(sae, all);
      const offset = firingOffsets(sae, frame, all);
      for (let i = 0; i < 24; i++) {
        let fired = 0;
        let near = 0;
        for (let r = 0; r < 400; r++) {
          let z = offset[i]!;
          for (let c = 0; c < 6; c++) z += rows[i * 6 + c]! * x[r * 6 + c]!;
          if (z > 0) fired++;
          if (Math.abs(z) < 1e-5) near++;
        }
        assert.ok(Math.abs(fired - counts[i]!) <= near, `${architecture}, feature ${i}: ${fired} beyond the boundary, ${counts[i]} fired`);
      }
    }
  }
});

test('features that are kept: as many as asked for, of every class, whatever the counts', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2000 }), { minLength: 1, maxLength: 300 }), fc.integer({ min: 1, max: 64 }), (counts, most) => {
      const frame = { counts: Float64Array.from(counts), rows: 1000 };
      const kept = keptFeatures(frame, most, 0.05);
      assert.equal(kept.length, Math.min(most, counts.length));
      assert.ok(kept.every((i, at) => i < counts.length && (at === 0 || i > kept[at - 1]!)));
      const classOf = (i: number): number => (counts[i] === 0 ? 0 : counts[i]! < 50 ? 1 : counts[i]! <= 100 ? 2 : 3);
      if (most >= 8) for (const one of [0, 1, 2, 3]) assert.equal(counts.some((_, i) => classOf(i) === one), Array.from(kept).some((i) => classOf(i) === one), `class ${one}`);
    }),
  );
  // The rarest and the least rare of the rare ones are among them.
  const counts = Float64Array.from({ length: 400 }, (_, i) => (i < 200 ? i + 1 : 10_000));
  const kept = Array.from(keptFeatures({ counts, rows: 1e6 }, 16, 5e-4));
  assert.ok(kept.includes(0) && kept.includes(199));
});

test('checkpoints that are looked at: the first, the last, and evenly spaced in log step between', () => {
  const steps = [0, ...Array.from({ length: 200 }, (_, at) => Math.round(1.05 ** at)), 20_000].filter((step, at, all) => all.indexOf(step) === at);
  const some = frameSteps(steps, 12);
  assert.equal(some.length, 12);
  assert.deepEqual([some[0], some.at(-1)], [0, 20_000]);
  assert.ok(some.every((step, at) => at === 0 || step > some[at - 1]!));
  const gaps = some.slice(4).map((step, at) => Math.log(step / some[at + 3]!));
  assert.ok(Math.max(...gaps) < 4 * Math.min(...gaps), gaps.join(' '));
  assert.deepEqual(frameSteps([5, 1, 3], 10), [1, 3, 5]);
});

test('the mean of rows', () => {
  const x = Float32Array.from([1, 2, 3, 4, 5, 9]);
  assert.deepEqual(Array.from(meanOf({ x, rows: 3, d: 2 })), [3, 5]);
});
