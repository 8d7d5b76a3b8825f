/** examples/dying: its packs open and say what they are of; its table of verdicts is that of the packs; its activations are finite rows of the width they say. */
import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { test } from 'node:test';
import type { PredictionResult } from '../../engine/dying/predictions.js';
import { readDyingRecord } from '../../engine/dying/read-record.js';
import { openPack } from '../../engine/pack/reader.js';
import { openTensor } from '../../engine/formats/tensor-file.js';

const FOLDER = 'examples/dying';
type Kept = Pick<PredictionResult, 'id' | 'value' | 'interval' | 'null_value' | 'outcome' | 'needs_tokens'>;
const verdicts = JSON.parse(await readFile(`${FOLDER}/verdicts.json`, 'utf8')) as Record<string, Kept[]>;

for (const [name, start, frozen] of [['zero', 'zero', false], ['mean', 'mean', false], ['median', 'geometric-median', false], ['frozen', 'zero', true], ['reference', 'zero', false]] as const) {
  test(`${name}: a record of the run that it says, whose frames end where the stream's counts do`, async () => {
    const pack = await openPack(`${FOLDER}/${name}`);
    const record = await readDyingRecord(pack);
    assert.deepEqual([record.recipe?.b_dec, record.recipe?.freeze_b_dec, record.recipe?.steps], [start, frozen, 12_000]);
    const last = record.frames.at(-1)!;
    assert.deepEqual([last.step, last.rows], [12_000, 406_395]);
    const { columns } = await pack.table('features', { columns: ['count'] });
    assert.deepEqual(Array.from(last.counts), Array.from(columns['count'] as ArrayLike<number>, Number));
    assert.doesNotMatch(JSON.stringify(pack.manifest), /"\/(tmp|home|work|root|Users)\//, 'no path of the machine that made it');
  });
}

test('verdicts.json is what the packs say, for four runs and all predictions; the README has it', async () => {
  assert.deepEqual(Object.keys(verdicts), ['zero', 'reference', 'seed-1', 'seed-2']);
  for (const name of ['zero', 'reference']) {
    const results = (await readDyingRecord(await openPack(`${FOLDER}/${name}`))).verdict!;
    assert.deepEqual(verdicts[name], results.map(({ id, value, interval, null_value, outcome, needs_tokens }) => ({ id, value, interval, null_value, outcome, needs_tokens })));
  }
  const readme = await readFile(`${FOLDER}/README.md`, 'utf8');
  const words = { supports: 'supports', refutes: 'refutes', 'cannot-tell': 'cannot tell' };
  const shown = (value: number): string => value.toPrecision(3).replace(/\.?0+$/, '').replace('-', '−');
  for (const at of verdicts['zero']!.keys()) {
    const row = ['zero', 'seed-1', 'seed-2', 'reference'].map((name) => verdicts[name]![at]!);
    const line = `| ${row[0]!.id} | ${row.map(({ outcome, value }) => words[outcome] + (value === null ? '' : ` (${shown(value)})`)).join(' | ')} |`;
    assert.ok(readme.includes(line), `the README lacks\n${line}`);
  }
});

test('acts.safetensors holds the rows that it says', async () => {
  const { tensor, close } = await openTensor(`${FOLDER}/acts.safetensors#acts`);
  assert.deepEqual(tensor.shape, [32_768, 64]);
  const values = await tensor.read();
  assert.ok(values.every(Number.isFinite));
  await close();
});

test('the packs are no larger than an article may ask of a reader', async () => {
  for (const name of ['zero', 'mean', 'median', 'frozen', 'reference']) {
    const files = await readdir(`${FOLDER}/${name}`);
    const bytes = await Promise.all(files.map(async (file) => (await stat(`${FOLDER}/${name}/${file}`)).size));
    assert.ok(bytes.reduce((sum, size) => sum + size, 0) < 4e6, name);
  }
});
