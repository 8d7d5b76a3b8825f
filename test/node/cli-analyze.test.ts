/** `saekit analyze` and `saekit encode` as child processes: their contract with scripts and with people. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openTensor } from '../../engine/formats/tensor-file.js';
import { loadSae } from '../../engine/formats/load-sae.js';
import { writeSafetensors } from '../../engine/formats/safetensors.js';
import { openPack, tableRows } from '../../engine/pack/reader.js';
import { prepareInput } from '../../engine/prepare.js';
import { assertCodesMatch } from '../shared/oracle.js';
import { npyBytes, npzBytes } from '../support/arrays.js';
import { cli, EXAMPLE, jsonOf, outcome, startCli, writeTokens } from '../support/cli.js';

const SAE = `${EXAMPLE}/sae`;
const D = 64;
/** Contexts of 128 positions in the slices. */
const CONTEXTS = 32;

let folder = '';
const at = (name: string): string => join(folder, name);
/** Real activations, [rows, 64]. */
let x = new Float32Array();
let rows = 0;
let model: string[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'saekit-cli-'));
  await writeTokens(at('tokens.npy'), CONTEXTS);
  await writeTokens(at('more.npy'), 16 * CONTEXTS);
  model = ['--sae', SAE, '--model', `${EXAMPLE}/model.onnx`, '--tokens', at('tokens.npy'), '--backend', 'wasm', '--model-runtime', 'web'];
  const opened = await openTensor('test/fixtures/stories260k/prompts.resid_post.safetensors#p2.blocks.2.resid_post');
  x = await opened.tensor.read();
  await opened.close();
  rows = x.length / D;
  await writeFile(at('x.npy'), npyBytes(x, [rows, D]));
});
after(() => rm(folder, { recursive: true }));

/** What lies in the folder beside `names`: nothing hidden may be left there either. */
const left = async (...names: string[]): Promise<string[]> => (await readdir(folder)).filter((name) => ![...names, 'tokens.npy', 'more.npy', 'x.npy'].includes(name)).sort();

describe('analyze', () => {
  it('--json prints one object with exactly what is promised, and the pack says the same', async () => {
    const run = await cli(['analyze', ...model, '--tokenizer', `${EXAMPLE}/tokenizer.json`, '--unembed', `${EXAMPLE}/unembedding.safetensors`, '--ignore-tokens', '1', '--out', at('pack'), '--json']);
    const report = jsonOf(run);
    assert.deepEqual(Object.keys(report), ['tokens', 'features', 'classes', 'l0', 'mse', 'fvu', 'backend', 'seconds', 'tokens_per_second', 'pack']);
    assert.deepEqual(Object.keys(report['classes'] as object), ['dead', 'ultralow', 'rare', 'live', 'dense']);
    const { manifest } = await openPack(at('pack'));
    assert.equal(report['tokens'], manifest.data.tokens);
    assert.equal(report['features'], 512);
    assert.deepEqual(report['classes'], manifest.classes);
    assert.equal(Object.values(manifest.classes).reduce((sum, count) => sum + count, 0), 512);
    assert.equal(report['l0'], 16);
    assert.ok((report['fvu'] as number) > 0.04 && (report['fvu'] as number) < 0.08);
    assert.deepEqual([report['backend'], report['pack']], ['wasm', at('pack')]);
    assert.ok((report['seconds'] as number) > 0 && (report['tokens_per_second'] as number) > 0);
    assert.deepEqual(manifest.data.ignore_tokens, [1]);
    assert.deepEqual(manifest.plugins.map(({ status }) => status), Array.from({ length: 7 }, () => 'done'));
    // Progress went to stderr, a line at a time, as there is no terminal.
    assert.match(run.stderr, /^loading …\n(?:analysing +\d+ % {2}[\d,]+ tokens.*\n)+finishing …\nwriting …\n$/);
    assert.deepEqual(await left('pack'), []);
  });

  it('without --json says it in words; --quiet says nothing else', async () => {
    const run = await cli(['analyze', '--sae', SAE, '--acts', at('x.npy'), '--backend', 'wasm', '--out', at('words'), '--quiet']);
    assert.equal(run.status, 0);
    assert.equal(run.stderr, '');
    assert.match(run.stdout, new RegExp(`^512 features over ${rows} tokens: .*dead.*\nL0 16 .*\n.* on wasm, .*\npack: `));
    await rm(at('words'), { recursive: true });
  });

  it('takes activations in every format, and the same numbers give the same tables', async () => {
    const f16 = Uint16Array.from(x, toF16);
    const bf16 = Uint16Array.from(x, toBf16);
    const safetensors = (data: Uint16Array | Float32Array, dtype?: 'F16' | 'BF16'): Uint8Array => writeSafetensors([{ name: 'x', shape: [rows, D], data, ...(dtype === undefined ? {} : { dtype }) }]);
    await writeFile(at('half.npy'), npyBytes(f16, [1, rows, D], '<f2'));
    await writeFile(at('two.npz'), npzBytes({ x: npyBytes(x, [rows, D]), other: npyBytes(x.subarray(0, D), [1, D]) }, 6));
    await writeFile(at('f32.safetensors'), safetensors(x));
    await writeFile(at('f16.safetensors'), safetensors(f16, 'F16'));
    await writeFile(at('bf16.safetensors'), safetensors(bf16, 'BF16'));
    // What each file holds, as f32: the run over it must give what a run over these gives.
    await writeFile(at('half-as-f32.npy'), npyBytes(Float32Array.from(f16, fromF16), [rows, D]));
    await writeFile(at('bf16-as-f32.npy'), npyBytes(Float32Array.from(bf16, (bits) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!), [rows, D]));
    const tables = async (acts: string, ...more: string[]): Promise<unknown> => {
      const report = jsonOf(await cli(['analyze', '--sae', SAE, '--acts', at(acts), '--backend', 'wasm', '--out', at('acts'), '--json', ...more]));
      assert.equal(report['tokens'], rows, acts);
      const { manifest } = await openPack(at('acts'));
      return manifest.tables.map(({ name, sha256 }) => [name, sha256]);
    };
    const asContext = ['--context-size', String(rows)];
    const exact = await tables('x.npy', ...asContext);
    assert.deepEqual(await tables('two.npz#x', ...asContext), exact);
    assert.deepEqual(await tables('f32.safetensors', ...asContext), exact);
    const half = await tables('half-as-f32.npy', ...asContext);
    assert.notDeepEqual(half, exact);
    assert.deepEqual(await tables('half.npy'), half);
    assert.deepEqual(await tables('f16.safetensors#x', ...asContext), half);
    assert.deepEqual(await tables('bf16.safetensors', ...asContext), await tables('bf16-as-f32.npy', ...asContext));
    for (const name of await left('pack')) await rm(at(name), { recursive: true });
  });

  it('--with, --without, --set and --plugin reach the run', async () => {
    const report = jsonOf(await cli(['analyze', '--sae', SAE, '--acts', at('x.npy'), '--context-size', String(rows), '--backend', 'wasm', '--out', at('set'), '--json',
      '--without', 'sae/weights', '--without', 'sae/reconstruction', '--set', 'sae/examples.top=2', '--plugin', 'examples/plugin/plugin.js', '--with', 'sae/cofiring', '--set', 'sae/cofiring.top=3', '--threads', '2', '--seed', '7']));
    // Without the analysis there are no such figures; the keys stay.
    assert.deepEqual([report['l0'], report['mse'], report['fvu']], [null, null, null]);
    const pack = await openPack(at('set'));
    const status = Object.fromEntries(pack.manifest.plugins.map((plugin) => [plugin.id, plugin.status]));
    assert.deepEqual([status['sae/weights'], status['sae/density'], status['example/position-profile'], status['sae/cofiring']], ['left-out', 'done', 'done', 'done']);
    assert.ok(tableRows(await pack.table('cofiring', { columns: ['rank', 'count'] })).every(({ rank, count }) => (rank as number) < 3 && (count as number) >= 3));
    assert.equal(pack.manifest.run.seed, 7);
    assert.match(pack.manifest.run.backend_description, /2 threads/);
    const tops = tableRows(await pack.table('examples', { columns: ['group', 'rank'] })).filter(({ group }) => group === 0);
    assert.deepEqual(new Set(tops.map(({ rank }) => rank)), new Set([0, 1]));
    await rm(at('set'), { recursive: true });
  });

  it('a plugin that fails, or talks, harms neither the run nor its output', async () => {
    await writeFile(
      at('bad.mjs'),
      `console.log('I talk');
       const plugin = (id, create) => ({ id, version: '1.0.0', api: '^1.0.0', title: id, description: id, load: async () => ({ create }) });
       export default [
         plugin('my-lab/thrower', () => { throw new Error('no luck today'); }),
         plugin('my-lab/talker', () => ({ update() { console.log('still talking'); }, merge() {}, save() { return null; }, finish() { return {}; } })),
       ];`,
    );
    const run = await cli(['analyze', '--sae', SAE, '--acts', at('x.npy'), '--backend', 'wasm', '--plugin', at('bad.mjs'), '--out', at('bad'), '--json', '--quiet']);
    assert.equal(jsonOf(run)['tokens'], rows);
    assert.match(run.stderr, /I talk\n[^]*still talking\n[^]*saekit: without my-lab\/thrower: .*no luck today/);
    const { manifest } = await openPack(at('bad'));
    assert.equal(manifest.plugins.find(({ id }) => id === 'my-lab/thrower')?.status, 'failed');
    for (const name of await left('pack')) await rm(at(name), { recursive: true });
  });

  it('stops on a signal, and leaves nothing', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const child = startCli(['analyze', '--sae', SAE, '--model', `${EXAMPLE}/model.onnx`, '--tokens', at('more.npy'), '--batch-contexts', '8', '--backend', 'wasm', '--model-runtime', 'web', '--out', at('stopped'), '--json']);
      child.stderr.on('data', (text: Buffer) => {
        // In the middle of the run, and twice, as a terminal and npm do it.
        if (!String(text).includes('analysing')) return;
        child.kill(signal);
        child.kill(signal);
      });
      const { status, stdout, stderr } = await outcome(child);
      assert.deepEqual([status, stdout], [1, '']);
      assert.match(stderr, /saekit: stopped; nothing was written\n$/);
    }
    assert.deepEqual(await left('pack'), []);
  });
});

describe('wrong use', () => {
  const cases: [args: string[], status: number, message: RegExp][] = [
    [[], 2, /^Usage: saekit/],
    [['analyse'], 2, /unknown command 'analyse'\n.*analyze/],
    [['analyze'], 2, /required option '--sae <dir>' not specified\n.*saekit analyze --help/],
    [['analyze', '--sae', SAE, '--out', 'OUT'], 2, /no activations were given\n.*--model, --tokens.*--acts/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'x.npy', '--model', 'm.onnx'], 2, /model and acts were given together/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--model', 'm.onnx'], 2, /a model was given without tokens\n.*--tokens/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'x.npy', '--hook', 'h'], 2, /a hook was given without a model/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'x.npy', '--ignore-tokens', '1'], 2, /--tokens/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'x.npy', '--without', 'sae/nothing'], 2, /--without sae\/nothing: there is no such plugin\n.*sae\/density/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'x.npy', '--with', 'sae/density'], 2, /--with sae\/density: there is no such analysis\n.*sae\/cofiring/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'x.npy', '--set', 'sae/examples.tops=1'], 2, /has no setting tops\n.*top/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'x.npy', '--set', 'sae/examples.top=-1'], 2, /setting sae\/examples\.top: expected at least/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'x.npy', '--plugin', 'none.js'], 2, /--plugin none\.js: there is no such file/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'x.npy', '--plugin', 'README.md'], 2, /--plugin README\.md: the module does not load/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'x.npy', '--threads', 'many'], 2, /--threads <n>.*whole number of at least 1/],
    [['analyze', '--sae', SAE, '--out', 'cli', '--acts', 'x.npy'], 2, /cli: is a directory that holds something else than a pack/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'none.npy'], 1, /--acts none\.npy: there is no such file/],
    [['analyze', '--sae', 'nowhere', '--out', 'OUT', '--acts', 'none.npy'], 1, /--sae nowhere/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'README.md'], 1, /--acts README\.md/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', `${EXAMPLE}/tokens.npy`], 1, /128 columns.*d_in = 64/],
    [['analyze', '--sae', SAE, '--out', 'OUT', '--acts', 'X', '--tokens', `${EXAMPLE}/tokens.npy`], 1, /tokens/],
    [['encode', '--sae', SAE, '--acts', 'none.npy', '--out', 'OUT'], 1, /--acts none\.npy/],
    [['encode', '--sae', SAE, '--acts', 'none.npy'], 2, /--out <file>/],
  ];
  // Two at a time: a child spends most of its time starting.
  it('is told in one message that names flag and file, with its status, and leaves nothing', async () => {
    const queue = [...cases];
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const [args, status, message] = next;
        const run = await cli(args.map((arg) => (arg === 'OUT' ? at('wrong') : arg === 'X' ? at('x.npy') : arg)));
        const shown = `saekit ${args.join(' ')}\n${run.stderr}`;
        assert.equal(run.status, status, shown);
        assert.match(run.stderr, message, shown);
        assert.equal(run.stdout, '', shown);
        assert.ok(!/ {4}at |defect/.test(run.stderr), shown);
      }
    };
    await Promise.all([work(), work()]);
    assert.deepEqual(await left('pack'), []);
  });

  it('every command has help with examples, on stdout, status 0', async () => {
    for (const command of [[], ['analyze'], ['encode'], ['show'], ['serve'], ['doctor']]) {
      const run = await cli([...command, '--help']);
      assert.deepEqual([run.status, run.stderr], [0, '']);
      assert.match(run.stdout, /^Usage: saekit[^]*\nExamples?:\n[^]*saekit /);
    }
    assert.equal((await cli(['--version'])).stdout, `${(JSON.parse(await readFile('package.json', 'utf8')) as { version: string }).version}\n`);
  });
});

describe('encode', () => {
  it('writes codes that anything reads, and that the oracle confirms', async () => {
    const report = jsonOf(await cli(['encode', '--sae', SAE, '--acts', at('x.npy'), '--out', at('codes.safetensors'), '--backend', 'wasm', '--json']));
    assert.deepEqual(Object.keys(report), ['rows', 'features', 'nnz', 'l0', 'backend', 'seconds', 'tokens_per_second', 'out']);
    assert.deepEqual([report['rows'], report['features'], report['nnz'], report['l0'], report['out']], [rows, 512, rows * 16, 16, at('codes.safetensors')]);
    // The header, read as the format's own documentation says, not by our reader.
    const file = await readFile(at('codes.safetensors'));
    const length = Number(file.readBigUInt64LE(0));
    const header = JSON.parse(file.subarray(8, 8 + length).toString('utf8')) as Record<'locations' | 'activations', { dtype: string; shape: number[]; data_offsets: [number, number] }>;
    assert.deepEqual([header.locations.dtype, header.locations.shape, header.activations.dtype, header.activations.shape], ['U32', [rows * 16, 2], 'F32', [rows * 16]]);
    const bytes = (name: 'locations' | 'activations'): ArrayBuffer => new Uint8Array(file.subarray(8 + length + header[name].data_offsets[0], 8 + length + header[name].data_offsets[1])).buffer;
    const locations = new Uint32Array(bytes('locations'));
    const values = new Float32Array(bytes('activations'));
    const features = new Uint32Array(values.length);
    const offsets = new Uint32Array(rows + 1);
    for (let i = 0; i < values.length; i++) {
      const row = locations[2 * i]!;
      assert.ok(i === 0 || row > locations[2 * i - 2]! || (row === locations[2 * i - 2] && locations[2 * i + 1]! > locations[2 * i - 1]!), `entry ${i} is out of order`);
      features[i] = locations[2 * i + 1]!;
      offsets[row + 1] = i + 1;
    }
    const sae = await loadSae(SAE);
    const { xbar } = prepareInput(sae, x, rows);
    assertCodesMatch(sae, xbar, rows, { rows, d_sae: 512, offsets, features, values, nearTies: rows * 512 });
  });
});

/** The nearest f16, for values in its normal range or 0. */
function toF16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  if (exponent <= 0) return sign;
  return sign | ((exponent << 10) + ((bits & 0x7fffff) >>> 13) + ((bits >>> 12) & 1));
}

/** For normal numbers and 0. */
function fromF16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const size = exponent === 0 ? 0 : 2 ** (exponent - 15) * (1 + (bits & 1023) / 1024);
  return (bits & 0x8000) === 0 ? size : -size;
}

/** Cut off: any bf16 will do. */
const toBf16 = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
