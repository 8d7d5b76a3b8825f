/** `encodeToFile`: what it writes is what the oracle fires, in a file that appears whole or not at all. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { isAbort, ShapeError, UsageError } from '../../engine/errors.js';
import { openSafetensors } from '../../engine/formats/safetensors.js';
import { bytesSource } from '../../engine/io/bytes.js';
import { memorySink } from '../../engine/io/sink.js';
import { encodeToFile, type EncodeOptions } from '../../plugins/encode.js';
import { assertCodesMatch, makeSae, randomRows } from '../shared/oracle.js';
import { npy } from '../support/npy.js';

const D = 10;
const ROWS = 42;
const sae = makeSae({ architecture: 'standard', d_in: D, d_sae: 33, seed: 8 });
const plainSae = { ...sae, applyBDecToInput: false };
const x = randomRows(ROWS, D, 1);
const base = (over: Partial<EncodeOptions> = {}): EncodeOptions => ({ sae: plainSae, acts: npy(x, [7, 6, D]), backend: 'wasm', out: memorySink(), ...over });

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'saekit-encode-'));
});
after(() => rm(directory, { recursive: true }));

async function readCodes(bytes: Uint8Array) {
  const { tensors, metadata } = await openSafetensors(bytesSource('codes.safetensors', bytes));
  const [locations, activations] = [tensors.get('locations')!, tensors.get('activations')!];
  assert.deepEqual([locations.dtype, activations.dtype], ['u32', 'f32']);
  assert.deepEqual(locations.shape, [activations.shape[0], 2]);
  return { metadata, locations: await locations.integers(0, locations.size), values: await activations.read() };
}

/** (row, feature) pairs back to CSR. */
function toCodes(locations: ArrayLike<number>, values: Float32Array, rows: number) {
  const offsets = new Uint32Array(rows + 1);
  const features = new Uint32Array(values.length);
  let last = [-1, -1];
  for (let i = 0; i < values.length; i++) {
    const [row, feature] = [locations[2 * i]!, locations[2 * i + 1]!];
    assert.ok(row > last[0]! || (row === last[0] && feature > last[1]!), 'sorted by row, then feature');
    last = [row, feature];
    offsets[row + 1]!++;
    features[i] = feature;
  }
  for (let row = 0; row < rows; row++) offsets[row + 1]! += offsets[row]!;
  return { rows, d_sae: 33, offsets, features, values, nearTies: 0 };
}

test('codes of every row, whatever the batches, as the oracle has them', async () => {
  const path = join(directory, 'deep', 'codes.safetensors');
  let first: Uint8Array | null = null;
  for (const contextsPerBatch of [1, 3, 7, undefined]) {
    const report = await encodeToFile(base({ out: path, contextsPerBatch }));
    const bytes = new Uint8Array(await readFile(path));
    first ??= bytes;
    assert.deepEqual(bytes, first);
    const { locations, values, metadata } = await readCodes(bytes);
    assertCodesMatch(plainSae, x, ROWS, toCodes(locations, values, ROWS));
    assert.deepEqual({ ...metadata }, { rows: '42', d_sae: '33', sae: sae.metadata.name });
    assert.deepEqual({ ...report, seconds: 0, tokens_per_second: 0 }, { rows: ROWS, features: 33, nnz: values.length, l0: values.length / ROWS, backend: 'wasm', seconds: 0, tokens_per_second: 0, out: path });
  }
  assert.deepEqual(await readdir(join(directory, 'deep')), ['codes.safetensors']);
});

test('screened or not, the bytes are the same, and what was screened is said; half precision is not for WASM', async () => {
  const results = [];
  for (const options of [{ screen: 'off' }, { screen: 'on' }, { screen: 'off', storage: 'f16' }] as const) {
    const path = join(directory, 'screened', 'codes.safetensors');
    const notices: string[] = [];
    await encodeToFile(base({ ...options, out: path, onNotice: (text) => notices.push(text) }));
    results.push({ bytes: await readFile(path), notices: notices.join() });
  }
  const [off, on, half] = results;
  assert.deepEqual(on!.bytes, off!.bytes);
  assert.deepEqual(half!.bytes, off!.bytes);
  assert.doesNotMatch(off!.notices, /screened/);
  assert.match(on!.notices, /screened: \d+ % of the pre-activations were computed in f32/);
  assert.match(half!.notices, /weights of 32 bits/);
});

test('a sink gets the same bytes; no activation at all is a file too', async () => {
  const sink = memorySink();
  await encodeToFile(base({ out: sink }));
  await encodeToFile(base({ out: join(directory, 'same.safetensors') }));
  assert.deepEqual(sink.files.get('codes.safetensors'), new Uint8Array(await readFile(join(directory, 'same.safetensors'))));
  const silent = memorySink();
  const report = await encodeToFile(base({ sae: { ...plainSae, b_enc: new Float32Array(33).fill(-1e6) }, out: silent }));
  assert.equal(report.nnz, 0);
  assert.equal((await readCodes(silent.files.get('codes.safetensors')!)).values.length, 0);
});

test('a failure or an abort leaves what was there, and nothing else', async () => {
  const folder = await mkdtemp(join(directory, 'fail-'));
  const out = join(folder, 'codes.safetensors');
  await writeFile(out, 'before');
  const poisoned = x.slice();
  poisoned[30 * D] = Infinity;
  await assert.rejects(encodeToFile(base({ out, acts: npy(poisoned, [7, 6, D]) })), /Infinity/);
  await assert.rejects(encodeToFile(base({ out, acts: npy(x, [ROWS * 2, 5]) })), ShapeError);
  await assert.rejects(encodeToFile(base({ out, acts: undefined })), UsageError);
  for (let at = 0; at < 3; at++) {
    const controller = new AbortController();
    if (at === 0) controller.abort();
    let seen = 0;
    await encodeToFile(base({ out, signal: controller.signal, contextsPerBatch: 1, onProgress: () => void (++seen === at && controller.abort()) })).then(
      () => assert.ok(seen < at),
      (error: unknown) => assert.ok(isAbort(error)),
    );
    assert.equal(await readFile(out, 'utf8'), 'before');
  }
  assert.deepEqual(await readdir(folder), ['codes.safetensors']);
  await assert.rejects(encodeToFile(base({ out: join(out, 'below-a-file') })), UsageError);
  // Known before anything is encoded.
  let encoded = 0;
  await assert.rejects(encodeToFile(base({ out: folder, onProgress: () => void encoded++ })), /is a directory; a file was expected/);
  assert.equal(encoded, 0);
  assert.deepEqual((await readdir(directory)).filter((name) => name.includes('partial')), []);
});
