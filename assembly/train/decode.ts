/** Reconstructions of prefixes of the dictionary, what they leave, and how that enters the gradient. */
import { addFour, addOne } from '../decode';
import { squaresOf } from './vectors';

/**
 * y_g = bias + the sum of f_i d_i over i < widths[g], for each group g: entries ascend, so each
 * prefix continues the one before it. Four entries pass over y at a time, as in ../decode.ts.
 *
 * @param fs f32 for each entry; `bias` [dp] f32, or 0; `y` [rows][groups][dp] f32: written
 */
export function decodeGroups(rows: u32, offsets: usize, ids: usize, fs: usize, w: usize, dp: u32, bias: usize, widths: usize, groups: u32, y: usize): void {
  const bytes = <usize>dp << 2;
  for (let r: u32 = 0; r < rows; r++) {
    let e = <usize>load<u32>(offsets + (<usize>r << 2)) << 2;
    const end = <usize>load<u32>(offsets + (<usize>r << 2), 4) << 2;
    for (let g: u32 = 0; g < groups; g++) {
      if (g > 0) memory.copy(y, y - bytes, bytes);
      else if (bias) memory.copy(y, bias, bytes);
      else memory.fill(y, 0, bytes);
      let stop = end;
      if (g + 1 < groups) {
        const width = load<u32>(widths + (<usize>g << 2));
        stop = e;
        while (stop < end && load<u32>(ids + stop) < width) stop += 4;
      }
      for (; e + 16 <= stop; e += 16) {
        addFour(
          y, bytes,
          w + <usize>load<u32>(ids + e) * bytes, v128.load32_splat(fs + e),
          w + <usize>load<u32>(ids + e, 4) * bytes, v128.load32_splat(fs + e, 4),
          w + <usize>load<u32>(ids + e, 8) * bytes, v128.load32_splat(fs + e, 8),
          w + <usize>load<u32>(ids + e, 12) * bytes, v128.load32_splat(fs + e, 12),
        );
      }
      for (; e < stop; e += 4) addOne(y, bytes, w + <usize>load<u32>(ids + e) * bytes, v128.load32_splat(fs + e));
      y += bytes;
    }
  }
}

/**
 * r_g = y_g - x; their squares; and in place of y the sums that features of group g see,
 * s_g = the sum over h >= g of factors[h] r_h.
 *
 * @param x [rows, dp] f32 (padding 0 in both)
 * @param factors [groups] f32; `totals` [groups] f64: += ||r_g||^2
 * @param errors [rows, dp] f32 or 0: written, -r of the last group; `rowErrors` [rows] f64: written, ||r||^2 of the last
 * @param outer [dp] f64 or 0: += s_0, the gradient of the output's bias
 */
export function residuals(rows: u32, groups: u32, dp: u32, y: usize, x: usize, factors: usize, totals: usize, errors: usize, rowErrors: usize, outer: usize): void {
  const bytes = <usize>dp << 2;
  for (let r: u32 = 0; r < rows; r++) {
    let squares: f64 = 0;
    for (let g: u32 = 0; g < groups; g++) {
      const row = y + <usize>g * bytes;
      for (let at: usize = 0; at < bytes; at += 16) v128.store(row + at, f32x4.sub(v128.load(row + at), v128.load(x + at)));
      squares = squaresOf(row, bytes);
      const total = totals + (<usize>g << 3);
      store<f64>(total, load<f64>(total) + squares);
    }
    store<f64>(rowErrors + (<usize>r << 3), squares);
    const last = y + <usize>(groups - 1) * bytes;
    if (errors) {
      for (let at: usize = 0; at < bytes; at += 16) v128.store(errors + at, f32x4.neg(v128.load(last + at)));
      errors += bytes;
    }
    for (let g = groups; g-- > 0; ) {
      const row = y + <usize>g * bytes;
      const factor = v128.load32_splat(factors + (<usize>g << 2));
      for (let at: usize = 0; at < bytes; at += 16) {
        const own = f32x4.mul(factor, v128.load(row + at));
        v128.store(row + at, g + 1 < groups ? f32x4.add(v128.load(row + bytes + at), own) : own);
      }
    }
    if (outer) {
      for (let c: usize = 0; c < <usize>dp; c++) store<f64>(outer + (c << 3), load<f64>(outer + (c << 3)) + <f64>load<f32>(y + (c << 2)));
    }
    y += <usize>groups * bytes;
    x += bytes;
  }
}
