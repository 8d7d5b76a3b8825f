/** The whole job against an independent run, on WASM. test/deno has its counterpart on WebGPU. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkReluReference } from '../shared/relu-reference.js';

test('406,395 tokens of stories260K with a ReLU SAE: the figures of numpy', async (t) => {
  const report = await checkReluReference(fileURLToPath(new URL('../../', import.meta.url)), 'wasm');
  t.diagnostic(`L0 ${report.l0}, FVU ${report.fvu}, ${report.classes.dead} dead, ${report.seconds.toFixed(1)} s, ${Math.round(report.tokens_per_second)} tokens/s`);
  assert.equal(report.features, 1024);
});
