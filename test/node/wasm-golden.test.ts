/** The WASM backend on real SAEs and real activations. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Backend } from '../../engine/backend.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { checkGoldenRf, checkGoldenStories, loadGoldenRf, loadGoldenStories } from '../shared/golden.js';

let backend: Backend;
before(async () => {
  backend = await createWasmBackend();
});
after(() => backend.dispose());

test('rf-modulation-topk8: all 1,408 rows', async () => {
  const report = await checkGoldenRf(backend, await loadGoldenRf('test/fixtures/rf-modulation-topk8/'));
  assert.equal(report.rows, 1408);
  assert.ok(Math.abs(report.fvu - 0.0005) < 1e-6, `FVU ${report.fvu}`);
});

test('stories260k-resid2-topk16: every position of three prompts', async () => {
  const report = await checkGoldenStories(backend, await loadGoldenStories('examples/stories260k/sae/', 'test/fixtures/'));
  assert.equal(report.rows, 112);
  assert.ok(report.valueError < 1e-4);
});

test('a golden check notices a wrong feature, a wrong value and a wrong FVU', async () => {
  const golden = await loadGoldenRf('test/fixtures/rf-modulation-topk8/');
  const unused = Array.from({ length: 128 }, (_, i) => i).find((i) => !golden.indices[5]!.includes(i))!;
  const swap = <T>(list: readonly T[], at: number, value: T) => list.map((old, i) => (i === at ? value : old));
  const wrongFeature = swap(golden.indices, 5, [unused, ...golden.indices[5]!.slice(1)]);
  await assert.rejects(checkGoldenRf(backend, { ...golden, indices: wrongFeature }), /row 5: features/);
  const wrongValue = swap(golden.values, 7, swap(golden.values[7]!, 0, golden.values[7]![0]! + 1e-3));
  await assert.rejects(checkGoldenRf(backend, { ...golden, values: wrongValue }), /row 7, feature/);
  await assert.rejects(checkGoldenRf(backend, { ...golden, fvu: golden.fvu + 2e-7 }), /FVU/);
});
