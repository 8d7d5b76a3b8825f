/**
 * The dense part of encode: z = bias + x @ W for a chunk of rows and a block of
 * features, from packed operands (pack.ts), into a small row-major tile.
 *
 * The order of summation of every z is fixed: bias first, then d = 0, 1, 2, ...
 * one product at a time, each multiplied and added with its own rounding (but see
 * `madd`). It does not depend on the number of rows, on a row's place in its quad or on the
 * blocking of d, so a row's result is bit-identical in every batch.
 *
 * Register tile: 4 rows x 8 features, 8 accumulators, 2 vectors of weights and 1
 * of a splatted input, which is what 16 SIMD registers hold. Input dimensions go
 * in blocks of KC, so that a panel's share (8 KiB) stays in the first-level cache
 * while all quads of the chunk pass over it. Taking several dimensions a turn was
 * measured and is slower: the compilers then spill accumulators.
 *
 * The tile comes in two forms that differ in how a quad's four inputs are read, and
 * in no bit of the result: `dense` splats each from memory (4 loads), `denseShuffled`
 * loads the four at once and splats in registers (1 load, 4 shuffles). The second is
 * for engines that check the bounds of every load; engine/wasm/loader.ts chooses.
 */

/**
 * a * b + c. Each operation is rounded, so that the bits are the same everywhere; in the
 * relaxed module it may be one operation with one rounding, as the processor has it.
 */
// @ts-ignore: decorator
@inline function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(c, f32x4.mul(a, b));
}

/** Input dimensions per block. */
// @ts-ignore: decorator
@inline const KC: u32 = 256;

/**
 * @param x [quads][d_in][4] f32, packed rows
 * @param w [panels][d_in][8] f32, packed features
 * @param bias [panels * 8] f32
 * @param z [quads * 4] rows of panels * 8 f32, `stride` bytes from row to row
 */
export function dense(x: usize, quads: u32, w: usize, panels: u32, d_in: u32, bias: usize, z: usize, stride: usize): void {
  tiles(false, x, quads, w, panels, d_in, bias, z, stride);
}

/** The same numbers with fewer loads and more shuffles. */
export function denseShuffled(x: usize, quads: u32, w: usize, panels: u32, d_in: u32, bias: usize, z: usize, stride: usize): void {
  tiles(true, x, quads, w, panels, d_in, bias, z, stride);
}

// @ts-ignore: decorator
@inline function tiles(shuffled: bool, x: usize, quads: u32, w: usize, panels: u32, d_in: u32, bias: usize, z: usize, stride: usize): void {
  for (let from: u32 = 0; from < d_in; from += KC) {
    const depth = min(KC, d_in - from);
    for (let p: u32 = 0; p < panels; p++) {
      const panel = w + ((<usize>p * d_in + from) << 5);
      for (let q: u32 = 0; q < quads; q++) {
        const quad = x + ((<usize>q * d_in + from) << 4);
        const to = z + <usize>(q << 2) * stride + (<usize>p << 5);
        const start = from == 0 ? bias + (<usize>p << 5) : to;
        const skip = from == 0 ? 0 : stride;
        if (shuffled) tileShuffled(quad, panel, depth, start, skip, to, stride);
        else tileSplat(quad, panel, depth, start, skip, to, stride);
      }
    }
  }
}

/**
 * The same for a chunk of one row, where the weights are read once and reading
 * them is what takes the time: 4 panels (32 features) at once, 8 accumulators, and
 * two dimensions a turn so that loads stay ahead of the sums.
 *
 * @param x [d_in][4] f32, a packed quad of which the first row counts
 * @param z one row of panels * 8 f32
 */
export function denseRow(x: usize, w: usize, panels: u32, d_in: u32, bias: usize, z: usize): void {
  const size = <usize>d_in << 5;
  for (; panels >= 4; panels -= 4) {
    strip(x, w, size, bias, z);
    w += size << 2;
    bias += 128;
    z += 128;
  }
  for (; panels > 0; panels--) {
    let z0 = v128.load(bias);
    let z1 = v128.load(bias, 16);
    let from = x;
    for (const end = w + size; w < end; w += 32, from += 16) {
      const value = v128.load32_splat(from);
      z0 = madd(value, v128.load(w), z0);
      z1 = madd(value, v128.load(w, 16), z1);
    }
    v128.store(z, z0);
    v128.store(z, z1, 16);
    bias += 32;
    z += 32;
  }
}

/** One row x 4 panels, each `size` bytes. */
function strip(x: usize, w: usize, size: usize, bias: usize, z: usize): void {
  let z00 = v128.load(bias);
  let z01 = v128.load(bias, 16);
  let z10 = v128.load(bias, 32);
  let z11 = v128.load(bias, 48);
  let z20 = v128.load(bias, 64);
  let z21 = v128.load(bias, 80);
  let z30 = v128.load(bias, 96);
  let z31 = v128.load(bias, 112);
  let w1 = w + size;
  let w2 = w1 + size;
  let w3 = w2 + size;
  const end = w1;
  // One dimension first where they are odd.
  if (size & 32) {
    const value = v128.load32_splat(x);
    z00 = madd(value, v128.load(w), z00);
    z01 = madd(value, v128.load(w, 16), z01);
    z10 = madd(value, v128.load(w1), z10);
    z11 = madd(value, v128.load(w1, 16), z11);
    z20 = madd(value, v128.load(w2), z20);
    z21 = madd(value, v128.load(w2, 16), z21);
    z30 = madd(value, v128.load(w3), z30);
    z31 = madd(value, v128.load(w3, 16), z31);
    w += 32;
    w1 += 32;
    w2 += 32;
    w3 += 32;
    x += 16;
  }
  for (; w < end; w += 64, w1 += 64, w2 += 64, w3 += 64, x += 32) {
    const value = v128.load32_splat(x);
    z00 = madd(value, v128.load(w), z00);
    z01 = madd(value, v128.load(w, 16), z01);
    z10 = madd(value, v128.load(w1), z10);
    z11 = madd(value, v128.load(w1, 16), z11);
    z20 = madd(value, v128.load(w2), z20);
    z21 = madd(value, v128.load(w2, 16), z21);
    z30 = madd(value, v128.load(w3), z30);
    z31 = madd(value, v128.load(w3, 16), z31);
    const next = v128.load32_splat(x, 16);
    z00 = madd(next, v128.load(w, 32), z00);
    z01 = madd(next, v128.load(w, 48), z01);
    z10 = madd(next, v128.load(w1, 32), z10);
    z11 = madd(next, v128.load(w1, 48), z11);
    z20 = madd(next, v128.load(w2, 32), z20);
    z21 = madd(next, v128.load(w2, 48), z21);
    z30 = madd(next, v128.load(w3, 32), z30);
    z31 = madd(next, v128.load(w3, 48), z31);
  }
  v128.store(z, z00);
  v128.store(z, z01, 16);
  v128.store(z, z10, 32);
  v128.store(z, z11, 48);
  v128.store(z, z20, 64);
  v128.store(z, z21, 80);
  v128.store(z, z30, 96);
  v128.store(z, z31, 112);
}

function tileSplat(x: usize, w: usize, depth: u32, start: usize, skip: usize, to: usize, stride: usize): void {
  tile(false, x, w, depth, start, skip, to, stride);
}

function tileShuffled(x: usize, w: usize, depth: u32, start: usize, skip: usize, to: usize, stride: usize): void {
  tile(true, x, w, depth, start, skip, to, stride);
}

/**
 * Half a panel (4 features) for a row, four times: what a tile gives, to the bit.
 *
 * @param items 4 times: a row of d_in f32, half a panel (32 bytes a dimension), its bias, where 4 f32 go; pointers
 */
export function exact4(items: usize, d_in: u32): void {
  let x0 = load<usize>(items);
  let x1 = load<usize>(items, 16);
  let x2 = load<usize>(items, 32);
  let x3 = load<usize>(items, 48);
  let w0 = load<usize>(items, 4);
  let w1 = load<usize>(items, 20);
  let w2 = load<usize>(items, 36);
  let w3 = load<usize>(items, 52);
  let a = v128.load(load<usize>(items, 8));
  let b = v128.load(load<usize>(items, 24));
  let c = v128.load(load<usize>(items, 40));
  let d = v128.load(load<usize>(items, 56));
  let end = x0 + (<usize>(d_in & 3) << 2);
  for (; x0 < end; x0 += 4, x1 += 4, x2 += 4, x3 += 4, w0 += 32, w1 += 32, w2 += 32, w3 += 32) {
    a = madd(v128.load32_splat(x0), v128.load(w0), a);
    b = madd(v128.load32_splat(x1), v128.load(w1), b);
    c = madd(v128.load32_splat(x2), v128.load(w2), c);
    d = madd(v128.load32_splat(x3), v128.load(w3), d);
  }
  // Four dimensions a turn: eight pointers move.
  end += <usize>(d_in >> 2) << 4;
  for (; x0 < end; x0 += 16, x1 += 16, x2 += 16, x3 += 16, w0 += 128, w1 += 128, w2 += 128, w3 += 128) {
    a = madd(v128.load32_splat(x0), v128.load(w0), a);
    b = madd(v128.load32_splat(x1), v128.load(w1), b);
    c = madd(v128.load32_splat(x2), v128.load(w2), c);
    d = madd(v128.load32_splat(x3), v128.load(w3), d);
    a = madd(v128.load32_splat(x0, 4), v128.load(w0, 32), a);
    b = madd(v128.load32_splat(x1, 4), v128.load(w1, 32), b);
    c = madd(v128.load32_splat(x2, 4), v128.load(w2, 32), c);
    d = madd(v128.load32_splat(x3, 4), v128.load(w3, 32), d);
    a = madd(v128.load32_splat(x0, 8), v128.load(w0, 64), a);
    b = madd(v128.load32_splat(x1, 8), v128.load(w1, 64), b);
    c = madd(v128.load32_splat(x2, 8), v128.load(w2, 64), c);
    d = madd(v128.load32_splat(x3, 8), v128.load(w3, 64), d);
    a = madd(v128.load32_splat(x0, 12), v128.load(w0, 96), a);
    b = madd(v128.load32_splat(x1, 12), v128.load(w1, 96), b);
    c = madd(v128.load32_splat(x2, 12), v128.load(w2, 96), c);
    d = madd(v128.load32_splat(x3, 12), v128.load(w3, 96), d);
  }
  v128.store(load<usize>(items, 12), a);
  v128.store(load<usize>(items, 28), b);
  v128.store(load<usize>(items, 44), c);
  v128.store(load<usize>(items, 60), d);
}

/** One register tile: `to` = `start` + the products of `depth` dimensions. `skip` and `stride` are bytes from row to row. */
// @ts-ignore: decorator
@inline function tile(shuffled: bool, x: usize, w: usize, depth: u32, start: usize, skip: usize, to: usize, stride: usize): void {
  let from = start;
  let z00 = v128.load(from);
  let z01 = v128.load(from, 16);
  from += skip;
  let z10 = v128.load(from);
  let z11 = v128.load(from, 16);
  from += skip;
  let z20 = v128.load(from);
  let z21 = v128.load(from, 16);
  from += skip;
  let z30 = v128.load(from);
  let z31 = v128.load(from, 16);

  const end = w + (<usize>depth << 5);
  while (w < end) {
    const w0 = v128.load(w);
    const w1 = v128.load(w, 16);
    const four = shuffled ? v128.load(x) : w0;
    const x0 = shuffled ? v128.shuffle<f32>(four, four, 0, 0, 0, 0) : v128.load32_splat(x);
    z00 = madd(x0, w0, z00);
    z01 = madd(x0, w1, z01);
    const x1 = shuffled ? v128.shuffle<f32>(four, four, 1, 1, 1, 1) : v128.load32_splat(x, 4);
    z10 = madd(x1, w0, z10);
    z11 = madd(x1, w1, z11);
    const x2 = shuffled ? v128.shuffle<f32>(four, four, 2, 2, 2, 2) : v128.load32_splat(x, 8);
    z20 = madd(x2, w0, z20);
    z21 = madd(x2, w1, z21);
    const x3 = shuffled ? v128.shuffle<f32>(four, four, 3, 3, 3, 3) : v128.load32_splat(x, 12);
    z30 = madd(x3, w0, z30);
    z31 = madd(x3, w1, z31);
    w += 32;
    x += 16;
  }

  v128.store(to, z00);
  v128.store(to, z01, 16);
  to += stride;
  v128.store(to, z10);
  v128.store(to, z11, 16);
  to += stride;
  v128.store(to, z20);
  v128.store(to, z21, 16);
  to += stride;
  v128.store(to, z30);
  v128.store(to, z31, 16);
}
