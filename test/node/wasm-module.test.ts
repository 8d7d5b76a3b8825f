/** The WASM module as a file, and how the loader refuses what it cannot do. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { BackendError } from '../../engine/errors.js';
import type { Sae } from '../../engine/sae.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { Kernels, MEMORY_CEILING, compileKernels } from '../../engine/wasm/loader.js';
import { makeSae } from '../shared/oracle.js';

test('the module: at most 8 kB gzipped, no imports, no relaxed SIMD', () => {
  const bytes = readFileSync('build/wasm/kernels.wasm');
  assert.ok(gzipSync(bytes).length <= 8 * 1024);
  // Node 20 refuses a module with one relaxed opcode, so that compiling it here shows there is none.
  assert.deepEqual(WebAssembly.Module.imports(new WebAssembly.Module(bytes)), []);
});

test('modules for threads: at most 8 kB gzipped, and nothing imported but the memory', () => {
  for (const name of ['shared', 'shared-relaxed']) {
    const bytes = readFileSync(`build/wasm/${name}.wasm`);
    assert.ok(gzipSync(bytes).length <= 8 * 1024);
    if (name === 'shared') assert.deepEqual(WebAssembly.Module.imports(new WebAssembly.Module(bytes)), [{ module: 'env', name: 'memory', kind: 'memory' }]);
  }
});

test('the arena: aligned, growing, given back, and refusing what 4 GiB do not hold', async () => {
  const kernels = new Kernels(await compileKernels());
  const start = kernels.mark();
  const a = kernels.alloc(1, 'a byte');
  const b = kernels.alloc(17, 'some');
  assert.deepEqual([a % 16, b - a], [0, 16]);
  const big = kernels.alloc(3_000_000, 'megabytes');
  kernels.f32(big, 750_000).fill(1);
  kernels.reset(start);
  assert.equal(kernels.alloc(1, 'again'), a);
  assert.throws(() => kernels.alloc(MEMORY_CEILING - 1000, 'too much'), (error) => error instanceof BackendError && /too much: 4096 MiB/.test(error.message));
  assert.throws(() => kernels.alloc(2 ** 40, 'far too much'), BackendError);
  assert.equal(kernels.alloc(16, 'still works') % 16, 0);
});

test('an SAE too large for a WASM memory is refused before anything is allocated, with its size', async () => {
  const backend = await createWasmBackend();
  // Only lengths count here: arrays of 4.3 GB are not made.
  const huge = (length: number) => Object.defineProperty(new Float32Array(1), 'length', { value: length });
  const base = makeSae({ architecture: 'standard', d_in: 1, d_sae: 1, seed: 1 });
  const sae: Sae = { ...base, d_in: 8192, d_sae: 131_072, d_out: 8192, W_enc: huge(8192 * 131_072), W_dec: huge(8192 * 131_072), b_enc: new Float32Array(131_072), b_dec: new Float32Array(8192) };
  await assert.rejects(backend.load(sae), (error) => error instanceof BackendError && /encoder of d_in 8192 x d_sae 131072 takes 4097 MiB/.test(error.message) && /WebGPU/.test(error.hint ?? ''));
  await backend.dispose();
});

test('memory that is refused leaves an error and no wrong numbers', () => {
  // A limit on the process stands in for a browser that is out of memory.
  const program = `
    import { Kernels, compileKernels } from './engine/wasm/loader.js';
    const kernels = new Kernels(await compileKernels());
    try { for (let i = 0; i < 64; i++) kernels.alloc(2 ** 27, 'a part'); console.log('never refused'); }
    catch (error) { console.log(error.name, error.message, error.hint); }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', './scripts/ts.mjs', '--wasm-max-mem-pages=8192', '--input-type=module', '-e', program], { encoding: 'utf8', timeout: 60_000 });
  assert.match(stdout, /^BackendError WASM: no memory for a part: 128 MiB on top of (384|385|511|512) MiB/, stderr);
});
