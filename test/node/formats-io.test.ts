/** openRef and openFolder: files, HTTP with and without ranges, Blobs, and what goes wrong with each. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, test } from 'node:test';
import { bytesSource } from '../../engine/io/bytes.js';
import { NotFoundError } from '../../engine/io/checks.js';
import { openFolder, openRef } from '../../engine/io/open.js';
import { readAll, readJson, sha256Hex } from '../../engine/io/read.js';
import { loadSae } from '../../engine/formats/load-sae.js';
import { openTensor } from '../../engine/formats/tensor-file.js';
import { startRangeServer, type RangeServer, type RangeServerOptions } from '../support/range-server.js';

let directory = '';
/** Longer than what the opening request fetches. */
const DATA = Uint8Array.from({ length: 50_000 }, (_, i) => (i * 31) & 255);

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'saekit-io-'));
  await writeFile(join(directory, 'data.bin'), DATA);
  await writeFile(join(directory, 'empty.bin'), new Uint8Array(0));
  await writeFile(join(directory, 'a b#c.json'), '{"x": 1}');
});
after(() => rm(directory, { recursive: true }));

async function serving(options: RangeServerOptions, run: (server: RangeServer) => Promise<void>): Promise<void> {
  const server = await startRangeServer(directory, options);
  try {
    await run(server);
  } finally {
    await server.close();
  }
}

const part = (start: number, end: number): Uint8Array => DATA.slice(start, end);
const bytes = (buffer: ArrayBuffer): Uint8Array => new Uint8Array(buffer);

test('a path, a file: URL, a Blob, bytes and a data: URL read the same', async () => {
  const path = join(directory, 'data.bin');
  const blob = new Blob([DATA]);
  const refs = [path, pathToFileURL(path), pathToFileURL(path).href, blob, DATA, bytesSource('x', DATA), `data:;base64,${Buffer.from(DATA).toString('base64')}`, URL.createObjectURL(blob)];
  for (const ref of refs) {
    const source = await openRef(ref);
    assert.equal(source.byteLength, DATA.length, String(ref));
    assert.deepEqual(bytes(await source.slice(40_000, 40_010)), part(40_000, 40_010));
    assert.deepEqual(bytes(await source.slice(49_990)), part(49_990, 50_000));
    assert.equal((await source.slice(7, 7)).byteLength, 0);
    for (const [start, end] of [[0, 50_001], [-1, 4], [9, 8], [0.5, 2], [0, NaN]] as const) {
      await assert.rejects(Promise.resolve().then(() => source.slice(start, end)), { name: 'FormatError', message: /50000 bytes/ });
    }
    await source.close?.();
  }
});

test('HTTP: one request for the front of a file, one range each for the rest', () =>
  serving({}, async ({ url, requests }) => {
    const source = await openRef(`${url}data.bin`);
    assert.equal(source.byteLength, 50_000);
    assert.deepEqual(bytes(await source.slice(0, 100)), part(0, 100));
    assert.equal(requests.length, 1);
    assert.deepEqual(bytes(await source.slice(16_380, 16_390)), part(16_380, 16_390));
    assert.deepEqual(requests.at(-1), { method: 'GET', path: 'data.bin', range: 'bytes=16380-16389', status: 206, bytes: 10 });
    assert.equal(requests.length, 2);
  }));

test('HTTP: a length that is known saves the first request', () =>
  serving({}, async ({ url, requests }) => {
    const source = await openRef(`${url}data.bin`, { byteLength: 50_000 });
    assert.equal(requests.length, 0);
    assert.deepEqual(bytes(await source.slice(5, 9)), part(5, 9));
    assert.deepEqual(requests.map(({ bytes: sent }) => sent), [4]);
    const wrong = await openRef(`${url}data.bin`, { byteLength: 49_999 });
    await assert.rejects(wrong.slice(0, 4), { name: 'FormatError', message: /had 49999 bytes and now has 50000/ });
  }));

test('HTTP: a server that ignores Range is asked once', () =>
  serving({ ignoreRange: true }, async ({ url, requests }) => {
    const source = await openRef(`${url}data.bin`);
    assert.deepEqual(bytes(await source.slice(45_000, 45_005)), part(45_000, 45_005));
    assert.deepEqual(bytes(await source.slice(0, 5)), part(0, 5));
    assert.equal(requests.length, 1);
    const known = await openRef(`${url}data.bin`, { byteLength: 50_000 });
    assert.deepEqual(bytes(await known.slice(1, 3)), part(1, 3));
    assert.deepEqual(bytes(await known.slice(2, 4)), part(2, 4));
    assert.equal(requests.length, 2);
    const wrong = await openRef(`${url}data.bin`, { byteLength: 7 });
    await assert.rejects(wrong.slice(0, 4), /7 bytes were asked for and 50000 came/);
  }));

test('HTTP: without Content-Range the length comes from HEAD, or the whole file is read', async () => {
  await serving({ hideContentRange: true }, async ({ url, requests }) => {
    const source = await openRef(`${url}data.bin`);
    assert.equal(source.byteLength, 50_000);
    assert.deepEqual(requests.map(({ method }) => method), ['GET', 'HEAD']);
    assert.deepEqual(bytes(await source.slice(49_000, 49_003)), part(49_000, 49_003));
  });
  await serving({ hideContentRange: true, refuseHead: true }, async ({ url }) => {
    const source = await openRef(`${url}data.bin`);
    assert.deepEqual(bytes(await source.slice(49_000, 49_003)), part(49_000, 49_003));
  });
});

test('HTTP: an empty file', () =>
  serving({}, async ({ url }) => {
    assert.equal((await openRef(`${url}empty.bin`)).byteLength, 0);
  }));

test('HTTP: answers that are cut short are an error, not a short buffer', () =>
  serving({ shortBy: 3 }, async ({ url }) => {
    await assert.rejects(openRef(`${url}data.bin`), /16384 bytes were asked for and 16381 came/);
    await assert.rejects((await openRef(`${url}data.bin`, { byteLength: 50_000 })).slice(0, 10), /10 bytes were asked for and 7 came/);
  }));

test('HTTP: every refusal names URL and status', async () => {
  await serving({}, async ({ url }) => {
    await assert.rejects(openRef(`${url}none.bin`), (error: Error) => error instanceof NotFoundError && error.message === `${url}none.bin: the server answered 404 Not Found`);
  });
  for (const status of [401, 403, 500, 503]) {
    await serving({ status }, ({ url }) => assert.rejects(openRef(`${url}data.bin`), (error: Error) => !(error instanceof NotFoundError) && error.name === 'FormatError' && error.message.includes(`${url}data.bin: the server answered ${status}`)));
  }
  const { url, close } = await startRangeServer(directory);
  await close();
  await assert.rejects(openRef(`${url}data.bin`), { name: 'FormatError', message: /the request failed/ });
});

test('HTTP: opening can be aborted', () =>
  serving({ delay: 2000 }, async ({ url }) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    const started = performance.now();
    await assert.rejects(openRef(`${url}data.bin`, { signal: controller.signal }), { name: 'AbortError' });
    assert.ok(performance.now() - started < 1000);
  }));

test('files: missing, a folder, truncated while open, closed', async () => {
  await assert.rejects(openRef(join(directory, 'none')), NotFoundError);
  await assert.rejects(openRef(directory), { name: 'FormatError', message: /is a folder, a file was expected/ });
  await assert.rejects(openRef(''), { name: 'FormatError', message: /empty path/ });
  await assert.rejects(openRef({} as Uint8Array), { name: 'FormatError', message: /was expected/ });
  const path = join(directory, 'shrinking.bin');
  await writeFile(path, DATA);
  const source = await openRef(path);
  await truncate(path, 100);
  await assert.rejects(source.slice(0, 200), { name: 'FormatError', message: /ended at byte 100, 50000 bytes/ });
  await source.close?.();
  await source.close?.();
  await assert.rejects(source.slice(0, 10), /already closed/);
});

test('folders: of the machine, of a server, in memory', async () => {
  await serving({}, async ({ url }) => {
    for (const folder of [await openFolder(directory), await openFolder(`${directory}/`), await openFolder(pathToFileURL(directory)), await openFolder(url), await openFolder({ 'a b#c.json': new Blob(['{"x": 1}']) })]) {
      assert.equal(await folder.has('a b#c.json'), true, folder.name);
      assert.equal(await folder.has('none'), false);
      const source = await folder.file('a b#c.json');
      assert.deepEqual(await readJson(source), { x: 1 });
      await source.close?.();
      await assert.rejects(folder.file('none'), NotFoundError);
    }
    assert.deepEqual(await (await openFolder(directory)).list(), ['a b#c.json', 'data.bin', 'empty.bin', 'shrinking.bin']);
    assert.equal(await (await openFolder(url)).list(), null);
  });
  await assert.rejects(openFolder(join(directory, 'data.bin')), { name: 'FormatError', message: /is a file, a folder was expected/ });
  await serving({ status: 500 }, async ({ url }) => assert.rejects((await openFolder(url)).has('x'), /answered 500/));
});

test('readJson and sha256', async () => {
  await assert.rejects(readJson(bytesSource('cfg.json', new TextEncoder().encode('{'))), { name: 'FormatError', message: /cfg.json: is not JSON/ });
  assert.equal(await sha256Hex(new TextEncoder().encode('abc')), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  assert.deepEqual(await readAll(join(directory, 'data.bin')), DATA);
});

test('an SAE and one row of a tensor over HTTP: only what is needed is fetched', async () => {
  const server = await startRangeServer('examples/stories260k');
  try {
    const sae = await loadSae(`${server.url}sae`);
    const local = await loadSae('examples/stories260k/sae');
    assert.deepEqual(sae.W_dec, local.W_dec);
    assert.equal(sae.metadata.sha256, local.metadata.sha256);
    assert.equal(sae.metadata.name, 'sae');
    server.requests.length = 0;
    const { tensor } = await openTensor(`${server.url}sae/sae_weights.safetensors#W_dec`);
    const row = await tensor.rows(300, 301);
    assert.deepEqual(row, local.W_dec.slice(300 * 64, 301 * 64));
    assert.deepEqual(server.requests.map(({ bytes: sent }) => sent), [16384, 256]);
  } finally {
    await server.close();
  }
});
