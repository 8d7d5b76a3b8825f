/** Under `auto` a run takes the backend that measures cheaper for its shape; of a GPU that is made of WASM. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import test, { after } from 'node:test';
import type { Backend, LoadedSae } from '../../engine/backend.js';
import type { ChooseOptions } from '../../engine/choose-backend.js';
import { calibrationKey } from '../../engine/calibrate.js';
import { machineName, saveCalibration } from '../../engine/cost-cache.js';
import type { CostTerms } from '../../engine/cost-model.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { openBackend } from '../../plugins/inputs.js';
import { makeSae, randomRows } from '../shared/oracle.js';

const folder = await mkdtemp(join(tmpdir(), 'saekit-cheapest-'));
process.env.XDG_CACHE_HOME = folder;
after(() => rm(folder, { recursive: true }));

const sae = makeSae({ architecture: 'topk', d_in: 8, d_sae: 40, k: 3, seed: 1 });
/** Long enough to be measured for: rows x 8 x 40. */
const LONG = { all: 1e9, batch: 1024 };

/** A chooser whose GPU is a WASM backend that needs `delay` ms more a call, or leaves out the arithmetic. */
function machine(name: string, gpu: { delay: number } | 'at once') {
  const open = new Set<string>();
  let measured = 0;
  const choose = async ({ backend }: ChooseOptions): Promise<Backend> => {
    const real = await createWasmBackend();
    const kind = backend === 'wasm' ? 'wasm' : 'webgpu';
    open.add(kind);
    const slowed = (loaded: LoadedSae, d_sae: number): LoadedSae => ({
      maxRows: loaded.maxRows,
      async encode(xbar, rows, options) {
        measured++;
        if (gpu === 'at once') return { rows, d_sae, offsets: new Uint32Array(rows + 1), features: new Uint32Array(0), values: new Float32Array(0), nearTies: 0 };
        await new Promise((resolve) => setTimeout(resolve, gpu.delay));
        return loaded.encode(xbar, rows, options);
      },
      decode: (codes, options) => loaded.decode(codes, options),
      dispose: () => loaded.dispose(),
    });
    return {
      info: { ...real.info, kind, description: `${kind} of ${name}`, software: kind === 'wasm' },
      load: async (one, options) => (kind === 'wasm' ? real.load(one, options) : slowed(await real.load(one, options), one.d_sae)),
      dispose: () => (open.delete(kind), real.dispose()),
    };
  };
  return { choose, open, measured: () => measured };
}

/** A calibration that is kept: what a call costs, in seconds. */
async function keep(name: string, wasm: number, webgpu: number): Promise<void> {
  const backends = await Promise.all((['wasm', 'webgpu'] as const).map((backend) => machine(name, { delay: 0 }).choose({ backend })));
  const terms = (launch: number): CostTerms => ({ launch, input: 0, weights: 0, select: 0, product: 0 });
  const points = Array.from({ length: 6 }, (_, at) => ({ rows: at + 1, d_in: 8, d_sae: 8, seconds: 1 }));
  const kept = await saveCalibration({
    format: 1,
    key: calibrationKey(await machineName(), backends),
    seconds: 1,
    backends: backends.map(({ info }, at) => ({
      backend: info.kind,
      description: info.description,
      software: false,
      setUpSeconds: 0,
      loadSecondsPerWeight: 0,
      fits: (['topk', 'threshold'] as const).map((rule) => ({ method: 'dense', rule, terms: terms([wasm, webgpu][at]!), error: 0, points, survivorRatio: null })),
      problem: null,
    })),
  });
  assert.ok(kept);
}

test('a GPU that costs more a call is not taken, and is closed; one that costs less is, and WASM is closed', async () => {
  for (const [name, wasm, webgpu, expected] of [['a slow one', 0.001, 0.002, 'wasm'], ['a fast one', 0.002, 0.001, 'webgpu']] as const) {
    await keep(name, wasm, webgpu);
    const { choose, open, measured } = machine(name, { delay: 0 });
    const notices: string[] = [];
    const opened = await openBackend({ sae, notice: (text) => notices.push(text), choose, rows: { all: 4096, batch: 1024 }, patience: Infinity });
    assert.equal(opened.name(), expected);
    assert.equal(notices.join(), expected === 'wasm' ? 'WASM is expected to encode this 2.0 times faster than webgpu of a slow one (saekit doctor --bench); --backend webgpu takes the GPU all the same' : '');
    assert.deepEqual([...open], [expected]);
    assert.equal(measured(), 0);
    assert.equal((await opened.loaded.encode(randomRows(5, 8, 2), 5)).rows, 5);
    await opened.close();
    assert.deepEqual([...open], []);
  }
});

test('a long run on a machine that is not known is measured for, once, and takes what that says', async () => {
  const { choose, measured } = machine('a new one', 'at once');
  const before = (await readdir(join(folder, 'saekit'))).length;
  let calls = 0;
  for (const rows of [LONG, { all: 4096, batch: 1024 }]) {
    const opened = await openBackend({ sae, notice: () => undefined, choose, rows, patience: Infinity });
    // Its GPU does nothing, and nothing is faster.
    assert.equal(opened.name(), 'webgpu');
    await opened.close();
    if (rows === LONG) calls = measured();
    assert.ok(calls > 0 && measured() === calls);
  }
  assert.equal((await readdir(join(folder, 'saekit'))).length, before + 1);
});

test('a short run on a machine that is not known takes the GPU without measuring, and so does one whose backend is named', async () => {
  const { choose, measured } = machine('an unknown one', { delay: 5 });
  const short = await openBackend({ sae, notice: () => undefined, choose, rows: { all: 4096, batch: 1024 }, patience: Infinity });
  assert.equal(short.name(), 'webgpu');
  await short.close();
  const named = await openBackend({ backend: 'webgpu', sae, notice: () => undefined, choose, rows: LONG });
  assert.equal(named.name(), 'webgpu');
  await named.close();
  assert.equal(measured(), 0);
});
