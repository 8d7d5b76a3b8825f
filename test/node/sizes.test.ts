/** The size budgets of ARCHITECTURE.md, and docs/size.md, which must not be far from the truth. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { measureSizes } from '../../scripts/sizes.mjs';

/** docs/size.md may be behind by so much before it counts as wrong. */
const STALE = 0.15;

test('every part is within its budget', async (t) => {
  const sizes = await measureSizes();
  const budgets = sizes.filter(({ budget }) => budget !== null).map(({ name, budget }) => [name, budget]);
  assert.deepEqual(budgets, [['card with Lit', 12_000], ['pack reader', 20_000], ['engine with registry', 15_000], ['all WGSL', 8_000], ['training WGSL', 8_000], ['kernels.wasm', 8_000], ['relaxed.wasm', 8_000], ['shared-relaxed.wasm', 8_000], ['shared.wasm', 8_000], ['train-relaxed.wasm', 8_000], ['train.wasm', 8_000], ['CDN file', 60_000]]);
  for (const { name, bytes, budget } of sizes) {
    t.diagnostic(`${name}: ${bytes} of ${budget ?? 'no budget'}`);
    // An empty bundle would be small too.
    assert.ok(bytes > 1000, `${name} is ${bytes} bytes: was anything bundled?`);
    if (budget !== null) assert.ok(bytes <= budget, `${name} is ${bytes} bytes gzipped, its budget is ${budget}`);
  }
  const page = await readFile('docs/size.md', 'utf8');
  for (const { name, bytes } of sizes) {
    const listed = 1000 * Number(new RegExp(`^\\| ${name} \\| ([\\d.]+) kB`, 'm').exec(page)?.[1]);
    assert.ok(Math.abs(listed - bytes) <= STALE * bytes, `docs/size.md says ${listed} bytes for ${name}, it is ${bytes}: npm run sizes`);
  }
});
