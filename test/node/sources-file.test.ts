/** fileSource and loadTokens: every layout, streaming by ranges, and what does not fit together. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { writeSafetensors } from '../../engine/formats/safetensors.js';
import { fileSource, type FileSourceOptions } from '../../engine/sources/file-source.js';
import { loadTokens } from '../../engine/sources/tokens.js';
import type { ActivationSource, BatchOptions } from '../../engine/sources/source.js';
import { countingSource, npyBytes, npzBytes } from '../support/arrays.js';

const ramp = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => i / 4 - 10);

interface Read {
  readonly x: number[];
  readonly tokens: number[] | null;
  readonly sizes: number[];
}

async function drain(source: ActivationSource, options: BatchOptions): Promise<Read> {
  const x: number[] = [];
  const tokens: number[] = [];
  const sizes: number[] = [];
  for await (const batch of source.batches(options)) {
    assert.equal(batch.x.length, batch.contexts * batch.positions * source.d);
    assert.equal(batch.positions, source.positions);
    assert.equal(batch.tokens === null, !source.hasTokens);
    if (batch.tokens) assert.equal(batch.tokens.length, batch.contexts * batch.positions);
    x.push(...batch.x);
    tokens.push(...(batch.tokens ?? []));
    sizes.push(batch.contexts);
  }
  return { x, tokens: source.hasTokens ? tokens : null, sizes };
}

async function reading(options: FileSourceOptions, run: (source: ActivationSource) => Promise<void>): Promise<void> {
  const source = await fileSource(options);
  try {
    await run(source);
  } finally {
    await source.close();
  }
}

test('[contexts, positions, d] and [N, d] with tokens give the same stream, however it is cut', async () => {
  const x = ramp(5 * 3 * 2);
  const ids = Uint16Array.from({ length: 15 }, (_, i) => i * 7);
  const cube = npyBytes(x, [5, 3, 2]);
  const flat = npyBytes(x, [15, 2]);
  const grid = npyBytes(ids, [5, 3]);
  const list = npyBytes(ids, [15]);
  for (const options of [{ acts: cube, tokens: grid }, { acts: cube, tokens: list }, { acts: flat, tokens: grid }, { acts: flat, tokens: list, contextSize: 3 }, { acts: cube, tokens: grid, contextSize: 3 }]) {
    await reading(options, async (source) => {
      assert.deepEqual([source.d, source.contexts, source.positions, source.hasTokens], [2, 5, 3, true]);
      for (const contextsPerBatch of [1, 2, 5, 100]) assert.deepEqual(await drain(source, { contextsPerBatch }), { x: [...x], tokens: [...ids], sizes: { 1: [1, 1, 1, 1, 1], 2: [2, 2, 1], 5: [5], 100: [5] }[contextsPerBatch] });
      assert.deepEqual(await drain(source, { contextsPerBatch: 2, start: 1, end: 4 }), { x: [...x.subarray(6, 24)], tokens: [...ids.subarray(3, 12)], sizes: [2, 1] });
      assert.deepEqual((await drain(source, { contextsPerBatch: 2, start: 2, end: 2 })).sizes, []);
      assert.throws(() => source.batches({ contextsPerBatch: 1, start: 2, end: 6 }), { name: 'UsageError', message: /contexts 2 to 6.*has 5/ });
    });
  }
});

test('[N, d] alone: contexts of one position, or of the size that was given', async () => {
  const acts = npyBytes(ramp(12), [6, 2]);
  await reading({ acts }, async (source) => assert.deepEqual([source.contexts, source.positions, (await drain(source, { contextsPerBatch: 4 })).tokens], [6, 1, null]));
  await reading({ acts, contextSize: 3 }, async (source) => assert.deepEqual([source.contexts, source.positions], [2, 3]));
  await reading({ acts, tokens: npyBytes(new Uint8Array(6), [6]) }, async (source) => assert.deepEqual([source.contexts, source.positions], [6, 1]));
  await assert.rejects(fileSource({ acts, contextSize: 4 }), { name: 'ShapeError', message: /6 rows cannot be cut into contexts of 4/, hint: /2 rows would be left over/ });
});

test('safetensors with f16 and bf16, npz stored and deflated', async () => {
  const bits = Uint16Array.of(0x3c00, 0xbc00, 0x3800, 0x0000);
  const safetensors = (dtype: 'F16' | 'BF16', data: Uint16Array) => writeSafetensors([{ name: 'acts', shape: [2, 2], data, dtype }, { name: 'ids', shape: [2], data: BigInt64Array.of(3n, 4n) }]);
  await reading({ acts: npyBytes(bits, [2, 2], '<f2') }, async (source) => assert.deepEqual((await drain(source, { contextsPerBatch: 2 })).x, [1, -1, 0.5, 0]));
  for (const [file, expected] of [[safetensors('F16', bits), [1, -1, 0.5, 0]], [safetensors('BF16', Uint16Array.of(0x3f80, 0xbf80, 0x3f00, 0)), [1, -1, 0.5, 0]]] as const) {
    // Two tensors in the file: without a name it is an error, which names both.
    await assert.rejects(fileSource({ acts: file }), { name: 'FormatError', hint: /acts, ids|ids, acts/ });
    const directory = await mkdtemp(join(tmpdir(), 'saekit-source-'));
    await writeFile(`${directory}/x.safetensors`, file);
    await reading({ acts: `${directory}/x.safetensors#acts`, tokens: `${directory}/x.safetensors#ids` }, async (source) => {
      assert.deepEqual(await drain(source, { contextsPerBatch: 1 }), { x: [...expected], tokens: [3, 4], sizes: [1, 1] });
      const provenance = source.provenance as { activations: { file: string; tensor: string; dtype: string; sha256: string } };
      assert.deepEqual([provenance.activations.file, provenance.activations.tensor], ['x.safetensors', 'acts']);
      assert.match(provenance.activations.sha256, /^[0-9a-f]{64}$/);
    });
    await rm(directory, { recursive: true });
  }
  for (const level of [0, 6] as const) {
    await reading({ acts: npzBytes({ a: npyBytes(ramp(40), [10, 4]) }, level) }, async (source) => assert.deepEqual((await drain(source, { contextsPerBatch: 3 })).x, [...ramp(40)]));
  }
});

test('any shape and any batch size give the rows in order', async () => {
  const shape = fc.record({ contexts: fc.integer({ min: 1, max: 9 }), positions: fc.integer({ min: 1, max: 5 }), d: fc.integer({ min: 1, max: 5 }), contextsPerBatch: fc.integer({ min: 1, max: 12 }), flat: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(shape, async ({ contexts, positions, d, contextsPerBatch, flat }) => {
      const x = ramp(contexts * positions * d);
      const tokens = Int32Array.from({ length: contexts * positions }, (_, i) => i);
      await reading({ acts: npyBytes(x, flat ? [contexts * positions, d] : [contexts, positions, d]), tokens: npyBytes(tokens, [contexts, positions]) }, async (source) => {
        const read = await drain(source, { contextsPerBatch });
        assert.deepEqual([read.x, read.tokens], [[...x], [...tokens]]);
      });
    }),
    { numRuns: 60 },
  );
});

test('the file is read by ranges of one batch, one batch ahead and no more', async () => {
  const bytes = npyBytes(ramp(100 * 4), [100, 4]);
  const acts = countingSource('acts.npy', bytes);
  const source = await fileSource({ acts });
  acts.ranges.length = 0;
  const iterator = source.batches({ contextsPerBatch: 10 })[Symbol.asyncIterator]();
  await iterator.next();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(acts.ranges.length, 2);
  await iterator.next();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(acts.ranges.length, 3);
  assert.ok(acts.ranges.every(([start, end]) => end - start === 160));
  await iterator.return?.(undefined);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(acts.ranges.length, 3);
});

test('NaN and infinity are errors that name file, row and column', async () => {
  for (const value of [NaN, Infinity, -Infinity]) {
    const x = ramp(5 * 3 * 2);
    x[2 * 6 + 1 * 2 + 1] = value;
    await reading({ acts: { ...countingSource('acts.npy', npyBytes(x, [5, 3, 2])) } }, async (source) => {
      await assert.rejects(drain(source, { contextsPerBatch: 2 }), { name: 'NumericError', message: `acts.npy: row 7 (context 2, position 1), column 1 is ${value}` });
    });
  }
});

test('an abort ends the stream at once, also while a read hangs', async () => {
  const bytes = npyBytes(ramp(40), [10, 4]);
  let hang = false;
  const acts = { name: 'slow.npy', byteLength: bytes.byteLength, slice: (start: number, end = bytes.byteLength) => (hang ? new Promise<ArrayBuffer>(() => undefined) : Promise.resolve(bytes.slice(start, end).buffer)) };
  const source = await fileSource({ acts });
  hang = true;
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 10);
  const started = performance.now();
  await assert.rejects(drain(source, { contextsPerBatch: 2, signal: controller.signal }), { name: 'AbortError' });
  assert.ok(performance.now() - started < 500);
  await assert.rejects(drain(source, { contextsPerBatch: 2, signal: AbortSignal.abort() }), { name: 'AbortError' });
  hang = false;
  const during = new AbortController();
  let batches = 0;
  await assert.rejects(
    (async () => {
      for await (const _ of source.batches({ contextsPerBatch: 1, signal: during.signal })) if (++batches === 2) during.abort();
    })(),
    { name: 'AbortError' },
  );
  assert.equal(batches, 2);
});

test('what does not fit together is named with both shapes', async () => {
  const cube = npyBytes(ramp(30), [5, 3, 2]);
  const tokens = (shape: number[]) => npyBytes(new Int32Array(shape.reduce((a, b) => a * b, 1)), shape);
  await assert.rejects(fileSource({ acts: cube, tokens: tokens([5, 4]) }), { name: 'ShapeError', message: /\[5, 3, 2\].*\[5, 4\].*15 rows of activations and 20 tokens/ });
  await assert.rejects(fileSource({ acts: cube, tokens: tokens([3, 5]) }), { name: 'ShapeError', message: /contexts of 3 positions \(\[5, 3, 2\]\).* of 5 \(\[3, 5\]\)/ });
  await assert.rejects(fileSource({ acts: cube, contextSize: 5 }), { name: 'ShapeError', message: /contexts of 3 positions.*5 were asked for/ });
  await assert.rejects(fileSource({ acts: cube, tokens: tokens([5, 3]), contextSize: 5 }), { name: 'ShapeError', message: /\[5, 3\], contexts of 5/ });
  await assert.rejects(fileSource({ acts: npyBytes(ramp(3), [3]) }), { name: 'ShapeError', message: /\[3\], \[N, d\] or \[contexts, positions, d\]/ });
  await assert.rejects(fileSource({ acts: npyBytes(ramp(0), [0, 4]) }), { name: 'ShapeError', message: /there are none/ });
  await assert.rejects(fileSource({ acts: npyBytes(ramp(8), [8, 1]), contextSize: 0 }), { name: 'ShapeError', message: /context size is 0/ });
});

test('tokens: every integer type; floats, negative and huge ids are refused', async () => {
  for (const data of [Uint8Array.of(1, 2), Int8Array.of(1, 2), Uint16Array.of(1, 2), Int16Array.of(1, 2), Uint32Array.of(1, 2), Int32Array.of(1, 2), BigInt64Array.of(1n, 2n), BigUint64Array.of(1n, 2n)]) {
    const tokens = await loadTokens(npyBytes(data, [1, 2]));
    assert.deepEqual([...(await tokens.ids(0, 2))], [1, 2]);
    assert.deepEqual([tokens.shape, tokens.count], [[1, 2], 2]);
  }
  const named = await loadTokens('test/fixtures/formats/ints-negative.npy');
  await assert.rejects(named.ids(0, 4), { name: 'FormatError', message: /token 3 has the id -1/ });
  await named.close();
  const wide = await loadTokens(npyBytes(BigUint64Array.of(1n, 2n ** 40n), [2]));
  await assert.rejects(wide.ids(0, 2), { name: 'FormatError', message: /element 1 is 1099511627776/ });
  await assert.rejects(loadTokens(npyBytes(ramp(4), [2, 2])), { name: 'FormatError', message: /holds f32, token ids are integers/ });
  await assert.rejects(loadTokens(npyBytes(new Uint8Array(8), [2, 2, 2])), { name: 'ShapeError', message: /\[2, 2, 2\]/ });
  await assert.rejects(loadTokens(npyBytes(new Uint8Array(0), [0, 2])), { name: 'ShapeError', message: /there are none/ });
});
