/** 200 runs leave linear memory, the heap and the buffers outside it where they were, dense and screened, on one thread and on two. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { CodesBuilder } from '../../engine/wasm/codes-builder.js';
import { Encoder } from '../../engine/wasm/encoder.js';
import { compileKernels } from '../../engine/wasm/loader.js';
import { encoderWeights } from '../../engine/wasm/shape.js';
import { makeSae, randomRows } from '../shared/oracle.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const RUNS = 200;
/** Bytes that a heap may differ by at rest; a run's codes alone are ten times as much in all. */
const SLACK = 200_000;

async function atRest(): Promise<{ heap: number; outside: number }> {
  // What was freed by a message from another thread is collected a turn later.
  for (let turn = 0; turn < 4; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    collectGarbage();
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return { heap: heapUsed, outside: Math.max(external, arrayBuffers) };
}

for (const threads of [1, 2]) {
  for (const screen of ['off', 'on'] as const) {
    test(`${threads} threads, screen ${screen}: 200 encodes and decodes leave the heap and what is outside it`, async () => {
      const backend = await createWasmBackend({ threads });
      const sae = makeSae({ architecture: 'topk', d_in: 64, d_sae: 2048, k: 16, seed: 3 });
      const xbar = randomRows(512, 64, 4);
      const loaded = await backend.load(sae, { screen });
      const run = async (): Promise<void> => void (await loaded.decode(await loaded.encode(xbar, 512)));
      for (let i = 0; i < 20; i++) await run();
      const before = await atRest();
      for (let i = 0; i < RUNS; i++) await run();
      const after = await atRest();
      assert.ok(after.heap - before.heap < SLACK, `the heap grew by ${after.heap - before.heap} bytes`);
      assert.ok(after.outside - before.outside < SLACK, `buffers grew by ${after.outside - before.outside} bytes`);
      loaded.dispose();
      await backend.dispose();
    });
  }
}

test('200 chunks of different sizes leave linear memory as the largest made it', async () => {
  const module = await compileKernels();
  for (const architecture of ['standard', 'topk', 'gated'] as const) {
    for (const screen of ['off', 'on'] as const) {
      const encoder = new Encoder(module, encoderWeights(makeSae({ architecture, d_in: 64, d_sae: 2048, seed: 3 }), null, { screen }));
      const xbar = randomRows(128, 64, 4);
      const chunk = (first: number, rows: number): void => encoder.encodeChunk(xbar, first, rows, new CodesBuilder(rows, 2048), 0);
      chunk(0, 128);
      const bytes = encoder.byteLength;
      for (let i = 0; i < RUNS; i++) chunk(i % 100, 1 + (i % 28));
      assert.equal(encoder.byteLength, bytes, `${architecture}, screen ${screen}`);
    }
  }
});
