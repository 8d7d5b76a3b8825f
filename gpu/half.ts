/**
 * IEEE 754 binary16, for runtimes that have no Float16Array. Rounds to nearest,
 * ties to even, as WGSL's own conversions do.
 */

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

/** The 16 bits of the half that is nearest to a finite f32; 0x7c00 or 0xfc00 (an infinity) from 65,520 on. */
export function halfBits(value: number): number {
  floats[0] = value;
  const bits = words[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  // From 2^16 on. 65,520 to 2^16 round up to it below.
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below 2^-14 halves are multiples of 2^-24, which is the last place of 0.5: the addition rounds.
    floats[0] = Math.abs(value) + 0.5;
    return sign | (words[0]! - 0x3f000000);
  }
  // To 10 bits of fraction, half to even; the exponent's bias goes from 127 to 15.
  return sign | (((magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13) - (112 << 10));
}

/** The number that 16 bits stand for. */
export function halfValue(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
