/** `saekit train`, as a person runs it. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { loadSae } from '../../engine/formats/load-sae.js';
import { KNOBS } from '../../engine/train/knobs.js';
import { gaussian } from '../shared/random.js';
import { cli, outcome, startCli } from '../support/cli.js';
import { npy } from '../support/npy.js';

const root = await mkdtemp(join(tmpdir(), 'saekit-cli-train-'));
after(() => rm(root, { recursive: true, force: true }));
const place = (name: string): string => join(root, name);

const draw = gaussian(1);
await writeFile(place('acts.npy'), npy(Float32Array.from({ length: 4000 * 8 }, draw), [4000, 8]));
const base = ['train', '--acts', place('acts.npy'), '--backend', 'wasm'];
const topk = [...base, '--arch', 'topk', '--d-sae', '32', '--k', '4', '--batch', '128'];

test('--json prints one object with exactly these keys; the folder can be run again and gone on with', async () => {
  const { status, stdout, stderr } = await cli([...topk, '--steps', '40', '--checkpoints', 'log:3', '--out', place('run'), '--json', '--quiet']);
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  const report = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual(Object.keys(report), ['steps', 'tokens', 'loss', 'fvu', 'l0', 'classes', 'seconds', 'tokens_per_second', 'out']);
  assert.deepEqual([report.steps, report.tokens, report.l0], [40, 40 * 128, 4]);
  const again = await cli([...base, '--config', place('run/recipe.json'), '--out', place('again'), '--json', '--quiet']);
  assert.equal(again.status, 0, again.stderr);
  assert.deepEqual(await readFile(place('again/step_00040/sae_weights.safetensors')), await readFile(place('run/step_00040/sae_weights.safetensors')));
  const more = await cli([...base, '--out', place('run'), '--resume', '--json']);
  assert.equal(more.status, 0, more.stderr);
  assert.equal((JSON.parse(more.stdout) as { steps: number }).steps, 40);
});

test('what it made is analysed like any SAE', async () => {
  const { status, stdout, stderr } = await cli(['analyze', '--sae', place('run/step_00040'), '--acts', place('acts.npy'), '--backend', 'wasm', '--out', place('pack'), '--json', '--quiet']);
  assert.equal(status, 0, stderr);
  const report = JSON.parse(stdout) as { l0: number; fvu: number; tokens: number };
  const run = JSON.parse(await readFile(place('run/run.json'), 'utf8')) as { checkpoints: { step: number; l0: number; fvu: number }[] };
  const last = run.checkpoints.at(-1)!;
  assert.deepEqual([report.tokens, report.l0], [4000, last.l0]);
  assert.ok(Math.abs(report.fvu - last.fvu) < 1e-6 * last.fvu);
});

test('Ctrl-C saves where it is, and --resume ends as if nothing had been', async () => {
  const long = [...topk, '--steps', '3000', '--checkpoints', 'last', '--log-every', '5', '--evaluate-rows', '0'];
  const child = startCli([...long, '--out', place('stopped')]);
  child.stderr.on('data', (text: Buffer) => void (String(text).includes('training on') && setTimeout(() => child.kill('SIGINT'), 250)));
  const stopped = await outcome(child);
  assert.equal(stopped.status, 0, stopped.stderr);
  assert.match(stopped.stderr, /stopped at step \d+; the same command with --resume goes on/);
  const { status } = JSON.parse(await readFile(place('stopped/run.json'), 'utf8')) as { status: string };
  assert.equal(status, 'stopped');
  const resumed = await cli([...long, '--out', place('stopped'), '--resume', '--quiet']);
  assert.equal(resumed.status, 0, resumed.stderr);
  const straight = await cli([...long, '--out', place('straight'), '--quiet']);
  assert.equal(straight.status, 0, straight.stderr);
  assert.deepEqual(await readFile(place('stopped/step_03000/sae_weights.safetensors')), await readFile(place('straight/step_03000/sae_weights.safetensors')));
});

test('a generator is trained on; b_dec can be frozen where it starts', async () => {
  await writeFile(place('spec.json'), JSON.stringify({ kind: 'gaussian', d: 8, gamma: 3, seed: 1 }));
  const { status, stderr } = await cli(['train', '--generate', place('spec.json'), '--backend', 'wasm', '--arch', 'standard', '--d-sae', '16', '--l1', '0.5', '--steps', '20', '--batch', '64', '--b-dec', 'frozen-mean', '--out', place('frozen'), '--quiet', '--evaluate-rows', '1000']);
  assert.equal(status, 0, stderr);
  const { recipe } = JSON.parse(await readFile(place('frozen/run.json'), 'utf8')) as { recipe: { b_dec: string; freeze_b_dec: boolean } };
  assert.deepEqual([recipe.b_dec, recipe.freeze_b_dec], ['mean', true]);
});

test('wrong use ends with status 2 and says what was expected, before anything is written', async () => {
  for (const [args, message] of [
    [[...base, '--out', place('none')], /arch is missing/],
    [[...base, '--arch', 'topk', '--d-sae', '32', '--out', place('none')], /k is missing/],
    [[...base, '--arch', 'standard', '--d-sae', '32', '--out', place('none')], /l1 is missing/],
    [[...topk, '--lr', 'fast', '--out', place('none')], /--lr <n>.*Expected a number above 0/s],
    [[...topk, '--checkpoints', 'often', '--out', place('none')], /checkpoints is "often", expected for example log:24/],
    [[...topk, '--steps', '40', '--out', place('run')], /holds a training run already/],
    [[...topk, '--out', place('run'), '--resume', '--overwrite'], /--resume and --overwrite/],
    [[...topk, '--config', place('acts.npy'), '--out', place('none')], /--config .*acts\.npy: cannot be read as JSON/],
    [['train', '--arch', 'topk', '--d-sae', '8', '--k', '2', '--out', place('none')], /no training data were given/],
  ] as const) {
    const { status, stdout, stderr } = await cli(args);
    assert.deepEqual([status, stdout], [2, ''], stderr);
    assert.match(stderr, message);
  }
  await assert.rejects(readFile(place('none/run.json')));
});

test('--deflate takes a direction from a file, and the recipe holds its numbers', async () => {
  const direction = Float32Array.of(1, 2, -0.5, 0, 0.1, 0, 0, 3);
  await writeFile(place('w.npy'), npy(direction, [8]));
  const { status, stderr } = await cli([...base, '--arch', 'standard', '--d-sae', '16', '--l1', '1', '--batch', '64', '--steps', '12', '--checkpoints', 'last', '--b-enc-init', 'uniform', '--noise', '0.5', '--deflate', place('w.npy'), '--out', place('deflated'), '--json', '--quiet']);
  assert.equal(status, 0, stderr);
  const recipe = JSON.parse(await readFile(place('deflated/recipe.json'), 'utf8')) as Record<string, unknown>;
  assert.deepEqual([recipe.noise, recipe.b_enc_init, recipe.deflate], [0.5, 'uniform', Array.from(direction, String).join(',')]);
  const sae = await loadSae(place('deflated/step_00012'));
  for (let i = 0; i < 16; i++) assert.ok(Math.abs(direction.reduce((sum, value, c) => sum + value * sae.W_enc[c * 16 + i]!, 0)) < 1e-5);
  const wrong = await cli([...base, '--arch', 'standard', '--d-sae', '16', '--l1', '1', '--deflate', '1,2', '--out', place('wrong'), '--quiet']);
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /deflate: a direction has 2 numbers, expected the width of the activations, 8/);
});

test('--help has every knob', async () => {
  const { status, stdout } = await cli(['train', '--help']);
  assert.equal(status, 0);
  for (const name of Object.keys(KNOBS)) assert.ok(stdout.includes(`--${name.replaceAll('_', '-')} `), name);
});
