/** The module with relaxed SIMD: only where it is asked for, and held to the same bounds. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { checkRelaxed } from '../shared/relaxed-suite.js';

test('the plain module unless it is asked for', async () => {
  const backend = await createWasmBackend();
  assert.equal(backend.info.details.relaxed, false);
  assert.equal(backend.info.details.relaxedReason, undefined);
  await backend.dispose();
});

test('asked for: taken, or the reason said and the plain one taken; as the oracle either way', async () => {
  const { relaxed, reason } = await checkRelaxed();
  // Node 20 has it behind a flag, Node 22 and newer at once.
  assert.equal(relaxed, Number(process.versions.node.split('.')[0]) >= 22);
  if (!relaxed) assert.match(reason ?? '', /no relaxed WebAssembly SIMD/);
});

test('with the flag Node has it, also in its workers', async () => {
  const script = "const { checkRelaxed } = await import('./test/shared/relaxed-suite.ts'); console.log(JSON.stringify(await checkRelaxed()));";
  const flags = Number(process.versions.node.split('.')[0]) >= 22 ? [] : ['--experimental-wasm-relaxed-simd'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, '--import', './scripts/ts.mjs', '--input-type=module', '-e', script], { cwd: fileURLToPath(new URL('../..', import.meta.url)) });
  assert.deepEqual(JSON.parse(stdout), { relaxed: true, threads: 2 });
});
