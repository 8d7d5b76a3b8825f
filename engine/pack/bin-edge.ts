const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** Lower edge of a histogram bin: 16 bins an octave, the upper bits of a positive f32 (bin = bits >>> 19). */
export function binEdge(bin: number): number {
  bits[0] = bin << 19;
  return float[0] as number;
}
