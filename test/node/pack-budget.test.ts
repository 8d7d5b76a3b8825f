/** The budgets of npm run bench:pack, on a pack a twelfth as large, and the reader's own weight. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { BUDGET, brokenBudgets, measurePack, type PackCost } from '../../bench/pack.js';

test('a cold card takes at most 4 ranges and 128 KB, a pack at most 6 KB a feature', async () => {
  const cost = await measurePack(BUDGET.features / 12);
  assert.deepEqual(brokenBudgets(cost), []);
  // Not for want of data: these cards have all that a card can have.
  assert.ok(cost.cards.some((card) => card.examples === 70 && card.ranges === 4 && card.plain === 2 && card.bytes > 50_000));
});

test('a broken budget is told', () => {
  const card = { feature: 1, examples: 70, ranges: 4, plain: 2, bytes: 100_000 };
  const cost: PackCost = { features: BUDGET.features, bytesPerFeature: 6144, tables: {}, manifestBytes: 0, indexBytes: 30_000, writeSeconds: 1, cards: [card], worstBytes: 101_000, cardMilliseconds: 9 };
  assert.deepEqual(brokenBudgets(cost), []);
  assert.equal(brokenBudgets({ ...cost, bytesPerFeature: 6145 }).length, 1);
  assert.equal(brokenBudgets({ ...cost, cards: [{ ...card, ranges: 5 }] }).length, 1);
  assert.equal(brokenBudgets({ ...cost, cards: [{ ...card, plain: 3 }] }).length, 1);
  assert.equal(brokenBudgets({ ...cost, cards: [{ ...card, bytes: 131_073 }] }).length, 1);
  assert.equal(brokenBudgets({ ...cost, worstBytes: 131_073 }).length, 1);
  // The index of a smaller pack is counted as it would be.
  assert.equal(brokenBudgets({ ...cost, features: BUDGET.features / 12 }).length, 2);
});

test('the reader with hyparquet is at most 20 kB, gzipped', async () => {
  const { outputFiles } = await build({
    entryPoints: ['engine/pack/reader.ts'],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    conditions: ['browser'],
    external: ['node:*'],
    logLevel: 'error',
  });
  const size = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).byteLength;
  assert.ok(size > 5_000 && size <= 20_000, `${size} bytes`);
});
