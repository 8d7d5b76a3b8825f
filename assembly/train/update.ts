/** From gradients to parameters. */
import { add, dot, squaresOf } from './vectors';

/** ||row|| of each of `n` rows, in f64 and rounded once. */
export function norms(n: u32, w: usize, dp: u32, out: usize): void {
  const bytes = <usize>dp << 2;
  for (let i: usize = 0; i < <usize>n; i++) store<f32>(out + (i << 2), <f32>Math.sqrt(squaresOf(w + i * bytes, bytes)));
}

/** The sum of squares of `count` f32 (a multiple of 4). */
export function squares(count: u32, g: usize): f64 {
  return squaresOf(g, <usize>count << 2);
}

/** gdec[i] += coefficient normSum[i] d_i / ||d_i||: the gradient of a penalty that weighs with the norm. */
export function alongDecoder(n: u32, dp: u32, w: usize, norm: usize, normSum: usize, coefficient: f32, gdec: usize): void {
  const bytes = <usize>dp << 2;
  for (let i: usize = 0; i < <usize>n; i++) {
    const length = load<f32>(norm + (i << 2));
    if (length > 0) add(gdec + i * bytes, (coefficient * load<f32>(normSum + (i << 2))) / length, w + i * bytes, bytes);
  }
}

/** outer -= the sum of zsum[i] w_i: what reaches b_dec through xbar. `outer` [dp] f64. */
export function throughInput(n: u32, dp: u32, w: usize, zsum: usize, outer: usize): void {
  for (let i: usize = 0; i < <usize>n; i++) {
    const g = <f64>load<f32>(zsum + (i << 2));
    if (g == 0) continue;
    const row = w + ((i * dp) << 2);
    for (let c: usize = 0; c < <usize>dp; c++) store<f64>(outer + (c << 3), load<f64>(outer + (c << 3)) - g * <f64>load<f32>(row + (c << 2)));
  }
}

/** g -= (g . d / ||d||^2) d for each row. */
export function removeParallel(n: u32, dp: u32, w: usize, g: usize): void {
  const bytes = <usize>dp << 2;
  for (let i: usize = 0; i < <usize>n; i++) {
    const length = <f32>squaresOf(w + i * bytes, bytes);
    if (length > 0) add(g + i * bytes, -dot(g + i * bytes, w + i * bytes, bytes) / length, w + i * bytes, bytes);
  }
}

/** Rows of length 1; with `most` only those that are longer. Rows of length 0 stay. */
export function normalise(n: u32, dp: u32, w: usize, most: u32): void {
  const bytes = <usize>dp << 2;
  for (let i: usize = 0; i < <usize>n; i++) {
    const row = w + i * bytes;
    const length = Math.sqrt(squaresOf(row, bytes));
    if (length == 0 || (most && length <= 1)) continue;
    const factor = f32x4.splat(<f32>(1 / length));
    for (let at: usize = 0; at < bytes; at += 16) v128.store(row + at, f32x4.mul(factor, v128.load(row + at)));
  }
}

/**
 * Adam over `count` f32 (a multiple of 4).
 * @param factor what clipping multiplies gradients by; `rate` lr / (1 - b1^t); `root` 1 / sqrt(1 - b2^t)
 */
export function adam(count: u32, p: usize, g: usize, m: usize, v: usize, factor: f32, b1: f32, b2: f32, rate: f32, root: f32, eps: f32): void {
  const scale = f32x4.splat(factor);
  const beta1 = f32x4.splat(b1);
  const beta2 = f32x4.splat(b2);
  const rest1 = f32x4.splat(1 - b1);
  const rest2 = f32x4.splat(1 - b2);
  const rates = f32x4.splat(rate);
  const roots = f32x4.splat(root);
  const epsilon = f32x4.splat(eps);
  for (let at: usize = 0; at < <usize>count << 2; at += 16) {
    const gradient = f32x4.mul(scale, v128.load(g + at));
    const first = f32x4.add(f32x4.mul(beta1, v128.load(m + at)), f32x4.mul(rest1, gradient));
    const second = f32x4.add(f32x4.mul(beta2, v128.load(v + at)), f32x4.mul(rest2, f32x4.mul(gradient, gradient)));
    v128.store(m + at, first);
    v128.store(v + at, second);
    const step = f32x4.div(f32x4.mul(rates, first), f32x4.add(f32x4.mul(f32x4.sqrt(second), roots), epsilon));
    v128.store(p + at, f32x4.sub(v128.load(p + at), step));
  }
}

/** SGD with momentum: m = momentum m + factor g, p -= lr m. */
export function descend(count: u32, p: usize, g: usize, m: usize, factor: f32, momentum: f32, lr: f32): void {
  const scale = f32x4.splat(factor);
  const keep = f32x4.splat(momentum);
  const rate = f32x4.splat(lr);
  for (let at: usize = 0; at < <usize>count << 2; at += 16) {
    const velocity = f32x4.add(f32x4.mul(keep, v128.load(m + at)), f32x4.mul(scale, v128.load(g + at)));
    v128.store(m + at, velocity);
    v128.store(p + at, f32x4.sub(v128.load(p + at), f32x4.mul(rate, velocity)));
  }
}
