/*
 * The design of assembly/gemm.ts in C, for clang: what another compiler makes of the
 * same tile. z = b + x @ W; quads of 4 rows, panels of 8 features, 256 dimensions a
 * block, 128 rows and 128 features a turn, multiplications and additions rounded apart.
 *
 * Built by bench/peers/clang-node.ts; the host grows the memory and places the arrays.
 */
#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#pragma clang fp contract(off)

enum { KC = 256 };

static inline v128_t madd(v128_t a, v128_t b, v128_t c) { return wasm_f32x4_add(c, wasm_f32x4_mul(a, b)); }

/* x [rows][d_in] to [ceil(rows / 4)][d_in][4], missing rows 0 */
__attribute__((export_name("pack_rows"))) void pack_rows(const float *x, uint32_t rows, uint32_t d_in, float *out) {
  for (uint32_t r = 0; r < ((rows + 3) & ~3u); r++)
    for (uint32_t d = 0; d < d_in; d++) out[((size_t)(r >> 2) * d_in + d) * 4 + (r & 3)] = r < rows ? x[(size_t)r * d_in + d] : 0;
}

/* W [d_in][d_sae] to [d_sae / 8][d_in][8]; d_sae is a multiple of 8 */
__attribute__((export_name("pack_weights"))) void pack_weights(const float *w, uint32_t d_in, uint32_t d_sae, float *out) {
  for (uint32_t d = 0; d < d_in; d++)
    for (uint32_t i = 0; i < d_sae; i++) out[((size_t)(i >> 3) * d_in + d) * 8 + (i & 7)] = w[(size_t)d * d_sae + i];
}

static void tile(const float *x, const float *w, uint32_t depth, const float *from, size_t skip, float *to, size_t stride) {
  v128_t z00 = wasm_v128_load(from), z01 = wasm_v128_load(from + 4);
  v128_t z10 = wasm_v128_load(from + skip), z11 = wasm_v128_load(from + skip + 4);
  v128_t z20 = wasm_v128_load(from + 2 * skip), z21 = wasm_v128_load(from + 2 * skip + 4);
  v128_t z30 = wasm_v128_load(from + 3 * skip), z31 = wasm_v128_load(from + 3 * skip + 4);
  for (const float *end = w + (size_t)depth * 8; w < end; w += 8, x += 4) {
    const v128_t w0 = wasm_v128_load(w), w1 = wasm_v128_load(w + 4);
    const v128_t x0 = wasm_v128_load32_splat(x), x1 = wasm_v128_load32_splat(x + 1), x2 = wasm_v128_load32_splat(x + 2), x3 = wasm_v128_load32_splat(x + 3);
    z00 = madd(x0, w0, z00);
    z01 = madd(x0, w1, z01);
    z10 = madd(x1, w0, z10);
    z11 = madd(x1, w1, z11);
    z20 = madd(x2, w0, z20);
    z21 = madd(x2, w1, z21);
    z30 = madd(x3, w0, z30);
    z31 = madd(x3, w1, z31);
  }
  wasm_v128_store(to, z00), wasm_v128_store(to + 4, z01);
  wasm_v128_store(to + stride, z10), wasm_v128_store(to + stride + 4, z11);
  wasm_v128_store(to + 2 * stride, z20), wasm_v128_store(to + 2 * stride + 4, z21);
  wasm_v128_store(to + 3 * stride, z30), wasm_v128_store(to + 3 * stride + 4, z31);
}

/* A block: `quads` packed quads, `panels` panels, z rows `stride` floats apart */
__attribute__((export_name("dense"))) void dense(const float *x, uint32_t quads, const float *w, uint32_t panels, uint32_t d_in, const float *bias, float *z, uint32_t stride) {
  for (uint32_t from = 0; from < d_in; from += KC) {
    const uint32_t depth = d_in - from < KC ? d_in - from : KC;
    for (uint32_t p = 0; p < panels; p++)
      for (uint32_t q = 0; q < quads; q++) {
        float *to = z + (size_t)q * 4 * stride + p * 8;
        tile(x + ((size_t)q * d_in + from) * 4, w + ((size_t)p * d_in + from) * 8, depth, from == 0 ? bias + p * 8 : to, from == 0 ? 0 : stride, to, stride);
      }
  }
}
