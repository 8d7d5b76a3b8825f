/**
 * Compaction for standard and jumprelu: from a tile of pre-activations to the
 * entries that fire, z > threshold, strictly (standard: threshold 0; jumprelu:
 * max(threshold, 0), which says z > threshold and z > 0 at once).
 *
 * In the same pass: decisions with |z - threshold| < tol_r are counted, and a
 * row with a z that is not finite is flagged (z - z is 0 for finite z only).
 */
import { BAD_PREACTIVATION, FLAGS, ROW_SHIFT, TIES, TOLERANCE } from './rows';

/**
 * @param z `rows` rows of `columns` f32 (a multiple of 4; columns past d_sae hold -FLT_MAX), `stride` bytes apart
 * @param first feature of column 0; `threshold` [columns] f32, `state` the rows' records
 * @param counts [rows] u32, the entries of each row: written
 * @param out (feature u32, value f32) pairs, row by row, features ascending: written, room for rows * columns
 * @returns how many entries
 */
export function compact(z: usize, stride: usize, rows: u32, columns: u32, first: u32, threshold: usize, state: usize, counts: usize, out: usize): u32 {
  const begin = out;
  for (let r: u32 = 0; r < rows; r++) {
    const row = z + <usize>r * stride;
    const rowBegin = out;
    const tolerance = f32x4.splat(load<f32>(state, TOLERANCE));
    let bad = i32x4.splat(0);
    let ties = i32x4.splat(0);
    for (let c: u32 = 0; c < columns; c += 4) {
      const at = <usize>c << 2;
      const value = v128.load(row + at);
      const edge = v128.load(threshold + at);
      bad = v128.or(bad, f32x4.sub(value, value));
      ties = i32x4.sub(ties, f32x4.lt(f32x4.abs(f32x4.sub(value, edge)), tolerance));
      let fires = i32x4.bitmask(f32x4.gt(value, edge));
      while (fires) {
        const column = c + ctz(fires);
        store<u32>(out, first + column);
        store<f32>(out, load<f32>(row + (<usize>column << 2)), 4);
        out += 8;
        fires &= fires - 1;
      }
    }
    store<u32>(counts + (<usize>r << 2), <u32>((out - rowBegin) >> 3));
    const near = i32x4.extract_lane(ties, 0) + i32x4.extract_lane(ties, 1) + i32x4.extract_lane(ties, 2) + i32x4.extract_lane(ties, 3);
    store<u32>(state, load<u32>(state, TIES) + near, TIES);
    if (v128.any_true(bad)) store<u32>(state, load<u32>(state, FLAGS) | BAD_PREACTIVATION, FLAGS);
    state += 1 << ROW_SHIFT;
  }
  return <u32>((out - begin) >> 3);
}

/**
 * The same for gated: from a tile of products p = xbar . w (no bias) to the
 * entries that fire, z_gate = p + b_gate > 0 and z = p exp(r_mag) + b_enc > 0, strictly;
 * their value is z. A decision is near where the smaller of the two is within tol_r of 0.
 *
 * @param z, rows, columns, first, state, counts, out as in `compact`; columns past d_sae
 *   have products 0, and biases of -FLT_MAX / 4
 * @param gates [columns] b_gate, `scales` [columns] exp(r_mag), `biases` [columns] b_enc; f32
 */
export function compactGated(z: usize, stride: usize, rows: u32, columns: u32, first: u32, gates: usize, scales: usize, biases: usize, state: usize, counts: usize, out: usize): u32 {
  const begin = out;
  const zero = f32x4.splat(0);
  for (let r: u32 = 0; r < rows; r++) {
    const row = z + <usize>r * stride;
    const rowBegin = out;
    const tolerance = f32x4.splat(load<f32>(state, TOLERANCE));
    let bad = i32x4.splat(0);
    let ties = i32x4.splat(0);
    for (let c: u32 = 0; c < columns; c += 4) {
      const at = <usize>c << 2;
      const product = v128.load(row + at);
      const gate = f32x4.add(product, v128.load(gates + at));
      const value = f32x4.add(f32x4.mul(product, v128.load(scales + at)), v128.load(biases + at));
      const least = f32x4.min(gate, value);
      bad = v128.or(bad, v128.or(f32x4.sub(gate, gate), f32x4.sub(value, value)));
      ties = i32x4.sub(ties, f32x4.lt(f32x4.abs(least), tolerance));
      let fires = i32x4.bitmask(f32x4.gt(least, zero));
      if (fires) {
        // The magnitudes replace the products, to be read one by one.
        v128.store(row + at, value);
        while (fires) {
          const column = c + ctz(fires);
          store<u32>(out, first + column);
          store<f32>(out, load<f32>(row + (<usize>column << 2)), 4);
          out += 8;
          fires &= fires - 1;
        }
      }
    }
    store<u32>(counts + (<usize>r << 2), <u32>((out - rowBegin) >> 3));
    const near = i32x4.extract_lane(ties, 0) + i32x4.extract_lane(ties, 1) + i32x4.extract_lane(ties, 2) + i32x4.extract_lane(ties, 3);
    store<u32>(state, load<u32>(state, TIES) + near, TIES);
    if (v128.any_true(bad)) store<u32>(state, load<u32>(state, FLAGS) | BAD_PREACTIVATION, FLAGS);
    state += 1 << ROW_SHIFT;
  }
  return <u32>((out - begin) >> 3);
}
