/** Packs over HTTP, from memory and from a directory are the same pack; requests are shared, abortable, and few. */
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile, rename, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FormatError, SaekitError, UsageError } from '../../engine/errors.js';
import { directorySink } from '../../engine/io/sink.js';
import { openPack, type PackFiles } from '../../engine/pack/reader.js';
import { writePack } from '../../engine/pack/writer.js';
import { startRangeServer, type RangeServerOptions } from '../support/range-server.js';
import { packInMemory } from '../support/small-pack.js';
import { syntheticPack } from '../support/synthetic-pack.js';

const FEATURES = 100;
let root: string;
let directory: string;
let memory: Map<string, Uint8Array>;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'saekit-pack-'));
  directory = join(root, 'pack');
  memory = await packInMemory({ features: FEATURES });
  await writePack({ ...syntheticPack({ features: FEATURES }), sink: await directorySink(directory) });
});
after(() => rm(root, { recursive: true, force: true }));

async function served<T>(options: RangeServerOptions, work: (url: string, requests: { path: string; range: string | null; status: number; bytes: number }[]) => Promise<T>, folder = root): Promise<T> {
  const server = await startRangeServer(folder, options);
  try {
    return await work(`${server.url}pack`, server.requests);
  } finally {
    await server.close();
  }
}

test('the same card from memory, a directory, a file: URL, HTTP, and hosts with habits', async () => {
  const pack = await openPack(memory);
  const expected = await Promise.all([0, 31, 32, 99].map((feature) => pack.card(feature)));
  const check = async (source: string | URL): Promise<void> => {
    const other = await openPack(source);
    for (const card of expected) assert.deepEqual(await other.card(card.feature), card);
    assert.deepEqual((await other.summary()).columns, (await pack.summary()).columns);
    assert.deepEqual((await other.table('examples')).columns.tokens, (await pack.table('examples')).columns.tokens);
  };
  await check(directory);
  await check(`${directory}/`);
  await check(join(directory, 'manifest.json'));
  await check(pathToFileURL(directory));
  for (const options of [{}, { ignoreRange: true }, { hideContentRange: true }, { refuseHead: true }] as RangeServerOptions[]) {
    await served(options, async (url) => {
      await check(url);
      await check(new URL(`${url}/manifest.json`));
    });
  }
});

test('a cold card is the manifest, the index and four ranges', async () => {
  await served({}, async (url, requests) => {
    await (await openPack(url)).card(50);
    assert.deepEqual(requests.filter(({ range }) => range === null).map(({ path }) => path), ['pack/manifest.json', 'pack/index.json']);
    assert.deepEqual(requests.filter(({ range }) => range !== null).map(({ path }) => path).sort(), ['examples', 'features', 'histograms', 'logits'].map((name) => `pack/${name}.parquet`));
    assert.ok(requests.every(({ status, range }) => status === (range === null ? 200 : 206)));
  });
});

test('cards of one URL share the manifest, the index and their groups, however they are asked for', async () => {
  await served({ delay: 5 }, async (url, requests) => {
    const cards = await Promise.all(Array.from({ length: 12 }, async (_, i) => (await openPack(i % 2 ? url : `${url}/#x`)).card(20 + (i % 6))));
    assert.deepEqual(new Set(cards.map((card) => card.feature)).size, 6);
    // Features 20 to 25 lie in one group of each table but logits (16 features a group: the same group) and examples (10 a group).
    assert.equal(requests.length, 2 + 4);
    await (await openPack(url)).card(31);
    assert.equal(requests.length, 2 + 4 + 1);
    await (await openPack(url)).card(20);
    assert.equal(requests.length, 2 + 4 + 1);
  });
});

test('a host without ranges is asked for each file once', async () => {
  await served({ ignoreRange: true }, async (url, requests) => {
    const pack = await openPack(url);
    await Promise.all([0, 99, 33].map((feature) => pack.card(feature)));
    await pack.card(66);
    // Requests that were under way when the first answer came are the only ones more.
    assert.ok(requests.length <= 2 + 4 * 3, `${requests.length} requests`);
    const before = requests.length;
    await pack.card(45);
    assert.equal(requests.length, before);
  });
});

test('one reader leaves, the other gets its card', async () => {
  await served({ delay: 40 }, async (url, requests) => {
    const pack = await openPack(url);
    const leaving = new AbortController();
    const [one, two] = [pack.card(5, { signal: leaving.signal }), pack.card(5)];
    setTimeout(() => leaving.abort(), 60);
    await assert.rejects(one, { name: 'AbortError' });
    assert.equal((await two).feature, 5);
    assert.equal(requests.length, 6);
  });
});

test('when the last reader leaves, the requests are aborted; the next one starts anew', async () => {
  const signals: AbortSignal[] = [];
  const files: PackFiles = {
    name: 'slow',
    async read(path, start = 0, end, signal) {
      const bytes = memory.get(path) as Uint8Array;
      if (end !== undefined && signal !== undefined) {
        signals.push(signal);
        await new Promise((resolve, reject) => {
          setTimeout(resolve, 50);
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        });
      }
      return bytes.subarray(start, end);
    },
  };
  const pack = await openPack(files);
  const leaving = new AbortController();
  const card = pack.card(7, { signal: leaving.signal });
  setTimeout(() => leaving.abort(new DOMException('enough', 'AbortError')), 10);
  await assert.rejects(card, { name: 'AbortError', message: 'enough' });
  assert.equal(signals.length, 4);
  assert.ok(signals.every((signal) => signal.aborted));
  assert.equal((await pack.card(7)).feature, 7);
  await assert.rejects(pack.card(7, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  await assert.rejects(openPack(files, { signal: AbortSignal.abort() }).then((opened) => opened.card(1, { signal: AbortSignal.abort() })), { name: 'AbortError' });
});

test('when one of the four ranges fails, the other three are aborted', async () => {
  const aborted: string[] = [];
  const files: PackFiles = {
    async read(path, start = 0, end, signal) {
      if (path === 'logits.parquet') throw new FormatError('logits.parquet: no');
      if (end !== undefined) {
        await new Promise<void>((resolve, reject) => {
          setTimeout(resolve, 1000);
          signal?.addEventListener('abort', () => {
            aborted.push(path);
            reject(signal.reason as Error);
          });
        });
      }
      return (memory.get(path) as Uint8Array).subarray(start, end);
    },
  };
  await assert.rejects((await openPack(files)).card(1), /logits.parquet: no/);
  assert.deepEqual(aborted.sort(), ['examples.parquet', 'features.parquet', 'histograms.parquet']);
});

async function rejectsNaming(work: Promise<unknown>, kind: new (message: string) => Error, message: RegExp): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof kind && error instanceof SaekitError, String(error));
    assert.match(error.message, message);
    return true;
  });
}

test('errors over HTTP name the file and what came', async () => {
  await served({}, async (url) => {
    await rejectsNaming(openPack(`${url}x`), FormatError, /packx\/manifest\.json: there is no such file/);
    await rejectsNaming((await openPack(url)).card(FEATURES), UsageError, /there is no feature 100/);
    await rejectsNaming((await openPack(url)).card(-1), UsageError, /there is no feature -1/);
    await rejectsNaming((await openPack(url)).card(0.5), UsageError, /there is no feature 0.5/);
    // `feature="abc"` of a card in a page comes here as NaN.
    await rejectsNaming((await openPack(url)).card(NaN), UsageError, /the index of a feature is a number/);
    await rejectsNaming((await openPack(url)).table('nothing'), UsageError, /no table "nothing"/);
  });
  await served({ status: 500 }, (url) => rejectsNaming(openPack(url), FormatError, /answered 500/));
  await served({ shortBy: 3 }, async (url) => rejectsNaming((await openPack(url)).card(3), FormatError, /\.parquet: bytes \d+ to \d+ were asked for, \d+ came/));
  await rejectsNaming(openPack('http://127.0.0.1:9/'), FormatError, /127\.0\.0\.1:9\/manifest\.json: the request failed/);
  await rejectsNaming(openPack(join(root, 'nowhere')), FormatError, /nowhere\/manifest\.json: there is no such file/);
  await rejectsNaming(openPack(new Map()), FormatError, /manifest\.json: there is no such file/);
});

test('a file that is missing or cut off is named; once it is back, asking again works', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'saekit-broken-'));
  try {
    await writePack({ ...syntheticPack({ features: FEATURES }), sink: await directorySink(join(folder, 'pack')) });
    const examples = join(folder, 'pack', 'examples.parquet');
    const whole = await readFile(examples);
    await served({}, async (url) => {
      await rename(examples, `${examples}.away`);
      await rejectsNaming((await openPack(url)).card(90), FormatError, /examples\.parquet: there is no such file/);
      await rename(`${examples}.away`, examples);
      await truncate(examples, 1000);
      await rejectsNaming((await openPack(url)).card(90), FormatError, /examples\.parquet: is shorter/);
      await rejectsNaming((await openPack(url)).table('examples'), FormatError, /examples\.parquet: has 1000 bytes, the manifest says/);
      await rejectsNaming((await openPack(join(folder, 'pack'))).card(90), FormatError, /examples\.parquet: has 1000 bytes, bytes \d+ to \d+ were asked for/);
      await writeFile(examples, whole);
      assert.equal((await (await openPack(url)).card(90)).feature, 90);
    }, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('a fetch of the caller is used, with its own pack', async () => {
  const asked: string[] = [];
  const fetcher = ((input: string, init?: RequestInit) => {
    asked.push(String(input));
    const path = new URL(input).pathname.slice('/deep/pack/'.length);
    const range = /bytes=(\d+)-(\d+)/.exec(new Headers(init?.headers).get('range') ?? '');
    const bytes = memory.get(path);
    if (bytes === undefined) return Promise.resolve(new Response(null, { status: 404 }));
    const part = range === null ? bytes : bytes.subarray(Number(range[1]), Number(range[2]) + 1);
    return Promise.resolve(new Response(part.slice(), { status: range === null ? 200 : 206 }));
  }) as typeof fetch;
  const pack = await openPack('https://example.invalid/deep/pack?key=1', { fetch: fetcher });
  assert.equal((await pack.card(1)).feature, 1);
  assert.equal(asked.length, 6);
  assert.ok(asked.every((url) => url.endsWith('?key=1')));
});
