/** A run's folder: what is in it, that an interrupted run ends as an uninterrupted one, and what is refused. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { bytesSource } from '../../engine/io/bytes.js';
import { writeSafetensors } from '../../engine/formats/safetensors.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import type { TrainEvent } from '../../engine/train/events.js';
import { openRun, parseMetrics } from '../../engine/train/run-reader.js';
import { train, type TrainOptions } from '../../engine/train/train.js';
import { gaussian } from '../shared/random.js';

const root = await mkdtemp(join(tmpdir(), 'saekit-train-'));
after(() => rm(root, { recursive: true, force: true }));

const [rows, d] = [700, 6];
const draw = gaussian(4);
const x = Float32Array.from({ length: rows * d }, (_, at) => draw() + (at % d === 0 ? 2 : 0));
const acts = bytesSource('acts.safetensors', writeSafetensors([{ name: 'x', shape: [rows, d], data: x }]));
const recipe = { arch: 'topk', d_sae: 24, k: 3, batch: 64, steps: 60, lr: 0.01, warmup: 5, log_every: 5, checkpoints: '0,20,40', resample: 'anthropic', resample_at: [30], resample_window: 20, resample_rows: 500, normalize: 'expected_average_only_in', density_window: 1000 };

async function run(name: string, rest: Partial<TrainOptions> = {}) {
  const backend = await createWasmTrainBackend();
  return train({ acts, recipe, out: join(root, name), backend, ...rest });
}

/** All files, but for how long it took. */
async function contents(name: string): Promise<Record<string, string>> {
  const names = (await readdir(join(root, name), { recursive: true })).filter((file) => /\.\w+$/.test(file)).sort();
  const entries = await Promise.all(names.map(async (file) => [file, (await readFile(join(root, name, file))).toString('latin1').replace(/"seconds": [\d.e-]+/, '')] as const));
  return Object.fromEntries(entries);
}

test('the folder has the recipe, the metrics, the densities, and SAEs that can be loaded', async () => {
  const events: TrainEvent[] = [];
  const report = await run('whole', { onEvent: (event) => void events.push(event) });
  assert.deepEqual([report.status, report.steps, report.tokens], ['done', 60, 60 * 64]);
  const files = await readdir(join(root, 'whole'));
  assert.deepEqual(files.sort(), ['densities.safetensors', 'metrics.jsonl', 'recipe.json', 'run.json', 'state.bin', 'step_00000', 'step_00020', 'step_00040', 'step_00060']);
  const reader = await openRun(join(root, 'whole'));
  assert.equal(reader.record.status, 'done');
  assert.deepEqual(reader.record.checkpoints.map(({ step }) => step), [0, 20, 40, 60]);
  assert.deepEqual((await reader.metrics()).map(({ step }) => step), [1, ...Array.from({ length: 12 }, (_, at) => 5 * (at + 1))]);
  const densities = await reader.densities();
  assert.deepEqual(densities.map(({ step, tokens }) => [step, tokens]), [[0, rows], [20, rows], [40, rows], [60, rows]]);
  const last = reader.record.checkpoints.at(-1)!;
  assert.equal(densities.at(-1)!.counts.reduce((sum, count) => sum + count, 0) / rows, last.l0);
  assert.ok(last.fvu! < reader.record.checkpoints[0]!.fvu! && last.fvu! < 0.5, `FVU ${last.fvu}`);
  const sae = await reader.sae(60);
  assert.deepEqual([sae.architecture, sae.k, sae.d_in, sae.d_sae], ['topk', 3, d, 24]);
  await assert.rejects(reader.sae(7), /no checkpoint of step 7/);
  assert.deepEqual(events.filter(({ type }) => type === 'resampled').length, 1);
  assert.deepEqual(JSON.parse(await readFile(join(root, 'whole', 'recipe.json'), 'utf8')), report.recipe);
});

test('stopped at any step and resumed: every file is the same to the byte', async () => {
  const wanted = await contents('whole');
  for (const stopAt of [1, 29, 30, 41]) {
    const name = `stopped-${stopAt}`;
    const controller = new AbortController();
    let steps = 0;
    const stopped = await run(name, {
      signal: controller.signal,
      recipe: { ...recipe },
      onEvent: (event) => {
        if (event.type === 'metrics') steps = event.metrics.step;
        if (steps >= stopAt || (event.type === 'checkpoint' && event.step >= stopAt)) controller.abort();
      },
    });
    assert.equal(stopped.status, 'stopped');
    assert.ok(stopped.steps < 60);
    // What a killed process leaves: half a line, and a checkpoint after the state.
    await writeFile(join(root, name, 'metrics.jsonl'), `${await readFile(join(root, name, 'metrics.jsonl'), 'utf8')}{"step":59,"lo`);
    const resumed = await run(name, { resume: true });
    assert.deepEqual([resumed.status, resumed.steps], ['done', 60]);
    assert.deepEqual(await contents(name), wanted, `stopped at ${stopAt}`);
  }
});

test('what is there is not lost by accident', async () => {
  await assert.rejects(run('whole'), /holds a training run already/);
  await assert.rejects(run('whole', { resume: true, recipe: { ...recipe, lr: 0.5 } }), /lr is 0.5, and the run in .* has 0.01/);
  await run('again', { recipe: { ...recipe, steps: 40, resample_at: [30], checkpoints: 'last' } });
  await run('again', { overwrite: true, recipe: { ...recipe, steps: 35, resample_at: [30], checkpoints: 'last' } });
  assert.deepEqual((await openRun(join(root, 'again'))).record.checkpoints.map(({ step }) => step), [35]);
  await writeFile(join(root, 'again', 'notes.txt'), 'mine');
  await assert.rejects(run('again', { overwrite: true }), /holds notes.txt, which is no part of a run/);
  await writeFile(join(root, 'file'), '');
  await assert.rejects(run('file'), /it is a file/);
  await assert.rejects(openRun(root), /run\.json/);
});

test('a run that diverges keeps what it reached, and says at which step', async () => {
  const report = await run('diverged', { recipe: { ...Object.fromEntries(Object.entries(recipe).filter(([name]) => name !== 'k')), arch: 'standard', l1: 0.1, optimizer: 'sgd', lr: 1e6, decoder_norm: 'free', remove_parallel: false, resample: 'none', resample_at: [] } as Record<string, unknown> }).catch((error: Error) => error);
  if (report instanceof Error) throw report;
  assert.equal(report.status, 'diverged');
  assert.match(report.message ?? '', /at step \d+ the (loss|gradient's norm) is (NaN|Infinity|-Infinity)/);
  const { record } = await openRun(join(root, 'diverged'));
  assert.equal(record.status, 'diverged');
  assert.deepEqual(record.checkpoints[0]?.step, 0);
});

test('metrics: an unfinished last line is left out', () => {
  assert.deepEqual(parseMetrics('{"step":1}\n{"step":2}\n{"st'), [{ step: 1 }, { step: 2 }]);
  assert.deepEqual(parseMetrics(''), []);
});
