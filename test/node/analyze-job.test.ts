/** `analyze` on small SAEs in memory: wrong use, input that does not fit, aborts, plugins, seeds. No test leaves half a pack. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import fc from 'fast-check';
import { isAbort, NumericError, SaekitError, ShapeError, UsageError } from '../../engine/errors.js';
import { writeSafetensors } from '../../engine/formats/safetensors.js';
import { directorySink, memorySink, type PackSink } from '../../engine/io/sink.js';
import { openPack } from '../../engine/pack/reader.js';
import type { Manifest } from '../../engine/pack/schema.js';
import type { ProgressEvent } from '../../engine/run/progress.js';
import { VERSION } from '../../engine/version.js';
import { analyze, type AnalyzeOptions } from '../../plugins/analyze.js';
import { builtins } from '../../plugins/builtin/index.js';
import { createRegistry, registry, type AnyPlugin } from '../../plugins/registry.js';
import { makeSae, randomRows } from '../shared/oracle.js';
import { FiringCounter, memorySource, type Stream } from '../shared/stream.js';
import { npy } from '../support/npy.js';

const D = 10;
const sae = makeSae({ architecture: 'topk', d_in: D, d_sae: 32, k: 4, seed: 8 });
const stream: Stream = { x: randomRows(60, D, 1), tokens: Int32Array.from({ length: 60 }, (_, i) => (i % 6 === 0 ? 1 : i % 11)), contexts: 10, positions: 6, d: D };
const acts = npy(stream.x, [10, 6, D]);
const tokens = npy(stream.tokens!, [10, 6]);
const unembed = writeSafetensors([{ name: 'W_U', shape: [D, 40], data: randomRows(D, 40, 2) }]);
const tokenizer = { text: (id: number) => `<${id}>` };

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'saekit-analyze-'));
});
after(() => rm(directory, { recursive: true }));

const base = (over: Partial<AnalyzeOptions> = {}): AnalyzeOptions => ({ sae, acts, tokens, backend: 'wasm', out: memorySink(), ...over });
const refused = (kind: abstract new (...args: never[]) => Error, message: RegExp) => (error: unknown) => error instanceof kind && message.test(error.message);

/** Runs into a directory that must be empty afterwards. */
async function leavesNothing(options: Partial<AnalyzeOptions>, check: (error: unknown) => boolean): Promise<void> {
  const parent = await mkdtemp(join(directory, 'run-'));
  await assert.rejects(analyze(base({ ...options, out: await directorySink(join(parent, 'pack')) })), check);
  assert.deepEqual(await readdir(parent), []);
}

const counter = (id: string, create: () => unknown = () => new FiringCounter(32), over: Partial<AnyPlugin> = {}): AnyPlugin =>
  ({ id, version: '1.0.0', api: '^1.0.0', title: id, description: 'A test.', load: () => Promise.resolve({ create }), ...over }) as AnyPlugin;

const manifestOf = (sink: { files: Map<string, Uint8Array> }): Manifest => JSON.parse(new TextDecoder().decode(sink.files.get('manifest.json'))) as Manifest;

test('the report, the manifest and the pack say the same', async () => {
  const sink = memorySink('mine');
  const notices: string[] = [];
  const events: ProgressEvent[] = [];
  const report = await analyze(base({ out: sink, unembed, tokenizer, ignoreTokens: [1], ignorePositions: [5], seed: 4, onNotice: (text) => notices.push(text), onProgress: (event) => events.push(event) }));
  const counted = [...stream.tokens!].filter((token, i) => token !== 1 && i % 6 !== 5).length;
  assert.equal(report.tokens, counted);
  assert.equal(report.features, 32);
  assert.equal(report.pack, 'mine');
  assert.equal(report.backend, 'wasm');
  assert.deepEqual(report.notices, notices);
  assert.ok(report.seconds > 0 && report.tokens_per_second > 0);
  assert.equal(Object.values(report.classes).reduce((a, b) => a + b, 0), 32);
  assert.ok(report.l0! > 0 && report.l0! <= 4 && report.mse! > 0 && report.fvu! > 0);
  assert.deepEqual(report.plugins.map(({ status }) => status), builtins.map(() => 'done'), JSON.stringify(report.plugins.filter(({ status }) => status !== 'done')));
  const manifest = manifestOf(sink);
  assert.equal(manifest.saekit, VERSION);
  assert.equal(manifest.data.tokens, counted);
  assert.deepEqual([manifest.data.rows, manifest.data.contexts, manifest.data.positions], [60, 10, 6]);
  assert.deepEqual([manifest.data.ignore_tokens, manifest.data.ignore_positions], [[1], [5]]);
  assert.equal(manifest.data.source['kind'], 'file');
  assert.equal(manifest.run.seed, 4);
  assert.match(manifest.run.runtime, /^node \d+/);
  assert.deepEqual(manifest.classes, report.classes);
  assert.equal(manifest.sae.name, sae.metadata.name);
  const pack = await openPack(sink.files);
  const { firings } = await firingsOf(pack);
  assert.ok(Math.abs(firings / counted - report.l0!) < 1e-12);
  const card = await pack.card(3);
  assert.equal(card.tokens, counted);
  assert.ok(card.examples.every(({ tokens: texts }) => texts.every((text) => /^<\d+>$/.test(text))));
  const phases = [...new Set(events.map(({ phase }) => phase))];
  assert.deepEqual(phases, ['load', 'run', 'finish', 'write']);
});

async function firingsOf(pack: Awaited<ReturnType<typeof openPack>>): Promise<{ firings: number }> {
  let firings = 0;
  for (let feature = 0; feature < 32; feature++) firings += (await pack.card(feature)).count;
  return { firings };
}

test('options that contradict each other are wrong use, and leave nothing', async () => {
  for (const [over, message] of [
    [{ acts: undefined, tokens: undefined }, /no activations were given/],
    [{ model: 'x.onnx' }, /model and acts were given together/],
    [{ acts: undefined, tokens: undefined, model: 'x.onnx' }, /a model was given without tokens/],
    [{ hook: 'blocks.0.hook_resid_post' }, /a hook was given without a model/],
    [{ acts: undefined, source: memorySource(stream) }, /tokens were given beside a source/],
    [{ tokens: undefined, ignoreTokens: [1] }, /tokens are to be ignored, but none were given/],
    [{ ignorePositions: [6] }, /position 6/],
    [{ seed: -1 }, /seed is -1/],
    [{ seed: 0.5 }, /seed is 0.5/],
    [{ contextsPerBatch: 0 }, /batch of 0/],
    [{ without: ['sae/nothing'] }, /no plugin "sae\/nothing"/],
    [{ settings: { 'lab/nothing': {} } }, /no plugin "lab\/nothing"/],
    [{ plugins: [counter('bad id')] }, /plugin id "bad id"/],
  ] as const) {
    await leavesNothing(over as Partial<AnalyzeOptions>, refused(UsageError, message));
  }
  await leavesNothing({ acts: undefined, model: new Uint8Array(5), sae: { ...sae, metadata: { ...sae.metadata, hook_name: null } } }, refused(UsageError, /does not say which hook/));
});

test('inputs that do not fit each other are ShapeErrors that say both shapes', async () => {
  for (const [over, message] of [
    [{ acts: npy(randomRows(60, 9, 1), [10, 6, 9]) }, /9 columns.*d_in = 10/],
    [{ tokens: npy(new Int32Array(59), [59]) }, /60 rows.*59 tokens/],
    [{ unembed: writeSafetensors([{ name: 'W_U', shape: [9, 4], data: new Float32Array(36) }]) }, /W_U is \[9, 4\].*d_out = 10/],
    [{ ignoreTokens: Array.from({ length: 11 }, (_, i) => i) }, /none of the 60 rows counts/],
  ] as const) {
    await leavesNothing(over as Partial<AnalyzeOptions>, refused(ShapeError, message));
  }
  const poisoned = stream.x.slice();
  poisoned[17 * D + 4] = NaN;
  await leavesNothing({ acts: npy(poisoned, [10, 6, D]) }, refused(NumericError, /row 17 .*NaN/));
});

test('an abort at any moment leaves no pack, and keeps the one that was there', async () => {
  let events = 0;
  await analyze(base({ onProgress: () => void events++ }));
  assert.ok(events >= 4);
  for (let at = 0; at <= events; at++) {
    const parent = await mkdtemp(join(directory, 'abort-'));
    const path = join(parent, 'pack');
    await analyze(base({ out: await directorySink(path), seed: 1 }));
    const before = await readFile(join(path, 'manifest.json'), 'utf8');
    const controller = new AbortController();
    let seen = 0;
    if (at === 0) controller.abort();
    const run = analyze(base({ out: await directorySink(path), seed: 2, signal: controller.signal, onProgress: () => void (++seen === at && controller.abort()) }));
    await run.then(() => assert.ok(seen < at, `it finished although it was aborted at event ${at}`), (error: unknown) => assert.ok(isAbort(error), String(error)));
    assert.deepEqual(await readdir(parent), ['pack']);
    if (seen >= at) assert.equal(await readFile(join(path, 'manifest.json'), 'utf8'), before);
  }
});

test('an abort while the pack is written leaves nothing', async () => {
  const run = async (at: number) => {
    const controller = new AbortController();
    const inner = memorySink();
    const seen = { writes: 0, aborts: 0 };
    const out: PackSink = {
      name: 'counting',
      write: (path, bytes) => (++seen.writes === at && controller.abort(), inner.write(path, bytes)),
      commit: () => inner.commit(),
      abort: () => (seen.aborts++, inner.abort()),
    };
    const outcome = await analyze(base({ out, signal: controller.signal })).then(() => null, (error: unknown) => error);
    return { outcome, files: inner.files, ...seen };
  };
  const { writes, outcome } = await run(0);
  assert.ok(outcome === null && writes >= 4);
  for (let at = 1; at <= writes; at++) {
    const stopped = await run(at);
    assert.ok(isAbort(stopped.outcome), `write ${at} of ${writes}: ${String(stopped.outcome)}`);
    assert.equal(stopped.files.size, 0);
    assert.ok(stopped.aborts > 0);
  }
});

test('a sink that fails ends the run with its error, and is told to abort', async () => {
  for (const method of ['write', 'commit'] as const) {
    let aborted = 0;
    const sink = { ...memorySink(), [method]: () => Promise.reject(new Error('disk full')), abort: () => (aborted++, Promise.reject(new Error('and that too'))) };
    await assert.rejects(analyze(base({ out: sink })), /^Error: disk full$/);
    assert.ok(aborted > 0);
  }
});

test('a failing plugin, built in or not, costs itself alone', async () => {
  const sink = memorySink();
  const failing = counter('lab/bad', () => { throw new Error('no'); });
  const report = await analyze(base({ out: sink, plugins: [counter('lab/count'), failing], without: ['sae/weights'] }));
  const status = Object.fromEntries(report.plugins.map(({ id, status: s }) => [id, s]));
  assert.equal(status['lab/bad'], 'failed');
  assert.equal(status['lab/count'], 'done');
  assert.equal(status['sae/density'], 'done');
  assert.equal(status['sae/weights'], 'left-out');
  assert.equal(status['sae/logits'], 'left-out');
  assert.ok(report.notices.some((text) => text.includes('lab/bad failed in create: no')));
  const manifest = manifestOf(sink);
  assert.deepEqual(manifest.plugins.map(({ id }) => id), [...builtins.map(({ id }) => id), 'lab/count', 'lab/bad']);
  const features = manifest.tables.find(({ name }) => name === 'features')!;
  assert.ok(features.columns.some(({ name }) => name === 'lab_count_firings'));
  const pack = await openPack(sink.files);
  const card = await pack.card(0);
  assert.equal(card.de_projection, null);
});

test('without the reconstruction its figures are null, and without any plugin of its own a registry decides', async () => {
  const report = await analyze(base({ without: ['sae/reconstruction'] }));
  assert.deepEqual([report.l0, report.mse, report.fvu], [null, null, null]);
  const own = createRegistry();
  own.register(counter('lab/count'));
  const sink = memorySink();
  const small = await analyze(base({ registry: own, out: sink }));
  assert.deepEqual(small.plugins.map(({ id }) => id), ['lab/count']);
  assert.deepEqual(manifestOf(sink).tables.map(({ name }) => name).sort(), ['features', 'summary']);
});

test('the shared registry takes part, and its own warnings are passed on', async () => {
  const shared = registry.register(counter('lab/shared'));
  try {
    const report = await analyze(base({ plugins: [counter('lab/shared', undefined, { version: '0.9.0' })] }));
    assert.ok(report.plugins.some(({ id, version }) => id === 'lab/shared' && version === '1.0.0'));
    assert.ok(report.notices.some((text) => /registered as 1\.0\.0 and 0\.9\.0; 1\.0\.0 is used/.test(text)));
  } finally {
    shared.dispose();
  }
});

test('the same input and seed give the same tables; batches change no integer', async () => {
  const tables = async (over: Partial<AnalyzeOptions>) => {
    const sink = memorySink();
    await analyze(base({ unembed, tokenizer, ignoreTokens: [1], out: sink, ...over }));
    return { hashes: Object.fromEntries(manifestOf(sink).tables.map(({ name, sha256 }) => [name, sha256])), pack: await openPack(sink.files) };
  };
  const one = await tables({ seed: 7 });
  const again = await tables({ seed: 7 });
  assert.deepEqual(again.hashes, one.hashes);
  const split = await tables({ seed: 7, contextsPerBatch: 3 });
  for (let feature = 0; feature < 32; feature++) {
    const [a, b] = [await one.pack.card(feature), await split.pack.card(feature)];
    assert.deepEqual([b.count, b.class, b.max, b.histogram.counts], [a.count, a.class, a.max, a.histogram.counts]);
    assert.deepEqual(b.examples, a.examples);
  }
});

test('a stream without tokens, and a source of one\'s own, which stays open', async () => {
  const plain = await analyze(base({ tokens: undefined }));
  assert.equal(plain.tokens, 60);
  const source = memorySource(stream);
  const report = await analyze(base({ acts: undefined, tokens: undefined, source, ignoreTokens: [1] }));
  assert.equal(report.tokens, [...stream.tokens!].filter((token) => token !== 1).length);
  assert.ok(!source.log.includes('closed'));
});

test('damaged input: an error that saekit raised, or a whole pack; never a part of one', async () => {
  const damage = fc.record({ at: fc.nat(), flip: fc.integer({ min: 1, max: 255 }), cut: fc.option(fc.nat(), { freq: 3 }), which: fc.constantFrom('acts', 'tokens', 'unembed') });
  await fc.assert(fc.asyncProperty(damage, async ({ at, flip, cut, which }) => {
    const good = { acts, tokens, unembed }[which as 'acts'];
    const bytes = good.slice(0, cut === null ? undefined : cut % good.length);
    if (bytes.length > 0) bytes[at % bytes.length]! ^= flip;
    const sink = memorySink();
    try {
      await analyze(base({ unembed, out: sink, [which]: bytes }));
    } catch (error) {
      assert.ok(error instanceof SaekitError, `${which}: ${String(error)}`);
      assert.equal(sink.files.size, 0);
      return;
    }
    assert.equal((await openPack(sink.files)).manifest.features, 32);
  }), { numRuns: 60 });
});

test('the version is that of the package', async () => {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  assert.equal(VERSION, (JSON.parse(text) as { version: string }).version);
});
