/** npy, npz and safetensors against files that numpy and the reference safetensors wrote (test/fixtures/formats/make.py). */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { f16ToF32, toFloat32, toInt32 } from '../../engine/formats/dtype.js';
import { openNpz } from '../../engine/formats/npz.js';
import { openSafetensors, writeSafetensors, type SafetensorsEntry } from '../../engine/formats/safetensors.js';
import { openTensor as open, splitRef, type OpenTensor } from '../../engine/formats/tensor-file.js';
import { assertFinite } from '../../engine/formats/tensor.js';
import { bytesSource, type ByteSource } from '../../engine/io/bytes.js';
import { openRef as openBytes, type Ref } from '../../engine/io/open.js';

/** Everything that a test opens is closed when all are done. */
const opened: (OpenTensor | ByteSource)[] = [];
const track = <T extends OpenTensor | ByteSource>(thing: T): T => {
  opened.push(thing);
  return thing;
};
const openTensor = async (ref: Ref): Promise<OpenTensor> => track(await open(ref));
const openRef = async (ref: Ref): Promise<ByteSource> => track(await openBytes(ref));
after(async () => {
  for (const thing of opened) await thing.close?.();
});

const HERE = 'test/fixtures/formats/';
/** grid of make.py: (0 .. 23) / 8 - 1 as [2, 3, 4]. */
const GRID = Float32Array.from({ length: 24 }, (_, i) => i / 8 - 1);
const bitsOf = (values: Float32Array): number[] => [...new Uint32Array(values.buffer, values.byteOffset, values.length)];

for (const file of ['grid-f4.npy', 'grid-f2.npy', 'grid-f8.npy', 'grid-f4-big.npy', 'grid-v2.npy', 'grid-v3.npy', 'arrays.npz#grid', 'arrays.npz#grid.npy', 'arrays-deflated.npz#grid', 'all-types.safetensors#grid']) {
  test(`${file} reads as numpy wrote it, whole and by rows`, async () => {
    const { tensor } = await openTensor(HERE + file);
    assert.deepEqual(tensor.shape, [2, 3, 4]);
    assert.deepEqual(await tensor.read(), GRID);
    assert.deepEqual(await tensor.rows(1, 2), GRID.slice(12));
    assert.deepEqual(await tensor.rows(1, 1), new Float32Array(0));
    await assert.rejects(tensor.rows(1, 3), { name: 'ShapeError' });
  });
}

for (const kind of ['u1', 'i1', 'u2', 'i2', 'u4', 'i4', 'u8', 'i8']) {
  test(`integers ${kind} read as i32 and as f32`, async () => {
    const { tensor } = await openTensor(`${HERE}ints-${kind}.npy`);
    assert.deepEqual([...(await tensor.integers(0, 4))], [0, 1, 2, 127]);
    assert.deepEqual([...(await tensor.integers(1, 3))], [1, 2]);
    assert.deepEqual([...(await tensor.read())], [0, 1, 2, 127]);
  });
}

test('big-endian integers, booleans, scalars, empty arrays, one long axis in Fortran order', async () => {
  const read = async (name: string) => (await openTensor(HERE + name)).tensor;
  assert.deepEqual([...(await (await read('ints-i4-big.npy')).integers(0, 3))], [1, -2, 300000]);
  assert.deepEqual([...(await (await read('bools.npy')).read())], [1, 0, 1]);
  const scalar = await read('scalar.npy');
  assert.deepEqual([scalar.shape, [...(await scalar.read())]], [[], [2.5]]);
  const empty = await read('empty.npy');
  assert.deepEqual([empty.shape, (await empty.read()).length], [[0, 4], 0]);
  // numpy marks such an array as C order; other writers need not.
  const header = "{'fortran_order': True, 'descr': '<f4', 'shape': (1, 2L, 1)}\n";
  const bytes = new Uint8Array(10 + header.length + 8);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0]);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes.set(new Uint8Array(Float32Array.of(7, 8).buffer), 10 + header.length);
  const { tensor } = await openTensor(bytes);
  assert.deepEqual([tensor.shape, [...(await tensor.read())]], [[1, 2, 1], [7, 8]]);
});

test('what npy can hold and saekit does not read says what to do', async () => {
  const fails = (name: string, pattern: RegExp) =>
    assert.rejects(openTensor(HERE + name), (error: Error & { hint?: string }) => {
      assert.equal(error.name, 'FormatError');
      assert.match(`${error.message} ${error.hint ?? ''}`, pattern);
      return true;
    });
  await fails('grid-fortran.npy', /\[2, 3, 4\] is stored in Fortran order.*ascontiguousarray/);
  await fails('bfloat16.npy', /V2.*bfloat16/);
  await fails('records.npy', /records/);
  await fails('complex.npy', /"<c8" is not supported/);
  await fails('arrays.npz', /holds 2 arrays.*grid, ids/);
  await fails('arrays.npz#nothing', /no array "nothing".*grid, ids/);
  await fails('all-types.safetensors#nothing', /no tensor "nothing".*grid/);
  await fails('grid-f4.npy#grid', /one array without a name/);
  await fails('make.py', /neither npy nor npz nor safetensors/);
  const wide = (await openTensor(`${HERE}ints-wide.npy`)).tensor;
  await assert.rejects(wide.integers(0, 2), { name: 'FormatError', message: /element 1 is 2147483648/ });
});

test('every safetensors type converts to the bits that numpy gives', async () => {
  const { tensors, metadata } = await openSafetensors(await openRef(`${HERE}all-types.safetensors`));
  const expected = JSON.parse(await readFile(`${HERE}floats.f32-bits.json`, 'utf8')) as Record<string, number[]>;
  assert.deepEqual(metadata, { made_by: 'make.py', accent: 'é' });
  for (const [name, bits] of Object.entries(expected)) assert.deepEqual(bitsOf(await tensors.get(name)!.read()), bits, name);
  const ints = async (name: string) => [...(await tensors.get(name)!.integers(0, tensors.get(name)!.size))];
  assert.deepEqual(await ints('i64'), [1, -2, 2147483647]);
  assert.deepEqual(await ints('i8'), [-128, 127]);
  assert.deepEqual(await ints('u16'), [65535]);
  assert.deepEqual(await ints('i16'), [-32768]);
  assert.deepEqual(await ints('i32'), [-2147483648]);
  await assert.rejects(ints('u32'), /element 0 is 4294967295/);
  await assert.rejects(ints('u64'), /element 0 is 1099511627776/);
  await assert.rejects(ints('grid'), /integers were expected, it holds f32/);
  assert.deepEqual([...(await tensors.get('bool')!.read())], [1, 0]);
  assert.deepEqual([...(await tensors.get('u64')!.read())], [2 ** 40]);
  assert.deepEqual(tensors.get('none')!.shape, [0, 3]);
});

test('all 65,536 half-precision numbers against the definition of binary16', () => {
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const values = toFloat32('f16', bits.slice().buffer);
  for (let i = 0; i < 65536; i++) {
    // The definition in exact rational arithmetic: every binary16 is a multiple of 2^-24.
    const exponent = (i >> 10) & 31;
    const units = exponent === 0 ? BigInt(i & 1023) : BigInt(1024 + (i & 1023)) << BigInt(exponent - 1);
    const expected = exponent === 31 ? ((i & 1023) === 0 ? Infinity : NaN) : Number(units) / 16777216;
    assert.ok(Object.is(values[i], i & 0x8000 ? -expected : expected), `0x${i.toString(16)}: ${values[i]}`);
    assert.ok(Object.is(f16ToF32(i), values[i]));
  }
});

test('bf16 is the upper half of an f32, for every number', () => {
  const values = toFloat32('bf16', Uint16Array.from({ length: 65536 }, (_, i) => i).buffer);
  const view = new DataView(new ArrayBuffer(4));
  for (let i = 0; i < 65536; i++) {
    view.setUint16(0, i);
    assert.ok(Object.is(values[i], view.getFloat32(0)));
  }
});

test('f64 to f32 rounds to nearest even, as Math.fround', () => {
  fc.assert(fc.property(fc.double({ noNaN: true }), (value) => Object.is(toFloat32('f64', Float64Array.of(value).buffer)[0], Math.fround(value))));
  assert.throws(() => toInt32('f32', new ArrayBuffer(4), 'x'), { name: 'FormatError' });
});

const arrays: fc.Arbitrary<SafetensorsEntry['data']> = fc.oneof(
  fc.float32Array({ maxLength: 40 }), fc.float64Array({ maxLength: 20 }), fc.int8Array({ maxLength: 30 }), fc.uint8Array({ maxLength: 30 }),
  fc.int16Array({ maxLength: 30 }), fc.uint16Array({ maxLength: 30 }), fc.int32Array({ maxLength: 30 }), fc.uint32Array({ maxLength: 30 }),
  fc.bigInt64Array({ maxLength: 20 }), fc.bigUint64Array({ maxLength: 20 }),
);

test('writeSafetensors reads back: names, shapes, bytes, metadata, in any order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.tuple(fc.string({ unit: 'binary' }), arrays), { selector: ([name]) => name, maxLength: 6 }), fc.dictionary(fc.string(), fc.string()), async (list, metadata) => {
      const entries = list.filter(([name]) => name !== '__metadata__').map(([name, data]) => ({ name, data, shape: [data.length] }));
      const file = await openSafetensors(bytesSource('written', writeSafetensors(entries, metadata)));
      assert.deepEqual({ ...file.metadata }, { ...metadata });
      assert.deepEqual([...file.tensors.keys()].sort(), entries.map(({ name }) => name).sort());
      for (const { name, data } of entries) {
        const tensor = file.tensors.get(name)!;
        assert.deepEqual(tensor.shape, [data.length]);
        assert.deepEqual(await tensor.read(), Float32Array.from(data as ArrayLike<number>, Number));
      }
    }),
  );
});

test('writeSafetensors: the data is aligned, a view is written as its own part, bits of halves keep their type', async () => {
  const backing = Float32Array.of(9, 1, 2, 3, 9);
  const bytes = writeSafetensors([{ name: 'view', shape: [3], data: backing.subarray(1, 4) }, { name: 'half', shape: [1], data: Uint16Array.of(0x3c00), dtype: 'F16' }]);
  const header = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  assert.equal(header % 8, 0);
  const { tensors } = await openSafetensors(bytesSource('written', bytes));
  assert.deepEqual([...(await tensors.get('view')!.read())], [1, 2, 3]);
  assert.deepEqual([tensors.get('half')!.dtype, [...(await tensors.get('half')!.read())]], ['f16', [1]]);
  // Node's Buffer is a Uint8Array too.
  const buffer = await openSafetensors(bytesSource('written', writeSafetensors([{ name: 'b', shape: [2], data: Buffer.from([1, 2]) }])));
  assert.equal(buffer.tensors.get('b')!.dtype, 'u8');
  assert.throws(() => writeSafetensors([{ name: 'a', shape: [2], data: new Float32Array(3) }]), { name: 'FormatError', message: /3 elements, shape \[2\]/ });
  assert.throws(() => writeSafetensors([{ name: 'a', shape: [1], data: new Float32Array(1) }, { name: 'a', shape: [1], data: new Float32Array(1) }]), /twice/);
});

test('references name a tensor after # and leave other # alone', () => {
  assert.deepEqual(splitRef('a/b.npz#x'), { file: 'a/b.npz', name: 'x' });
  assert.deepEqual(splitRef('https://h/b.safetensors?v=1#a#b'), { file: 'https://h/b.safetensors?v=1', name: 'a#b' });
  assert.deepEqual(splitRef('dir#1/x.npy'), { file: 'dir#1/x.npy', name: null });
  assert.deepEqual(splitRef('x.npz'), { file: 'x.npz', name: null });
});

test('an npz keeps its names and opens one entry without the others', async () => {
  const npz = await openNpz(await openRef(`${HERE}arrays-deflated.npz`));
  assert.deepEqual(npz.names, ['grid', 'zeros']);
  const zeros = await npz.tensor('zeros');
  assert.deepEqual([zeros.name, zeros.shape], ['zeros', [1000, 3]]);
  assert.ok((await zeros.read()).every((value) => value === 0));
});

test('assertFinite names tensor, index and value', () => {
  assertFinite(new Float32Array(6), 'w', [2, 3]);
  for (const value of [NaN, Infinity, -Infinity]) {
    const values = new Float32Array(6);
    values[4] = value;
    assert.throws(() => assertFinite(values, 'file#W_enc', [2, 3]), { name: 'NumericError', message: `file#W_enc: element [1, 1] is ${value}` });
  }
});
