/** Packs in Deno: written to a directory, read from it, from memory and over HTTP; the same bytes as anywhere. */
import { deepStrictEqual, ok, rejects } from 'node:assert';
import { UsageError } from '../../engine/errors.js';
import { directorySink, memorySink } from '../../engine/io/sink.js';
import { openPack } from '../../engine/pack/reader.js';
import { writePack } from '../../engine/pack/writer.js';
import { startRangeServer } from '../support/range-server.js';
import { syntheticPack } from '../support/synthetic-pack.js';

declare const Deno: {
  test(name: string, work: () => Promise<void>): void;
  makeTempDir(): Promise<string>;
  remove(path: string, options: { recursive: boolean }): Promise<void>;
  readDir(path: string): AsyncIterable<{ name: string }>;
  readFile(path: string): Promise<Uint8Array>;
};

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) names.push(name);
  return names.sort();
}

Deno.test('a pack is written and read in Deno', () =>
  inFolder(async (folder) => {
    const input = syntheticPack({ features: 40 });
    const memory = memorySink();
    await writePack({ ...input, sink: memory });
    const path = `${folder}/pack`;
    for (let again = 0; again < 2; again++) await writePack({ ...input, sink: await directorySink(path) });
    deepStrictEqual(await namesIn(folder), ['pack']);
    for (const [name, bytes] of memory.files) deepStrictEqual(await Deno.readFile(`${path}/${name}`), bytes, name);

    const fromMemory = await openPack(memory.files);
    const fromFolder = await openPack(path);
    const server = await startRangeServer(folder);
    try {
      const fromHttp = await openPack(`${server.url}pack`);
      for (const feature of [0, 17, 39]) {
        const card = await fromMemory.card(feature);
        deepStrictEqual(await fromFolder.card(feature), card);
        deepStrictEqual(await fromHttp.card(feature), card);
      }
      ok(server.requests.filter(({ range }) => range !== null).every(({ status }) => status === 206));
      deepStrictEqual((await fromHttp.summary()).columns.count, (await fromMemory.summary()).columns.count);
      deepStrictEqual((await fromFolder.table('examples')).rows, (await fromMemory.table('examples')).rows);
    } finally {
      await server.close();
    }
  }));

Deno.test('abort leaves nothing, and what is not a pack is left alone', () =>
  inFolder(async (folder) => {
    const sink = await directorySink(`${folder}/pack`);
    await sink.write('a', new Uint8Array(3));
    await sink.abort();
    deepStrictEqual(await namesIn(folder), []);
    const other = await directorySink(`${folder}/other/pack`);
    await other.abort();
    await rejects(directorySink(folder), UsageError);
  }));
