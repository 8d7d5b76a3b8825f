/** npy and npz files in memory, for tests, and byte sources that count. */
import { zipSync } from 'fflate';
import type { ByteSource } from '../../engine/io/bytes.js';

export type NpyData = Float32Array | Float64Array | Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | BigInt64Array | BigUint64Array;

const DESCR: Readonly<Record<string, string>> = {
  Float32Array: '<f4', Float64Array: '<f8', Uint8Array: '|u1', Int8Array: '|i1', Uint16Array: '<u2', Int16Array: '<i2', Uint32Array: '<u4', Int32Array: '<i4', BigInt64Array: '<i8', BigUint64Array: '<u8',
};

/** An npy 1.0 file. `descr` overrides the type that the array has (`<f2` for bits in a Uint16Array). */
export function npyBytes(data: NpyData, shape: readonly number[], descr = DESCR[data[Symbol.toStringTag]] as string): Uint8Array<ArrayBuffer> {
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const header = dict.padEnd(Math.ceil((10 + dict.length + 1) / 64) * 64 - 11) + '\n';
  const out = new Uint8Array(10 + header.length + data.byteLength);
  out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8]);
  out.set(new TextEncoder().encode(header), 10);
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + header.length);
  return out;
}

/** An npz file: level 0 stores, as np.savez does; others deflate, as np.savez_compressed. */
export function npzBytes(arrays: Readonly<Record<string, Uint8Array>>, level: 0 | 6 = 0): Uint8Array {
  return zipSync(Object.fromEntries(Object.entries(arrays).map(([name, bytes]) => [`${name}.npy`, bytes])), { level });
}

/** A source that keeps the ranges it was asked for. */
export function countingSource(name: string, bytes: Uint8Array<ArrayBuffer>): ByteSource & { readonly ranges: [number, number][] } {
  const ranges: [number, number][] = [];
  return {
    name,
    byteLength: bytes.byteLength,
    ranges,
    slice(start, end = bytes.byteLength) {
      ranges.push([start, end]);
      return Promise.resolve(bytes.slice(start, end).buffer);
    },
  };
}
