/** Packs that are damaged, cut off, newer, or made to harm: a SaekitError that says what is wrong, soon. */
import { before, test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { gzipSync } from 'fflate';
import { FormatError, SaekitError } from '../../engine/errors.js';
import { decodeGroup } from '../../engine/pack/decode-table.js';
import { gunzipPage } from '../../engine/pack/gunzip-page.js';
import { openPack } from '../../engine/pack/reader.js';
import type { Manifest, PackIndex } from '../../engine/pack/schema.js';
import { memorySink } from '../../engine/io/sink.js';
import { writePack } from '../../engine/pack/writer.js';
import type { Column, ColumnType, Table } from '../../engine/run/table.js';
import { jsonOf, packInMemory, tableOf, withFile } from '../support/small-pack.js';
import { syntheticPack } from '../support/synthetic-pack.js';

const FEATURES = 24;
let files: Map<string, Uint8Array>;
before(async () => {
  files = await packInMemory({ features: FEATURES, vocabulary: 300, seed: 2 });
});

/** Opens and reads everything; anything else than a SaekitError is a defect. @returns its message, or null when all went well */
async function readAll(source: ReadonlyMap<string, Uint8Array>): Promise<string | null> {
  const started = performance.now();
  try {
    const pack = await openPack(source);
    for (let feature = 0; feature < Math.min(FEATURES, pack.manifest.features); feature += 7) await pack.card(feature);
    await pack.summary();
    for (const { name } of pack.manifest.tables) await pack.table(name);
    return null;
  } catch (error) {
    assert.ok(error instanceof SaekitError, `${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    assert.ok(error.message.length > 10);
    return error.message;
  } finally {
    assert.ok(performance.now() - started < 5000, 'took too long');
  }
}

async function failsWith(source: ReadonlyMap<string, Uint8Array>, message: RegExp): Promise<void> {
  assert.match((await readAll(source)) ?? 'no error', message);
}

const manifest = (): Manifest => jsonOf(files, 'manifest.json') as unknown as Manifest;
const withManifest = (change: object): Map<string, Uint8Array> => withFile(files, 'manifest.json', { ...manifest(), ...change });

test('the pack itself reads', async () => assert.equal(await readAll(files), null));

test('what is not a manifest says so, with what it begins with', async () => {
  await failsWith(withFile(files, 'manifest.json', '<!doctype html><title>Not found'), /manifest\.json: is not JSON; it begins with "<!doctype html>/);
  await failsWith(withFile(files, 'manifest.json', ''), /is not JSON/);
  await failsWith(withFile(files, 'manifest.json', 'null'), /is not the manifest of a pack/);
  await failsWith(withFile(files, 'manifest.json', { name: 'app' }), /is not the manifest of a pack/);
  await failsWith(withManifest({ version: 2, saekit: '9.9.9' }), /the pack is of version 2, this saekit reads up to version 1/);
  await failsWith(withManifest({ version: '1' }), /version 1/);
});

test('a manifest that lies is refused by the part that lies', async () => {
  const [first] = manifest().tables;
  const tables = (change: object): Map<string, Uint8Array> => withManifest({ tables: [{ ...first, ...change }] });
  for (const path of ['../../etc/passwd', '/etc/passwd', 'https://example.invalid/x', 'a/../../b', '.git/config', 7, null]) {
    await failsWith(tables({ path }), /which is not inside the pack/);
  }
  await failsWith(tables({ columns: [{ name: '__proto__', type: 'u32' }] }), /column without a name/);
  await failsWith(tables({ columns: [{ name: 'x', type: 'list<list<u8>>' }] }), /unknown column type "list<list<u8>>"/);
  await failsWith(tables({ columns: [{ name: 'x', type: 'constructor' }] }), /unknown column type/);
  await failsWith(tables({ rows: -1 }), /no name, rows, bytes or columns/);
  await failsWith(withManifest({ tables: [first, first] }), /two tables are called/);
  await failsWith(withManifest({ tables: {} }), /"tables" is not a list/);
  await failsWith(withManifest({ features: 1e300 }), /"features"/);
  await failsWith(withManifest({ classes: {} }), /"classes"/);
  await failsWith(withManifest({ sae: null }), /"sae" has no name/);
  await failsWith(withManifest({ data: { tokens: 'many' } }), /"data\.tokens"/);
  await failsWith(withManifest({ plugins: [null] }), /"plugins"/);
  await failsWith(withManifest({ tables: manifest().tables.filter(({ name }) => name !== 'features') }), /no table features/);
});

test('an index that lies is refused', async () => {
  const index = jsonOf(files, 'index.json') as unknown as PackIndex;
  const entry = (change: object): Map<string, Uint8Array> => withFile(files, 'index.json', { ...index, tables: { ...index.tables, features: { ...index.tables.features, ...change } } });
  await failsWith(withFile(files, 'index.json', '[]'), /is not the index/);
  await failsWith(withFile(files, 'index.json', null), /index\.json: there is no such file/);
  await failsWith(withFile(files, 'index.json', { version: 1, tables: {} }), /has no row groups of table features/);
  await failsWith(entry({ sizes: [] }), /one size for each row group/);
  await failsWith(entry({ sizes: [-5] }), /one size for each row group/);
  await failsWith(entry({ sizes: [1e15] }), /longer than its file/);
  await failsWith(entry({ featuresPerGroup: 0 }), /one size for each row group/);
  await failsWith(entry({ featuresPerGroup: 1e9 * 1e9 }), /one size/);
  await failsWith(entry({ sizes: [0] }), /no row of feature 0/);
  await failsWith(entry({ sizes: [(index.tables.features?.sizes[0] ?? 0) - 1] }), /features\.parquet/);
});

test('a file that is missing, cut off or exchanged is named', async () => {
  for (const { path, name } of manifest().tables) {
    const bytes = files.get(path) as Uint8Array;
    const escaped = path.replace('.', '\\.');
    await failsWith(withFile(files, path, null), new RegExp(`${escaped}: there is no such file`));
    await failsWith(withFile(files, path, bytes.subarray(0, 50)), new RegExp(`${escaped}: has 50 bytes`));
    await failsWith(withFile(files, path, bytes.subarray(0, bytes.byteLength - 1)), new RegExp(`${escaped}: has ${bytes.byteLength - 1} bytes, the manifest says`));
    await failsWith(withFile(files, path, new Uint8Array(bytes.byteLength)), name === 'summary' ? /does not begin with PAR1/ : new RegExp(`${escaped}, column feature`));
  }
});

test('property: any bytes changed give an error that names something, or a pack that reads', async () => {
  const paths = [...files.keys()];
  let errors = 0;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }), async (path, changes) => {
      const bytes = (files.get(path) as Uint8Array).slice();
      for (const [at, value] of changes) bytes[Math.floor(at * bytes.byteLength)] = value;
      if ((await readAll(withFile(files, path, bytes))) !== null) errors++;
    }),
    { numRuns: 600 },
  );
  // Most bytes are under a checksum or in a structure: most changes are found.
  assert.ok(errors > 500, `${errors} of 600 were found`);
});

test('property: bits changed in compressed values never give other values', async () => {
  const { tables } = jsonOf(files, 'index.json') as unknown as PackIndex;
  const [size] = tables.histograms?.sizes ?? [];
  const columns = manifest().tables.find(({ name }) => name === 'histograms')?.columns ?? [];
  assert.equal(columns.length, 3);
  const group = (files.get('histograms.parquet') as Uint8Array).slice(4, 4 + (size as number));
  const read = (bytes: Uint8Array): unknown =>
    decodeGroup('h', bytes, [
      { name: 'feature', type: { scalar: 'u32', list: false } },
      { name: 'first_bin', type: { scalar: 'i32', list: false } },
      { name: 'counts', type: { scalar: 'u64', list: true } },
    ]).columns;
  const whole = read(group);
  let found = 0;
  // The last 200 bytes are the deflated counts and their trailer.
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 7 }), (fromEnd, bit) => {
      const bytes = group.slice();
      bytes[bytes.byteLength - fromEnd] = (bytes[bytes.byteLength - fromEnd] as number) ^ (1 << bit);
      let values: unknown;
      try {
        values = read(bytes);
      } catch (error) {
        assert.ok(error instanceof FormatError);
        found++;
        return;
      }
      // The unused bits of the last deflated byte.
      assert.deepEqual(values, whole);
    }),
    { numRuns: 400 },
  );
  assert.ok(found > 380, `${found} of 400 were found`);
});

test('property: any bytes at all as a row group end soon', () => {
  const types = ['bool', 'u8', 'u32', 'u64', 'f32', 'string'] as const;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(...types), fc.boolean(), (bytes, scalar, list) => {
      if (bytes.byteLength === 0) return;
      const started = performance.now();
      try {
        decodeGroup('x', bytes, [{ name: 'a', type: { scalar, list } }]);
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error));
      }
      assert.ok(performance.now() - started < 1000);
    }),
    { numRuns: 2000 },
  );
});

/** Thrift's compact protocol, as far as a DataPage V2 header needs it. */
function pageHeader(unpacked: number, packed: number, values: number, encoding: number, definition: number, repetition: number, rows = values): number[] {
  const zigzag = (value: number): number[] => {
    const out: number[] = [];
    let rest = value * 2;
    while (rest > 0x7f) {
      out.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return [...out, rest];
  };
  const field = (delta: number, value: number): number[] => [(delta << 4) | 5, ...zigzag(value)];
  return [...field(1, 3), ...field(1, unpacked), ...field(1, packed), (5 << 4) | 12, ...field(1, values), ...field(1, 0), ...field(1, rows), ...field(1, encoding), ...field(1, definition), ...field(1, repetition), 0, 0];
}

function page(values: number, encoding: number, levels: number[], data: Uint8Array, repetition = 0): Uint8Array {
  const body = gzipSync(data, { mtime: 0 });
  return Uint8Array.from([...pageHeader(levels.length + data.byteLength, levels.length + body.byteLength, values, encoding, levels.length - repetition, repetition), ...levels, ...body]);
}

const PLAIN = 0;
const DELTA = 5;
const u32 = { name: 'a', type: { scalar: 'u32', list: false } } as const;
const varint = (value: number): number[] => (value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))]);

test('a page made by hand reads, and bombs of every kind are refused', () => {
  const data = new Uint8Array(Uint32Array.of(7, 8, 9).buffer);
  assert.deepEqual(decodeGroup('x', page(3, PLAIN, [3 << 1, 1], data), [u32]).columns.a, Uint32Array.of(7, 8, 9));
  const refused = (bytes: Uint8Array, message: RegExp): void => {
    assert.throws(() => decodeGroup('x', bytes, [u32]), (error: unknown) => error instanceof FormatError && message.test(error.message));
  };
  // A run of a billion levels in five bytes.
  refused(page(3, PLAIN, [...varint(2e9), 1], data), /a run longer than the page/);
  refused(page(3, PLAIN, [...varint(2e9 + 1), 1], data), /more packed values/);
  refused(page(3, PLAIN, [0, 1, 0, 1], data), /a run longer/);
  refused(page(3, PLAIN, [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], data), /more than 32 bits/);
  refused(page(3, PLAIN, [1 << 1, 1], data), /end too early/);
  refused(page(2 ** 30, PLAIN, [3 << 1, 1], data), /a page of 1073741824 values/);
  refused(page(4_000_000, PLAIN, [...varint(8_000_000), 1], data), /4000000 values in 12 bytes/);
  refused(page(4_000_000, DELTA, [...varint(8_000_000), 1], data), /delta blocks of an unknown size/);
  refused(page(3, DELTA, [3 << 1, 1], Uint8Array.of(0x80, 1, 4, 3, 0)), /./);
  refused(page(3, 9, [3 << 1, 1], data), /in the encoding BYTE_STREAM_SPLIT/);
  refused(page(3, 8, [3 << 1, 1], data), /without a dictionary/);
  refused(Uint8Array.from([...pageHeader(1e9, 40, 3, PLAIN, 2, 0), 3 << 1, 1, ...new Array<number>(38).fill(0)]), /unpacks 38 bytes into 999999998/);
  refused(Uint8Array.from(pageHeader(10, 1000, 3, PLAIN, 0, 0)), /a page of 1000 bytes where 0 are left/);
  refused(Uint8Array.of(...page(3, PLAIN, [3 << 1, 1], data), 1), /1 bytes are left over/);
  // A list that begins with a continuation.
  const list = { name: 'a', type: { scalar: 'u32', list: true } } as const;
  assert.throws(() => decodeGroup('x', page(3, PLAIN, [3 << 1, 1, 3 << 1, 2], data, 2), [list]), /goes on where none began/);
});

test('inflating checks length and checksum', () => {
  const data = Uint8Array.from({ length: 500 }, (_, i) => i % 7);
  const packed = gzipSync(data, { mtime: 0 });
  assert.deepEqual(gunzipPage(packed, 500), data);
  for (const length of [499, 501, 0, -1, NaN, 1e12]) assert.throws(() => gunzipPage(packed, length));
  for (let at = packed.byteLength - 8; at < packed.byteLength; at++) {
    const changed = packed.slice();
    changed[at] = (changed[at] as number) ^ 1;
    assert.throws(() => gunzipPage(changed, 500));
  }
  const bomb = gzipSync(new Uint8Array(50_000_000), { mtime: 0 });
  assert.throws(() => gunzipPage(bomb, 100));
});

test('tables that contradict themselves are refused', async () => {
  const column = (name: string, type: ColumnType, data: unknown[]): Omit<Column, 'description'> => ({ name, type, data });
  const input = syntheticPack({ features: 1, logits: false });
  const max = input.featureColumns[1]?.columns.find(({ name }) => name === 'max')?.data[0];
  assert.equal(typeof max, 'number');
  const examples = (change: Partial<Record<string, unknown>>): Table => {
    const row = { feature: 0, group: 0, rank: 0, context: 0, position: 2, value: 1, start: 1, tokens: ['a', 'b', 'c'], act_offsets: [1], act_values: [1], ...change };
    const types: Record<string, ColumnType> = { feature: 'u32', group: 'u8', rank: 'u8', context: 'u32', position: 'u32', value: 'f32', start: 'u32', tokens: { list: 'string' }, act_offsets: { list: 'u8' }, act_values: { list: 'f32' } };
    return tableOf('examples', Object.entries(row).map(([name, value]) => column(name, types[name] ?? 'u32', [value])));
  };
  const histogram = (first: number): Table => tableOf('histograms', [column('feature', 'u32', [0]), column('first_bin', 'i32', [first]), column('counts', { list: 'u64' }, [[1, 2]])]);
  const cases: [Table, RegExp | null][] = [
    [examples({}), null],
    [examples({ position: 4 }), /column position has something else than a position inside the window/],
    [examples({ position: 0 }), /column position/],
    [examples({ act_offsets: [3] }), /column act_offsets/],
    [examples({ act_values: [] }), /column act_values/],
    [examples({ value: null }), /column value/],
    [examples({ tokens: null }), /column act_offsets/],
    [histogram(0xff * 16 - 2), null],
    [histogram(0xff * 16 - 1), /column first_bin/],
    [histogram(-1), /column first_bin/],
  ];
  for (const [table, message] of cases) {
    const sink = memorySink();
    await writePack({ ...input, tables: [{ plugin: `sae/${table.name}`, table }], sink });
    const got = await readAll(sink.files);
    if (message === null) assert.equal(got, null);
    else assert.match(got ?? 'no error', message);
  }
});
