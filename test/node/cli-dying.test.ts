/** `saekit dying` as a child process: its contract with scripts and with people. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openPack, tableRows } from '../../engine/pack/reader.js';
import { gaussian } from '../shared/random.js';
import { npyBytes } from '../support/arrays.js';
import { cli, EXAMPLE, jsonOf, writeTokens } from '../support/cli.js';

const RUN = 'examples/dying/reference-run';
const PREDICTIONS = Array.from({ length: 17 }, (_, i) => `T${i + 1}`);
/** Of the instruments whose cost does not fall with the rows. */
const CHEAP = ['--set', 'sae/hyperplane.rows=256', '--set', 'sae/hyperplane.null_rows=256', '--set', 'sae/hyperplane.replicates=1', '--set', 'sae/hyperplane.sequence=2', '--set', 'sae/forecast.draw=16', '--set', 'sae/evolution.frames=4', '--set', 'sae/evolution.slopes=8', '--set', 'sae/verdict.frames=3', '--without', 'sae/certificate'];

let folder = '';
const at = (name: string): string => join(folder, name);
let data: string[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'saekit-cli-dying-'));
  await writeTokens(at('tokens.npy'), 16);
  await writeFile(at('acts.npy'), npyBytes(Float32Array.from({ length: 256 * 64 }, gaussian(1)), [256, 64]));
  await writeFile(at('narrow.npy'), npyBytes(Float32Array.from({ length: 256 * 8 }, gaussian(2)), [256, 8]));
  for (const name of ['empty', 'packs', 'errors']) await mkdir(at(name));
  data = ['--model', `${EXAMPLE}/model.onnx`, '--tokens', at('tokens.npy'), '--ignore-tokens', '1', '--backend', 'wasm', '--model-runtime', 'web'];
});
after(() => rm(folder, { recursive: true }));

describe('dying', () => {
  it('--json prints one object with exactly what is promised, a verdict on each prediction; the pack says the same', async () => {
    const child = await cli(['dying', '--run', RUN, ...data, '--tokenizer', `${EXAMPLE}/tokenizer.json`, ...CHEAP, '--compare', `half=${RUN}`, '--seed', '3', '--out', at('packs/pack'), '--json']);
    const report = jsonOf(child);
    assert.deepEqual(Object.keys(report), ['features', 'tokens', 'classes', 'verdict', 'backend', 'seconds', 'pack']);
    assert.deepEqual([report['features'], report['backend'], report['pack']], [1024, 'wasm', at('packs/pack')]);
    assert.deepEqual(Object.keys(report['classes'] as object), ['dead', 'ultralow', 'rare', 'live', 'dense']);
    const verdict = report['verdict'] as readonly Record<string, unknown>[];
    assert.deepEqual(verdict.map(({ id }) => id), PREDICTIONS);
    for (const one of verdict) {
      assert.deepEqual(Object.keys(one), ['id', 'quantity', 'value', 'interval', 'null_value', 'outcome', 'reason', 'needs_tokens']);
      assert.ok(['supports', 'refutes', 'cannot-tell'].includes(one['outcome'] as string) && (one['reason'] as string).length > 0, JSON.stringify(one));
    }
    const { manifest, table } = await openPack(at('packs/pack')).then((pack) => ({ manifest: pack.manifest, table: async (name: string) => tableRows(await pack.table(name)) }));
    assert.deepEqual([manifest.sae.name, manifest.sae.source], ['reference-run, step 12000', `${RUN}/step_12000`]);
    assert.deepEqual([manifest.data.tokens, manifest.classes, manifest.run.seed, manifest.data.ignore_tokens], [report['tokens'], report['classes'], 3, [1]]);
    const status = new Map(manifest.plugins.map((plugin) => [plugin.id, plugin.status]));
    assert.equal(status.get('sae/certificate'), 'left-out');
    assert.deepEqual([...status].filter(([id, state]) => state !== 'done' && id !== 'sae/certificate'), []);
    assert.ok(['sae/forecast', 'sae/clusters', 'sae/hyperplane', 'sae/rare-directions', 'sae/evolution', 'sae/rare-cofiring', 'sae/gradient-anatomy', 'sae/conspiracy', 'sae/interpretability-null', 'sae/verdict'].every((id) => status.has(id)));
    assert.deepEqual((await table('verdict')).map(({ id, outcome, reason }) => [id, outcome, reason]), verdict.map(({ id, outcome, reason }) => [id, outcome, reason]));
    assert.equal((await table('dying_steps')).length, 4);
    assert.equal((await table('dying_frames')).length, 4 * 1024);
    assert.equal((await table('dying_steps')).at(-1)!['step'], 12_000);
    assert.ok((await table('hyperplane')).some(({ name }) => name === 'w*'));
    assert.match(child.stderr, /^loading …\n(?:analysing +\d+ % .*\n)+(?:finishing.*\n)+writing …\n$/);
    assert.deepEqual(await readdir(at('packs')), ['pack']);
  });

  it('without --json the verdict is said in words; an SAE by itself on activations is enough', async () => {
    const child = await cli(['dying', '--sae', `${RUN}/step_12000`, '--acts', at('acts.npy'), '--context-size', '16', '--backend', 'wasm', ...CHEAP, '--without', 'sae/hyperplane', '--out', at('packs/words'), '--quiet']);
    assert.equal(child.status, 0, child.stderr);
    assert.equal(child.stderr, '');
    const [first, second, ...lines] = child.stdout.trimEnd().split('\n');
    assert.match(first!, /^1,024 features over 256 tokens: .*[\d,]+ dense/);
    const counts = /^verdict: (\d+) supported, (\d+) refuted, (\d+) cannot be told$/.exec(second!);
    assert.ok(counts !== null, second);
    assert.equal(Number(counts[1]) + Number(counts[2]) + Number(counts[3]), 17);
    const told = lines.flatMap((line) => /^ {2}(T\d+) +(supports|refutes|cannot tell) /.exec(line)?.slice(1) ?? []);
    assert.deepEqual(told.filter((_, i) => i % 2 === 0), PREDICTIONS);
    assert.equal(told.filter((word) => word === 'cannot tell').length, Number(counts[3]));
    assert.equal(lines.at(-1), `pack: ${at('packs/words')}`);
  });

  it('--step takes a checkpoint of the run', async () => {
    const without = ['sae/hyperplane', 'sae/rare-directions', 'sae/evolution', 'sae/rare-cofiring', 'sae/gradient-anatomy', 'sae/conspiracy', 'sae/interpretability-null', 'sae/certificate', 'sae/verdict', 'sae/examples'].flatMap((id) => ['--without', id]);
    const report = jsonOf(await cli(['dying', '--run', RUN, '--step', '0', '--acts', at('acts.npy'), '--backend', 'wasm', ...without, '--out', at('packs/first'), '--json', '--quiet']));
    // No feature is dead before training, and no verdict is given where its instrument was left out.
    assert.deepEqual([(report['classes'] as { dead: number }).dead, report['verdict']], [0, []]);
  });
});

describe('what cannot be done', () => {
  const run = ['--run', RUN];
  const acts = ['--acts', 'acts.npy', '--backend', 'wasm'];
  const cases: readonly (readonly [args: readonly string[], status: number, message: RegExp])[] = [
    [[...acts], 2, /neither a run nor an SAE was given/],
    [[...acts, '--sae', `${RUN}/step_12000`, '--step', '5'], 2, /--step was given without --run/],
    [[...acts, ...run, '--step', '5'], 1, /--run .*has no checkpoint of step 5\n.*There are 0, 47, /],
    [[...acts, ...run, '--step', 'last'], 2, /--step <n>.*last/],
    [[...acts, '--run', 'empty'], 1, /--run .*empty\/run\.json: there is no such file/],
    [[...acts, '--run', 'nowhere'], 1, /--run .*nowhere\/run\.json: there is no such file/],
    [[...acts, '--sae', 'empty'], 1, /--sae .*empty: holds no SAE that is known; the folder is empty/],
    [[...acts, ...run, '--compare', 'mean'], 2, /--compare.*Expected NAME=RUN/],
    [[...acts, ...run, '--compare', '=x'], 2, /--compare.*Expected NAME=RUN/],
    [[...acts, ...run, '--compare', `a=${RUN}`, '--compare', 'a=empty'], 2, /two runs called a/],
    [[...acts, ...run, '--compare', 'a=empty'], 1, /--compare .*empty\/run\.json: there is no such file/],
    [[...acts, ...run, '--without', 'sae/nothing'], 2, /--without sae\/nothing: there is no such plugin/],
    [[...acts, ...run, '--set', 'sae/hyperplane.speed=1'], 2, /sae\/hyperplane has no setting speed\n.*rows/],
    [[...acts, ...run, '--set', 'sae/none.rows=1'], 2, /there is no plugin sae\/none/],
    [[...acts, ...run, '--set', 'sae/hyperplane.rows=few'], 2, /expected a number/],
    [['--acts', 'narrow.npy', '--backend', 'wasm', ...run], 1, /the activations have 8 columns, the SAE "[^"]*reference-run, step 12000" takes d_in = 64/],
    [[...acts, ...run, '--ignore-tokens', '1'], 2, /tokens are to be ignored, but none were given/],
    [[...run, '--tokens', 'tokens.npy'], 2, /no activations were given\n.*--model.*--acts/],
    [[...run], 2, /no activations were given\n.*--model.*--acts/],
  ];

  for (const [args, status, message] of cases) {
    it(args.join(' '), async () => {
      const input = (arg: string): string => (['acts.npy', 'narrow.npy', 'tokens.npy', 'empty', 'nowhere'].includes(arg) ? at(arg) : arg.replace(/=empty$/, `=${at('empty')}`));
      const got = await cli(['dying', ...args.map(input), '--out', at('errors/none')]);
      assert.deepEqual([got.status, got.stdout], [status, ''], got.stderr);
      assert.match(got.stderr, message);
      assert.doesNotMatch(got.stderr, /\n {4}at /, 'no stack');
      assert.deepEqual(await readdir(at('errors')), [], 'nothing hidden is left either');
    });
  }

  it('--out is required', async () => {
    const { status, stderr } = await cli(['dying', '--run', RUN, '--acts', at('acts.npy')]);
    assert.equal(status, 2);
    assert.match(stderr, /--out/);
  });
});
