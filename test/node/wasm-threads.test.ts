/** Worker threads in Node, from the TypeScript sources: the same bits, errors, abort, the end. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { BackendError, NumericError } from '../../engine/errors.js';
import type { Architecture } from '../../engine/sae.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { CHUNK } from '../../engine/wasm/shape.js';
import { cutDense, cutRows } from '../../engine/wasm/range.js';
import { moduleFlags, startThread } from '../../engine/wasm/thread.js';
import { cutPieces } from '../../engine/wasm/transfer-team.js';
import { makeSae, randomRows } from '../shared/oracle.js';

describe('three threads', () => {
  for (const architecture of ['standard', 'topk', 'jumprelu'] as Architecture[]) {
    test(`${architecture}: the same codes as one thread, to the bit`, async () => {
      const [one, three] = await Promise.all([createWasmBackend(), createWasmBackend({ threads: 3 })]);
      assert.equal(three.info.details.threads, 3, String(three.info.details.threadsReason));
      assert.match(three.info.description, /3 threads/);
      // Enough work to be split, and too little: rows x 200 x 1003 multiply-adds.
      const sae = makeSae({ architecture, d_in: 200, d_sae: 1003, k: 20, seed: 4, rescaleActsByDecoderNorm: architecture === 'topk' });
      const [a, b] = await Promise.all([one.load(sae), three.load(sae)]);
      for (const rows of [1, 100, 3 * CHUNK, 701]) {
        const xbar = randomRows(rows, 200, rows);
        const copy = xbar.slice();
        assert.deepEqual(await b.encode(xbar, rows), await a.encode(xbar, rows));
        assert.deepEqual(xbar, copy, 'the input is left alone');
      }
      await Promise.all([one.dispose(), three.dispose()]);
    });
  }

  test('errors name rows of the whole batch, the lowest first', async () => {
    const backend = await createWasmBackend({ threads: 3 });
    const sae = makeSae({ architecture: 'standard', d_in: 200, d_sae: 1003, seed: 4 });
    const loaded = await backend.load(sae);
    const xbar = randomRows(900, 200, 1);
    xbar[880 * 200 + 3] = NaN;
    await assert.rejects(loaded.encode(xbar, 900), (error) => error instanceof NumericError && /xbar, row 880:/.test(error.message) && error.hint !== undefined);
    xbar[450 * 200 + 3] = NaN;
    await assert.rejects(loaded.encode(xbar, 900), /xbar, row 450:/);
    await backend.dispose();
  });

  test('two SAEs side by side, and one given back', async () => {
    const backend = await createWasmBackend({ threads: 2 });
    const alone = await createWasmBackend();
    const saes = [1, 2].map((seed) => makeSae({ architecture: 'topk', d_in: 200, d_sae: 1003, k: 5, seed }));
    const [first, second] = await Promise.all(saes.map((sae) => backend.load(sae)));
    const xbar = randomRows(500, 200, 1);
    await Promise.all([first!.encode(xbar, 500), second!.encode(xbar, 500)]);
    first!.dispose();
    assert.deepEqual(await second!.encode(xbar, 500), await (await alone.load(saes[1]!)).encode(xbar, 500));
    await assert.rejects(first!.encode(xbar, 500), /disposed/);
    await Promise.all([backend.dispose(), alone.dispose()]);
    await assert.rejects(backend.load(saes[0]!), BackendError);
  });
});

describe('abort', () => {
  for (const threads of [1, 2]) {
    test(`${threads} thread(s): before the start and in the middle`, async () => {
      const backend = await createWasmBackend({ threads });
      const sae = makeSae({ architecture: 'standard', d_in: 256, d_sae: 2048, seed: 4 });
      sae.b_enc.fill(-3);
      const loaded = await backend.load(sae);
      const rows = 16_384;
      const xbar = randomRows(rows, 256, 1);
      const reason = new Error('enough');
      await assert.rejects(loaded.encode(xbar, rows, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
      const abort = new AbortController();
      const started = performance.now();
      const whole = loaded.encode(xbar, rows, { signal: abort.signal });
      setTimeout(() => abort.abort(reason), 20);
      await assert.rejects(whole, (error) => error === reason);
      const stopped = performance.now() - started;
      const again = performance.now();
      const codes = await loaded.encode(xbar, rows);
      assert.ok(stopped < 0.7 * (performance.now() - again), `stopped after ${stopped} ms`);
      assert.equal(codes.rows, rows);
      await backend.dispose();
    });
  }
});

test('a worker that dies is done without', async () => {
  const backend = await createWasmBackend({ threads: 2 });
  const alone = await createWasmBackend();
  const sae = makeSae({ architecture: 'topk', d_in: 200, d_sae: 1003, k: 5, seed: 3 });
  const loaded = await backend.load(sae);
  const xbar = randomRows(6000, 200, 1);
  const pending = loaded.encode(xbar, 6000);
  // Disposing ends the workers; what they held is computed here.
  await backend.dispose();
  const expected = await (await alone.load(sae)).encode(xbar, 6000);
  assert.deepEqual(await pending, expected);
  assert.deepEqual(await loaded.encode(xbar, 6000), expected);
  await alone.dispose();
});

test('a worker that cannot start says why', async () => {
  const events = { reply: () => undefined, lost: () => undefined };
  await assert.rejects(startThread(new URL('./no-such-worker.ts', import.meta.url).href, events), (error) => error instanceof BackendError && /no-such-worker/.test(error.message));
  // A module that is no worker of ours ends without being ready.
  await assert.rejects(startThread(new URL('../shared/random.ts', import.meta.url).href, events), (error) => error instanceof BackendError && /ended with code 0/.test(error.message));
});

test('idle workers do not keep the process alive, working ones do', () => {
  const program = `
    import { createWasmBackend } from './engine/wasm/backend.js';
    import { makeSae, randomRows } from './test/shared/oracle.js';
    const backend = await createWasmBackend({ threads: 2 });
    const loaded = await backend.load(makeSae({ architecture: 'topk', d_in: 200, d_sae: 1003, k: 5, seed: 3 }));
    const codes = await loaded.encode(randomRows(2000, 200, 1), 2000);
    console.log(backend.info.details.threads, codes.rows);`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', './scripts/ts.mjs', '--input-type=module', '-e', program], { encoding: 'utf8', timeout: 60_000 });
  assert.equal(status, 0, stderr);
  assert.equal(stdout.trim(), '2 2000');
});

test('cutRows: chunks that cover the batch, smaller ones for the end and for few rows', () => {
  const H = CHUNK / 2;
  assert.deepEqual(cutRows(0, 4), [0]);
  assert.deepEqual(cutRows(10, 4), [0, 4, 8, 10]);
  assert.deepEqual(cutRows(3, 4), [0, 3]);
  assert.deepEqual(cutRows(CHUNK, 2), [0, H, CHUNK]);
  assert.deepEqual(cutRows(4 * CHUNK, 2), [0, CHUNK, 2 * CHUNK, 2 * CHUNK + H, 3 * CHUNK, 3 * CHUNK + H, 4 * CHUNK]);
  for (let rows = 1; rows < 3000; rows = Math.ceil(rows * 1.07)) {
    for (const threads of [1, 2, 3, 8]) {
      const cuts = cutRows(rows, threads);
      assert.deepEqual([cuts[0], cuts.at(-1)], [0, rows]);
      for (let p = 1; p < cuts.length; p++) assert.ok(cuts[p]! > cuts[p - 1]! && cuts[p]! - cuts[p - 1]! <= CHUNK, cuts.join());
      const pieces = cutPieces(rows, 1000, threads);
      assert.deepEqual([pieces[0], pieces.at(-1)], [0, rows]);
      assert.ok(pieces.every((cut) => cuts.includes(cut)) && (pieces.length === cuts.length || pieces.length > 2 * threads));
    }
  }
});

test('cutDense: whole chunks, and pieces enough for every thread', () => {
  assert.deepEqual(cutDense(2 * CHUNK, 6144, 2), { cuts: [0, CHUNK, 2 * CHUNK], pieces: 4 });
  assert.deepEqual(cutDense(20 * CHUNK + 1, 6144, 2).pieces, 1);
  assert.deepEqual(cutDense(3, 100, 8), { cuts: [0, 3], pieces: 1 });
  assert.deepEqual(cutDense(3, 4096, 2), { cuts: [0, 3], pieces: 8 });
});

test("a worker is given the flags that find modules, and none of the process's own", () => {
  assert.deepEqual(moduleFlags(['--expose-gc', '--import', './a.mjs', '--max-old-space-size=8000', '--import=./b.mjs', '--input-type=module', '-C', 'dev', '--test']), ['--import', './a.mjs', '--import=./b.mjs', '-C', 'dev']);
});
