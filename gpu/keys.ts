/** Integers that order like f32s, as the kernels compare them (key_of in kernels/parts/params.wgsl). */

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

/** The key of a finite number, rounded to f32; -0 has that of +0. */
export function keyOf(value: number): number {
  floats[0] = value;
  const bits = words[0]! === 0x80000000 ? 0 : words[0]!;
  return (bits >= 0x80000000 ? ~bits : bits ^ 0x80000000) >>> 0;
}
