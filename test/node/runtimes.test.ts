/**
 * The main job in Node, in Deno and in a module worker of a page in Chromium:
 * the same call on the same input leaves the same pack. Integers, strings and
 * which examples were taken are equal; floats differ by no more than BOUND of
 * the largest in their column.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openPack, type DecodedTable, type Pack } from '../../engine/pack/reader.js';
import type { ManifestColumn } from '../../engine/pack/schema.js';
import { openBrowser, siteFolder } from '../support/browser-pages.js';
import { cli, EXAMPLE, jsonOf, writeTokens } from '../support/cli.js';
import { startRangeServer } from '../support/range-server.js';

const CONTEXTS = 96;
/** Stated in docs/pack-format.md. */
const BOUND = 1e-6;

/** The page's worker: the call of the command line, with URLs and a pack in memory. */
const WORKER = `
import { analyze, memorySink } from '/dist/browser/engine.js';
const out = memorySink();
try {
  const url = (path) => new URL(path, location.origin).href;
  const report = await analyze({
    sae: url('/${EXAMPLE}/sae/'), model: url('/${EXAMPLE}/model.onnx'), tokens: url('/packs/tokens.npy'),
    tokenizer: url('/${EXAMPLE}/tokenizer.json'), unembed: url('/${EXAMPLE}/unembedding.safetensors'),
    ignoreTokens: [1], backend: 'wasm', out,
    wasmPaths: { wasm: url('/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm') },
  });
  postMessage({ report: { tokens: report.tokens, l0: report.l0, mse: report.mse, fvu: report.fvu }, files: out.files });
} catch (error) {
  postMessage({ error: String(error?.stack ?? error) });
}
`;
const PAGE = '<!doctype html><title>worker</title>';

let folder = '';
const cleanUp: (() => Promise<unknown>)[] = [];
const flags = (out: string): string[] => [
  'analyze', '--sae', `${EXAMPLE}/sae`, '--model', `${EXAMPLE}/model.onnx`, '--tokens', join(folder, 'tokens.npy'), '--tokenizer', `${EXAMPLE}/tokenizer.json`,
  '--unembed', `${EXAMPLE}/unembedding.safetensors`, '--ignore-tokens', '1', '--backend', 'wasm', '--model-runtime', 'web', '--out', out, '--json',
];

async function inWorker(): Promise<{ pack: Pack; report: Record<string, unknown> }> {
  const site = await siteFolder();
  const server = await startRangeServer(site.path);
  const browser = await openBrowser();
  try {
    await writeTokens(join(site.path, 'packs', 'tokens.npy'), CONTEXTS);
    await writeFile(join(site.path, 'packs', 'worker.js'), WORKER);
    await writeFile(join(site.path, 'packs', 'page.html'), PAGE);
    const page = await browser.newPage();
    await page.goto(`${server.url}packs/page.html`);
    // The pack comes through the debugger, as base64.
    const answer = await page.evaluate(async () => {
      const worker = new Worker('/packs/worker.js', { type: 'module' });
      const { report, files, error } = await new Promise<{ report: Record<string, unknown>; files: Map<string, Uint8Array>; error?: string }>((done, fail) => {
        worker.onmessage = ({ data }) => done(data as never);
        worker.onerror = (event) => fail(new Error(event.message || 'the worker does not load'));
      });
      if (error !== undefined) throw new Error(error);
      const entries: [string, string][] = [];
      for (const [name, bytes] of files) {
        const url = await new Promise<string>((done) => {
          const reader = new FileReader();
          reader.onload = () => done(reader.result as string);
          reader.readAsDataURL(new Blob([bytes as Uint8Array<ArrayBuffer>]));
        });
        entries.push([name, url.slice(url.indexOf(',') + 1)]);
      }
      return { report, entries };
    });
    return { report: answer.report, pack: await openPack(new Map(answer.entries.map(([name, base64]) => [name, new Uint8Array(Buffer.from(base64, 'base64'))]))) };
  } finally {
    await browser.close();
    await server.close();
    await site.remove();
  }
}

describe('the same call gives the same pack', () => {
  let reference: { pack: Pack; report: Record<string, unknown> };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'saekit-runtimes-'));
    cleanUp.push(() => rm(folder, { recursive: true }));
    await writeTokens(join(folder, 'tokens.npy'), CONTEXTS);
    const report = jsonOf(await cli(flags(join(folder, 'node'))));
    reference = { report, pack: await openPack(join(folder, 'node')) };
    const { manifest } = reference.pack;
    assert.match(manifest.run.runtime, /^node /);
    assert.deepEqual(manifest.plugins.filter(({ status }) => status !== 'done'), []);
    assert.deepEqual(manifest.tables.map(({ name }) => name).sort(), ['activation_mean', 'examples', 'features', 'histograms', 'logits', 'summary']);
    // One row for each dimension of the input, else for each feature.
    assert.ok(manifest.tables.every(({ name, rows }) => (name === 'activation_mean' ? rows === 64 : rows >= 512)));
  });
  after(async () => {
    for (const step of cleanUp) await step();
  });

  it('in Deno, with leave to read and write and no more', async (t) => {
    const report = jsonOf(await cli(flags(join(folder, 'deno')), { deno: ['--allow-read', '--allow-write'] }));
    const pack = await openPack(join(folder, 'deno'));
    assert.match(pack.manifest.run.runtime, /^deno /);
    t.diagnostic(await compare(reference, { pack, report }));
  });

  it('in a module worker of a page', async (t) => {
    const worker = await inWorker();
    assert.match(worker.pack.manifest.run.runtime, /Chrom/);
    t.diagnostic(await compare(reference, worker));
  });

  it('in Node with worker threads and other batches', async (t) => {
    const report = jsonOf(await cli([...flags(join(folder, 'threads')), '--threads', '2', '--batch-contexts', '7']));
    const pack = await openPack(join(folder, 'threads'));
    assert.match(pack.manifest.run.backend_description, /2 threads/);
    t.diagnostic(await compare(reference, { pack, report }));
  });
});

type Result = { readonly pack: Pack; readonly report: Readonly<Record<string, unknown>> };

/** Compares everything that must not depend on where it ran. @returns the measured differences, in words */
async function compare(expected: Result, got: Result): Promise<string> {
  const [a, b] = [expected.pack.manifest, got.pack.manifest];
  assert.deepEqual(b.sae.sha256, a.sae.sha256);
  assert.deepEqual({ ...b.data, source: null }, { ...a.data, source: null });
  assert.deepEqual([b.run.model_runtime, b.run.seed, b.run.near_ties], [a.run.model_runtime, a.run.seed, a.run.near_ties]);
  assert.deepEqual([b.features, b.classes, b.density_floor], [a.features, a.classes, a.density_floor]);
  assert.deepEqual(b.plugins.map(({ id, version, status, settings }) => ({ id, version, status, settings })), a.plugins.map(({ id, version, status, settings }) => ({ id, version, status, settings })));
  assert.deepEqual(b.tables.map(({ name, rows, columns }) => ({ name, rows, columns })), a.tables.map(({ name, rows, columns }) => ({ name, rows, columns })));
  for (const name of ['tokens', 'l0', 'mse', 'fvu']) close([got.report[name] as number], [expected.report[name] as number], name);
  let worst = 0;
  let sameFiles = 0;
  for (const [i, { name, columns, sha256 }] of a.tables.entries()) {
    if (b.tables[i]?.sha256 === sha256) sameFiles++;
    const [ours, theirs] = [await expected.pack.table(name), await got.pack.table(name)];
    for (const column of columns) worst = Math.max(worst, compareColumn(column, ours, theirs, `${name}.${column.name}`));
  }
  return `${sameFiles} of ${a.tables.length} tables have the same bytes; the largest difference of a float is ${worst} of the largest in its column`;
}

function compareColumn({ name, type }: ManifestColumn, ours: DecodedTable, theirs: DecodedTable, where: string): number {
  const [a, b] = [Array.from(ours.columns[name] as ArrayLike<unknown>), Array.from(theirs.columns[name] as ArrayLike<unknown>)];
  if (!/f32|f64/.test(type)) {
    assert.deepEqual(b, a, where);
    return 0;
  }
  const flat = (values: unknown[]): unknown[] => values.flatMap((value) => (ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value));
  // Lists of equal lengths, nulls in the same places.
  const shape = (values: unknown[]): unknown[] => values.map((value) => (ArrayBuffer.isView(value) || Array.isArray(value) ? (value as unknown[]).length : value === null));
  assert.deepEqual(shape(b), shape(a), where);
  return close(flat(b), flat(a), where);
}

/** @returns the largest difference, as a part of the largest value */
function close(got: unknown[], expected: unknown[], where: string): number {
  const scale = Math.max(0, ...expected.map((value) => Math.abs(Number(value ?? 0))));
  let worst = 0;
  expected.forEach((value, i) => {
    const other = got[i];
    if (value === null || other === null) return assert.equal(other, value, where);
    const difference = Math.abs(Number(other) - Number(value));
    assert.ok(difference <= BOUND * scale, `${where}: ${String(other)} and ${String(value)}`);
    if (difference > 0) worst = Math.max(worst, difference / scale);
  });
  return worst;
}
