/** Pruning an ONNX file to one output: the same numbers from less of the model; whatever the bytes, no exception. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import * as ort from 'onnxruntime-node-native';
import { pruneToOutput } from '../../engine/sources/onnx-prune.js';

const model = new Uint8Array(await readFile('examples/stories260k/model.onnx'));
const options = { executionProviders: ['cpu'], logSeverityLevel: 4 } as const;
const ids = BigInt64Array.from({ length: 3 * 20 }, (_, i) => BigInt((i * 37) % 512));
const run = async (session: ort.InferenceSession, output: string): Promise<Float32Array> => (await session.run({ tokens: new ort.Tensor('int64', ids, [3, 20]) }, [output]))[output]!.data as Float32Array;

test('every output of the embedded model is the same from its part of the model', async () => {
  const whole = await ort.InferenceSession.create(model, options);
  const sizes = new Map<string, number>();
  for (const output of whole.outputNames) {
    const pruned = pruneToOutput(model, output);
    assert.ok(pruned, output);
    sizes.set(output, pruned.length);
    const session = await ort.InferenceSession.create(pruned, options);
    assert.deepEqual(session.outputNames, [output]);
    const [expected, actual] = [await run(whole, output), await run(session, output)];
    assert.equal(actual.length, expected.length);
    // Fusions may differ where a value is no longer an output: a few units in the last place.
    for (let i = 0; i < actual.length; i++) assert.ok(Math.abs(actual[i]! - expected[i]!) <= 2e-5 * (1 + Math.abs(expected[i]!)), `${output}[${i}]: ${actual[i]} against ${expected[i]}`);
    await session.release();
  }
  await whole.release();
  const size = (output: string): number => sizes.get(output)!;
  assert.ok(size('hook_embed') < 0.2 * model.length);
  assert.ok(size('blocks.0.hook_resid_post') < size('blocks.2.hook_resid_post') && size('blocks.2.hook_resid_post') < 0.8 * model.length);
});

test('pruning twice changes nothing more; an unknown output and what is no model give null', () => {
  const once = pruneToOutput(model, 'blocks.1.hook_resid_mid')!;
  assert.deepEqual(pruneToOutput(once, 'blocks.1.hook_resid_mid'), once);
  assert.equal(pruneToOutput(once, 'logits'), null);
  assert.equal(pruneToOutput(model, ''), null);
  assert.equal(pruneToOutput(new Uint8Array(0), 'logits'), null);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => pruneToOutput(bytes, 'logits') === null));
});

/** Protobuf by hand: field `number` with length-delimited content. */
const field = (number: number, content: string | readonly number[]): number[] => {
  const bytes = typeof content === 'string' ? [...new TextEncoder().encode(content)] : [...content];
  return [(number << 3) | 2, ...(bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7]), ...bytes];
};
const node = (inputs: string[], outputs: string[], attributes: number[] = []): number[] => field(1, [...inputs.flatMap((name) => field(1, name)), ...outputs.flatMap((name) => field(2, name)), ...attributes]);

test('what a subgraph takes from outside is kept', () => {
  const subgraph = [...node(['inner', 'outside'], ['y']), ...field(12, field(1, 'y'))];
  const graph = [...node(['x'], ['outside']), ...node(['x'], ['unused']), ...node(['x'], ['out'], field(5, field(6, subgraph))), ...field(5, field(8, 'inner')), ...field(5, field(8, 'loose')), ...field(11, field(1, 'x')), ...field(12, field(1, 'out')), ...field(12, field(1, 'unused'))];
  const pruned = new TextDecoder('latin1').decode(pruneToOutput(Uint8Array.from(field(7, graph)), 'out')!);
  for (const name of ['outside', 'inner', 'x', 'out']) assert.ok(pruned.includes(name), name);
  for (const name of ['unused', 'loose']) assert.ok(!pruned.includes(name), name);
});
