/** A run that begins on one backend and goes on where it was meant to be: nothing is counted twice, nothing is left open. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Backend, LoadedSae } from '../../engine/backend.js';
import type { ChooseOptions } from '../../engine/choose-backend.js';
import { BackendError, NumericError } from '../../engine/errors.js';
import { headStart } from '../../engine/run/head-start.js';
import { runStream } from '../../engine/run/run.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { openBackend } from '../../plugins/inputs.js';
import { sameCodes, sameNumbers } from '../shared/gpu-support.js';
import { makeSae, randomRows } from '../shared/oracle.js';
import { memorySource, Recorder } from '../shared/stream.js';

const D_IN = 8;
const sae = makeSae({ architecture: 'topk', d_in: D_IN, d_sae: 40, k: 3, seed: 4 });
const wasm = await createWasmBackend({ threads: 1 });

/** An SAE that records whose call it was and how many rows it had, and whether it was disposed of. */
async function recorded(name: string, log: string[], pause?: () => Promise<void>): Promise<LoadedSae & { readonly disposals: number }> {
  const loaded = await wasm.load(sae);
  let disposals = 0;
  return {
    maxRows: loaded.maxRows,
    async encode(xbar, rows, options) {
      assert.equal(disposals, 0, `${name} was disposed of`);
      log.push(`${name} ${rows}`);
      await pause?.();
      return loaded.encode(xbar, rows, options);
    },
    async decode(codes, options) {
      assert.equal(disposals, 0, `${name} was disposed of`);
      await pause?.();
      return loaded.decode(codes, options);
    },
    dispose() {
      disposals++;
      loaded.dispose();
    },
    get disposals() {
      return disposals;
    },
  };
}

/** A promise that is settled from outside. */
function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => ((resolve = yes), (reject = no)));
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

test('ready at once: everything runs there, and nothing else is opened', async () => {
  const log: string[] = [];
  const gpu = await recorded('gpu', log);
  const loaded = await headStart(sae, { preferred: Promise.resolve(gpu), meanwhile: () => assert.fail('opened') });
  assert.equal(loaded, gpu);
});

test('ready in the middle of a batch: the rest of it runs there; the codes are the same, and the first is let go of', async () => {
  const rows = 600;
  const xbar = randomRows(rows, D_IN, 1);
  const whole = await wasm.load(sae);
  const expected = await whole.encode(xbar, rows);
  const log: string[] = [];
  const gpu = await recorded('gpu', log);
  const ready = deferred<LoadedSae>();
  let pieces = 0;
  const first = await recorded('wasm', log, async () => {
    if (++pieces === 2) ready.resolve(gpu);
    await tick();
  });
  const events: string[] = [];
  const loaded = await headStart(sae, { preferred: ready.promise, meanwhile: () => Promise.resolve(first), patience: 1, onStart: () => events.push('start'), onSwitch: () => events.push('switch') });
  const codes = await loaded.encode(xbar, rows);
  sameCodes(codes, expected);
  assert.equal(codes.nearTies, expected.nearTies);
  assert.deepEqual(events, ['start', 'switch']);
  assert.equal(log.filter((call) => call.startsWith('wasm')).length, 2);
  assert.equal(log.filter((call) => call.startsWith('gpu')).length, 1);
  assert.equal(log.reduce((sum, call) => sum + Number(call.split(' ')[1]), 0), rows);
  assert.equal(first.disposals, 1);
  sameNumbers(await loaded.decode(codes), await whole.decode(expected), 'decoded');
  loaded.dispose();
  loaded.dispose();
  assert.deepEqual([first.disposals, gpu.disposals], [1, 1]);
});

test('whenever it becomes ready, and with calls side by side: the same codes', async () => {
  const whole = await wasm.load(sae);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 12 }), fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 4 }), async (after, batches) => {
      const log: string[] = [];
      const gpu = await recorded('gpu', log);
      const ready = deferred<LoadedSae>();
      let calls = 0;
      const first = await recorded('wasm', log, async () => {
        if (calls++ === after) ready.resolve(gpu);
        await tick();
      });
      const loaded = await headStart(sae, { preferred: ready.promise, meanwhile: () => Promise.resolve(first), patience: 0 });
      const results = await Promise.all(batches.map((rows, at) => loaded.encode(randomRows(rows, D_IN, at), rows)));
      for (const [at, codes] of results.entries()) sameCodes(codes, await whole.encode(randomRows(batches[at]!, D_IN, at), batches[at]!));
      loaded.dispose();
      ready.resolve(gpu);
      await tick();
      assert.deepEqual([first.disposals, gpu.disposals], [1, 1]);
    }),
    { numRuns: 30 },
  );
});

test('batchtopk calls stay whole: their rows share a budget', async () => {
  const log: string[] = [];
  const first = await recorded('wasm', log);
  const loaded = await headStart({ ...sae, architecture: 'batchtopk' }, { preferred: new Promise(() => undefined), meanwhile: () => Promise.resolve(first), patience: 0 });
  await loaded.encode(randomRows(500, D_IN, 1), 500);
  assert.deepEqual(log, ['wasm 500']);
  loaded.dispose();
});

test('a row that is not finite is named as in the whole batch', async () => {
  const xbar = randomRows(300, D_IN, 2);
  xbar[250 * D_IN] = NaN;
  const loaded = await headStart(sae, { preferred: new Promise(() => undefined), meanwhile: () => recorded('wasm', []), patience: 0 });
  await assert.rejects(loaded.encode(xbar, 300), (error) => error instanceof NumericError && error.message.startsWith('xbar, row 250:'));
  loaded.dispose();
});

test('failures: before the start it is the caller’s, after it the run stays; a defect is not papered over', async () => {
  const lost = new BackendError('too small');
  await assert.rejects(headStart(sae, { preferred: Promise.reject(lost), meanwhile: () => assert.fail('opened') }), lost);
  // Nothing to begin on: it is waited for.
  const gpu = await recorded('gpu', []);
  const late = deferred<LoadedSae>();
  const waiting = headStart(sae, { preferred: late.promise, meanwhile: () => Promise.reject(new BackendError('no WASM')), patience: 0 });
  late.resolve(gpu);
  assert.equal(await waiting, gpu);

  const fails = deferred<LoadedSae>();
  const errors: string[] = [];
  const loaded = await headStart(sae, { preferred: fails.promise, meanwhile: () => recorded('wasm', []), patience: 0, onFailure: ({ message }) => errors.push(message) });
  fails.reject(lost);
  await tick();
  assert.equal((await loaded.encode(randomRows(5, D_IN, 1), 5)).rows, 5);
  assert.deepEqual(errors, ['too small']);
  loaded.dispose();

  const defect = deferred<LoadedSae>();
  const broken = await headStart(sae, { preferred: defect.promise, meanwhile: () => recorded('wasm', []), patience: 0, onFailure: assert.fail });
  defect.reject(new TypeError('a defect'));
  await tick();
  await assert.rejects(broken.encode(randomRows(5, D_IN, 1), 5), TypeError);
  broken.dispose();
});

/** A chooser whose GPU is a WASM backend that takes its time to load. */
function slowGpu(ready: Promise<void>, fault?: BackendError) {
  const log: string[] = [];
  const choose = async ({ backend }: ChooseOptions): Promise<Backend> => {
    const real = await createWasmBackend({ threads: 1 });
    const kind = backend === 'wasm' ? 'wasm' : 'webgpu';
    log.push(`open ${kind}`);
    return {
      info: { ...real.info, kind, description: kind },
      async load(...args) {
        if (kind === 'webgpu') await ready;
        if (kind === 'webgpu' && fault) throw fault;
        return real.load(...args);
      },
      dispose: () => (log.push(`close ${kind}`), real.dispose()),
    };
  };
  return { choose, log };
}

test('a whole run on a GPU that takes its time: both are named, nothing is lost or counted twice', async () => {
  const stream = { x: randomRows(240, D_IN, 9), tokens: null, contexts: 60, positions: 4, d: D_IN };
  const run = async (open: Awaited<ReturnType<typeof openBackend>>, onBatch: () => void = () => undefined) => {
    const recorder = new Recorder();
    const progress = { update: async () => (onBatch(), tick()) };
    await runStream({ source: memorySource(stream), sae, loaded: open.loaded, accumulators: [recorder, progress], contextsPerBatch: 6 });
    return recorder.entries;
  };
  const plain = await openBackend({ backend: 'wasm', sae, notice: () => undefined });
  const expected = await run(plain);
  await plain.close();

  const ready = deferred<void>();
  const { choose, log } = slowGpu(ready.promise);
  const notices: string[] = [];
  const open = await openBackend({ sae, notice: (text) => notices.push(text), choose, patience: 1 });
  assert.equal(open.name(), 'wasm');
  let batches = 0;
  assert.deepEqual(await run(open, () => void (++batches === 4 && ready.resolve())), expected);
  assert.equal(open.name(), 'wasm+webgpu');
  assert.equal(open.description(), 'wasm, then webgpu');
  assert.deepEqual(notices, ['webgpu is not ready yet; the run begins on WASM', 'webgpu is ready; the run goes on there']);
  await open.close();
  assert.deepEqual(log.sort(), ['close wasm', 'close webgpu', 'open wasm', 'open webgpu']);

  const failing = slowGpu(tick().then(tick), new BackendError('no room'));
  const stays: string[] = [];
  const other = await openBackend({ sae, notice: (text) => stays.push(text), choose: failing.choose, patience: 0 });
  assert.deepEqual(await run(other), expected);
  assert.equal(other.name(), 'wasm');
  assert.ok(stays.includes('the GPU failed (no room); the run stays on WASM') || stays.includes('the GPU failed (no room); going on with WASM'), stays.join('; '));
  await other.close();
});

test('closed before the GPU was ready: it is closed too', async () => {
  const ready = deferred<void>();
  const { choose, log } = slowGpu(ready.promise);
  const open = await openBackend({ sae, notice: () => undefined, choose, patience: 0 });
  await open.close();
  ready.resolve();
  await tick();
  assert.deepEqual(log.sort(), ['close wasm', 'close webgpu', 'open wasm', 'open webgpu']);
});
