/** `saekit show` and `saekit doctor` as child processes. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { directorySink } from '../../engine/io/sink.js';
import { openPack } from '../../engine/pack/reader.js';
import { writePack } from '../../engine/pack/writer.js';
import { cli, jsonOf, outcome, startCli } from '../support/cli.js';
import { startRangeServer } from '../support/range-server.js';
import { syntheticPack } from '../support/synthetic-pack.js';

let folder = '';
let pack = '';
let [live, dead] = [0, 0];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'saekit-show-'));
  pack = join(folder, 'pack');
  await writePack({ ...syntheticPack({ features: 64, seed: 3, vocabulary: 20 }), sink: await directorySink(pack) });
  const opened = await openPack(pack);
  const { classes } = await opened.summary();
  live = classes.indexOf('live');
  dead = classes.indexOf('dead');
  assert.ok(live >= 0 && dead >= 0);
  // The same features without the tables that an analysis may be left out of.
  const { featureColumns, tables, ...rest } = syntheticPack({ features: 64, seed: 3, logits: false });
  const manifest = { ...rest.manifest, plugins: [{ id: 'sae/logits', version: '1.0.0', title: 'Logit weights', settings: {}, status: 'left-out' as const, message: 'needs an unembedding matrix (--unembed)', summary: null, view: null }] };
  await writePack({ ...rest, manifest, featureColumns: featureColumns.slice(0, 2), tables: tables.filter(({ table }) => table.name === 'histograms'), sink: await directorySink(join(folder, 'bare')) });
});
after(() => rm(folder, { recursive: true }));

const KEYS = ['feature', 'count', 'tokens', 'density', 'density_low', 'density_high', 'class', 'mean', 'max', 'bias', 'effective_bias', 'de_projection', 'de_cosine', 'encoder_norm', 'decoder_norm', 'histogram', 'quantiles', 'examples', 'logits', 'neighbours'];

describe('show', () => {
  it('--json prints exactly what is promised, fit for a page\'s script element', async () => {
    const run = await cli(['show', pack, '--feature', String(live), '--json']);
    assert.equal(run.stderr, '');
    const card = jsonOf(run);
    assert.deepEqual(Object.keys(card), KEYS);
    const { source: _source, ...expected } = await (await openPack(pack)).card(live);
    assert.deepEqual(card, JSON.parse(JSON.stringify(expected)));
    const gone = jsonOf(await cli(['show', pack, '--feature', String(dead), '--json']));
    assert.deepEqual(Object.keys(gone), KEYS);
    assert.deepEqual([gone['count'], gone['mean'], gone['max'], gone['quantiles'], gone['examples']], [0, null, null, {}, []]);
    // One of its tokens is </script>.
    assert.ok(run.stdout.includes('\\u003c/script>') && !run.stdout.includes('<'));
  });

  it('prints a card for a terminal, with colour when it is asked for', async () => {
    const plain = await cli(['show', pack, '--feature', String(live), '--width', '90']);
    assert.deepEqual([plain.status, plain.stderr], [0, '']);
    for (const part of [`feature ${live}  live`, 'density', 'strongest', 'promotes', 'suppresses', 'nearest']) assert.ok(plain.stdout.includes(part), part);
    const escape = '\x1b[';
    assert.ok(!plain.stdout.includes(escape), 'no colour in a pipe');
    const coloured = await cli(['show', pack, '--feature', String(live), '--color', 'always', '--examples', '1']);
    assert.ok(coloured.stdout.includes(escape));
    assert.ok(coloured.stdout.length < plain.stdout.length);
  });

  it('of a dead feature, and of a pack without weights, examples and logits', async () => {
    assert.match((await cli(['show', pack, '--feature', String(dead)])).stdout, /it never fired on/);
    const bare = await cli(['show', join(folder, 'bare'), '--feature', String(live)]);
    assert.deepEqual([bare.status, bare.stderr], [0, '']);
    assert.match(bare.stdout, /not in this pack: Logit weights \(needs an unembedding matrix/);
    const card = jsonOf(await cli(['show', join(folder, 'bare'), '--feature', String(live), '--json']));
    assert.deepEqual([card['bias'], card['logits'], card['examples'], card['neighbours']], [null, null, [], []]);
  });

  it('reads a pack by URL, and the manifest\'s address as the pack\'s', async () => {
    const server = await startRangeServer(folder);
    try {
      const by = async (place: string): Promise<unknown> => jsonOf(await cli(['show', place, '--feature', String(live), '--json']));
      const expected = await by(pack);
      assert.deepEqual(await by(`${server.url}pack/`), expected);
      assert.deepEqual(await by(`${server.url}pack/manifest.json`), expected);
      assert.ok(server.requests.some(({ status }) => status === 206));
    } finally {
      await server.close();
    }
  });

  it('wrong use and damaged packs are told in words', async () => {
    await mkdir(join(folder, 'empty'));
    await mkdir(join(folder, 'other'));
    await writeFile(join(folder, 'other', 'manifest.json'), '<!doctype html>');
    await writePack({ ...syntheticPack({ features: 64, seed: 3 }), sink: await directorySink(join(folder, 'cut')) });
    await truncate(join(folder, 'cut', 'features.parquet'), 100);
    const cases: [args: string[], status: number, message: RegExp][] = [
      [[pack, '--feature', '64'], 2, /no feature 64\n.*0 to 63/],
      [[pack, '--feature', '-1'], 2, /--feature/],
      [[pack, '--feature', 'x'], 2, /whole number/],
      [[pack], 2, /required option '--feature <n>'/],
      [['--feature', '1'], 2, /missing required argument 'pack'/],
      [[pack, '--feature', '1', '--color', 'sometimes'], 2, /always, never, auto/],
      [[join(folder, 'empty'), '--feature', '1'], 1, /empty\/manifest\.json: there is no such file\n.*saekit analyze/],
      [[join(folder, 'nowhere'), '--feature', '1'], 1, /nowhere\/manifest\.json: there is no such file/],
      [['README.md', '--feature', '1'], 1, /README\.md: is a file/],
      [[join(folder, 'other'), '--feature', '1'], 1, /is not JSON; it begins with "<!doctype/],
      [[join(folder, 'cut'), '--feature', '40'], 1, /features\.parquet: has 100 bytes/],
    ];
    for (const [args, status, message] of cases) {
      const run = await cli(['show', ...args, '--json']);
      assert.deepEqual([run.status, run.stdout], [status, ''], args.join(' '));
      assert.match(run.stderr, message);
    }
  });

  it('a reader that stops reading is no error', async () => {
    const child = startCli(['show', pack, '--feature', String(live), '--json']);
    child.stdout.destroy();
    const { status, stderr } = await outcome(child);
    assert.deepEqual([status, stderr], [0, '']);
  });
});

describe('doctor', () => {
  it('prints what it found, for people and for machines', async () => {
    const findings = jsonOf(await cli(['doctor', '--json']));
    assert.deepEqual(Object.keys(findings), ['saekit', 'runtime', 'cores', 'cross_origin_isolated', 'backend', 'webgpu', 'wasm', 'model_runtime']);
    assert.equal(findings['saekit'], (JSON.parse(await readFile('package.json', 'utf8')) as { version: string }).version);
    assert.equal((findings['wasm'] as { simd: boolean }).simd, true);
    assert.match((findings['model_runtime'] as { description: string }).description, /^onnxruntime-/);
    const { status, stdout } = await cli(['doctor']);
    assert.equal(status, 0);
    assert.match(stdout, /^saekit [\d.]+ on Node [^]*\nWebGPU [^]*\nWASM [^]*\nModels [^]*(\nWhat to do:\n|\nNothing is missing\.)/);
    // What is missing comes with what to do about it.
    const { available, problem, remedy } = findings['webgpu'] as { available: boolean; problem: string | null; remedy: string | null };
    assert.ok(available || (problem !== null && remedy !== null));
  });

  it('--bench measures once, keeps it, and says what it means', async () => {
    const env = { XDG_CACHE_HOME: join(folder, 'cache'), LOCALAPPDATA: join(folder, 'cache'), HOME: folder };
    type Bench = { kept: string; calibration: { seconds: number; backends: { backend: string; fits: unknown[] }[] }; predictions: { rows: number; ways: { seconds: number }[]; choice: { backend: string } | null }[] };
    const measured = jsonOf(await cli(['doctor', '--bench', '--json'], { env }))['bench'] as Bench;
    assert.equal(measured.kept, 'written');
    assert.ok((measured.calibration.backends.find(({ backend }) => backend === 'wasm')?.fits.length ?? 0) >= 2);
    assert.equal(measured.predictions.length, 4);
    for (const { ways, choice } of measured.predictions) assert.ok(choice !== null && ways.every(({ seconds }) => seconds > 0));
    const again = jsonOf(await cli(['doctor', '--bench', '--json'], { env }))['bench'] as Bench;
    assert.deepEqual(again, { ...measured, kept: 'read' });
    const { status, stdout } = await cli(['doctor', '--bench'], { env });
    assert.equal(status, 0);
    assert.match(stdout, /\n\nCost of encode, measured earlier and kept\n {2}backend [^]*\n\nExpected, and what is cheapest for 100 calls\n {2}rows x d_in x d_sae /);
  });
});
