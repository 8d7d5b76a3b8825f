/** A pack appears whole or not at all. */
import { afterEach, beforeEach, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { UsageError } from '../../engine/errors.js';
import { directorySink, isPackPath, memorySink, type PackSink } from '../../engine/io/sink.js';
import { zipSink } from '../../engine/io/sink-zip.js';
import { openPack } from '../../engine/pack/reader.js';
import { writePack } from '../../engine/pack/writer.js';
import { packInMemory } from '../support/small-pack.js';
import { syntheticPack } from '../support/synthetic-pack.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'saekit-sink-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const write = (sink: PackSink, features = 5, signal?: AbortSignal): Promise<unknown> => writePack({ ...syntheticPack({ features }), sink, signal });
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('before commit the pack is not there, afterwards it is whole, with nothing beside it', async () => {
  const path = join(root, 'deep', 'pack');
  const sink = await directorySink(path);
  await sink.write('features.parquet', bytes('one '));
  await sink.write('features.parquet', bytes('two'));
  await sink.write('plugins/a.b.c.parquet', bytes('three'));
  await assert.rejects(stat(path), { code: 'ENOENT' });
  await sink.commit();
  assert.deepEqual(await readdir(join(root, 'deep')), ['pack']);
  assert.equal(await readFile(join(path, 'features.parquet'), 'utf8'), 'one two');
  assert.equal(await readFile(join(path, 'plugins', 'a.b.c.parquet'), 'utf8'), 'three');
  // A web server of another user must be able to read it, as far as the umask allows.
  assert.equal((await stat(path)).mode & 0o777, 0o777 & ~process.umask());
  await sink.abort();
  assert.deepEqual(await readdir(path), ['features.parquet', 'plugins']);
  await assert.rejects(sink.write('x', bytes('y')), UsageError);
  await assert.rejects(sink.commit(), UsageError);
});

test('abort leaves nothing', async () => {
  const sink = await directorySink(join(root, 'pack'));
  await sink.write('a', bytes('b'));
  await sink.abort();
  await sink.abort();
  assert.deepEqual(await readdir(root), []);
  await assert.rejects(sink.write('x', bytes('y')), UsageError);
});

test('an existing pack is replaced by commit and kept by abort', async () => {
  const path = join(root, 'pack');
  await write(await directorySink(path), 5);
  assert.equal((await openPack(path)).manifest.features, 5);
  const second = await directorySink(path);
  await second.write('manifest.json', bytes('{}'));
  await second.abort();
  assert.equal((await openPack(path)).manifest.features, 5);
  await write(await directorySink(`${path}/`), 7);
  assert.equal((await openPack(path)).manifest.features, 7);
  assert.deepEqual(await readdir(root), ['pack']);
});

test('an empty directory is taken, and a link to one stays a link', async () => {
  await mkdir(join(root, 'target'));
  await symlink(join(root, 'target'), join(root, 'link'));
  await write(await directorySink(join(root, 'link')));
  assert.ok((await lstat(join(root, 'link'))).isSymbolicLink());
  assert.equal((await openPack(join(root, 'target'))).manifest.features, 5);
  assert.deepEqual(await readdir(root), ['link', 'target']);
});

test('what is not a pack is left alone', async () => {
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    ['thesis', async () => (await mkdir(join(root, 'thesis')), writeFile(join(root, 'thesis', 'a.tex'), 'x')), /holds something else than a pack \(no manifest\.json\)/],
    ['site', async () => (await mkdir(join(root, 'site')), writeFile(join(root, 'site', 'manifest.json'), '{"name":"app"}')), /its manifest\.json is not a pack's/],
    ['file', () => writeFile(join(root, 'file'), 'x'), /is a file; a pack is a directory/],
  ];
  for (const [name, make, message] of cases) {
    await make();
    await assert.rejects(directorySink(join(root, name)), (error: unknown) => error instanceof UsageError && message.test(error.message));
  }
  await assert.rejects(directorySink(join(root, 'file', 'below')), UsageError);
  assert.deepEqual(await readdir(root), ['file', 'site', 'thesis']);
});

// procfs answers ENOENT under a directory that is there, which `mkdir` of Node, told to make parents, tries for ever.
test('a place where nothing can be made is an error, not a search without end', { skip: process.platform !== 'linux', timeout: 20_000 }, async () => {
  await assert.rejects(directorySink('/proc/saekit-none/pack'), (error: unknown) => error instanceof UsageError && /cannot be written to/.test(error.message));
});

test('what took the place while the run went on is left alone too', async () => {
  const path = join(root, 'pack');
  const sink = await directorySink(path);
  await sink.write('a', bytes('b'));
  await mkdir(path);
  await writeFile(join(path, 'thesis.tex'), 'x');
  await assert.rejects(sink.commit(), UsageError);
  await sink.abort();
  assert.deepEqual(await readdir(root), ['pack']);
  assert.deepEqual(await readdir(path), ['thesis.tex']);
});

test('paths that leave the pack are refused', async () => {
  for (const path of ['../x', '/x', 'a/../b', '', 'a//b', '.hidden', 'a\\b', 'C:x', 'x\0', `${'x'.repeat(256)}`, '-x', 'a..b']) {
    assert.equal(isPackPath(path), false, path);
    await assert.rejects(memorySink().write(path, bytes('')), UsageError);
  }
  const sink = await directorySink(join(root, 'pack'));
  await assert.rejects(sink.write('../x', bytes('')), UsageError);
  await sink.abort();
});

test('a failure at any write, and an abort at any time, leave no pack', async () => {
  for (let failAt = 1; failAt <= 8; failAt++) {
    const inner = await directorySink(join(root, 'pack'));
    let writes = 0;
    const sink: PackSink = {
      ...inner,
      write: (path, data) => (++writes === failAt ? Promise.reject(new Error('disk full')) : inner.write(path, data)),
    };
    if (failAt <= 7) {
      await assert.rejects(write(sink), /disk full/);
      assert.deepEqual(await readdir(root), [], `write ${failAt}`);
    } else {
      await write(sink);
      assert.equal(writes, 7);
    }
  }
  await rm(join(root, 'pack'), { recursive: true });
  for (let abortAt = 1; abortAt <= 7; abortAt++) {
    const inner = await directorySink(join(root, 'pack'));
    const stop = new AbortController();
    let writes = 0;
    const sink: PackSink = {
      ...inner,
      write(path, data) {
        if (++writes === abortAt) stop.abort();
        return inner.write(path, data);
      },
    };
    await assert.rejects(write(sink, 5, stop.signal), { name: 'AbortError' });
    assert.deepEqual(await readdir(root), [], `write ${abortAt}`);
  }
});

test('a process that is killed while it writes leaves the old pack as it was', async () => {
  const path = join(root, 'pack');
  await write(await directorySink(path), 5);
  const script = `
    import { directorySink } from './engine/io/sink.ts';
    const sink = await directorySink(${JSON.stringify(path)});
    await sink.write('features.parquet', new Uint8Array(1000));
    console.log('written');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--import', './scripts/ts.mjs', '--input-type=module', '-e', script.replaceAll("'./engine/io/sink.ts'", JSON.stringify(new URL('../../engine/io/sink.ts', import.meta.url).href))], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  const pack = await openPack(path);
  assert.equal((await pack.card(4)).feature, 4);
  const names = await readdir(root);
  assert.equal(names.length, 2);
  assert.ok(names.some((name) => name.startsWith('.pack.partial-')));
});

test('a zip holds the pack, the same bytes each time', async () => {
  const zips = await Promise.all(
    [0, 1].map(async () => {
      const sink = zipSink();
      await assert.rejects(async () => sink.bytes(), UsageError);
      await write(sink);
      return sink.bytes();
    }),
  );
  assert.deepEqual(zips[0], zips[1]);
  const files = new Map(Object.entries(unzipSync(zips[0] as Uint8Array)));
  assert.deepEqual(files, await packInMemory({ features: 5 }));
  assert.equal((await (await openPack(files)).card(2)).feature, 2);
  const dropped = zipSink();
  await dropped.write('a', bytes('b'));
  await dropped.abort();
  assert.throws(() => dropped.bytes(), UsageError);
});
