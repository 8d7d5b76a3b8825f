import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { FormatError, UsageError } from '../../engine/errors.js';
import type { StateValue } from '../../engine/run/accumulator.js';
import { decodeState, encodeState } from '../../engine/state.js';

const scalar = fc.oneof(
  fc.constant(null), fc.boolean(), fc.double(), fc.constantFrom(-0, NaN, Infinity, -Infinity), fc.bigInt(),
  fc.string({ unit: 'binary' }), fc.constantFrom('\ud800', '\0', '</script>', '__proto__'),
);
const array = fc.oneof(
  fc.uint8Array(), fc.uint16Array(), fc.int32Array(), fc.uint32Array(), fc.float32Array(), fc.float64Array(),
  fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map((items) => BigUint64Array.from(items)),
);
const state = fc.letrec<{ value: StateValue }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, scalar, array, fc.array(tie('value')), fc.dictionary(fc.string(), tie('value'), { noNullPrototype: true })),
})).value;

test('what is encoded comes back equal, and equal states give equal bytes', () => {
  fc.assert(fc.property(state, (value) => {
    const bytes = encodeState(value);
    assert.deepStrictEqual(decodeState(bytes), value);
    assert.deepEqual(encodeState(decodeState(bytes)), bytes);
  }), { numRuns: 500 });
});

test('bytes at an odd offset are read, and arrays are copies', () => {
  const value = { a: Float64Array.of(1, 2, NaN), b: Uint8Array.of(7) };
  const bytes = encodeState(value);
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  const back = decodeState(shifted.subarray(3)) as unknown as typeof value;
  assert.deepStrictEqual(back, value);
  shifted.fill(0);
  assert.deepStrictEqual(back, value);
});

test("a Buffer of Node's, as files are read, holds the same state", () => {
  const value = { a: Float32Array.of(1, 2, 3), b: Uint8Array.of(7) };
  const file = Buffer.from(encodeState(value));
  const back = decodeState(file);
  file.fill(0);
  assert.deepStrictEqual(back, value);
});

test('a view of a part of a buffer is stored as that part', () => {
  const whole = Uint32Array.from({ length: 100 }, (_, i) => i);
  assert.deepStrictEqual(decodeState(encodeState(whole.subarray(10, 13))), Uint32Array.of(10, 11, 12));
});

test('what is no state is refused with the place', () => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  for (const [value, message] of [
    [{ a: [undefined] }, /state\.a\[0\]: is undefined/],
    [{ f: () => 1 }, /state\.f: is function/],
    [{ m: new Map() }, /state\.m: is an object of a class/],
    [{ d: new Float64Array(1).buffer }, /state\.d/],
    [{ v: new Int8Array(2) }, /state\.v: is a Int8Array/],
    [cycle, /deeper than 64 levels/],
  ] as const) {
    assert.throws(() => encodeState(value as unknown as StateValue), (error: unknown) => error instanceof UsageError && message.test(error.message));
  }
});

test('damaged bytes are a FormatError: every flip, every cut, every addition', () => {
  const bytes = encodeState({ counts: Uint32Array.of(1, 2, 3), list: ['x', 5, 7n, null, [true]], more: Float32Array.of(1.5) });
  const refused = (damaged: Uint8Array): void => {
    assert.throws(() => decodeState(damaged, 'shard.state'), (error: unknown) => error instanceof FormatError && error.message.startsWith('shard.state: '));
  };
  for (let length = 0; length < bytes.length; length++) refused(bytes.subarray(0, length));
  for (let at = 0; at < bytes.length * 8; at++) {
    const damaged = bytes.slice();
    damaged[at >> 3]! ^= 1 << (at & 7);
    refused(damaged);
  }
  for (const extra of [1, 3, 8]) refused(Uint8Array.of(...bytes, ...new Uint8Array(extra)));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refused));
});

/** Bytes with a header of one's own and a checksum that fits: taken from an encoding whose header has the same length. */
test('a header that lies is a FormatError even where the checksum fits', async () => {
  const { hash32 } = await import('../../engine/random.js');
  const forge = (json: string, data = new Uint8Array(0)): Uint8Array => {
    const length = Math.ceil(json.length / 8) * 8;
    const bytes = new Uint8Array(24 + length + data.length);
    const view = new DataView(bytes.buffer);
    bytes.set(new TextEncoder().encode('SAESTATE'));
    view.setUint32(8, 1, true);
    view.setUint32(12, length, true);
    bytes.fill(0x20, 24, 24 + length);
    bytes.set(new TextEncoder().encode(json), 24);
    bytes.set(data, 24 + length);
    let a = hash32(bytes.length, 1, length);
    let b = hash32(~bytes.length, length, 1);
    for (let at = 24; at + 4 <= bytes.length; at += 8) {
      a = hash32(a, view.getUint32(at, true), view.getUint32(at + 4, true));
      b = (Math.imul(b, 31) + a) >>> 0;
    }
    view.setUint32(16, a, true);
    view.setUint32(20, b, true);
    return bytes;
  };
  assert.deepStrictEqual(decodeState(forge('["l",1,["t","Uint32Array",0,2]]', new Uint8Array(8))), [1, Uint32Array.of(0, 0)]);
  for (const json of [
    '{}', '["x"]', '[]', '["n","1"]', '["n"]', '["b","1e5"]', '["b",1]', '["o",[1,2]]', '["o",["a"]]', '["o",5]', '[["l"]]', '{"a"', '["t","Foo",0,0]', '["t","__proto__",0,0]', '["t","constructor",0,0]',
    '["t","Uint32Array",0,3]', '["t","Uint32Array",4,1]', '["t","Uint32Array",-8,1]', '["t","Uint32Array",0,1e300]', '["t","Uint32Array",0.5,1]', '["t","Uint8Array",0,-1]', '["t","Float64Array","0",1]',
    '['.repeat(5000) + ']'.repeat(5000), '["l",'.repeat(5000) + '1' + ']'.repeat(5000),
  ]) {
    assert.throws(() => decodeState(forge(json, new Uint8Array(8))), FormatError, json.slice(0, 40));
  }
});
