/** What is done for features that count as dead: AuxK, ghost gradients, the pre-activation loss. */
import { bins } from '../memory';
import { add, squaresOf } from './vectors';

/** f32 bits in the order of the numbers. */
// @ts-ignore: decorator
@inline function ordered(z: f32): u32 {
  const bits = reinterpret<i32>(z + 0);
  return <u32>(bits ^ ((bits >> 31) | 0x80000000));
}

/**
 * AuxK's selection: of each row the `k` largest z of dead features (ties to the lowest), all of
 * them where there are no more.
 *
 * @param list [count] u32, ascending; `relu` keeps only z > 0 of those selected
 * @param keys scratch, [count] u32
 */
export function dead(z: usize, stride: usize, rows: u32, list: usize, count: u32, k: u32, relu: u32, keys: usize, ids: usize, zs: usize, offsets: usize, at: u32): u32 {
  for (let r: u32 = 0; r < rows; r++) {
    store<u32>(offsets + (<usize>r << 2), at);
    let cut: u32 = 0;
    let equal: u32 = 0;
    if (k < count) {
      for (let c: usize = 0; c < <usize>count << 2; c += 4) store<u32>(keys + c, ordered(load<f32>(z + (<usize>load<u32>(list + c) << 2))));
      // Radix selection of the k-th largest key, and how many equal to it are taken.
      let fixed: u32 = 0;
      let left = k;
      for (let shift: u32 = 24; ; shift -= 8) {
        memory.fill(bins, 0, 1024);
        for (let c: usize = 0; c < <usize>count << 2; c += 4) {
          const key = load<u32>(keys + c);
          if ((key & fixed) == cut) {
            const bin = bins + (<usize>((key >> shift) & 255) << 2);
            store<u32>(bin, load<u32>(bin) + 1);
          }
        }
        let digit: u32 = 255;
        let size = load<u32>(bins + (<usize>digit << 2));
        while (size < left) {
          left -= size;
          digit--;
          size = load<u32>(bins + (<usize>digit << 2));
        }
        cut |= digit << shift;
        fixed |= <u32>255 << shift;
        if (shift == 0) break;
      }
      equal = left;
    }
    for (let c: usize = 0; c < <usize>count << 2; c += 4) {
      const feature = load<u32>(list + c);
      const value = load<f32>(z + (<usize>feature << 2));
      if (k < count) {
        const key = ordered(value);
        if (key < cut) continue;
        if (key == cut) {
          if (equal == 0) continue;
          equal--;
        }
      }
      if (relu && !(value > 0)) continue;
      store<u32>(ids + (<usize>at << 2), feature);
      store<f32>(zs + (<usize>at << 2), value);
      at++;
    }
    z += stride;
  }
  store<u32>(offsets + (<usize>rows << 2), at);
  return at;
}

/**
 * AuxK's residual, in place: y becomes factor (y - e), and its squares are returned.
 * @param outer [dp] f64 or 0: += what y becomes
 */
export function auxiliary(rows: u32, dp: u32, y: usize, e: usize, factor: f32, outer: usize): f64 {
  const bytes = <usize>dp << 2;
  const splat = f32x4.splat(factor);
  let total: f64 = 0;
  for (let r: u32 = 0; r < rows; r++) {
    for (let at: usize = 0; at < bytes; at += 16) v128.store(y + at, f32x4.sub(v128.load(y + at), v128.load(e + at)));
    total += squaresOf(y, bytes);
    for (let at: usize = 0; at < bytes; at += 16) v128.store(y + at, f32x4.mul(splat, v128.load(y + at)));
    if (outer) for (let c: usize = 0; c < <usize>dp; c++) store<f64>(outer + (c << 3), load<f64>(outer + (c << 3)) + <f64>load<f32>(y + (c << 2)));
    y += bytes;
    e += bytes;
  }
  return total;
}

/**
 * Ghost gradients: an entry exp(min(z, 30)) for every dead feature of every row.
 * @returns where the next entry goes
 */
export function ghostEntries(z: usize, stride: usize, rows: u32, list: usize, count: u32, ids: usize, zs: usize, fs: usize, offsets: usize, at: u32): u32 {
  for (let r: u32 = 0; r < rows; r++) {
    store<u32>(offsets + (<usize>r << 2), at);
    for (let c: usize = 0; c < <usize>count << 2; c += 4, at++) {
      const to = <usize>at << 2;
      const feature = load<u32>(list + c);
      const value = min(load<f32>(z + (<usize>feature << 2)), <f32>30);
      store<u32>(ids + to, feature);
      store<f32>(zs + to, value);
      store<f32>(fs + to, <f32>Math.exp(<f64>value));
    }
    z += stride;
  }
  store<u32>(offsets + (<usize>rows << 2), at);
  return at;
}

/**
 * The ghosts' reconstructions y, in place: what each of them sees, the gradient by y.
 *
 * @param e [rows, dp] x - xhat; `inverse` 1 / (rows of the batch * d)
 * @returns the sum of m (ghat - e)^2, without `inverse`
 */
export function ghostResiduals(rows: u32, y: usize, e: usize, dp: u32, d: u32, inverse: f64): f64 {
  const bytes = <usize>dp << 2;
  let total: f64 = 0;
  for (let r: u32 = 0; r < rows; r++) {
    const c = Math.sqrt(squaresOf(e, bytes)) / (2 * Math.sqrt(squaresOf(y, bytes)) + 1e-6);
    for (let at: usize = 0; at < <usize>d << 2; at += 4) {
      const residual = <f64>load<f32>(e + at);
      const gap = c * <f64>load<f32>(y + at) - residual;
      const weight = (residual * residual) / (gap * gap + 1e-6);
      total += weight * gap * gap;
      store<f32>(y + at, <f32>(2 * inverse * weight * gap * c));
    }
    y += bytes;
    e += bytes;
  }
  return total;
}

/**
 * relu(theta - z) ||d|| over dead features; coefficient already over the rows of the batch.
 * @returns the sum, without the coefficient
 */
export function preactivationLoss(z: usize, stride: usize, rows: u32, list: usize, count: u32, theta: usize, norms: usize, coefficient: f32, dp: u32, x: usize, genc: usize, zsum: usize, gtheta: usize): f64 {
  const bytes = <usize>dp << 2;
  let total: f64 = 0;
  for (let r: u32 = 0; r < rows; r++) {
    for (let c: usize = 0; c < <usize>count << 2; c += 4) {
      const i = load<u32>(list + c);
      const at = <usize>i << 2;
      const below = load<f32>(theta + at) - load<f32>(z + at);
      if (!(below > 0)) continue;
      const norm = load<f32>(norms + at);
      total += <f64>below * <f64>norm;
      const g = coefficient * norm;
      add(genc + <usize>i * bytes, -g, x, bytes);
      store<f32>(zsum + at, load<f32>(zsum + at) - g);
      store<f32>(gtheta + at, load<f32>(gtheta + at) + g);
    }
    z += stride;
    x += bytes;
  }
  return total;
}
