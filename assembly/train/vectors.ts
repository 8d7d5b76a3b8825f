/** Sums over rows of dp f32, dp a multiple of 4: what the sparse kernels have in common. The order of summation is fixed. */

// @ts-ignore: decorator
@inline export function dot(a: usize, b: usize, bytes: usize): f32 {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let at: usize = 0;
  for (; at + 32 <= bytes; at += 32) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load(a + at), v128.load(b + at)));
    s1 = f32x4.add(s1, f32x4.mul(v128.load(a + at, 16), v128.load(b + at, 16)));
  }
  if (at < bytes) s0 = f32x4.add(s0, f32x4.mul(v128.load(a + at), v128.load(b + at)));
  s0 = f32x4.add(s0, s1);
  return f32x4.extract_lane(s0, 0) + f32x4.extract_lane(s0, 1) + (f32x4.extract_lane(s0, 2) + f32x4.extract_lane(s0, 3));
}

/** y += value x */
export function add(y: usize, value: f32, x: usize, bytes: usize): void {
  const splat = f32x4.splat(value);
  for (let at: usize = 0; at < bytes; at += 16) v128.store(y + at, f32x4.add(v128.load(y + at), f32x4.mul(splat, v128.load(x + at))));
}

/** Squares of a row's values, in f64. */
export function squaresOf(x: usize, bytes: usize): f64 {
  let s0 = f64x2.splat(0);
  let s1 = f64x2.splat(0);
  for (let at: usize = 0; at < bytes; at += 16) {
    const value = v128.load(x + at);
    const low = f64x2.promote_low_f32x4(value);
    const high = f64x2.promote_low_f32x4(v128.shuffle<f32>(value, value, 2, 3, 2, 3));
    s0 = f64x2.add(s0, f64x2.mul(low, low));
    s1 = f64x2.add(s1, f64x2.mul(high, high));
  }
  s0 = f64x2.add(s0, s1);
  return f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1);
}

/**
 * y += the sum of value x over a list, in its order: 32 values of y stay in registers meanwhile.
 * @param list (x pointer, value f32) every 16 bytes until `end`
 */
export function gather(y: usize, list: usize, end: usize, bytes: usize): void {
  let at: usize = 0;
  for (; at + 128 <= bytes; at += 128) {
    const to = y + at;
    let s0 = v128.load(to);
    let s1 = v128.load(to, 16);
    let s2 = v128.load(to, 32);
    let s3 = v128.load(to, 48);
    let s4 = v128.load(to, 64);
    let s5 = v128.load(to, 80);
    let s6 = v128.load(to, 96);
    let s7 = v128.load(to, 112);
    for (let item = list; item < end; item += 16) {
      const x = load<usize>(item) + at;
      const value = v128.load32_splat(item, 4);
      s0 = f32x4.add(s0, f32x4.mul(value, v128.load(x)));
      s1 = f32x4.add(s1, f32x4.mul(value, v128.load(x, 16)));
      s2 = f32x4.add(s2, f32x4.mul(value, v128.load(x, 32)));
      s3 = f32x4.add(s3, f32x4.mul(value, v128.load(x, 48)));
      s4 = f32x4.add(s4, f32x4.mul(value, v128.load(x, 64)));
      s5 = f32x4.add(s5, f32x4.mul(value, v128.load(x, 80)));
      s6 = f32x4.add(s6, f32x4.mul(value, v128.load(x, 96)));
      s7 = f32x4.add(s7, f32x4.mul(value, v128.load(x, 112)));
    }
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
    v128.store(to, s4, 64);
    v128.store(to, s5, 80);
    v128.store(to, s6, 96);
    v128.store(to, s7, 112);
  }
  for (; at < bytes; at += 16) {
    let sum = v128.load(y + at);
    for (let item = list; item < end; item += 16) sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(item, 4), v128.load(load<usize>(item) + at)));
    v128.store(y + at, sum);
  }
}
