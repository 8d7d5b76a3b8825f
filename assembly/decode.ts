/**
 * Decode: y = b_dec + the sum of value x W_dec[feature] over a row's entries.
 *
 * The order of summation is fixed: b_dec first, then the entries as they come
 * (features ascending), each multiplied and added with its own rounding. Four
 * entries pass over y at a time to save loads and stores of y; that changes no bit.
 */

/**
 * @param offsets [rows + 1] u32 into `features` (u32) and `values` (f32)
 * @param w W_dec, `stride` bytes (a multiple of 16) from feature to feature
 * @param bias b_dec padded to `stride` bytes; `y` [rows] of `stride` bytes: written
 */
export function decode(offsets: usize, rows: u32, features: usize, values: usize, w: usize, stride: usize, bias: usize, y: usize): void {
  for (let r: u32 = 0; r < rows; r++) {
    memory.copy(y, bias, stride);
    let entry = load<u32>(offsets + (<usize>r << 2));
    const end = load<u32>(offsets + (<usize>r << 2), 4);
    for (; entry + 4 <= end; entry += 4) {
      const f = features + (<usize>entry << 2);
      const v = values + (<usize>entry << 2);
      addFour(
        y, stride,
        w + <usize>load<u32>(f) * stride, v128.load32_splat(v),
        w + <usize>load<u32>(f, 4) * stride, v128.load32_splat(v, 4),
        w + <usize>load<u32>(f, 8) * stride, v128.load32_splat(v, 8),
        w + <usize>load<u32>(f, 12) * stride, v128.load32_splat(v, 12),
      );
    }
    for (; entry < end; entry++) {
      const at = <usize>entry << 2;
      addOne(y, stride, w + <usize>load<u32>(features + at) * stride, v128.load32_splat(values + at));
    }
    y += stride;
  }
}

// @ts-ignore: decorator
@inline export function addFour(y: usize, bytes: usize, w0: usize, v0: v128, w1: usize, v1: v128, w2: usize, v2: v128, w3: usize, v3: v128): void {
  for (let at: usize = 0; at < bytes; at += 16) {
    let sum = v128.load(y + at);
    sum = f32x4.add(sum, f32x4.mul(v0, v128.load(w0 + at)));
    sum = f32x4.add(sum, f32x4.mul(v1, v128.load(w1 + at)));
    sum = f32x4.add(sum, f32x4.mul(v2, v128.load(w2 + at)));
    sum = f32x4.add(sum, f32x4.mul(v3, v128.load(w3 + at)));
    v128.store(y + at, sum);
  }
}

// @ts-ignore: decorator
@inline export function addOne(y: usize, bytes: usize, w: usize, value: v128): void {
  for (let at: usize = 0; at < bytes; at += 16) {
    v128.store(y + at, f32x4.add(v128.load(y + at), f32x4.mul(value, v128.load(w + at))));
  }
}
