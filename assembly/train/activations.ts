/** From pre-activations to activations, and what a batch's activations add up to. */

/** jumprelu: f = z where z > theta, else 0. */
export function jump(count: u32, ids: usize, zs: usize, theta: usize, fs: usize): void {
  for (let e: usize = 0; e < <usize>count << 2; e += 4) {
    const z = load<f32>(zs + e);
    store<f32>(fs + e, z > load<f32>(theta + (<usize>load<u32>(ids + e) << 2)) ? z : 0);
  }
}

/** gated: f = relu(exp(r_mag) (pi - b_gate) + b_enc) of entries with pi > 0. */
export function magnitudes(count: u32, ids: usize, zs: usize, gates: usize, scales: usize, biases: usize, fs: usize): void {
  for (let e: usize = 0; e < <usize>count << 2; e += 4) {
    const i = <usize>load<u32>(ids + e) << 2;
    const m = (load<f32>(zs + e) - load<f32>(gates + i)) * load<f32>(scales + i) + load<f32>(biases + i);
    store<f32>(fs + e, m > 0 ? m : 0);
  }
}

/** Penalties, as engine/wasm/train/plan.ts numbers them. */
export const L1: u32 = 1;
export const LP: u32 = 2;
export const LP_ROOT: u32 = 3;
export const L0: u32 = 4;
export const TANH: u32 = 5;

/**
 * Adds the figures of some rows to the batch's.
 *
 * @param fs, zs activations and pre-activations; `ps` what the penalty is on (zs for gated, else fs)
 * @param norms [n] f32 that the penalty weighs with, 0 for none; `theta` [n] f32, L0 only
 * @param p, next of LP; `next` 0 for none; `scale` of TANH
 * @param fired [n] u32: rows with f > 0; `rowL0` [rows] u32 or 0
 * @param rowScales [rows] f32, LP_ROOT: (sum f^p)^(1/p - 1), 0 where that is 0
 * @param figures f64: entries with f > 0, penalty, penalty at `next`, sum of rows' least f > 0, rows that have one, least of all
 */
export function measure(rows: u32, offsets: usize, ids: usize, fs: usize, zs: usize, ps: usize, kind: u32, norms: usize, theta: usize, p: f64, next: f64, scale: f32, fired: usize, rowL0: usize, rowScales: usize, figures: usize): void {
  let active: u64 = 0;
  let penalty: f64 = 0;
  let nextPenalty: f64 = 0;
  for (let r: u32 = 0; r < rows; r++) {
    const end = <usize>load<u32>(offsets + (<usize>r << 2), 4) << 2;
    let least: f32 = f32.MAX_VALUE;
    let count: u32 = 0;
    let sum: f64 = 0;
    let nextSum: f64 = 0;
    for (let e = <usize>load<u32>(offsets + (<usize>r << 2)) << 2; e < end; e += 4) {
      const i = <usize>load<u32>(ids + e) << 2;
      const f = load<f32>(fs + e);
      if (f > 0) {
        count++;
        least = min(least, f);
        store<u32>(fired + i, load<u32>(fired + i) + 1);
      }
      const q = load<f32>(ps + e);
      if (kind == L1) {
        sum += norms ? <f64>q * <f64>load<f32>(norms + i) : <f64>q;
      } else if (kind == LP || kind == LP_ROOT) {
        if (q > 0) {
          sum += Math.pow(q, p);
          if (next > 0) nextSum += Math.pow(q, next);
        }
      } else if (kind == L0) {
        if (load<f32>(zs + e) > load<f32>(theta + i)) sum += 1;
      } else if (kind == TANH) {
        sum += Math.tanh(<f64>(scale * q * load<f32>(norms + i)));
      }
    }
    if (kind == LP_ROOT) {
      store<f32>(rowScales + (<usize>r << 2), sum > 0 ? <f32>Math.pow(sum, 1 / p - 1) : 0);
      sum = sum > 0 ? Math.pow(sum, 1 / p) : 0;
      if (next > 0) nextSum = nextSum > 0 ? Math.pow(nextSum, 1 / next) : 0;
    }
    penalty += sum;
    nextPenalty += nextSum;
    active += count;
    if (rowL0) store<u32>(rowL0 + (<usize>r << 2), count);
    if (count > 0) {
      store<f64>(figures, load<f64>(figures, 24) + <f64>least, 24);
      store<f64>(figures, load<f64>(figures, 32) + 1, 32);
      store<f64>(figures, min(load<f64>(figures, 40), <f64>least), 40);
    }
  }
  store<f64>(figures, load<f64>(figures) + <f64>active);
  store<f64>(figures, load<f64>(figures, 8) + penalty, 8);
  store<f64>(figures, load<f64>(figures, 16) + nextPenalty, 16);
}
