/** Sums over rows of dp f32, dp a multiple of 4: what the sparse kernels have in common. The order of summation is fixed. */

export function dot(a: usize, b: usize, bytes: usize): f32 {
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

/** y += value x and y2 += value2 x2, in one pass. */
// @ts-ignore: decorator
@inline export function addBoth(y: usize, value: f32, x: usize, y2: usize, value2: f32, x2: usize, bytes: usize): void {
  const splat = f32x4.splat(value);
  const splat2 = f32x4.splat(value2);
  let at: usize = 0;
  for (; at + 32 <= bytes; at += 32) {
    v128.store(y + at, f32x4.add(v128.load(y + at), f32x4.mul(splat, v128.load(x + at))));
    v128.store(y2 + at, f32x4.add(v128.load(y2 + at), f32x4.mul(splat2, v128.load(x2 + at))));
    v128.store(y + at, f32x4.add(v128.load(y + at, 16), f32x4.mul(splat, v128.load(x + at, 16))), 16);
    v128.store(y2 + at, f32x4.add(v128.load(y2 + at, 16), f32x4.mul(splat2, v128.load(x2 + at, 16))), 16);
  }
  if (at < bytes) {
    v128.store(y + at, f32x4.add(v128.load(y + at), f32x4.mul(splat, v128.load(x + at))));
    v128.store(y2 + at, f32x4.add(v128.load(y2 + at), f32x4.mul(splat2, v128.load(x2 + at))));
  }
}
