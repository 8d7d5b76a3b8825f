/** Small npy files for tests. */

const DESCR = { Float32Array: '<f4', Uint16Array: '<u2', Int32Array: '<i4' } as const;

/** An npy file (version 1.0, C order) of an array. */
export function npy(data: Float32Array | Uint16Array | Int32Array, shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const descr = DESCR[data.constructor.name as keyof typeof DESCR];
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const length = Math.ceil((10 + dictionary.length + 1) / 64) * 64;
  const bytes = new Uint8Array(length + data.byteLength);
  bytes.set([0x93, ...new TextEncoder().encode('NUMPY'), 1, 0, (length - 10) & 255, (length - 10) >> 8]);
  bytes.set(new TextEncoder().encode(dictionary.padEnd(length - 11) + '\n'), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), length);
  return bytes;
}
