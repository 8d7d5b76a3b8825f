/** Packs in a page: written to memory and zip, read from memory and by relative URL with nothing but fetch. */
import { assert } from '@esm-bundle/chai';
import { unzipSync } from 'fflate';
import { UsageError } from '../../engine/errors.js';
import { directorySink, memorySink } from '../../engine/io/sink.js';
import { zipSink } from '../../engine/io/sink-zip.js';
import { openPack } from '../../engine/pack/reader.js';
import { writePack } from '../../engine/pack/writer.js';
import { syntheticPack } from '../support/synthetic-pack.js';

describe('packs in a page', () => {
  let files: Map<string, Uint8Array>;
  before(async () => {
    const sink = memorySink();
    await writePack({ ...syntheticPack({ features: 40 }), sink });
    files = sink.files;
  });

  /** A static host that serves the pack at one address. */
  const host = (base: string, asked: string[]): typeof fetch =>
    ((url: string, init?: RequestInit) => {
      asked.push(url);
      const bytes = url.startsWith(base) ? files.get(url.slice(base.length)) : undefined;
      if (bytes === undefined) return Promise.resolve(new Response(null, { status: 404 }));
      const range = /bytes=(\d+)-(\d+)/.exec(new Headers(init?.headers).get('range') ?? '');
      const body = range === null ? bytes : bytes.subarray(Number(range[1]), Number(range[2]) + 1);
      return Promise.resolve(new Response(body.slice(), { status: range === null ? 200 : 206 }));
    }) as typeof fetch;

  it('reads a relative address, against the document', async () => {
    const asked: string[] = [];
    const base = new URL('deep/pack/', document.baseURI).href;
    const pack = await openPack('deep/pack', { fetch: host(base, asked) });
    assert.equal(pack.name, base);
    const card = await pack.card(21);
    assert.deepEqual(card, await (await openPack(files)).card(21));
    assert.equal(asked.length, 6);
    assert.deepEqual((await pack.summary()).rows, 40);
  });

  it('aborts', async () => {
    const never: typeof fetch = (_, init) => new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error)));
    const stop = new AbortController();
    const opening = openPack('deep/pack', { fetch: never, signal: stop.signal });
    stop.abort();
    let name = '';
    await opening.catch((error: Error) => (name = error.name));
    assert.equal(name, 'AbortError');
  });

  it('names a missing pack by its absolute address', async () => {
    let message = '';
    await openPack('no-such-folder/').catch((error: Error) => (message = error.message));
    assert.include(message, new URL('no-such-folder/manifest.json', document.baseURI).href);
  });

  it('writes a zip, and refuses a directory', async () => {
    const sink = zipSink();
    await writePack({ ...syntheticPack({ features: 40 }), sink });
    assert.deepEqual(new Map(Object.entries(unzipSync(sink.bytes()))), files);
    let error: unknown;
    await directorySink('pack').catch((reason: unknown) => (error = reason));
    assert.instanceOf(error, UsageError);
  });
});
