/** sae/reconstruction against its definitions in f64 over everything at once. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AnalysisResult } from '../../engine/run/accumulator.js';
import type { Sae } from '../../engine/sae.js';
import { reconstruction } from '../../plugins/builtin/reconstruction/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { makeSae, oracleDecode, oracleEncode, randomRows } from '../shared/oracle.js';
import { analysisOf, makeStream, runSplit, runWhole, type ContextOptions, type TestStream } from '../support/analysis-stream.js';

interface Variant {
  readonly value: number | null;
  readonly definition: string;
  readonly batch_tokens?: number;
}
interface Summary {
  readonly l0: number;
  readonly mse: number;
  readonly fvu: number | null;
  readonly explained_variance: number | null;
  readonly mse_per_dimension: number;
  readonly tokens: number;
  readonly variants: Readonly<Record<string, Variant>>;
}

function summaryOf(result: AnalysisResult): Summary {
  checkResult('sae/reconstruction', result, 1, { columns: new Set(), tables: new Set() });
  return result.summary as unknown as Summary;
}

const run = async (stream: TestStream, options: ContextOptions = {}): Promise<Summary> => summaryOf(await runWhole(analysisOf(reconstruction, stream, options)));
const close = (got: number | null, expected: number, relative = 1e-11): void => assert.ok(Math.abs(got! - expected) <= relative * Math.abs(expected), `${got}, expected ${expected}`);

/** Rows that count, as arrays. */
function rowsOf(stream: TestStream, data: Float32Array): number[][] {
  return Array.from(stream.counted.keys()).filter((row) => stream.counted[row] !== 0).map((row) => Array.from(data.subarray(row * stream.d, (row + 1) * stream.d)));
}
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
const dot = (a: readonly number[], b: readonly number[]): number => sum(a.map((value, i) => value * b[i]!));
const columns = (rows: readonly number[][]): number[][] => rows[0]!.map((_, c) => rows.map((row) => row[c]!));
const variance = (values: readonly number[]): number => sum(values.map((value) => (value - mean(values)) ** 2)) / (values.length - 1);

function oracle(stream: TestStream) {
  const x = rowsOf(stream, stream.x);
  const hat = rowsOf(stream, stream.xhat);
  const e = x.map((row, r) => row.map((value, c) => value - hat[r]![c]!));
  const errors = e.map((row) => dot(row, row));
  const centre = columns(x).map(mean);
  const about = x.map((row) => sum(row.map((value, c) => (value - centre[c]!) ** 2)));
  const all = x.flat();
  return {
    mse: mean(errors),
    fvu: mean(errors) / (mean(x.map((row) => dot(row, row))) - dot(centre, centre)),
    legacy: mean(errors.map((error, r) => 1 - error / about[r]!)),
    dictionary: 1 - sum(columns(e).map(variance)) / sum(columns(x).map(variance)),
    sparsify: sum(errors) / sum(about),
    openai: mean(x.map((row, r) => errors[r]! / dot(row, row))),
    overcomplete: 1 - sum(errors) / sum(all.map((value) => (value - mean(all)) ** 2)),
    cosine: mean(x.map((row, r) => dot(row, hat[r]!) / Math.sqrt(dot(row, row) * dot(hat[r]!, hat[r]!)))),
    normIn: mean(x.map((row) => Math.sqrt(dot(row, row)))),
    normOut: mean(hat.map((row) => Math.sqrt(dot(row, row)))),
    ratio: mean(x.map((row, r) => Math.sqrt(dot(hat[r]!, hat[r]!) / dot(row, row)))),
    bias: mean(hat.map((row) => dot(row, row))) / mean(x.map((row, r) => dot(row, hat[r]!))),
    l0: mean(stream.dense.filter((_, r) => stream.counted[r] !== 0).map((row) => row.filter((value) => value > 0).length)),
  };
}

describe('sae/reconstruction', () => {
  const stream = makeStream({ contexts: 6, positions: 20, d_sae: 5, d: 7, seed: 2 });

  it('gives every figure by its definition', async () => {
    const summary = await run(stream);
    const expected = oracle(stream);
    assert.deepEqual(Object.keys(summary).slice(0, 3), ['l0', 'mse', 'fvu']);
    close(summary.l0, expected.l0);
    close(summary.mse, expected.mse);
    close(summary.mse_per_dimension, expected.mse / 7);
    close(summary.fvu, expected.fvu);
    close(summary.explained_variance, 1 - expected.fvu);
    const values = Object.fromEntries(Object.entries(summary.variants).map(([name, { value }]) => [name, value]));
    close(values.explained_variance_saelens_legacy!, expected.legacy);
    close(values.explained_variance_dictionary_learning!, expected.dictionary);
    close(values.fvu_sparsify!, expected.sparsify);
    close(values.normalized_mse_openai!, expected.openai);
    close(values.r2_overcomplete!, expected.overcomplete);
    close(values.cosine_similarity!, expected.cosine);
    close(values.l2_norm_in!, expected.normIn);
    close(values.l2_norm_out!, expected.normOut);
    close(values.l2_ratio!, expected.ratio);
    close(values.relative_reconstruction_bias!, expected.bias);
    assert.equal(Object.keys(values).length, 10);
  });

  it('depends on the batch only where it says so', async () => {
    const whole = await run(stream);
    const split = summaryOf(await runSplit(analysisOf(reconstruction, stream), [1, 2, 1, 1]));
    close(split.fvu, whole.fvu!);
    close(split.mse, whole.mse);
    let dependent = 0;
    for (const [name, { value, batch_tokens }] of Object.entries(split.variants)) {
      if (batch_tokens === undefined) close(value, whole.variants[name]!.value!);
      else {
        assert.equal(batch_tokens, whole.tokens / 5);
        assert.notEqual(value, whole.variants[name]!.value);
        dependent++;
      }
    }
    assert.equal(dependent, 2);
  });

  it('averages the batch variants over tokens and over batches', async () => {
    const split = summaryOf(await runSplit(analysisOf(reconstruction, stream), [2, 4]));
    const part = (from: number, to: number): TestStream => ({ ...stream, contexts: to - from, counted: stream.counted.slice(from * 20, to * 20), x: stream.x.slice(from * 140, to * 140), xhat: stream.xhat.slice(from * 140, to * 140), dense: stream.dense.slice(from * 20, to * 20) });
    const [a, b] = [part(0, 2), part(2, 6)];
    const [nA, nB] = [a, b].map(({ counted }) => sum(Array.from(counted))) as [number, number];
    close(split.variants.explained_variance_saelens_legacy!.value, (nA * oracle(a).legacy + nB * oracle(b).legacy) / (nA + nB));
    close(split.variants.fvu_sparsify!.value, (oracle(a).sparsify + oracle(b).sparsify) / 2);
  });

  it('knows a perfect reconstruction, the mean, and zero', async () => {
    const perfect = await run({ ...stream, xhat: stream.x });
    assert.deepEqual([perfect.mse, perfect.fvu, perfect.explained_variance], [0, 0, 1]);
    const all = { ...stream, counted: new Uint8Array(120).fill(1) };
    // Values of which the mean is exact.
    const x = all.x.map((_, at) => (at % 7) + (Math.floor(at / 7) % 2 === 0 ? 1 : -1));
    const byMean = await run({ ...all, x, xhat: x.map((_, at) => at % 7) });
    assert.deepEqual([byMean.mse, byMean.fvu], [7, 1]);
    const zero = await run({ ...all, x, xhat: new Float32Array(x.length) });
    close(zero.mse, (7 + 91) / 1);
    close(zero.fvu, 98 / 7);
    assert.equal(zero.variants.relative_reconstruction_bias!.value, null);
    assert.equal(zero.variants.cosine_similarity!.value, null);
    assert.equal(zero.variants.explained_variance_dictionary_learning!.value, 0);
  });

  it('has no FVU where there is no variance', async () => {
    const same = { ...stream, x: stream.x.map((_, at) => [0.1, 1 / 3, 7, 1e-3, 2, 5, 1e4][at % 7]!) };
    for (const summary of [await run(same), summaryOf(await runSplit(analysisOf(reconstruction, same), [1, 1, 3]))]) {
      assert.deepEqual([summary.fvu, summary.explained_variance], [null, null]);
      assert.ok(summary.mse > 0);
      for (const name of ['explained_variance_saelens_legacy', 'explained_variance_dictionary_learning', 'fvu_sparsify', 'r2_overcomplete']) {
        assert.equal(summary.variants[name]!.value, null, name);
      }
    }
  });

  it('does not cancel far from the origin', async () => {
    const far = { ...stream, x: stream.x.map((value) => 4096 + Math.round(value * 64) / 64), xhat: stream.xhat.map((value) => 4096 + Math.round(value * 64) / 64) };
    const near = { ...stream, x: far.x.map((value) => value - 4096), xhat: far.xhat.map((value) => value - 4096) };
    close((await run(far)).fvu, (await run(near)).fvu!, 1e-12);
  });

  it('is 1 - shrinkage for one feature that is read and written back with a factor', async () => {
    // x = a d with ||d|| = 1 and a in {1, 2, 3, 4}; xhat = 0.75 x: mse = E a^2 / 16.
    const rows = 40;
    const direction = [0.6, 0.8];
    const a = Array.from({ length: rows }, (_, r) => 1 + (r % 4));
    const x = Float32Array.from(a.flatMap((value) => direction.map((c) => c * value)));
    const one: TestStream = { contexts: 4, positions: 10, d: 2, d_sae: 1, tokens: null, counted: new Uint8Array(rows).fill(1), x, xhat: x.map((value) => 0.75 * value), dense: a.map((value) => Float32Array.of(value)) };
    const summary = await run(one);
    close(summary.mse, 7.5 / 16, 1e-6);
    close(summary.fvu, 7.5 / 16 / 1.25, 1e-6);
    close(summary.l0, 1);
    close(summary.variants.l2_ratio!.value, 0.75, 1e-6);
    close(summary.variants.cosine_similarity!.value, 1, 1e-6);
    close(summary.variants.relative_reconstruction_bias!.value, 0.75, 1e-6);
  });

  it('does not change when decoder norms are folded into the encoder', async () => {
    const sae = makeSae({ architecture: 'standard', d_in: 7, d_sae: 30, seed: 6 });
    const norms = Array.from({ length: 30 }, (_, i) => Math.sqrt(sum(Array.from(sae.W_dec.subarray(i * 7, i * 7 + 7), (w) => w * w))));
    const folded: Sae = { ...sae, W_enc: sae.W_enc.map((w, at) => w * norms[at % 30]!), b_enc: sae.b_enc.map((b, i) => b * norms[i]!), W_dec: sae.W_dec.map((w, at) => w / norms[Math.floor(at / 7)]!) };
    const x = randomRows(120, 7, 3);
    const [before, after] = await Promise.all(
      [sae, folded].map((used) => {
        const codes = oracleEncode(used, x.map((value, at) => value - used.b_dec[at % 7]!), 120);
        return run({ ...stream, counted: new Uint8Array(120).fill(1), x, xhat: Float32Array.from(oracleDecode(used, codes)) });
      }),
    );
    close(after!.fvu, before!.fvu!, 1e-6);
    close(after!.mse, before!.mse, 1e-6);
  });

  it('gives L0 alone, and says so, where input and output differ in width', async () => {
    const notices: string[] = [];
    const sae = { ...makeSae({ architecture: 'standard', d_in: 7, d_sae: 5, d_out: 3, seed: 1 }), applyBDecToInput: false };
    const summary = await run(stream, { sae, notice: (text) => notices.push(text) });
    close(summary.l0, oracle(stream).l0);
    assert.deepEqual([summary.mse, summary.fvu], [null, null]);
    assert.equal(notices.length, 1);
  });
});
