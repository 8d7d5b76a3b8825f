/** modelSource: the embedded model under both runtimes against an independent float64 forward pass. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import * as native from 'onnxruntime-node-native';
import { openTensor } from '../../engine/formats/tensor-file.js';
import { modelSource, type ModelSourceOptions } from '../../engine/sources/model-source.js';
import { resolveOnnxRuntime, type OnnxRuntime } from '../../engine/sources/onnx-runtime.js';
import type { ActivationSource } from '../../engine/sources/source.js';
import { npyBytes } from '../support/arrays.js';

const MODEL = 'examples/stories260k/model.onnx';
const HOOK = 'blocks.2.hook_resid_post';
const RUNTIMES = { web: 'web', native: native as unknown as OnnxRuntime } as const;

async function running(options: Partial<ModelSourceOptions> & Pick<ModelSourceOptions, 'tokens'>, run: (source: ActivationSource) => Promise<void>): Promise<void> {
  const source = await modelSource({ model: MODEL, hook: HOOK, runtime: RUNTIMES.native, ...options });
  try {
    await run(source);
  } finally {
    await source.close();
  }
}

async function collect(source: ActivationSource, contextsPerBatch: number, range: { start?: number; end?: number } = {}): Promise<Float32Array> {
  const { start = 0, end = source.contexts } = range;
  const all = new Float32Array((end - start) * source.positions * source.d);
  let filled = 0;
  for await (const { x } of source.batches({ contextsPerBatch, start, end })) {
    all.set(x, filled);
    filled += x.length;
  }
  assert.equal(filled, all.length);
  return all;
}

/** `n` contexts of `positions` tokens of the embedded stream. */
async function storyTokens(contexts: number, positions: number): Promise<Uint8Array> {
  const { tensor, close } = await openTensor('examples/stories260k/tokens.npy');
  const ids = Int32Array.from({ length: contexts * positions });
  for (let context = 0; context < contexts; context++) ids.set(await tensor.integers(context * 128, context * 128 + positions), context * positions);
  await close();
  return npyBytes(ids, [contexts, positions]);
}

const worst = (a: Float32Array, b: Float32Array): number => {
  assert.equal(a.length, b.length);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] as number))), 0);
};

for (const [name, runtime] of Object.entries(RUNTIMES)) {
  test(`${name}: residual streams of three prompts agree with the float64 reference to 1e-4`, async () => {
    const prompts = JSON.parse(await readFile('test/fixtures/stories260k/prompts.json', 'utf8')) as { ids: number[] }[];
    for (const [index, { ids }] of prompts.entries()) {
      const reference = await openTensor(`test/fixtures/stories260k/prompts.resid_post.safetensors#p${index}.blocks.2.resid_post`);
      const expected = await reference.tensor.read();
      await reference.close();
      await running({ tokens: npyBytes(BigInt64Array.from(ids, BigInt), [1, ids.length]), runtime }, async (source) => {
        assert.deepEqual([source.d, source.contexts, source.positions, source.hasTokens], [64, 1, ids.length, true]);
        const difference = worst(await collect(source, 8), expected);
        assert.ok(difference <= 1e-4, `prompt ${index}: ${difference}`);
      });
    }
  });

  test(`${name}: neither the batch size nor the range changes an activation`, async () => {
    await running({ tokens: await storyTokens(7, 24), runtime }, async (source) => {
      const whole = await collect(source, 7);
      assert.ok(worst(await collect(source, 1), whole) <= 1e-5);
      assert.ok(worst(await collect(source, 3), whole) <= 1e-5);
      assert.ok(worst(await collect(source, 2, { start: 2, end: 5 }), whole.slice(2 * 24 * 64, 5 * 24 * 64)) <= 1e-5);
    });
  });

  test(`${name}: what the model cannot do is an error that names the batch, the outputs, or the file`, async () => {
    const tokens = npyBytes(Int32Array.of(1, 2, 3, 4, 1, 2, 5000, 4), [2, 4]);
    await running({ tokens, runtime }, async (source) => {
      await assert.rejects(collect(source, 2), { name: 'BackendError', message: /model\.onnx: the model failed on contexts 0 to 1 \(.*5000/s });
      // The source still works on what is fine.
      assert.equal((await collect(source, 1, { start: 0, end: 1 })).length, 4 * 64);
    });
    await assert.rejects(running({ tokens, runtime, hook: 'blocks.9.hook_resid_post' }, async () => undefined), { name: 'UsageError', message: /no output "blocks.9/, hint: /logits, .*blocks\.4\.hook_resid_post/ });
    await assert.rejects(running({ tokens, runtime, model: new Uint8Array(100).fill(7) }, async () => undefined), { name: 'FormatError', message: /cannot load it as a model/ });
    const cut = (await readFile(MODEL)).subarray(0, 500_000);
    await assert.rejects(running({ tokens, runtime, model: new Uint8Array(cut) }, async () => undefined), { name: 'FormatError', message: /cannot load it as a model/ });
  });
}

test('a batch larger than one run of the model is put together in order', async () => {
  // 70 contexts of 64 positions are 4,480 rows, more than one run takes.
  await running({ tokens: await storyTokens(70, 64) }, async (source) => {
    const whole = await collect(source, 70);
    assert.ok(worst(await collect(source, 32), whole) <= 1e-5);
  });
});

test('a model with a fixed batch and length gets its last batch filled up', async () => {
  // Dimension{dim_param: "batch"} becomes Dimension{dim_value: 2} of as many bytes, likewise "pos" and 8.
  const bytes = new Uint8Array(await readFile(MODEL));
  const replace = (from: number[], to: number[]): void => {
    let found = 0;
    for (let at = 0; at + from.length <= bytes.length; at++) {
      if (!from.every((byte, i) => bytes[at + i] === byte)) continue;
      bytes.set(to, at);
      found++;
    }
    assert.ok(found > 0);
  };
  replace([0x12, 5, ...Buffer.from('batch')], [0x08, 0x82, 0x80, 0x80, 0x80, 0x80, 0x00]);
  replace([0x12, 3, ...Buffer.from('pos')], [0x08, 0x88, 0x80, 0x80, 0x00]);
  const tokens = await storyTokens(5, 8);
  let expected = new Float32Array(0);
  await running({ tokens }, async (source) => void (expected = (await collect(source, 5)) as Float32Array<ArrayBuffer>));
  await running({ tokens, model: bytes }, async (source) => {
    for (const contextsPerBatch of [1, 2, 3, 5]) assert.ok(worst(await collect(source, contextsPerBatch), expected) <= 1e-5);
  });
  await assert.rejects(running({ tokens: await storyTokens(2, 9), model: bytes }, async () => undefined), { name: 'ShapeError', message: /takes contexts of 8 positions.*has 9 \(\[2, 9\]\)/ });
});

test('the layout of the tokens: a flat list needs a context size', async () => {
  const flat = npyBytes(Uint16Array.of(1, 403, 407, 261, 378, 432), [6]);
  await assert.rejects(running({ tokens: flat }, async () => undefined), { name: 'UsageError', message: /needs to know the length of a context/ });
  await running({ tokens: flat, contextSize: 3 }, async (source) => assert.deepEqual([source.contexts, source.positions], [2, 3]));
  await assert.rejects(running({ tokens: flat, contextSize: 4 }, async () => undefined), { name: 'ShapeError', message: /6 rows cannot be cut/ });
});

test('an abort is seen between runs, leaving a loop closes cleanly, a closed source says so', async () => {
  const source = await modelSource({ model: MODEL, hook: HOOK, tokens: 'examples/stories260k/tokens.npy', runtime: 'web' });
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 50);
  const started = performance.now();
  await assert.rejects(collectBatches(source, controller.signal), { name: 'AbortError' });
  // 409,600 tokens take about half a minute; one run of 4,096 a fraction of a second.
  assert.ok(performance.now() - started < 5000);
  for await (const batch of source.batches({ contextsPerBatch: 4 })) {
    assert.equal(batch.contexts, 4);
    break;
  }
  await source.close();
  await source.close();
  await assert.rejects(collectBatches(source), { name: 'UsageError', message: /already closed/ });
});

async function collectBatches(source: ActivationSource, signal?: AbortSignal): Promise<void> {
  for await (const _ of source.batches({ contextsPerBatch: 32, signal })) void _;
}

test('the provenance names model, tokens, hook and runtime', async () => {
  await running({ tokens: 'examples/stories260k/tokens.npy' }, async (source) => {
    const { model, tokens, ...rest } = source.provenance as { model: { file: string; sha256: string }; tokens: { file: string; shape: number[] } };
    assert.equal(model.file, 'model.onnx');
    assert.match(model.sha256, /^[0-9a-f]{64}$/);
    assert.deepEqual([tokens.file, tokens.shape], ['tokens.npy', [3200, 128]]);
    assert.deepEqual(rest, { kind: 'model', hook: HOOK, runtime: 'onnxruntime-node 1.30.0', contexts: 3200, positions: 128, d: 64 });
  });
});

test('which runtime: web without the native package, an error when it is demanded, a URL that does not load', async () => {
  assert.match((await resolveOnnxRuntime()).description, /^onnxruntime-web 1\./);
  assert.deepEqual((await resolveOnnxRuntime({ runtime: 'web' })).providers, ['wasm']);
  await assert.rejects(resolveOnnxRuntime({ runtime: 'node' }), { name: 'BackendError', hint: /npm install onnxruntime-node/ });
  await assert.rejects(resolveOnnxRuntime({ ortUrl: 'file:///nowhere/ort.mjs' }), { name: 'BackendError', message: /cannot be loaded from file:\/\/\/nowhere/ });
});
