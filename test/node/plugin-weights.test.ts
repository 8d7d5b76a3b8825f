/** sae/weights against plain loops in f64, and SAEs whose answer is known. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Sae } from '../../engine/sae.js';
import type { AnalysisResult } from '../../engine/run/accumulator.js';
import { weights } from '../../plugins/builtin/weights/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { makeSae } from '../shared/oracle.js';
import { columnOf, contextFor, numbersOf, type ContextOptions } from '../support/analysis-stream.js';

async function analyse(sae: Sae, options: ContextOptions = {}, signal?: AbortSignal): Promise<AnalysisResult> {
  const stream = { positions: 8, d: sae.d_in, d_sae: sae.d_sae, tokens: null };
  const accumulator = await (await weights.load()).create(contextFor(weights as never, stream, { ...options, sae }) as never);
  const result = await accumulator.finish(signal);
  checkResult('sae/weights', result, sae.d_sae, { columns: new Set(), tables: new Set() });
  return result;
}

const lists = (result: AnalysisResult, name: string): number[][] => Array.from(columnOf(result, name).data as ArrayLike<ArrayLike<number>>, (list) => Array.from(list));
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
/** Of a gated SAE the magnitudes' column. */
const encoder = ({ W_enc, d_in, d_sae, gate }: Sae, i: number): number[] => Array.from({ length: d_in }, (_, d) => W_enc[d * d_sae + i]! * Math.exp(gate?.r_mag[i] ?? 0));
const decoder = ({ W_dec, d_out }: Sae, i: number): Float32Array => W_dec.subarray(i * d_out, (i + 1) * d_out);

function assertOracle(sae: Sae, result: AnalysisResult, k = 10): void {
  const got = Object.fromEntries(['encoder_norm', 'decoder_norm', 'bias', 'effective_bias', 'threshold', 'de_projection', 'de_cosine'].map((name) => [name, numbersOf(result, name)]));
  const norms = Array.from({ length: sae.d_sae }, (_, i) => Math.sqrt(dot(decoder(sae, i), decoder(sae, i))));
  const close = (value: number, expected: number, scale = Math.abs(expected)): void => assert.ok(Object.is(value, expected) || Math.abs(value - expected) <= 1e-12 * scale, `${value}, expected ${expected}`);
  for (let i = 0; i < sae.d_sae; i++) {
    const w = encoder(sae, i);
    const d = decoder(sae, i);
    const norm = Math.sqrt(dot(w, w));
    close(got.encoder_norm![i]!, norm);
    close(got.decoder_norm![i]!, norms[i]!);
    assert.equal(got.bias![i], sae.b_enc[i]);
    close(got.threshold![i]!, sae.threshold?.[i] ?? NaN);
    if (sae.d_in === sae.d_out) {
      close(got.effective_bias![i]!, sae.b_enc[i]! - (sae.applyBDecToInput ? dot(w, sae.b_dec) : 0), 1 + norm);
      close(got.de_projection![i]!, dot(w, d), norm * norms[i]!);
      close(got.de_cosine![i]!, norm * norms[i]! > 0 ? dot(w, d) / (norm * norms[i]!) : NaN, 1);
    } else {
      assert.equal(got.effective_bias![i], sae.b_enc[i]);
      assert.ok(Number.isNaN(got.de_projection![i]) && Number.isNaN(got.de_cosine![i]));
    }
    // The same products in the same order: exactly equal, ties included.
    const others = Array.from({ length: sae.d_sae }, (_, j) => ({ j, cosine: Math.max(-1, Math.min(1, dot(d, decoder(sae, j)) / (norms[i]! * norms[j]!))) }));
    const nearest = others.filter(({ j }) => j !== i && norms[i]! * norms[j]! > 0).sort((a, b) => b.cosine - a.cosine || a.j - b.j).slice(0, k);
    assert.deepEqual(lists(result, 'neighbours')[i], nearest.map(({ j }) => j), `neighbours of ${i}`);
    assert.deepEqual(lists(result, 'neighbour_cosines')[i], nearest.map(({ cosine }) => cosine));
  }
}

describe('sae/weights', () => {
  it('agrees with plain loops on shapes around the blocks', async () => {
    for (const [d_in, d_sae, d_out] of [[1, 1, 1], [3, 5, 3], [7, 258, 7], [4, 13, 6], [2, 300, 700]] as const) {
      for (const architecture of ['standard', 'jumprelu'] as const) {
        const sae = makeSae({ architecture, d_in, d_sae, d_out, seed: d_sae });
        const whole = d_in === d_out ? sae : { ...sae, applyBDecToInput: false };
        assertOracle(whole, await analyse(whole));
      }
    }
  });

  it('gives ties to the lowest index, and leaves zero rows out', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 30 }), fc.infiniteStream(fc.integer({ min: -1, max: 1 })), fc.integer({ min: 0, max: 12 }), async (d, d_sae, digits, k) => {
        const W_dec = Float32Array.from({ length: d * d_sae }, () => digits.next().value as number);
        const sae = { ...makeSae({ architecture: 'standard', d_in: d, d_sae, seed: 1 }), W_dec, applyBDecToInput: false };
        assertOracle(sae, await analyse(sae, { settings: { neighbours: k } }), k);
      }),
      { numRuns: 60 },
    );
  });

  it('knows tied weights: D/E cosine 1 and projection ||w||^2', async () => {
    const sae = makeSae({ architecture: 'standard', d_in: 5, d_sae: 9, seed: 3 });
    const W_dec = Float32Array.from({ length: 45 }, (_, at) => sae.W_enc[(at % 5) * 9 + Math.floor(at / 5)]!);
    const result = await analyse({ ...sae, W_dec });
    const norm = numbersOf(result, 'encoder_norm');
    numbersOf(result, 'de_cosine').forEach((cosine) => assert.ok(Math.abs(cosine - 1) < 1e-12));
    numbersOf(result, 'de_projection').forEach((projection, i) => assert.ok(Math.abs(projection - norm[i]! ** 2) < 1e-12));
  });

  it('has an effective bias that is the pre-activation at input 0', async () => {
    const sae = makeSae({ architecture: 'standard', d_in: 6, d_sae: 4, seed: 8 });
    const { b_dec } = sae;
    const z = Array.from({ length: 4 }, (_, i) => sae.b_enc[i]! + dot(encoder(sae, i), b_dec.map((value) => -value)));
    numbersOf(await analyse(sae), 'effective_bias').forEach((value, i) => assert.ok(Math.abs(value - z[i]!) < 1e-12));
  });

  it('folding decoder norms changes D/E projection and cosine not at all, norms as it must', async () => {
    const sae = makeSae({ architecture: 'standard', d_in: 6, d_sae: 5, seed: 12 });
    // By powers of two, which are exact.
    const scale = (i: number): number => 2 ** ((i % 3) - 1);
    const folded = { ...sae, W_enc: sae.W_enc.map((w, at) => w * scale(at % 5)), b_enc: sae.b_enc.map((b, i) => b * scale(i)), W_dec: sae.W_dec.map((w, at) => w / scale(Math.floor(at / 6))) };
    const [before, after] = [await analyse(sae), await analyse(folded)];
    for (const name of ['de_projection', 'de_cosine']) assert.deepEqual(numbersOf(after, name), numbersOf(before, name));
    assert.deepEqual(numbersOf(after, 'encoder_norm'), numbersOf(before, 'encoder_norm').map((norm, i) => norm * scale(i)));
    assert.deepEqual(lists(after, 'neighbours'), lists(before, 'neighbours'));
  });

  it('takes the magnitudes of a gated SAE', async () => {
    const sae = makeSae({ architecture: 'gated', d_in: 17, d_sae: 40, seed: 3 });
    assertOracle(sae, await analyse(sae));
  });

  it('lets events in and stops when it is told to', async () => {
    const sae = makeSae({ architecture: 'standard', d_in: 256, d_sae: 3000, seed: 1 });
    const controller = new AbortController();
    let ticks = 0;
    const timer = setInterval(() => {
      if (++ticks === 2) controller.abort();
    }, 1);
    const started = performance.now();
    await assert.rejects(analyse(sae, {}, controller.signal), { name: 'AbortError' });
    clearInterval(timer);
    assert.ok(ticks >= 2 && performance.now() - started < 1500);
  });
});
