/** From rows to pre-activations in the packed order of gemm.ts, and from those to entries. */
import { BAD_PREACTIVATION, FLAGS, ROW_SHIFT } from '../rows';

/**
 * xbar = x - bias for some rows, padded with zeros.
 *
 * @param x [rows, d] f32; `bias` [d] f32, or 0 for none; `out` [rows, dp] f32, dp a multiple of 4
 */
export function centre(x: usize, rows: u32, d: u32, dp: u32, bias: usize, out: usize): void {
  for (let r: u32 = 0; r < rows; r++) {
    for (let c: usize = 0; c < <usize>d; c++) {
      const value = load<f32>(x + (c << 2));
      store<f32>(out + (c << 2), bias ? value - load<f32>(bias + (c << 2)) : value);
    }
    for (let c: usize = d; c < <usize>dp; c++) store<f32>(out + (c << 2), 0);
    x += <usize>d << 2;
    out += <usize>dp << 2;
  }
}

/**
 * Weights by feature into panels of 8 features (gemm.ts), 4 x 4 transposed at a time.
 *
 * @param w [panels * 8, dp] f32, rows past n zero; `out` [panels][dp][8] f32
 */
export function packFeatures(w: usize, panels: u32, dp: u32, out: usize): void {
  const row = <usize>dp << 2;
  for (let p: u32 = 0; p < panels; p++) {
    for (let half: usize = 0; half < 2; half++) {
      let from = w + (<usize>p * 8 + half * 4) * row;
      let to = out + ((<usize>p * dp) << 5) + (half << 4);
      for (const end = from + row; from < end; from += 16) {
        const a = v128.load(from);
        const b = v128.load(from + row);
        const c = v128.load(from + 2 * row);
        const d = v128.load(from + 3 * row);
        const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
        const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
        const ba = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
        const dc = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
        v128.store(to, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
        v128.store(to, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7), 32);
        v128.store(to, v128.shuffle<f32>(ba, dc, 0, 1, 4, 5), 64);
        v128.store(to, v128.shuffle<f32>(ba, dc, 2, 3, 6, 7), 96);
        to += 128;
      }
    }
  }
}

/**
 * Entries of what is above its column's edge, row by row, features ascending.
 *
 * @param z `rows` rows of `columns` f32 (a multiple of 4), `stride` bytes apart
 * @param edges [columns] f32: an entry is where z > edge
 * @param state a record a row, of which BAD_PREACTIVATION is set where a z is not finite
 * @param ids, zs u32 and f32 for each entry; `offsets` [rows + 1] u32: written from `at` on
 * @returns where the next entry goes
 */
export function above(z: usize, stride: usize, rows: u32, columns: u32, edges: usize, state: usize, ids: usize, zs: usize, offsets: usize, at: u32): u32 {
  for (let r: u32 = 0; r < rows; r++) {
    store<u32>(offsets + (<usize>r << 2), at);
    let bad = i32x4.splat(0);
    for (let c: u32 = 0; c < columns; c += 4) {
      const value = v128.load(z + (<usize>c << 2));
      bad = v128.or(bad, f32x4.sub(value, value));
      let mask = i32x4.bitmask(f32x4.gt(value, v128.load(edges + (<usize>c << 2))));
      while (mask) {
        const column = c + ctz(mask);
        store<u32>(ids + (<usize>at << 2), column);
        store<f32>(zs + (<usize>at << 2), load<f32>(z + (<usize>column << 2)));
        at++;
        mask &= mask - 1;
      }
    }
    if (v128.any_true(bad)) store<u32>(state, load<u32>(state, FLAGS) | BAD_PREACTIVATION, FLAGS);
    z += stride;
    state += 1 << ROW_SHIFT;
  }
  store<u32>(offsets + (<usize>rows << 2), at);
  return at;
}

/** What topk ranks by with decoder norms: each column times its norm, in a tile of its own. */
export function scaleColumns(z: usize, stride: usize, rows: u32, columns: u32, norms: usize, out: usize): void {
  for (let r: u32 = 0; r < rows; r++) {
    for (let c: usize = 0; c < <usize>columns << 2; c += 16) v128.store(out + c, f32x4.mul(v128.load(z + c), v128.load(norms + c)));
    z += stride;
    out += stride;
  }
}

/**
 * Entries from what `finish` (select.ts) leaves: the values are those of z, whatever was ranked by.
 * Where ranks and z differ in sign, which norms of 0 alone can do, z decides: f = relu(z).
 *
 * @param counts [rows] u32; `pairs` (feature u32, rank f32)
 */
export function unpair(z: usize, stride: usize, rows: u32, counts: usize, pairs: usize, ids: usize, zs: usize, offsets: usize, at: u32): u32 {
  for (let r: u32 = 0; r < rows; r++) {
    store<u32>(offsets + (<usize>r << 2), at);
    const end = pairs + (<usize>load<u32>(counts + (<usize>r << 2)) << 3);
    for (; pairs < end; pairs += 8) {
      const feature = load<u32>(pairs);
      const value = load<f32>(z + (<usize>feature << 2));
      if (!(value > 0)) continue;
      store<u32>(ids + (<usize>at << 2), feature);
      store<f32>(zs + (<usize>at << 2), value);
      at++;
    }
    z += stride;
  }
  store<u32>(offsets + (<usize>rows << 2), at);
  return at;
}
