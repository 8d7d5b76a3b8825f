/** Training on WASM against float64, with and without relaxed SIMD. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { trainSuite } from '../shared/train-suite.js';
import { checkRelaxedTraining, wasmTrainSuite, WASM_SHAPES } from '../shared/train-wasm-suite.js';

trainSuite(() => createWasmTrainBackend(), (name, body) => void test(name, body), { shapes: WASM_SHAPES });
for (const { name, run } of wasmTrainSuite) void test(name, run);

/** Node 20 has relaxed SIMD behind a flag, Node 22 and newer at once. */
const atOnce = Number(process.versions.node.split('.')[0]) >= 22;

test('relaxed SIMD: asked for, it is taken, or the reason said and the plain module taken', async () => {
  const plain = await createWasmTrainBackend();
  assert.deepEqual(plain.info.details, { simd: true, relaxed: false });
  await plain.dispose();
  const { relaxed, reason } = await checkRelaxedTraining();
  assert.equal(relaxed, atOnce);
  if (!relaxed) assert.match(reason ?? '', /no relaxed WebAssembly SIMD/);
});

test('relaxed SIMD: against float64 with the flag', async () => {
  const script = "const { checkRelaxedTraining } = await import('./test/shared/train-wasm-suite.ts'); console.log(JSON.stringify(await checkRelaxedTraining()));";
  const flags = atOnce ? [] : ['--experimental-wasm-relaxed-simd'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, '--import', './scripts/ts.mjs', '--input-type=module', '-e', script], { cwd: fileURLToPath(new URL('../..', import.meta.url)) });
  const { relaxed, tests } = JSON.parse(stdout) as { relaxed: boolean; tests: number };
  assert.equal(relaxed, true);
  assert.ok(tests > 40, `${tests} tests`);
});
