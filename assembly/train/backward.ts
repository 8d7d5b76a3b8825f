/**
 * The sparse backward pass: for each entry (row r, feature i, activation f, pre-activation z),
 * with s the part of the residual that the feature sees (decode.ts),
 *
 *   g_f = d_i . s + the penalty's derivative,  g_z by the selection's rule,
 *   dW_dec[i] += f s,  dW_enc[i] += g_z xbar_r,  zsum[i] += g_z
 *
 * Feature after feature, a feature's rows ascending: d_i and both gradients are passed over
 * once, in the order in which they lie, and a block of a gradient's row stays in registers
 * while all its entries are added; s and xbar, which are met again and again, are small. So
 * an entry costs the same whatever d_sae is. Sums are those of row after row, to the bit.
 */
import { L1, LP, LP_ROOT, TANH } from './activations';
import { dot, gather } from './vectors';

/** f = z (relu, topk, batchtopk), and reconstructions that are not penalised (AuxK). */
export const PLAIN: u32 = 0;
export const JUMP: u32 = 1;
/** The magnitudes and the penalty of gated. */
export const GATED: u32 = 2;
/** gated's second reconstruction: f is pi. */
export const GATE_ALONE: u32 = 3;
/** f = exp(z). */
export const GHOST: u32 = 4;

// Bytes of the plan's fields; engine/wasm/train/plan.ts writes it. All 4 bytes.
export const KIND: usize = 0;
export const COEFFICIENT: usize = 4;
export const POWER: usize = 8;
export const NORMS: usize = 12;
export const ROW_SCALES: usize = 16;
export const THETA: usize = 20;
export const G_THETA: usize = 24;
export const BAND: usize = 28;
export const BANDWIDTH: usize = 32;
export const FLAGS: usize = 36;
export const NORM_SUM: usize = 40;
export const SCALES: usize = 44;
export const GATES: usize = 48;
export const G_BIAS: usize = 52;
export const G_R: usize = 56;
export const G_GATE: usize = 60;
export const TANH_SCALE: usize = 64;

const ONE_SIDED: u32 = 1;
const TO_INPUT: u32 = 2;

// @ts-ignore: decorator
@inline function increase(at: usize, by: f32): void {
  store<f32>(at, load<f32>(at) + by);
}

/**
 * The entries of some rows by feature.
 *
 * @param n features; `ends` [n] u32: written, where feature i's entries end in `columns`, and those of i + 1 begin
 * @param columns (row from 0 u32, entry u32) for each entry: written
 */
export function transpose(rows: u32, offsets: usize, ids: usize, n: u32, ends: usize, columns: usize): void {
  memory.fill(ends, 0, <usize>n << 2);
  const begin = <usize>load<u32>(offsets) << 2;
  const end = <usize>load<u32>(offsets + (<usize>rows << 2)) << 2;
  for (let e = begin; e < end; e += 4) {
    const at = ends + (<usize>load<u32>(ids + e) << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
  let sum: u32 = 0;
  for (let i: usize = 0; i < <usize>n << 2; i += 4) {
    const count = load<u32>(ends + i);
    store<u32>(ends + i, sum);
    sum += count;
  }
  for (let r: u32 = 0; r < rows; r++) {
    const last = load<u32>(offsets + (<usize>r << 2), 4);
    for (let e = load<u32>(offsets + (<usize>r << 2)); e < last; e++) {
      const at = ends + (<usize>load<u32>(ids + (<usize>e << 2)) << 2);
      const to = load<u32>(at);
      store<u32>(at, to + 1);
      store<u32>(columns + (<usize>to << 3), r);
      store<u32>(columns + (<usize>to << 3), e, 4);
    }
  }
}

/**
 * @param from the first feature; `budget` entries, after which no further feature is begun
 * @param ends, columns of `transpose`
 * @param s [rows][groups][dp] f32; `widths` [groups] u32
 * @param gdec, genc [n, dp] f32; gdec 0 where the decoder is detached
 * @param zsum [n] f32
 * @param list scratch, [rows] of 16 bytes
 * @returns the feature to go on with, n at the end
 */
export function backward(mode: u32, from: u32, n: u32, budget: u32, ends: usize, columns: usize, fs: usize, zs: usize, s: usize, widths: usize, groups: u32, dp: u32, x: usize, w: usize, gdec: usize, genc: usize, zsum: usize, list: usize, plan: usize): u32 {
  const bytes = <usize>dp << 2;
  const kind = load<u32>(plan, KIND);
  const coefficient = load<f32>(plan, COEFFICIENT);
  const power = <f64>load<f32>(plan, POWER);
  const norms = load<usize>(plan, NORMS);
  const rowScales = load<usize>(plan, ROW_SCALES);
  const normSum = load<usize>(plan, NORM_SUM);
  const scale = load<f32>(plan, TANH_SCALE);
  let column: u32 = from > 0 ? load<u32>(ends + (<usize>(from - 1) << 2)) : 0;
  const stop = column + budget;
  let group: u32 = 0;
  let i = from;
  for (; i < n && column < stop; i++) {
    const at = <usize>i << 2;
    const end = load<u32>(ends + at);
    if (column == end) continue;
    while (i >= load<u32>(widths + (<usize>group << 2))) group++;
    const seen = s + <usize>group * bytes;
    const row = w + <usize>i * bytes;
    let to = list;
    for (; column < end; column++) {
      const r = <usize>load<u32>(columns + (<usize>column << 3));
      const e = <usize>load<u32>(columns + (<usize>column << 3), 4) << 2;
      const sr = seen + r * groups * bytes;
      const f = load<f32>(fs + e);
      const z = load<f32>(zs + e);
      let g = dot(row, sr, bytes);
      // The penalty, where it is on f; gated's is on z, and added below.
      if (kind != 0 && (mode == PLAIN || mode == JUMP)) {
        if (kind == L1) {
          if (norms) {
            g += coefficient * load<f32>(norms + at);
            increase(normSum + at, f);
          } else g += coefficient;
        } else if (kind == LP || kind == LP_ROOT) {
          const slope = <f32>(power * Math.pow(f, power - 1));
          g += kind == LP ? coefficient * slope : coefficient * (slope / <f32>power) * load<f32>(rowScales + (r << 2));
        } else if (kind == TANH) {
          const norm = load<f32>(norms + at);
          const t = <f32>Math.tanh(<f64>(scale * f * norm));
          const slope = scale * (1 - t * t);
          g += coefficient * slope * norm;
          increase(normSum + at, slope * f);
        }
      }
      let gz = g;
      if (mode == JUMP) {
        const theta = load<f32>(load<usize>(plan, THETA) + at);
        const bandwidth = load<f32>(plan, BANDWIDTH);
        const flags = load<u32>(plan, FLAGS);
        const active = z > theta;
        const u = (z - theta) / bandwidth;
        if (!active) gz = 0;
        if (u > -0.5 && u < 0.5) {
          const pull = -(theta / bandwidth) * g;
          increase(load<usize>(plan, G_THETA) + at, pull);
          if (flags & TO_INPUT) gz -= pull;
          if (active || (flags & ONE_SIDED) == 0) increase(load<usize>(plan, BAND) + at, 1);
        }
      } else if (mode == GATED) {
        const gm = f > 0 ? g : 0;
        const magnified = gm * load<f32>(load<usize>(plan, SCALES) + at);
        increase(load<usize>(plan, G_BIAS) + at, gm);
        increase(load<usize>(plan, G_R) + at, magnified * (z - load<f32>(load<usize>(plan, GATES) + at)));
        let gate = coefficient;
        if (kind != L1) gate = 0;
        else if (norms) {
          gate *= load<f32>(norms + at);
          increase(normSum + at, z);
        }
        increase(load<usize>(plan, G_GATE) + at, gate);
        gz = magnified + gate;
      } else if (mode == GATE_ALONE) {
        increase(load<usize>(plan, G_GATE) + at, g);
      } else if (mode == GHOST) {
        // What was clipped has no slope.
        gz = z < 30 ? f * g : 0;
      }
      if (gz != 0) increase(zsum + at, gz);
      store<usize>(to, sr);
      store<f32>(to, f, 4);
      store<usize>(to, x + r * bytes, 8);
      store<f32>(to, gz, 12);
      to += 16;
    }
    if (gdec) gather(gdec + <usize>i * bytes, list, to, bytes);
    gather(genc + <usize>i * bytes, list + 8, to, bytes);
  }
  return i;
}
