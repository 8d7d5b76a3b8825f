/**
 * Screened encode: most pre-activations are far below the edge that they would have to
 * pass, and a product of 16-bit integers is enough to prove it. Those that it cannot
 * exclude are computed as gemm.ts computes them, to the bit; all others get `fill`, which
 * passes no edge, and never were looked at by what comes after.
 *
 * Rows and columns are rounded to integers, x = s xq and w = S wq, with scales that let
 * their norms be at most 46,340: by Cauchy-Schwarz no dot product then leaves 32 bits. For
 * every feature and row,
 *
 *   |fl(x.w + b) - (s S xq.wq + b)| <= ||x - x^|| ||w|| + ||x^|| ||w - w^|| + rounding,
 *
 * where x^ and w^ are what was rounded to, the norms are computed in f64 and rounded up,
 * and the rounding of both sides is at most `relative` (||x|| ||w|| + |b|). At 768
 * dimensions the bound is some 4e-4 ||x|| ||w||: a hundredth of the spread of random z.
 *
 * Dimensions that hold a large share of a chunk's energy would take the others' bits. They
 * are left out of the integers (x^ is 0 there), and their products are added in f32.
 *
 * The register tile is that of gemm.ts, with pairs of dimensions in the place of one: an
 * i16 product with its sum is as many instructions, and half as many bytes.
 *
 *   weights  panels of 8 features:  wq[panel][pairs][8][2] i16
 *   rows     quads of 4 rows:       xq[quad][pairs][4][2] i16, missing rows 0
 */
import { dense, exact4 } from './gemm';
import { FLOOR, ROW_SHIFT, TOLERANCE } from './rows';

/** What a chunk's blocks have in common: pointers, in the order of engine/wasm/screen.ts. */
@unmanaged
class Plan {
  /** [quads][pairs][4][2] i16, [rows, d_in] f32 and [quads][d_in][4] f32: the rows. */
  xq!: usize;
  x!: usize;
  packed!: usize;
  /** The rows' records (rows.ts), and [rows] Bound. */
  state!: usize;
  bounds!: usize;
  /** [count] u32: dimensions that are not in the integers. */
  outliers!: usize;
  count!: u32;
  d_in!: u32;
  /** Panels: i16 and f32; [columns] f32: bias, and what `packScreen` and the host made of columns. */
  wq!: usize;
  w!: usize;
  bias!: usize;
  scale!: usize;
  edge!: usize;
  norm!: usize;
  error!: usize;
  /** [4 quads][8] i32, and room for the halves of all panels of a block, of all rows and 3 more: 16 bytes each. */
  sums!: usize;
  list!: usize;
  /** What is below every edge. */
  fill!: f32;
  /** Threshold: what z - T is compared with, less tol_r; NaN: the rows' floors (topk). */
  base!: f32;
  /** The largest of `norm`, of `error`, and of what the biases' rounding adds to `edge`. */
  normMost!: f32;
  errorMost!: f32;
  slackMost!: f32;
  /** Which form of the tile, as in gemm.ts. */
  shuffled!: u32;
}

/** One row's part of the bound. */
@unmanaged
class Bound {
  scale!: f32;
  /** Times ||w||: ||x - x^|| + relative ||x||. */
  perNorm!: f32;
  /** Times ||w - w^||: ||x^||. */
  perError!: f32;
  /** No z is further below its upper bound. */
  width!: f32;
}

/** More than every rounding of a norm and of what is added up from norms. */
// @ts-ignore: decorator
@inline const UP: f64 = 1.000001;
/** Pairs a time: a panel's share of 8 KiB stays in the first-level cache. */
// @ts-ignore: decorator
@inline const PAIRS: u32 = 256;
/** Share of a chunk's energy from which a dimension is an outlier. */
// @ts-ignore: decorator
@inline const OUTLIER: f64 = 1.0 / 16;
/** Outliers at most. */
// @ts-ignore: decorator
@inline const MOST: u32 = 8;

// @ts-ignore: decorator
@inline function scaleOf(norm: f64, largest: f64, limit: f64): f32 {
  // Tiny scales have few bits themselves; 0 could not be divided by.
  return <f32>max(max(norm / limit, largest / 32767) * UP, 1e-30);
}

/** Norms of integers up to which no dot product leaves 32 bits, rounding to them included. */
// @ts-ignore: decorator
@inline function limitOf(d_in: u32): f64 {
  return 46340 - Math.sqrt(<f64>d_in) / 2 - 1;
}

/**
 * Rounds the packed encoder to integers.
 *
 * @param w [panels][d_in][8] f32
 * @param wq [panels][pairs][8][2] i16: written
 * @param scale, norm, error [panels * 8] f32: written: S, ||w|| and ||w - w^||, the latter two rounded up
 */
export function packScreen(w: usize, panels: u32, d_in: u32, wq: usize, scale: usize, norm: usize, error: usize): void {
  const limit = limitOf(d_in);
  const pairs = (d_in + 1) >> 1;
  for (let p: u32 = 0; p < panels; p++) {
    for (let lane: usize = 0; lane < 8; lane++) {
      const from = w + (lane << 2);
      let squares: f64 = 0;
      let largest: f32 = 0;
      for (let d: usize = 0; d < <usize>d_in; d++) {
        const value = load<f32>(from + (d << 5));
        squares += <f64>value * <f64>value;
        largest = max(largest, abs(value));
      }
      const length = Math.sqrt(squares);
      const s = scaleOf(length, largest, limit);
      const inverse = 1 / <f64>s;
      const to = wq + (lane << 2);
      let lost: f64 = 0;
      for (let d: usize = 0; d < <usize>pairs << 1; d++) {
        const value: f64 = d < <usize>d_in ? load<f32>(from + (d << 5)) : 0;
        const rounded = nearest(value * inverse);
        store<i16>(to + ((d >> 1) << 5) + ((d & 1) << 1), <i16>(<i32>rounded));
        const rest = value - rounded * <f64>s;
        lost += rest * rest;
      }
      const at = (<usize>p << 5) + (lane << 2);
      store<f32>(scale + at, s);
      store<f32>(norm + at, <f32>(length * UP));
      store<f32>(error + at, <f32>(Math.sqrt(lost) * UP));
    }
    w += <usize>d_in << 5;
    wq += <usize>pairs << 5;
  }
}

/**
 * Rounds a plan's chunk of rows to integers: writes `xq`, `bounds`, `outliers` and `count`.
 *
 * @param energy room for d_in f64
 * @param relative what rounding is of ||x|| ||w||
 * @param limit of ||x||, past which an f32 sum may overflow
 * @returns whether no row is longer than `limit`
 */
export function roundRows(pointer: usize, rows: u32, energy: usize, relative: f64, limit: f64): bool {
  const plan = changetype<Plan>(pointer);
  const x = plan.x;
  const d_in = plan.d_in;
  const xq = plan.xq;
  const bounds = plan.bounds;
  const outliers = plan.outliers;
  const pairs = (d_in + 1) >> 1;
  memory.fill(energy, 0, <usize>d_in << 3);
  let total: f64 = 0;
  let from = x;
  for (let r: u32 = 0; r < rows; r++) {
    let squares: f64 = 0;
    for (let d: usize = 0; d < <usize>d_in; d++) {
      const value = <f64>load<f32>(from + (d << 2));
      const square = value * value;
      squares += square;
      store<f64>(energy + (d << 3), load<f64>(energy + (d << 3)) + square);
    }
    if (!(Math.sqrt(squares) <= limit)) return false;
    // Its place until there is what it is needed for.
    changetype<Bound>(bounds + (<usize>r << 4)).width = <f32>Math.sqrt(squares);
    total += squares;
    from += <usize>d_in << 2;
  }
  let count: u32 = 0;
  for (let d: u32 = 0; d < d_in && count < MOST; d++) {
    const at = energy + (<usize>d << 3);
    if (load<f64>(at) <= total * OUTLIER) continue;
    store<u32>(outliers + (<usize>count << 2), d);
    count++;
    // Marked, for the rows below.
    store<f64>(at, -1);
  }
  const most = limitOf(d_in);
  const padded = (rows + 3) & ~3;
  for (let r: u32 = 0; r < padded; r++) {
    const to = xq + ((<usize>(r >> 2) * pairs) << 4) + (<usize>(r & 3) << 2);
    const bound = changetype<Bound>(bounds + (<usize>r << 4));
    if (r >= rows) {
      for (let pair: usize = 0; pair < <usize>pairs; pair++) store<i32>(to + (pair << 4), 0);
      continue;
    }
    const row = x + ((<usize>r * d_in) << 2);
    let squares: f64 = 0;
    let largest: f32 = 0;
    for (let d: usize = 0; d < <usize>d_in; d++) {
      if (load<f64>(energy + (d << 3)) < 0) continue;
      const value = load<f32>(row + (d << 2));
      squares += <f64>value * <f64>value;
      largest = max(largest, abs(value));
    }
    const s = scaleOf(Math.sqrt(squares), largest, most);
    const inverse = 1 / <f64>s;
    let lost: f64 = 0;
    let kept: f64 = 0;
    for (let d: usize = 0; d < <usize>pairs << 1; d++) {
      const inside = d < <usize>d_in && load<f64>(energy + (d << 3)) >= 0;
      const value: f64 = inside ? load<f32>(row + (d << 2)) : 0;
      const rounded = nearest(value * inverse);
      store<i16>(to + ((d >> 1) << 4) + ((d & 1) << 1), <i16>(<i32>rounded));
      const back = rounded * <f64>s;
      lost += (value - back) * (value - back);
      kept += back * back;
    }
    bound.scale = s;
    bound.perNorm = <f32>((Math.sqrt(lost) + relative * <f64>bound.width) * UP);
    bound.perError = <f32>(Math.sqrt(kept) * UP);
    bound.width = 2 * (bound.perNorm * plan.normMost + bound.perError * plan.errorMost + plan.slackMost) * <f32>UP;
  }
  plan.count = count;
  return true;
}

/**
 * A block's upper bounds: no z of a row is above its own.
 *
 * @param first the block's first panel, `panels` in it; `u` rows of panels * 8 f32, `stride` bytes apart
 */
export function boundAbove(pointer: usize, rows: u32, first: u32, panels: u32, u: usize, stride: usize): void {
  const plan = changetype<Plan>(pointer);
  const quads = (rows + 3) >> 2;
  const pairs = (plan.d_in + 1) >> 1;
  // Panels whose integers lie in `sums`, one after another; many rows have them one at a time.
  const together: u32 = rows == 1 ? 4 : 1;
  for (let p: u32 = 0; p < panels; p += together) {
    const some = min(together, panels - p);
    const wq = plan.wq + ((<usize>(first + p) * pairs) << 5);
    if (rows == 1) strip(plan.xq, wq, some, pairs, plan.sums);
    else {
      for (let from: u32 = 0; from < pairs; from += PAIRS) {
        const depth = min(PAIRS, pairs - from);
        const panel = wq + (<usize>from << 5);
        for (let q: u32 = 0; q < quads; q++) {
          const x = plan.xq + ((<usize>q * pairs + from) << 4);
          if (plan.shuffled) tileShuffled(x, panel, depth, plan.sums + (<usize>q << 7), from > 0);
          else tileSplat(x, panel, depth, plan.sums + (<usize>q << 7), from > 0);
        }
      }
    }
    for (let q: u32 = 0; q < some; q++) {
      const columns = <usize>(first + p + q) << 5;
      const panel = plan.w + ((<usize>(first + p + q) * plan.d_in) << 5);
      let sums = plan.sums + (<usize>q << 5);
      let to = u;
      for (let r: u32 = 0; r < rows; r++) {
        v128.store(to, above(plan, r, sums, columns, panel));
        v128.store(to, above(plan, r, sums + 16, columns + 16, panel + 16), 16);
        sums += 32;
        to += stride;
      }
      u += 32;
    }
  }
}

/** Upper bounds of four features of a row. */
// @ts-ignore: decorator
@inline function above(plan: Plan, r: u32, sums: usize, columns: usize, panel: usize): v128 {
  const bound = changetype<Bound>(plan.bounds + (<usize>r << 4));
  let z = f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(v128.load(sums)), v128.load(plan.scale + columns)), f32x4.splat(bound.scale));
  if (plan.count) {
    const x = plan.x + ((<usize>r * plan.d_in) << 2);
    for (let o: u32 = 0; o < plan.count; o++) {
      const d = <usize>load<u32>(plan.outliers + (<usize>o << 2));
      z = f32x4.add(z, f32x4.mul(v128.load32_splat(x + (d << 2)), v128.load(panel + (d << 5))));
    }
  }
  z = f32x4.add(z, v128.load(plan.edge + columns));
  z = f32x4.add(z, f32x4.mul(v128.load(plan.norm + columns), f32x4.splat(bound.perNorm)));
  return f32x4.add(z, f32x4.mul(v128.load(plan.error + columns), f32x4.splat(bound.perError)));
}

/**
 * Upper bounds become pre-activations in their place: those that may pass their edge are
 * as `dense` has them, and others are either that or `fill`.
 *
 * @param first, panels, stride as above; `z` what `boundAbove` wrote
 * @returns how many were computed in f32
 */
export function settle(pointer: usize, rows: u32, first: u32, panels: u32, z: usize, stride: usize): u32 {
  const plan = changetype<Plan>(pointer);
  let computed: u32 = 0;
  let end = plan.list;
  for (let p = first; p < first + panels; p++) {
    const begin = end;
    end = pick(plan, rows, p, z, stride, end);
    // One by itself costs about as much as five of a tile.
    if (<u32>((end - begin) >> 4) > rows) {
      end = begin;
      computed += rows << 3;
      dense(plan.packed, (rows + 3) >> 2, plan.w + ((<usize>p * plan.d_in) << 5), 1, plan.d_in, plan.bias + (<usize>p << 5), z, stride);
    }
    z += 32;
  }
  const survivors = <u32>((end - plan.list) >> 4);
  // The last four may have one several times.
  for (let at = survivors; at & 3; at++) memory.copy(plan.list + (<usize>at << 4), end - 16, 16);
  for (let at = plan.list; at < end; at += 64) exact4(at, plan.d_in);
  return computed + (survivors << 2);
}

/** Of one panel, lists what may pass (pointers to a row, half a panel, its bias and its place), and fills all. @returns the list's end */
function pick(plan: Plan, rows: u32, p: u32, z: usize, stride: usize, list: usize): usize {
  const panel = plan.w + ((<usize>p * plan.d_in) << 5);
  const bias = plan.bias + (<usize>p << 5);
  const fill = f32x4.splat(plan.fill);
  const ranked = plan.base != plan.base;
  let state = plan.state;
  let x = plan.x;
  for (let r: u32 = 0; r < rows; r++) {
    // tol_r is rounded to f32: a little more is safe.
    const bar = f32x4.splat(ranked ? load<f32>(state, FLOOR) : plan.base - load<f32>(state, TOLERANCE) * <f32>UP);
    for (let half: usize = 0; half < 32; half += 16) {
      const to = z + half;
      store<usize>(list, x);
      store<usize>(list, panel + half, 4);
      store<usize>(list, bias + half, 8);
      store<usize>(list, to, 12);
      list += <usize>v128.any_true(f32x4.ge(v128.load(to), bar)) << 4;
      v128.store(to, fill);
    }
    z += stride;
    x += <usize>plan.d_in << 2;
    state += 1 << ROW_SHIFT;
  }
  return list;
}

// @ts-ignore: decorator
@inline function dot(sum: v128, a: v128, b: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(a, b));
}

function tileSplat(x: usize, w: usize, depth: u32, to: usize, more: bool): void {
  tile(false, x, w, depth, to, more);
}

function tileShuffled(x: usize, w: usize, depth: u32, to: usize, more: bool): void {
  tile(true, x, w, depth, to, more);
}

/** The register tile of gemm.ts in integers: 4 rows x 8 features, `depth` pairs. Sums wrap on the way, and are right in the end. */
// @ts-ignore: decorator
@inline function tile(shuffled: bool, x: usize, w: usize, depth: u32, to: usize, more: bool): void {
  let z00 = i32x4.splat(0);
  let z01 = z00;
  let z10 = z00;
  let z11 = z00;
  let z20 = z00;
  let z21 = z00;
  let z30 = z00;
  let z31 = z00;
  if (more) {
    z00 = v128.load(to);
    z01 = v128.load(to, 16);
    z10 = v128.load(to, 32);
    z11 = v128.load(to, 48);
    z20 = v128.load(to, 64);
    z21 = v128.load(to, 80);
    z30 = v128.load(to, 96);
    z31 = v128.load(to, 112);
  }
  const end = w + (<usize>depth << 5);
  while (w < end) {
    const w0 = v128.load(w);
    const w1 = v128.load(w, 16);
    const four = shuffled ? v128.load(x) : w0;
    const x0 = shuffled ? v128.shuffle<i32>(four, four, 0, 0, 0, 0) : v128.load32_splat(x);
    z00 = dot(z00, x0, w0);
    z01 = dot(z01, x0, w1);
    const x1 = shuffled ? v128.shuffle<i32>(four, four, 1, 1, 1, 1) : v128.load32_splat(x, 4);
    z10 = dot(z10, x1, w0);
    z11 = dot(z11, x1, w1);
    const x2 = shuffled ? v128.shuffle<i32>(four, four, 2, 2, 2, 2) : v128.load32_splat(x, 8);
    z20 = dot(z20, x2, w0);
    z21 = dot(z21, x2, w1);
    const x3 = shuffled ? v128.shuffle<i32>(four, four, 3, 3, 3, 3) : v128.load32_splat(x, 12);
    z30 = dot(z30, x3, w0);
    z31 = dot(z31, x3, w1);
    w += 32;
    x += 16;
  }
  v128.store(to, z00);
  v128.store(to, z01, 16);
  v128.store(to, z10, 32);
  v128.store(to, z11, 48);
  v128.store(to, z20, 64);
  v128.store(to, z21, 80);
  v128.store(to, z30, 96);
  v128.store(to, z31, 112);
}

/** One row, for which reading the weights is what takes the time: up to 4 panels at once. Their sums lie one after another. */
function strip(x: usize, w: usize, panels: u32, pairs: u32, to: usize): void {
  const size = <usize>pairs << 5;
  let z00 = i32x4.splat(0);
  let z01 = z00;
  let z10 = z00;
  let z11 = z00;
  let z20 = z00;
  let z21 = z00;
  let z30 = z00;
  let z31 = z00;
  // A missing panel is the first again: its sums are not looked at.
  let w1 = panels > 1 ? w + size : w;
  let w2 = panels > 2 ? w1 + size : w;
  let w3 = panels > 3 ? w2 + size : w;
  const end = w + size;
  for (; w < end; w += 32, w1 += 32, w2 += 32, w3 += 32, x += 16) {
    const value = v128.load32_splat(x);
    z00 = dot(z00, value, v128.load(w));
    z01 = dot(z01, value, v128.load(w, 16));
    z10 = dot(z10, value, v128.load(w1));
    z11 = dot(z11, value, v128.load(w1, 16));
    z20 = dot(z20, value, v128.load(w2));
    z21 = dot(z21, value, v128.load(w2, 16));
    z30 = dot(z30, value, v128.load(w3));
    z31 = dot(z31, value, v128.load(w3, 16));
  }
  v128.store(to, z00);
  v128.store(to, z01, 16);
  v128.store(to, z10, 32);
  v128.store(to, z11, 48);
  v128.store(to, z20, 64);
  v128.store(to, z21, 80);
  v128.store(to, z30, 96);
  v128.store(to, z31, 112);
}
