/**
 * Damaged input of every format: whatever the bytes are, reading them gives a
 * result or a SaekitError with a message that names the file, never a
 * RangeError, a TypeError, or a hang.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { SaekitError } from '../../engine/errors.js';
import { loadSae } from '../../engine/formats/load-sae.js';
import { openNpy } from '../../engine/formats/npy.js';
import { openNpz } from '../../engine/formats/npz.js';
import { openSafetensors, writeSafetensors } from '../../engine/formats/safetensors.js';
import { openTensor } from '../../engine/formats/tensor-file.js';
import type { Tensor } from '../../engine/formats/tensor.js';
import { loadUnembedding } from '../../engine/formats/unembedding.js';
import { bytesSource } from '../../engine/io/bytes.js';
import { fileSource } from '../../engine/sources/file-source.js';
import { loadTokens } from '../../engine/sources/tokens.js';
import { loadTokenizer } from '../../engine/tokenizer.js';
import { npyBytes, npzBytes } from '../support/arrays.js';

const RUNS = { numRuns: 400 };

/** One of the ways a file gets damaged. */
type Damage = (bytes: Uint8Array) => Uint8Array;
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.double({ min: 0, max: 1, noNaN: true }).map((part): Damage => (bytes) => bytes.slice(0, Math.floor(part * bytes.length))),
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((more): Damage => (bytes) => Uint8Array.from([...bytes, ...more])),
  fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 }).map((edits): Damage => (bytes) => {
    const out = bytes.slice();
    for (const [at, byte] of edits) if (out.length > 0) out[Math.floor(at * at * (out.length - 1))] = byte;
    return out;
  }),
  // Where lengths, offsets and sizes are, large numbers are the interesting ones.
  fc.tuple(fc.nat(80), fc.constantFrom(0xff, 0x7f, 0x80, 0x00), fc.integer({ min: 1, max: 8 })).map(([at, byte, length]): Damage => (bytes) => bytes.slice().fill(byte, at, at + length)),
  fc.tuple(fc.nat(80), fc.constantFrom(0xff, 0x7f, 0x00), fc.integer({ min: 1, max: 8 })).map(([at, byte, length]): Damage => (bytes) => bytes.slice().fill(byte, Math.max(0, bytes.length - at - length), Math.max(0, bytes.length - at))),
  fc.uint8Array({ maxLength: 200 }).map((bytes): Damage => () => bytes),
);

/** @returns true when it could be read */
async function survives(what: string, read: () => Promise<unknown>): Promise<boolean> {
  const started = performance.now();
  try {
    await read();
    return true;
  } catch (error) {
    assert.ok(error instanceof SaekitError, `${what}: ${error instanceof Error ? error.stack : String(error)}`);
    assert.ok(error.message.length > 10, error.message);
    return false;
  } finally {
    assert.ok(performance.now() - started < 5000, `${what} took too long`);
  }
}

async function readAllOf(tensors: Iterable<Tensor>): Promise<void> {
  for (const tensor of tensors) {
    const values = await tensor.read();
    assert.equal(values.length, tensor.size, 'a read gave fewer elements than the shape says');
    if (tensor.shape.length > 0 && (tensor.shape[0] as number) > 0) await tensor.rows(0, 1);
  }
}

const GRID = Float32Array.from({ length: 24 }, (_, i) => i - 7);
const weights = (): Uint8Array => writeSafetensors([{ name: 'W_enc', shape: [2, 3], data: GRID.slice(0, 6) }, { name: 'b_enc', shape: [3], data: GRID.slice(0, 3) }, { name: 'W_dec', shape: [3, 2], data: GRID.slice(0, 6) }, { name: 'b_dec', shape: [2], data: GRID.slice(0, 2) }], { a: 'b' });
const cfg = { architecture: 'topk', k: 2, d_in: 2, d_sae: 3, metadata: { sae_lens_version: '6.1.0', hook_name: 'h' } };
const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

const formats: readonly [string, Uint8Array, (bytes: Uint8Array) => Promise<unknown>][] = [
  ['safetensors', weights(), async (bytes) => readAllOf((await openSafetensors(bytesSource('x', bytes))).tensors.values())],
  ['npy', npyBytes(GRID, [2, 3, 4]), async (bytes) => readAllOf([await openNpy(bytesSource('x', bytes))])],
  ...([0, 6] as const).map((level): [string, Uint8Array, (bytes: Uint8Array) => Promise<unknown>] => [
    `npz, level ${level}`,
    npzBytes({ grid: npyBytes(GRID, [24]), ids: npyBytes(new Uint16Array(9), [3, 3]) }, level),
    async (bytes) => {
      const npz = await openNpz(bytesSource('x', bytes));
      for (const name of npz.names) await readAllOf([await npz.tensor(name)]);
    },
  ]),
  ['any tensor file', npzBytes({ grid: npyBytes(GRID, [24]) }), async (bytes) => readAllOf([(await openTensor(bytes)).tensor])],
  ['weights of an SAE', weights(), (bytes) => loadSae({ 'cfg.json': json(cfg), 'sae_weights.safetensors': bytes })],
  ['cfg.json', json(cfg), (bytes) => loadSae({ 'cfg.json': bytes, 'sae_weights.safetensors': weights() })],
  ['unembedding', writeSafetensors([{ name: 'W_U', shape: [2, 3], data: GRID.slice(0, 6) }, { name: 'final_norm_scale', shape: [2], data: GRID.slice(0, 2) }]), (bytes) => loadUnembedding(bytes)],
  ['tokens', npyBytes(Uint16Array.of(1, 2, 3, 4), [2, 2]), async (bytes) => {
    const tokens = await loadTokens(bytes);
    await tokens.ids(0, tokens.count);
  }],
  ['activations', npyBytes(GRID, [2, 3, 4]), async (bytes) => {
    const source = await fileSource({ acts: bytes });
    for await (const batch of source.batches({ contextsPerBatch: 2 })) assert.equal(batch.x.length, batch.contexts * batch.positions * source.d);
  }],
];

for (const [name, whole, read] of formats) {
  test(`${name}: damaged`, async () => {
    assert.equal(await survives(name, () => read(whole)), true, 'the undamaged file is read');
    let failed = 0;
    await fc.assert(fc.asyncProperty(damage, async (harm) => void (failed += Number(!(await survives(name, () => read(harm(whole))))))), RUNS);
    // A check that never fails would say nothing about damage.
    assert.ok(failed > RUNS.numRuns / 4, `${failed} of ${RUNS.numRuns} were refused`);
  });

  test(`${name}: cut after every byte is refused`, async () => {
    for (let length = 0; length < whole.length; length++) assert.equal(await survives(`${name} cut at ${length}`, () => read(whole.slice(0, length))), false, `cut at ${length}`);
  });
}

test('cfg.json: any JSON is an SAE or an error', async () => {
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom('topk', 'standard', 'jumprelu', 'gated', 0, 1, 2, 3, 1e99, -1, 0.5, true, null));
  const keys = ['architecture', 'k', 'd_in', 'd_sae', 'dtype', 'apply_b_dec_to_input', 'normalize_activations', 'reshape_activations', 'activation_fn', 'activation_fn_str', 'activation_fn_kwargs', 'finetuning_scaling_factor', 'rescale_acts_by_decoder_norm', 'sae_lens_version', 'metadata', 'meta', 'hook_name'];
  const change = fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 4 });
  await fc.assert(fc.asyncProperty(change, async (changes) => void (await survives('cfg', () => loadSae({ 'cfg.json': json({ ...cfg, ...changes }), 'sae_weights.safetensors': weights() })))), RUNS);
  await fc.assert(fc.asyncProperty(fc.jsonValue(), async (any) => void (await survives('cfg', () => loadSae({ 'cfg.json': json(any), 'sae_weights.safetensors': weights() })))), RUNS);
});

/** A safetensors file with any header. */
function withHeader(header: unknown, data: Uint8Array = new Uint8Array(24)): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : json(header);
  const out = new Uint8Array(8 + text.length + data.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  out.set(data, 8 + text.length);
  return out;
}

test('safetensors: every rule of the specification, each with its own message', async () => {
  const entry = (shape: unknown, begin: unknown, end: unknown, dtype: unknown = 'F32') => ({ dtype, shape, data_offsets: [begin, end] });
  const six = entry([6], 0, 24);
  const cases: [string | object, RegExp][] = [
    [{ a: entry([5], 0, 24) }, /tensor "a": shape \[5\] of F32 takes 20 bytes, its data_offsets \[0, 24\] give 24/],
    [{ a: entry([3], 0, 12), b: entry([2], 16, 24) }, /"b" begins at byte 16 and leaves a hole after tensor "a", which ends at 12/],
    [{ a: entry([3], 0, 12), b: entry([4], 8, 24) }, /"b" begins at byte 8 and overlaps tensor "a"/],
    [{ a: entry([5], 4, 24) }, /leaves a hole after the header/],
    [{ a: entry([3], 0, 12) }, /describes 12 bytes of data, the file holds 24/],
    [{ a: entry([7], 0, 28) }, /describes 28 bytes of data, the file holds 24/],
    [{ a: entry([6], 24, 0) }, /give -24/],
    [{ a: entry([-6], 0, 24) }, /shape is not a list of whole numbers/],
    [{ a: entry([2 ** 40, 2 ** 40], 0, 24) }, /too many elements/],
    [{ a: entry([1.5, 4], 0, 24) }, /shape is not a list of whole numbers/],
    [{ a: entry([6], 0, '24') }, /data_offsets are not two whole numbers/],
    [{ a: entry([6], 0, 24, 'F31') }, /tensor "a": dtype "F31" is unknown/],
    [{ a: { shape: [6], data_offsets: [0, 24] } }, /has no dtype/],
    [{ a: 3 }, /not an object/],
    [{ __metadata__: { n: 3 }, a: six }, /__metadata__ is not a map of strings/],
    [`{"a":${JSON.stringify(six)},"a":${JSON.stringify(six)}}`, /names "a" twice/],
    [`{"a":${JSON.stringify(six)},"\\u0061":${JSON.stringify(six)}}`, /names "a" twice/],
    [`{"a":${JSON.stringify(six)}`, /header is not JSON/],
    [`[1]`, /header is not JSON \(it does not begin with "\{"\)/],
    ['{"a":'.repeat(20000), /header is not JSON/],
  ];
  for (const [header, pattern] of cases) await assert.rejects(openSafetensors(bytesSource('f', withHeader(header))), (error: Error) => error.name === 'FormatError' && pattern.test(error.message) && error.message.startsWith('f:'), `${String(pattern)} for ${JSON.stringify(header).slice(0, 80)}`);
  const long = withHeader({ a: six });
  new DataView(long.buffer).setBigUint64(0, 2n ** 63n, true);
  await assert.rejects(openSafetensors(bytesSource('f', long)), { message: /header would be 9223372036854775808 bytes long/ });
  const huge = withHeader({ __metadata__: { note: '\\"'.repeat(3_000_000) }, a: six });
  assert.equal((await openSafetensors(bytesSource('f', huge))).tensors.size, 1);
  // Types that the format has and saekit does not convert are no reason to refuse the rest of the file.
  const mixed = await openSafetensors(bytesSource('f', withHeader({ q: entry([8], 0, 8, 'F8_E4M3'), a: entry([4], 8, 24), c: { dtype: 'F4', shape: [0], data_offsets: [24, 24] } })));
  assert.equal((await mixed.tensors.get('a')!.read()).length, 4);
  await assert.rejects(mixed.tensors.get('q')!.read(), { name: 'FormatError', message: /f#q: dtype F8_E4M3 cannot be converted/ });
  // A name that is special to JavaScript is a name.
  const odd = await openSafetensors(bytesSource('f', withHeader(`{"__proto__":${JSON.stringify(six)}}`)));
  assert.deepEqual([...odd.tensors.keys()], ['__proto__']);
});

test('npy: headers that Python would not write', async () => {
  const withDict = (dict: string): Uint8Array => {
    const out = new Uint8Array(10 + dict.length + 8);
    out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, dict.length & 255, dict.length >> 8]);
    out.set(new TextEncoder().encode(dict), 10);
    return out;
  };
  const open = (dict: string) => openNpy(bytesSource('f.npy', withDict(dict)));
  assert.deepEqual((await open(`{"shape": (2,), "fortran_order": False, "descr": "<f4"}`)).shape, [2]);
  const cases: [string, RegExp][] = [
    [`{'descr': '<f4', 'fortran_order': False, 'shape': 2}`, /no shape/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}`, /impossible dimension/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}`, /takes 12 bytes, the file holds 8/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}`, /impossible dimension/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740991, 9007199254740991)}`, /too many elements/],
    [`{'descr': '<f4', 'fortran_order': False}`, /no shape/],
    [`{'fortran_order': False, 'shape': (2,)}`, /no descr/],
    [`{'descr': '|O', 'fortran_order': False, 'shape': (2,)}`, /"\|O" is not supported/],
    [`{'descr': '<f16', 'fortran_order': False, 'shape': (2,)}`, /"<f16" is not supported/],
    [`__import__('os')`, /not a Python dict/],
    [`${'('.repeat(5000)}`, /not a Python dict/],
    [`'${'x'.repeat(200)}'`, /not a Python dict/],
    ['', /not a Python dict/],
  ];
  for (const [dict, pattern] of cases) await assert.rejects(open(dict), (error: Error) => error.name === 'FormatError' && pattern.test(error.message), `${String(pattern)} for ${dict.slice(0, 60)}`);
});

test('npz: a zip that lies about its sizes is refused before it is inflated', async () => {
  const bytes = npzBytes({ zeros: npyBytes(new Float32Array(1 << 16), [1 << 16]) }, 6);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let directory = 0;
  while (view.getUint32(directory, true) !== 0x02014b50) directory++;
  const declare = async (size: number, pattern: RegExp): Promise<void> => {
    const copy = bytes.slice();
    new DataView(copy.buffer).setUint32(directory + 24, size, true);
    await assert.rejects((await openNpz(bytesSource('f.npz', copy))).tensor('zeros'), (error: Error) => error.name === 'FormatError' && pattern.test(error.message));
  };
  await declare(0xfffffff0, /more than can be held/);
  await declare(0x7fffffff, /cannot be the 2147483647 that the directory declares/);
  await declare(1000, /inflates to more than the 1000 bytes/);
  await declare((1 << 18) + 129, /inflates to 262272 bytes, the directory declares 262273/);
  const wrong = bytes.slice();
  wrong[directory + 16] = (wrong[directory + 16] as number) ^ 1;
  await assert.rejects((await openNpz(bytesSource('f.npz', wrong))).tensor('zeros'), { name: 'FormatError', message: /checksum is wrong/ });
});

test('tokenizer.json: damaged', async () => {
  const whole = new Uint8Array(await readFile('examples/stories260k/tokenizer.json'));
  await fc.assert(
    fc.asyncProperty(damage, async (harm) => void (await survives('tokenizer', async () => {
      const tokenizer = await loadTokenizer(harm(whole));
      for (let id = -1; id < 20; id++) assert.equal(typeof tokenizer.text(id), 'string');
      tokenizer.encode('Once upon a time');
    }))),
    { numRuns: 150 },
  );
});
