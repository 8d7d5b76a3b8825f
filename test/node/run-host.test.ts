/** Plugins that fail, lie or cannot run, in every phase: they cost themselves and nothing else. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { LoadedSae } from '../../engine/backend.js';
import { BackendError, isAbort, SaekitError, UsageError } from '../../engine/errors.js';
import { memorySink } from '../../engine/io/sink.js';
import { writePack, type ManifestInput } from '../../engine/pack/writer.js';
import type { Accumulator, AnalysisResult, StateValue } from '../../engine/run/accumulator.js';
import { runStream } from '../../engine/run/run.js';
import type { Column, Table } from '../../engine/run/table.js';
import { decodeState, encodeState } from '../../engine/state.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { PluginError } from '../../plugins/errors.js';
import { createHost, type HostOptions, type HostResult } from '../../plugins/host.js';
import type { AnyPlugin } from '../../plugins/registry.js';
import type { PluginContext } from '../../plugins/types.js';
import { makeSae, randomRows } from '../shared/oracle.js';
import { FiringCounter, memorySource, type Stream } from '../shared/stream.js';

const sae = makeSae({ architecture: 'standard', d_in: 8, d_sae: 20, seed: 4 });
const backend = await createWasmBackend({ threads: 1 });
const loaded: LoadedSae = await backend.load(sae);
const stream: Stream = { x: randomRows(24, 8, 9), tokens: Int32Array.from({ length: 24 }, (_, i) => i % 5), contexts: 6, positions: 4, d: 8 };

type Over = Partial<Omit<AnyPlugin, 'load'>> & { create?: (ctx: PluginContext) => unknown; load?: () => Promise<unknown> };

function plugin(id: string, { create = () => new FiringCounter(sae.d_sae), load, ...over }: Over = {}): AnyPlugin {
  return { id, version: '1.0.0', api: '^1.0.0', title: id, description: 'A test.', load: load ?? (() => Promise.resolve({ create })), ...over } as AnyPlugin;
}

/** An accumulator with some of its methods replaced. */
const broken = (over: Partial<Record<keyof Accumulator, unknown>>): (() => unknown) => () => Object.assign(new FiringCounter(sae.d_sae), over);
const finishing = (result: unknown): Over => ({ create: broken({ finish: () => result }) });

function optionsOf(plugins: AnyPlugin[], over: Omit<Partial<HostOptions>, 'context'> & { context?: Partial<HostOptions['context']> } = {}) {
  const notices: string[] = [];
  const options: HostOptions = { plugins, ...over, context: { sae, seed: 3, positions: 4, hasTokens: true, unembed: null, tokenText: null, signal: undefined, notice: (text) => void notices.push(text), ...over.context } };
  return { options, notices };
}

async function run(plugins: AnyPlugin[], over: Parameters<typeof optionsOf>[1] = {}) {
  const { options, notices } = optionsOf(plugins, over);
  const host = await createHost(options);
  await runStream({ source: memorySource(stream), sae, loaded, accumulators: [host], contextsPerBatch: 2, signal: options.context.signal });
  const result = await host.finish();
  return { host, result, notices, status: Object.fromEntries(result.plugins.map(({ id, status }) => [id, status])), message: Object.fromEntries(result.plugins.map(({ id, message }) => [id, message])) };
}

const alone = (await run([plugin('lab/good')])).result;
const goodColumns = (result: HostResult): unknown => result.featureColumns.filter(({ plugin: id }) => id === 'lab/good');

test('a plugin that works', () => {
  assert.deepEqual(alone.plugins, [{ id: 'lab/good', version: '1.0.0', title: 'lab/good', settings: {}, status: 'done', message: null, summary: { tokens: 24 }, view: null }]);
  const column = alone.featureColumns[0]!.columns[0]!;
  assert.equal(column.name, 'firings', 'the prefix is the pack writer\'s to add');
  assert.ok((column.data as Float64Array).some((count) => count > 0));
});

const thrower = (message = 'boom') => () => {
  throw new Error(message);
};
let updates = 0;
const column = (over: Partial<Record<keyof Column, unknown>>): AnalysisResult => ({ features: [{ name: 'x', type: 'f32', data: new Float32Array(20), description: 'x', ...over } as Column] });
const table = (over: Partial<Record<keyof Table, unknown>>): AnalysisResult => ({ tables: [{ name: 't', rows: 1, columns: [{ name: 'a', type: 'u32', data: [1], description: 'a' }], ...over } as Table] });
const at = (index: number, value: unknown): unknown[] => Array.from({ length: 20 }, (_, i) => (i === index ? value : 0));
const nan = new Float32Array(20);
nan[7] = NaN;
const cyclic: Record<string, unknown> = {};
cyclic['self'] = cyclic;

const FAILURES: readonly [name: string, phase: string, over: Over, message: RegExp][] = [
  ['load rejects', 'load', { load: () => Promise.reject(new Error('404')) }, /404/],
  ['load throws', 'load', { load: thrower() as never }, /boom/],
  ['load gives nothing', 'load', { load: () => Promise.resolve(undefined) }, /no module/],
  ['load gives no create', 'load', { load: () => Promise.resolve({}) }, /create/],
  ['create throws', 'create', { create: thrower() }, /boom/],
  ['create rejects with nothing', 'create', { create: () => Promise.reject(undefined as unknown as Error) }, /undefined/],
  ['create gives no accumulator', 'create', { create: () => ({ update() {} }) }, /no merge\(\)/],
  ['update throws at once', 'update', { create: broken({ update: thrower() }) }, /boom/],
  ['update throws later', 'update', { create: () => (updates = 0, broken({ update: () => { if (++updates === 2) throw new RangeError('second batch'); } })()) }, /second batch/],
  ['update rejects', 'update', { create: broken({ update: () => Promise.reject(new Error('later')) }) }, /later/],
  ['update throws what cannot be shown', 'update', { create: broken({ update: () => { throw { toString: thrower() }; } }) }, /cannot be shown/],
  ['update throws an abort of its own', 'update', { create: broken({ update: () => { throw new DOMException('mine', 'AbortError'); } }) }, /mine/],
  ['update writes to the batch', 'update', { create: broken({ update: (batch: { rows: number }) => { batch.rows = 0; } }) }, /read only/],
  ['finish throws', 'finish', { create: broken({ finish: thrower() }) }, /boom/],
  ['finish gives nothing', 'finish', finishing(undefined), /undefined, expected/],
  ['finish gives null', 'finish', finishing(null), /null, expected/],
  ['features is no array', 'finish', finishing({ features: {} }), /features must be an array/],
  ['a column is null', 'finish', finishing({ features: [null] }), /a column is an object/],
  ['a column is too short', 'finish', finishing(column({ data: new Float32Array(19) })), /column lab_bad_x: has 19 values, the table has 20 rows/],
  ['a column is NaN somewhere', 'finish', finishing(column({ data: nan })), /column lab_bad_x, row 7: NaN is not a finite f32/],
  ['a column overflows f32', 'finish', finishing(column({ data: at(3, 1e300) })), /row 3: 1e\+300 is not a finite f32/],
  ['a column holds a hole', 'finish', finishing(column({ data: at(3, undefined) })), /row 3: f32 was expected, got undefined/],
  ['a count is a fraction', 'finish', finishing(column({ type: 'u64', data: at(4, 0.5) })), /row 4: u64 was expected, got 0.5/],
  ['a count is negative', 'finish', finishing(column({ type: 'u32', data: at(4, -1) })), /row 4: u32/],
  ['a count is past 2^53', 'finish', finishing(column({ type: 'u64', data: at(4, 2 ** 53) })), /row 4: u64/],
  ['a text is a number', 'finish', finishing(column({ type: 'string', data: at(0, 5) })), /row 0: string/],
  ['a list is no list', 'finish', finishing(column({ type: { list: 'f32' }, data: at(0, 5) })), /row 0: a list was expected/],
  ['a list holds NaN', 'finish', finishing(column({ type: { list: 'f32' }, data: at(2, 0).map((_, i) => (i === 2 ? [1, NaN] : [])) })), /row 2: NaN/],
  ['a type is unknown', 'finish', finishing(column({ type: 'float' })), /unknown column type "float"/],
  ['a type is missing', 'finish', finishing(column({ type: undefined })), /has no type/],
  ['data is missing', 'finish', finishing(column({ data: undefined })), /data must be/],
  ['a name is camelCase', 'finish', finishing(column({ name: 'myColumn' })), /"myColumn" cannot name a column/],
  ['a name is empty', 'finish', finishing(column({ name: '' })), /"" cannot name/],
  ['a name is too long', 'finish', finishing(column({ name: 'x'.repeat(60) })), /cannot name a column/],
  ['a description is missing', 'finish', finishing(column({ description: '' })), /no description/],
  ['a name comes twice', 'finish', finishing({ features: [...column({}).features!, ...column({}).features!] }), /two columns have this name/],
  ['a table has a bad name', 'finish', finishing(table({ name: '../t' })), /"\.\.\/t" cannot name a table/],
  ['a table is null', 'finish', finishing({ tables: [null] }), /cannot name a table/],
  ['a table comes twice', 'finish', finishing({ tables: [...table({}).tables!, ...table({}).tables!] }), /already has a table lab\.bad\.t/],
  ['a table has another number of rows', 'finish', finishing(table({ rows: 2 })), /has 1 values, the table has 2 rows/],
  ['a table has half a row', 'finish', finishing(table({ rows: 0.5 })), /rows is 0.5/],
  ['a table has no columns', 'finish', finishing(table({ columns: [] })), /no columns/],
  ['a grouped table has no feature', 'finish', finishing(table({ featuresPerGroup: 4 })), /no u32 column/],
  ['a grouped table is not sorted', 'finish', finishing(table({ featuresPerGroup: 4, rows: 2, columns: [{ name: 'feature', type: 'u32', data: [3, 2], description: 'f' }] })), /must ascend/],
  ['a grouped table knows more features', 'finish', finishing(table({ featuresPerGroup: 4, columns: [{ name: 'feature', type: 'u32', data: [20], description: 'f' }] })), /feature 20; the SAE has 20/],
  ['a summary holds NaN', 'finish', finishing({ summary: { a: { b: [1, NaN] } } }), /summary\.a\.b\[1\] is NaN/],
  ['a summary holds a bigint', 'finish', finishing({ summary: { a: 1n } }), /summary\.a is a bigint/],
  ['a summary is a typed array', 'finish', finishing({ summary: { a: new Float32Array(2) } }), /typed array/],
  ['a summary is an array', 'finish', finishing({ summary: [] }), /summary must be an object/],
  ['a summary contains itself', 'finish', finishing({ summary: cyclic }), /contains itself/],
];

for (const [name, phase, over, message] of FAILURES) {
  test(`isolated: ${name}`, async () => {
    const bad = plugin('lab/bad', over);
    for (const plugins of [[bad, plugin('lab/good')], [plugin('lab/good'), bad]]) {
      const { host, result, notices, status, message: messages } = await run(plugins);
      assert.deepEqual(status, { 'lab/bad': 'failed', 'lab/good': 'done' });
      assert.match(messages['lab/bad']!, message);
      assert.match(messages['lab/bad']!, new RegExp(`^plugin lab/bad failed in ${phase}: `));
      assert.deepEqual(goodColumns(result), goodColumns(alone), 'the other plugin gives what it gives alone');
      assert.ok(result.tables.length === 0 && result.featureColumns.length === 1);
      assert.equal(host.errors.length, 1);
      const [error] = host.errors;
      assert.ok(error instanceof PluginError && error instanceof SaekitError && error.plugin === 'lab/bad' && error.phase === phase);
      assert.equal(notices.length, 1);
      await packOf(result);
    }
  });
}

/** Whatever came through the host, the pack writer takes. */
async function packOf(result: HostResult): Promise<void> {
  const manifest: ManifestInput = {
    saekit: '0.0.0',
    created: '2020-01-01T00:00:00Z',
    sae: { ...sae.metadata, architecture: 'standard', d_in: 8, d_sae: 20, d_out: 8, k: null, conventions: [] },
    data: { tokens: 24, rows: 24, contexts: 6, positions: 4, ignore_tokens: [], ignore_positions: [], source: {} },
    run: { backend: 'wasm', backend_description: '', model_runtime: null, seed: 0, seconds: 1, tokens_per_second: 24, near_ties: 0, runtime: 'test' },
    plugins: result.plugins,
  };
  const sink = memorySink();
  await writePack({ sink, manifest, featureColumns: result.featureColumns, tables: result.tables });
  assert.ok(sink.files.has('manifest.json'));
}

test('whatever a plugin hands in, either it failed or the pack can be written', async () => {
  const scalar = fc.oneof(fc.constantFrom('f32', 'u8', 'string', 'bool', 'list'), fc.constant({ list: 'f32' }), fc.anything());
  const item = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.double(), fc.string(), fc.boolean(), fc.constant(null), fc.array(fc.double()), fc.anything());
  const columnArb = fc.record({ name: fc.oneof(fc.constantFrom('a', 'b', 'feature'), fc.anything()), type: scalar, data: fc.oneof(fc.array(item, { minLength: 20, maxLength: 20 }), fc.constant(new Float32Array(20)), fc.anything()), description: fc.oneof(fc.constant('text'), fc.anything()) });
  const tableArb = fc.record({ name: fc.oneof(fc.constantFrom('t', 'features', 'index'), fc.string()), rows: fc.oneof(fc.constant(20), fc.anything()), columns: fc.oneof(fc.array(columnArb, { maxLength: 3 }), fc.anything()), featuresPerGroup: fc.oneof(fc.constant(undefined), fc.anything()) }, { requiredKeys: ['name', 'rows', 'columns'] });
  const resultArb = fc.oneof(fc.record({ features: fc.array(columnArb, { maxLength: 2 }), tables: fc.array(tableArb, { maxLength: 2 }), summary: fc.dictionary(fc.string(), fc.anything()) }, { requiredKeys: [] }), fc.anything());
  let done = 0;
  await fc.assert(fc.asyncProperty(resultArb, async (result) => {
    const { options } = optionsOf([plugin('lab/bad', finishing(result)), plugin('lab/good')]);
    const host = await createHost(options);
    const finished = await host.finish();
    assert.equal(finished.plugins[1]!.status, 'done');
    if (finished.plugins[0]!.status === 'done') done++;
    await packOf(finished);
  }), { numRuns: 400 });
  assert.ok(done > 0, 'some of them are good');
});

test('two plugins cannot share a name in the pack: the second fails', async () => {
  const { status, message, result } = await run([plugin('a-b/c', finishing(column({}))), plugin('a/b-c', finishing(column({}))), plugin('lab/good')]);
  assert.deepEqual(status, { 'a-b/c': 'done', 'a/b-c': 'failed', 'lab/good': 'done' });
  assert.match(message['a/b-c']!, /already has a column a_b_c_x/);
  await packOf(result);
});

test('needs that are not met leave a plugin out, with the reason; so does the person', async () => {
  let created = 0;
  const counting: Over = { create: () => (created++, new FiringCounter(20)) };
  const plugins = [
    plugin('lab/tokens', { ...counting, needs: { tokens: true } }),
    plugin('lab/unembed', { ...counting, needs: { unembed: true } }),
    plugin('lab/off', counting),
    plugin('lab/good', { create: () => new FiringCounter(20), needs: { reconstruction: true } }),
  ];
  const { status, message, notices } = await run(plugins, { without: ['lab/off'], context: { hasTokens: false } });
  assert.deepEqual(status, { 'lab/tokens': 'left-out', 'lab/unembed': 'left-out', 'lab/off': 'left-out', 'lab/good': 'done' });
  assert.match(message['lab/tokens']!, /needs token ids/);
  assert.match(message['lab/unembed']!, /needs an unembedding/);
  assert.equal(message['lab/off'], 'switched off');
  assert.equal(notices.length, 2);
  assert.equal(created, 0);
  const met = await run(plugins, { context: { unembed: { d: 8, vocabulary: 1, W_U: new Float32Array(8), final_norm_scale: null } } });
  assert.deepEqual(new Set(Object.values(met.status)), new Set(['done']));
});

test('a plugin is given its settings, its seed, and a voice of its own', async () => {
  let given: PluginContext | null = null;
  const talker = plugin('lab/good', {
    settings: { top: { type: 'number', default: 3, description: 'n' } },
    create: (ctx) => {
      given = ctx;
      ctx.notice('hello');
      return new FiringCounter(20);
    },
  });
  const { notices, result } = await run([talker], { settings: { 'lab/good': { top: 4, topp: 5 } } });
  const context = given as unknown as PluginContext;
  assert.deepEqual({ ...context.settings }, { top: 4 });
  assert.deepEqual([context.seed, context.positions, context.hasTokens, context.sae], [3, 4, true, sae]);
  assert.ok(Object.isFrozen(context));
  assert.deepEqual(result.plugins[0]!.settings, { top: 4 });
  assert.deepEqual(notices, ['lab/good has no setting topp; it has top', 'lab/good: hello']);
});

test('a setting that does not fit, and a plugin that does not exist, are wrong use', async () => {
  const one = plugin('lab/good', { settings: { top: { type: 'number', default: 3, description: 'n' } } });
  for (const over of [{ settings: { 'lab/good': { top: 'x' } } }, { settings: { 'lab/other': {} } }, { without: ['lab/other'] }]) {
    await assert.rejects(createHost(optionsOf([one], over).options), UsageError);
  }
});

test('an abort is not a plugin\'s failure', async () => {
  for (const method of ['update', 'finish'] as const) {
    const controller = new AbortController();
    const aborting = plugin('lab/bad', { create: broken({ [method]: () => { controller.abort(); throw new Error('interrupted'); } }) });
    await assert.rejects(run([aborting, plugin('lab/good')], { context: { signal: controller.signal } }), isAbort);
  }
});

test('a backend that fails inside a plugin\'s reconstruction fails the run', async () => {
  const { options } = optionsOf([plugin('lab/bad', { create: broken({ update: (batch: { reconstruction(): Promise<unknown> }) => batch.reconstruction() }) })]);
  const host = await createHost(options);
  const lost: LoadedSae = { ...loaded, maxRows: 100, encode: (...args) => loaded.encode(...args), decode: () => Promise.reject(new BackendError('device lost')) };
  await assert.rejects(runStream({ source: memorySource(stream), sae, loaded: lost, accumulators: [host] }), BackendError);
});

test('states of shards go through bytes and merge; what does not fit fails its own plugin', async () => {
  const shard = async (range: [number, number], plugins = [plugin('lab/good'), plugin('lab/bad')]): Promise<StateValue> => {
    const host = await createHost(optionsOf(plugins).options);
    await runStream({ source: memorySource(stream), sae, loaded, accumulators: [host], contexts: range });
    return decodeState(encodeState(await host.save()));
  };
  const [left, right] = [await shard([0, 2]), await shard([2, 6])];
  const merge = async (states: StateValue[], bad: AnyPlugin) => {
    const host = await createHost(optionsOf([plugin('lab/good'), bad]).options);
    for (const state of states) await host.merge(state);
    return host.finish();
  };
  const merged = await merge([left, right], plugin('lab/bad'));
  assert.deepEqual(goodColumns(merged), goodColumns(alone));
  assert.deepEqual(merged.plugins.map(({ summary }) => summary), [{ tokens: 24 }, { tokens: 24 }]);
  const setting = { settings: { top: { type: 'number', default: 3, description: 'n' } } } as const;
  for (const [states, bad, reason] of [
    [[left, right], plugin('lab/bad', { version: '1.0.1' }), /made by version 1\.0\.0, this is 1\.0\.1/],
    [[left, right], plugin('lab/bad', setting), /settings/],
    [[left, right], plugin('lab/bad', { create: broken({ merge: thrower() }) }), /failed in merge: boom/],
    [[left, await shard([2, 6], [plugin('lab/good')])], plugin('lab/bad'), /no state of it/],
    [[left, await shard([2, 6], [plugin('lab/good'), plugin('lab/bad', { create: broken({ save: thrower() }) })])], plugin('lab/bad'), /no state of it/],
  ] as const) {
    const result = await merge([...states], bad);
    assert.deepEqual(goodColumns(result), goodColumns(alone));
    assert.equal(result.plugins[1]!.status, 'failed');
    assert.match(result.plugins[1]!.message!, reason);
  }
  for (const nonsense of [null, 5, 'x', [], new Float32Array(3), {}]) {
    const result = await merge([nonsense], plugin('lab/bad'));
    assert.deepEqual(result.plugins.map(({ status }) => status), ['failed', 'failed']);
  }
});

test('rows are there at the end for who asks for them, and only then', async () => {
  const asked: unknown[] = [];
  const early = plugin('lab/early', { needs: { rows: true }, create: async (ctx) => (await ctx.rows().catch((error: unknown) => asked.push(String(error))), new FiringCounter(sae.d_sae)) });
  const rude = plugin('lab/rude', { create: (ctx) => Object.assign(new FiringCounter(sae.d_sae), { finish: () => ctx.rows() }) });
  const reader = plugin('lab/reader', { needs: { rows: true }, create: (ctx) => Object.assign(new FiringCounter(sae.d_sae), { finish: async () => { const { rows, whole, total } = await ctx.rows(); return { summary: { rows, whole, total } }; } }) });
  const { result, message } = await run([early, rude, reader]);
  assert.match(String(asked[0]), /before the stream has ended/);
  assert.match(String(message['lab/rude']), /without needing them/);
  const rows = result.plugins[2]!.summary as unknown as { rows: number; whole: boolean; total: number };
  assert.deepEqual([rows.rows, rows.total, rows.whole], [24, 24, true]);
});

test('a sample of rows is merged with the states of shards', async () => {
  const seen: { x: Float32Array; index: Float64Array }[] = [];
  const reader = plugin('lab/reader', { needs: { rows: true }, create: (ctx) => Object.assign(new FiringCounter(sae.d_sae), { finish: async () => (seen.push(await ctx.rows()), {}) }) });
  await run([reader], { holdRows: 7 * 4 * 8 });
  const shards: StateValue[] = [];
  for (const contexts of [[0, 2], [2, 6]] as const) {
    const host = await createHost({ ...optionsOf([reader]).options, holdRows: 7 * 4 * 8 });
    await runStream({ source: memorySource(stream), sae, loaded, accumulators: [host], contexts });
    shards.push(decodeState(encodeState(await host.save())));
  }
  const merged = await createHost({ ...optionsOf([reader]).options, holdRows: 7 * 4 * 8 });
  for (const shard of shards.reverse()) await merged.merge(shard);
  await merged.finish();
  assert.equal(seen[0]!.index.length, 7);
  assert.deepEqual(seen[1], seen[0]);
});

test('results are handed on in the order that plugins ask for, not in that of the list', async () => {
  const last = plugin('lab/last', { after: ['lab/first', 'lab/absent', 'lab/bad'], create: (ctx) => Object.assign(new FiringCounter(sae.d_sae), { finish: () => ({ summary: { first: ctx.result('lab/first')?.summary, absent: ctx.result('lab/absent'), bad: ctx.result('lab/bad') } }) }) });
  const bad = plugin('lab/bad', { create: broken({ finish: thrower() }) });
  const nosy = plugin('lab/nosy', { create: (ctx) => Object.assign(new FiringCounter(sae.d_sae), { finish: () => ({ summary: { first: ctx.result('lab/first') } }) }) });
  const { result, message } = await run([last, bad, nosy, plugin('lab/first')]);
  assert.deepEqual(result.plugins[0]!.summary, { first: { tokens: 24 }, absent: null, bad: null });
  assert.match(String(message['lab/nosy']), /does not come after/);
  assert.deepEqual(result.plugins.map(({ id }) => id), ['lab/last', 'lab/bad', 'lab/nosy', 'lab/first'], 'the manifest keeps the order of the list');
});

test('plugins that wait for each other are told so before the run', async () => {
  await assert.rejects(createHost(optionsOf([plugin('lab/a', { after: ['lab/b'] }), plugin('lab/b', { after: ['lab/a'] })]).options), /lab\/a, lab\/b come after each other/);
});

test('without a training run, what needs one is left out', async () => {
  const { message } = await run([plugin('lab/run', { needs: { run: true } })]);
  assert.match(String(message['lab/run']), /needs the SAE's training run/);
});
