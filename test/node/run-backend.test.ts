/** A GPU that fails under `auto` is replaced by WASM, with a notice; one that was asked for is not. Faults are put into a real backend. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Backend, LoadedSae } from '../../engine/backend.js';
import type { ChooseOptions } from '../../engine/choose-backend.js';
import { BackendError } from '../../engine/errors.js';
import { runStream } from '../../engine/run/run.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { openBackend } from '../../plugins/inputs.js';
import { makeSae, randomRows } from '../shared/oracle.js';
import { memorySource, Recorder } from '../shared/stream.js';

const sae = makeSae({ architecture: 'topk', d_in: 8, d_sae: 20, k: 3, seed: 4 });
const source = () => memorySource({ x: randomRows(24, 8, 9), tokens: null, contexts: 6, positions: 4, d: 8 });

/** A chooser whose GPU is the WASM backend with a fault in it. It records what is opened and closed. */
function faulty(fault: { load?: Error; encode?: Error; after?: number }) {
  const log: string[] = [];
  const logged = (name: string, backend: Backend, kind: 'webgpu' | 'wasm', load: Backend['load']): Backend => {
    log.push(`open ${name}`);
    return { info: { ...backend.info, kind, description: name }, load, dispose: () => (log.push(`close ${name}`), backend.dispose()) };
  };
  const choose = async ({ backend }: ChooseOptions): Promise<Backend> => {
    const real = await createWasmBackend({ threads: 1 });
    if (backend === 'wasm') return logged('wasm', real, 'wasm', (...args) => real.load(...args));
    let calls = 0;
    return logged('gpu', real, 'webgpu', async (...args): Promise<LoadedSae> => {
      if (fault.load) throw fault.load;
      const loaded = await real.load(...args);
      return {
        maxRows: loaded.maxRows,
        encode: (...encodeArgs) => (fault.encode && calls++ >= (fault.after ?? 0) ? Promise.reject(fault.encode) : loaded.encode(...encodeArgs)),
        decode: (...decodeArgs) => loaded.decode(...decodeArgs),
        dispose: () => loaded.dispose(),
      };
    });
  };
  return { choose, log };
}

async function entries(open: Awaited<ReturnType<typeof openBackend>>) {
  const recorder = new Recorder();
  await runStream({ source: source(), sae, loaded: open.loaded, accumulators: [recorder], contextsPerBatch: 1 });
  return recorder.entries;
}

const expected = await (async () => {
  const open = await openBackend({ backend: 'wasm', sae, notice: () => undefined });
  assert.equal(open.name(), 'wasm');
  const got = await entries(open);
  await open.close();
  return got;
})();

test('too small from the start: WASM alone', async () => {
  const { choose, log } = faulty({ load: new BackendError('buffer limit') });
  const notices: string[] = [];
  const open = await openBackend({ sae, notice: (text) => notices.push(text), choose });
  assert.equal(open.name(), 'wasm');
  assert.equal(open.description(), 'wasm');
  assert.deepEqual(await entries(open), expected);
  await open.close();
  assert.deepEqual(notices, ['the GPU failed (buffer limit); going on with WASM']);
  assert.deepEqual(log, ['open gpu', 'close gpu', 'open wasm', 'close wasm']);
});

test('lost on the way: both are named, the codes are the same, both are closed', async () => {
  const { choose, log } = faulty({ encode: new BackendError('device lost'), after: 3 });
  const notices: string[] = [];
  const open = await openBackend({ backend: 'auto', sae, notice: (text) => notices.push(text), choose });
  assert.equal(open.name(), 'webgpu');
  assert.deepEqual(await entries(open), expected);
  assert.equal(open.name(), 'webgpu+wasm');
  assert.equal(open.description(), 'gpu, then wasm');
  await open.close();
  assert.deepEqual(notices, ['the GPU failed (device lost); going on with WASM']);
  assert.deepEqual(log.slice(0, 2), ['open gpu', 'open wasm']);
  assert.deepEqual(log.slice(2).sort(), ['close gpu', 'close wasm']);
});

test('a GPU that was asked for by name fails by name, and is closed', async () => {
  const { choose, log } = faulty({ load: new BackendError('buffer limit') });
  await assert.rejects(openBackend({ backend: 'webgpu', sae, notice: assert.fail, choose }), /buffer limit/);
  assert.deepEqual(log, ['open gpu', 'close gpu']);
  const late = faulty({ encode: new BackendError('device lost'), after: 1 });
  const open = await openBackend({ backend: 'webgpu', sae, notice: assert.fail, choose: late.choose });
  await assert.rejects(entries(open), /device lost/);
  await open.close();
  assert.deepEqual(late.log, ['open gpu', 'close gpu']);
});

test('what is no failure of the backend is not papered over', async () => {
  const { choose, log } = faulty({ load: new TypeError('a defect') });
  await assert.rejects(openBackend({ sae, notice: assert.fail, choose }), TypeError);
  assert.deepEqual(log, ['open gpu', 'close gpu']);
});
