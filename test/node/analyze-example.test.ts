/**
 * 64 contexts of the embedded example from end to end: the language model runs,
 * the SAE encodes, the pack is written and read. Counts, L0 and FVU are held
 * against the float64 oracle on the same activations.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadSae } from '../../engine/formats/load-sae.js';
import { memorySink } from '../../engine/io/sink.js';
import { openPack } from '../../engine/pack/reader.js';
import { prepareInput } from '../../engine/prepare.js';
import { modelSource } from '../../engine/sources/model-source.js';
import { loadTokens } from '../../engine/sources/tokens.js';
import { analyze, type AnalyzeOptions } from '../../plugins/analyze.js';
import { oracleDecode, oracleEncode } from '../shared/oracle.js';
import { npy } from '../support/npy.js';

const example = fileURLToPath(new URL('../../examples/stories260k/', import.meta.url));
const CONTEXTS = 64;
const POSITIONS = 128;

test('the embedded example, 64 contexts', async () => {
  const all = await loadTokens(`${example}tokens.npy`);
  const ids = await all.ids(0, CONTEXTS * POSITIONS);
  await all.close();
  const tokens = npy(ids, [CONTEXTS, POSITIONS]);
  const sae = await loadSae(`${example}sae`);
  const model = { model: `${example}model.onnx`, tokens, runtime: 'web' } as const;

  // The oracle's figures.
  const source = await modelSource({ ...model, hook: 'blocks.2.hook_resid_post' });
  const kept: number[] = [];
  for await (const batch of source.batches({ contextsPerBatch: CONTEXTS })) {
    for (const [row, token] of batch.tokens!.entries()) if (token !== 1) kept.push(...batch.x.subarray(row * 64, (row + 1) * 64));
  }
  await source.close();
  const x = Float32Array.from(kept);
  const rows = x.length / 64;
  const prepared = prepareInput(sae, x, rows);
  const codes = oracleEncode(sae, prepared.xbar, rows);
  const counts = new Float64Array(sae.d_sae);
  for (const feature of codes.features) counts[feature]! += 1;
  const y = oracleDecode(sae, codes);
  const mean = new Float64Array(64);
  let squares = 0;
  let errors = 0;
  x.forEach((value, i) => {
    mean[i % 64]! += value / rows;
    squares += value * value;
    errors += (value - y[i]!) ** 2;
  });
  const variance = squares / rows - mean.reduce((sum, value) => sum + value * value, 0);

  const sink = memorySink();
  const options: AnalyzeOptions = { sae: `${example}sae`, ...model, tokenizer: `${example}tokenizer.json`, unembed: `${example}unembedding.safetensors`, ignoreTokens: [1], backend: 'wasm', out: sink };
  const report = await analyze(options);
  assert.deepEqual(report.plugins.filter(({ status }) => status !== 'done'), []);
  assert.equal(report.tokens, rows);
  assert.equal(report.features, 512);
  const pack = await openPack(sink.files);
  assert.equal(pack.manifest.run.model_runtime, 'onnxruntime-web 1.30.0');
  assert.equal(pack.manifest.sae.hook_name, 'blocks.2.hook_resid_post');
  // Two programs may differ in near ties, and in nothing else: one more, one less, per tie.
  const table = await pack.table('features');
  const got = table.columns['count'] as ArrayLike<number | bigint>;
  let moved = 0;
  counts.forEach((count, feature) => (moved += Math.abs(Number(got[feature]) - count)));
  assert.ok(moved <= 2 * pack.manifest.run.near_ties, `${moved} counts differ, ${pack.manifest.run.near_ties} near ties`);
  assert.ok(Math.abs(report.l0! - codes.features.length / rows) < 1e-3, `L0 ${report.l0}`);
  assert.ok(Math.abs(report.fvu! - errors / rows / variance) < 1e-6, `FVU ${report.fvu}, oracle ${errors / rows / variance}`);
  assert.ok(report.classes.dead < 512 && report.classes.live > 0);

  const feature = [...counts.keys()].sort((a, b) => counts[b]! - counts[a]!)[0]!;
  const card = await pack.card(feature);
  assert.equal(card.histogram.counts.reduce((a, b) => a + b, 0), card.count);
  const top = card.examples.filter(({ group }) => group === 'top');
  assert.ok(top.length > 0 && top[0]!.value === card.max, 'the first example is the maximum');
  for (const one of card.examples) {
    // The firing token's activation, stored in eighths of a per cent of the window's largest, is the value.
    assert.ok(one.tokens.length === one.activations.length && one.firing === one.position - one.start);
    assert.ok(Math.abs(one.activations[one.firing]! - one.value) <= 0.01 * one.value, `${one.activations[one.firing]} ${one.value}`);
    assert.notEqual(ids[one.context * POSITIONS + one.position], 1, 'BOS has no examples');
  }
  assert.ok(card.logits !== null && card.logits.plain.top.length === 10 && card.logits.normed !== null);
});
