/**
 * The edges of histogram bins: 16 bins an octave, each a sixteenth of its octave
 * wide. Bin b holds the positive floats whose f32 bits shifted right by 19 are b,
 * so that a value's bin is one shift, and histograms of two runs can be added.
 */

/** The first bin that no finite value falls into. */
export const BIN_LIMIT = 0xff * 16;

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** Lower edge of a bin from 0 to `BIN_LIMIT`: the f32 with the bits `bin << 19`; infinity for `BIN_LIMIT`. */
export function binEdge(bin: number): number {
  bits[0] = bin << 19;
  return float[0] as number;
}
