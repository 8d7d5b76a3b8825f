/** What is written comes back: every type, lists, nulls, empty tables, odd sizes, any values. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { ShapeError, NumericError, UsageError } from '../../engine/errors.js';
import { memorySink } from '../../engine/io/sink.js';
import { openPack, tableRows } from '../../engine/pack/reader.js';
import { Sha256 } from '../../engine/pack/sha256.js';
import { featureColumnName, tableName } from '../../engine/pack/names.js';
import { writePack } from '../../engine/pack/writer.js';
import type { ColumnType, ScalarType, Table } from '../../engine/run/table.js';
import { jsonOf, packInMemory, tableOf, textOf } from '../support/small-pack.js';
import { syntheticPack } from '../support/synthetic-pack.js';

async function roundTrip(table: Table, features = 4): Promise<Record<string, unknown>[]> {
  const sink = memorySink();
  const { manifest } = syntheticPack({ features, logits: false });
  await writePack({ sink, manifest, featureColumns: [], tables: [{ plugin: 'test/plugin', table }] });
  const pack = await openPack(sink.files);
  const name = `test.plugin.${table.name}`;
  return tableRows(await pack.table(name));
}

/** Plain values: typed arrays become arrays. */
const plain = (value: unknown): unknown => (ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<unknown>) : Array.isArray(value) ? value.map(plain) : value);
const rowsOf = (table: Table): Record<string, unknown>[] => Array.from({ length: table.rows }, (_, row) => Object.fromEntries(table.columns.map((column) => [column.name, plain(column.data[row])])));
const plainRows = (rows: readonly Record<string, unknown>[]): unknown => rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])));

const samples: Record<ScalarType, unknown[]> = {
  bool: [true, false, true, true],
  u8: [0, 255, 7, 128],
  u32: [0, 4294967295, 2147483648, 1],
  i32: [-2147483648, 2147483647, 0, -1],
  u64: [0, Number.MAX_SAFE_INTEGER, 4294967296, 1],
  f32: [0, Math.fround(0.1), -3.4028234663852886e38, 1.401298464324817e-45],
  f64: [0.1, -Number.MAX_VALUE, 5e-324, Math.PI],
  string: ['', ' the', '</script>\u0000\n\u202e', '\ufeff日本🙂'],
};
const scalars = Object.keys(samples) as ScalarType[];

test('every type, plain and as a list, with and without nulls', async () => {
  for (const scalar of scalars) {
    const values = samples[scalar];
    const table = tableOf('types', [
      { name: 'plain', type: scalar, data: values },
      { name: 'gaps', type: scalar, data: [null, values[1], null, values[3]] },
      { name: 'nothing', type: scalar, data: [null, null, null, null] },
      { name: 'lists', type: { list: scalar }, data: [values, [], [values[2]], values.slice(1)] },
      { name: 'list_gaps', type: { list: scalar }, data: [null, [], null, values] },
      { name: 'list_nothing', type: { list: scalar }, data: [null, null, null, null] },
      { name: 'list_empty', type: { list: scalar }, data: [[], [], [], []] },
    ]);
    assert.deepEqual(plainRows(await roundTrip(table)), rowsOf(table), scalar);
  }
});

test('typed arrays go in and come out', async () => {
  const table = tableOf('typed', [
    { name: 'a', type: 'u64', data: Float64Array.of(3, 2 ** 40) },
    { name: 'b', type: 'f32', data: Float32Array.of(0.5, -1) },
    { name: 'c', type: { list: 'u32' }, data: [Uint32Array.of(4294967295, 0), new Uint32Array(0)] },
    { name: 'd', type: 'u64', data: BigUint64Array.of(1n, 2n) },
  ]);
  const sink = memorySink();
  await writePack({ sink, manifest: syntheticPack({ features: 1 }).manifest, featureColumns: [], tables: [{ plugin: 'test/plugin', table }] });
  const { columns } = await (await openPack(sink.files)).table('test.plugin.typed');
  assert.ok(columns.a instanceof Float64Array && columns.b instanceof Float32Array);
  assert.ok((columns.c as unknown[])[0] instanceof Uint32Array);
  assert.deepEqual(Array.from(columns.d as Float64Array), [1, 2]);
});

test('a table without rows has its columns', async () => {
  for (const featuresPerGroup of [undefined, 3]) {
    const table = tableOf('empty', [{ name: 'feature', type: 'u32', data: [] }, { name: 'tokens', type: { list: 'string' }, data: [] }], featuresPerGroup);
    assert.deepEqual(await roundTrip(table), []);
  }
});

test('a lone surrogate becomes U+FFFD, which UTF-8 has instead', async () => {
  const rows = await roundTrip(tableOf('odd', [{ name: 'text', type: { list: 'string' }, data: [['a\ud800', 'b']] }]));
  assert.deepEqual(plainRows(rows), [{ text: ['a\ufffd', 'b'] }]);
});

const arbitraries: Record<ScalarType, fc.Arbitrary<unknown>> = {
  bool: fc.boolean(),
  u8: fc.integer({ min: 0, max: 255 }),
  u32: fc.integer({ min: 0, max: 0xffffffff }),
  i32: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  u64: fc.maxSafeNat(),
  f32: fc.float({ noNaN: true, noDefaultInfinity: true }),
  f64: fc.double({ noNaN: true, noDefaultInfinity: true }),
  string: fc.string({ unit: 'binary', maxLength: 6 }).map((text) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text))),
};

test('property: any table comes back, in any grouping', async () => {
  const type = fc.constantFrom(...scalars).chain((scalar) => fc.constantFrom<ColumnType>(scalar, { list: scalar }));
  const table = fc.record({ rows: fc.integer({ min: 0, max: 60 }), types: fc.array(type, { minLength: 1, maxLength: 5 }), perGroup: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }), features: fc.integer({ min: 1, max: 20 }) }).chain(({ rows, types, perGroup, features }) =>
    fc.tuple(
      fc.array(fc.integer({ min: 0, max: features - 1 }), { minLength: rows, maxLength: rows }).map((list) => list.sort((a, b) => a - b)),
      ...types.map((of) => {
        const scalar = typeof of === 'string' ? of : of.list;
        const value = typeof of === 'string' ? arbitraries[scalar] : fc.array(arbitraries[scalar], { maxLength: 12 });
        return fc.array(fc.option(value, { nil: null, freq: 5 }), { minLength: rows, maxLength: rows });
      }),
    ).map(([feature, ...data]) => ({
      features,
      table: tableOf('any', [{ name: 'feature', type: 'u32' as ColumnType, data: feature as ArrayLike<unknown> }, ...types.map((of, i) => ({ name: `c${i}`, type: of, data: data[i] as ArrayLike<unknown> }))], perGroup),
    })),
  );
  await fc.assert(
    fc.asyncProperty(table, async ({ features, table: any }) => {
      assert.deepEqual(plainRows(await roundTrip(any, features)), rowsOf(any));
    }),
    { numRuns: 150 },
  );
});

test('a long table has several pages and row groups of one million rows', async () => {
  const rows = 1_000_700;
  const table = tableOf('long', [{ name: 'n', type: 'u32', data: Uint32Array.from({ length: rows }, (_, i) => (i * 2654435761) >>> 0) }, { name: 's', type: 'string', data: Array.from({ length: rows }, (_, i) => (i % 7 === 0 ? null : `t${i % 1000}`)) }]);
  const sink = memorySink();
  await writePack({ sink, manifest: syntheticPack({ features: 1 }).manifest, featureColumns: [], tables: [{ plugin: 'test/plugin', table }] });
  const { columns } = await (await openPack(sink.files)).table('test.plugin.long');
  assert.deepEqual(columns.n, table.columns[0]?.data);
  assert.deepEqual(columns.s, table.columns[1]?.data);
});

test('cards of packs whose features do not fill the groups, down to one', async () => {
  for (const features of [1, 2, 31, 33, 65]) {
    const input = syntheticPack({ features, seed: features });
    const sink = memorySink();
    const manifest = await writePack({ ...input, sink });
    assert.equal(manifest.features, features);
    assert.equal(Object.values(manifest.classes).reduce((a, b) => a + b, 0), features);
    const pack = await openPack(sink.files);
    const column = (name: string): ArrayLike<unknown> => input.featureColumns.flatMap(({ columns }) => columns).find((candidate) => candidate.name === name)?.data ?? [];
    const examples = input.tables.find(({ table }) => table.name === 'examples')?.table;
    for (let feature = 0; feature < features; feature++) {
      const card = await pack.card(feature);
      assert.equal(card.count, column('count')[feature]);
      assert.equal(card.density, column('density')[feature]);
      assert.equal(card.max, column('max')[feature]);
      assert.equal(card.class, column('class')[feature]);
      assert.deepEqual(card.neighbours.map((neighbour) => neighbour.feature), Array.from(column('neighbours')[feature] as Uint32Array));
      assert.equal(card.histogram.counts.reduce((a, b) => a + b, 0), card.count);
      assert.equal(card.examples.length, Array.from(examples?.columns[0]?.data as number[]).filter((of) => of === feature).length);
    }
  }
});

test('a card says what the tables say, field by field', async () => {
  const input = syntheticPack({ features: 40, seed: 5 });
  const sink = memorySink();
  await writePack({ ...input, sink });
  const pack = await openPack(sink.files);
  const count = input.featureColumns[0]?.columns[1]?.data as Float64Array;
  const live = count.findIndex((value) => value > 1000);
  const card = await pack.card(live);
  const max = card.max ?? NaN;
  assert.deepEqual(Object.keys(card.quantiles), ['0.01', '0.05', '0.25', '0.50', '0.75', '0.95', '0.99']);
  assert.equal(card.examples.filter((example) => example.group === 'top').length, 20);
  for (const example of card.examples) {
    assert.equal(example.tokens.length, example.activations.length);
    assert.equal(example.firing, example.position - example.start);
    assert.equal(example.activations[example.firing], example.value);
    if (example.group === 'top') assert.equal(example.interval, null);
    else assert.deepEqual(example.interval, [((example.group - 1) / 10) * max, (example.group / 10) * max]);
  }
  // Bins of 16 an octave: neighbouring edges differ by at most 2^(1/16) in log terms, by 1/16 of their octave's start.
  const { edges, counts } = card.histogram;
  assert.equal(edges.length, counts.length + 1);
  edges.slice(1).forEach((edge, i) => assert.equal(edge - (edges[i] as number), 2 ** Math.floor(Math.log2(edges[i] as number)) / 16));
  assert.ok((edges[counts.length - 1] as number) <= max && max < (edges[counts.length] as number));
  assert.equal(card.logits?.plain.top.length, 10);
  assert.equal(card.logits?.normed?.histogram.edges.length, 51);
  assert.deepEqual(card.source, { sae: 'synthetic', model: 'none', hook: 'blocks.8.hook_resid_pre' });
});

test('a dead feature has nulls and empty lists', async () => {
  const input = syntheticPack({ features: 200, seed: 3 });
  const sink = memorySink();
  const manifest = await writePack({ ...input, sink });
  assert.ok(manifest.classes.dead > 0);
  const pack = await openPack(sink.files);
  const { classes, columns } = await pack.summary();
  const dead = classes.indexOf('dead');
  const card = await pack.card(dead);
  assert.deepEqual([card.class, card.count, card.density, card.mean, card.max], ['dead', 0, 0, null, null]);
  assert.equal(card.density_high, 3 / card.tokens);
  assert.deepEqual([card.examples, card.quantiles, card.histogram], [[], {}, { edges: [], counts: [] }]);
  assert.ok(Number.isNaN(columns.mean?.[dead]));
  assert.equal(columns.count?.[dead], 0);
});

test('without logits, weights or examples a card is still a card', async () => {
  const input = syntheticPack({ features: 5, logits: false });
  const sink = memorySink();
  await writePack({ ...input, sink, featureColumns: input.featureColumns.slice(0, 1), tables: [] });
  const card = await (await openPack(sink.files)).card(3);
  assert.deepEqual([card.bias, card.decoder_norm, card.mean, card.logits, card.neighbours, card.examples], [null, null, null, null, [], []]);
  const bare = memorySink();
  await writePack({ ...input, sink: bare, featureColumns: [], tables: [] });
  await assert.rejects((await openPack(bare.files)).card(3), /density analysis is not in this pack/);
});

test('a group whose features are all dead costs nothing and is empty', async () => {
  const data = [0, 50, 50, 99];
  const table = tableOf('few', [{ name: 'feature', type: 'u32', data }], 10);
  const sink = memorySink();
  await writePack({ sink, manifest: syntheticPack({ features: 100 }).manifest, featureColumns: [], tables: [{ plugin: 'sae/few', table }] });
  const { sizes } = (jsonOf(sink.files, 'index.json').tables as Record<string, { sizes: number[] }>).few as { sizes: number[] };
  assert.deepEqual(sizes.map((size) => size > 0), [true, false, false, false, false, true, false, false, false, true]);
  assert.deepEqual(Array.from((await (await openPack(sink.files)).table('few')).columns.feature as Uint32Array), data);
});

test('equal input gives equal bytes; the manifest has size and SHA-256 of each table', async () => {
  const [one, two] = [await packInMemory({ features: 70 }), await packInMemory({ features: 70 })];
  assert.deepEqual([...one.keys()], [...two.keys()]);
  for (const [path, bytes] of one) assert.deepEqual(bytes, two.get(path), path);
  const tables = jsonOf(one, 'manifest.json').tables as { path: string; bytes: number; sha256: string; rows: number }[];
  assert.deepEqual(new Set(tables.map(({ path }) => path)), new Set([...one.keys()].filter((path) => path.endsWith('.parquet'))));
  for (const { path, bytes, sha256 } of tables) {
    assert.equal(bytes, one.get(path)?.byteLength);
    assert.equal(sha256, createHash('sha256').update(one.get(path) as Uint8Array).digest('hex'));
  }
  assert.equal(textOf(one, 'index.json').split('\n').length, 2);
});

test("a stranger's columns are prefixed, its tables lie in plugins/", async () => {
  assert.equal(featureColumnName('sae/density', 'count'), 'count');
  assert.equal(featureColumnName('example/co-firing', 'score'), 'example_co_firing_score');
  assert.deepEqual(tableName('example/co-firing', 'pairs'), { name: 'example.co-firing.pairs', path: 'plugins/example.co-firing.pairs.parquet' });
  const input = syntheticPack({ features: 6 });
  const sink = memorySink();
  const manifest = await writePack({
    ...input,
    sink,
    featureColumns: [...input.featureColumns, { plugin: 'example/co-firing', columns: [{ name: 'score', type: 'f32', data: [1, 2, null, 4, 5, 6], description: 'a score' }] }],
    tables: [{ plugin: 'example/co-firing', table: tableOf('pairs', [{ name: 'a', type: 'u32', data: [1] }]) }],
  });
  assert.equal(manifest.tables.find(({ name }) => name === 'example.co-firing.pairs')?.plugin, 'example/co-firing');
  const pack = await openPack(sink.files);
  assert.deepEqual(plain((await pack.table('features', { columns: ['example_co_firing_score'] })).columns.example_co_firing_score), [1, 2, null, 4, 5, 6]);
  await assert.rejects(pack.table('pairs'), UsageError);
  await assert.rejects(pack.table('features', { columns: ['nonsense'] }), /no column "nonsense"/);
});

test('what does not fit is refused by name, and nothing is left', async () => {
  const bad: [Table, RegExp][] = [
    [tableOf('t', [{ name: 'x', type: 'f32', data: [1, NaN] }]), /table t, column x, row 1: NaN is not a finite f32/],
    [tableOf('t', [{ name: 'x', type: 'f32', data: [1e39] }]), /not a finite f32/],
    [tableOf('t', [{ name: 'x', type: { list: 'f64' }, data: [[1, Infinity]] }]), /not a finite f64/],
    [tableOf('t', [{ name: 'x', type: 'u32', data: [-1] }]), /row 0: u32 was expected, got -1/],
    [tableOf('t', [{ name: 'x', type: 'u8', data: [256] }]), /u8 was expected/],
    [tableOf('t', [{ name: 'x', type: 'u64', data: [2 ** 53] }]), /u64 was expected/],
    [tableOf('t', [{ name: 'x', type: 'i32', data: [0.5] }]), /i32 was expected/],
    [tableOf('t', [{ name: 'x', type: 'string', data: [3] }]), /string was expected/],
    [tableOf('t', [{ name: 'x', type: 'u32', data: [undefined] }]), /u32 was expected/],
    [tableOf('t', [{ name: 'x', type: { list: 'string' }, data: ['abc'] }]), /a list was expected/],
    [tableOf('t', [{ name: 'x y', type: 'u32', data: [] }]), /cannot name a column/],
    [tableOf('t', [{ name: 'x', type: 'u32', data: [] }, { name: 'x', type: 'u32', data: [] }]), /two columns/],
    [tableOf('t', [{ name: 'x', type: 'u32', data: [1] }, { name: 'y', type: 'u32', data: [] }]), /has 0 values, the table has 1 rows/],
    [tableOf('t', [{ name: 'feature', type: 'u32', data: [2, 1] }], 2), /must ascend/],
    [tableOf('t', [{ name: 'feature', type: 'u32', data: [9] }], 2), /a row of feature 9; the SAE has 4/],
    [tableOf('t', [{ name: 'x', type: 'u32', data: [9] }], 2), /no u32 column `feature`/],
    [tableOf('../t', [{ name: 'x', type: 'u32', data: [9] }]), /cannot name a table/],
  ];
  for (const [table, message] of bad) {
    const sink = memorySink();
    const { manifest } = syntheticPack({ features: 4 });
    await assert.rejects(writePack({ sink, manifest, featureColumns: [], tables: [{ plugin: 'sae/t', table }] }), (error: unknown) => {
      assert.ok(error instanceof ShapeError || error instanceof NumericError, String(error));
      assert.match(error.message, message);
      return true;
    });
    assert.equal(sink.files.size, 0);
    await assert.rejects(sink.write('x', new Uint8Array(1)), UsageError);
  }
});

test('SHA-256 over pieces of any size', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 130 }), (bytes, step) => {
      const hash = new Sha256();
      for (let at = 0; at < bytes.byteLength; at += step) hash.update(bytes.subarray(at, at + step));
      assert.equal(hash.hex(), createHash('sha256').update(bytes).digest('hex'));
    }),
  );
});
