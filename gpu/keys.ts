/** The bits of f32s, and integers that order like them, as the kernels compare them (key_of in kernels/parts/params.wgsl). */

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

/** The key of a finite number, rounded to f32; -0 has that of +0. */
export function keyOf(value: number): number {
  floats[0] = value;
  const bits = words[0]! === 0x80000000 ? 0 : words[0]!;
  return (bits >= 0x80000000 ? ~bits : bits ^ 0x80000000) >>> 0;
}

/** The bits of a number, rounded to f32. */
export function bitsOf(value: number): number {
  floats[0] = value;
  return words[0]!;
}
