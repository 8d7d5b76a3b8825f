// Included by tile.wgsl and fire.wgsl: a tile of the product x @ w in registers.
//
//   x  [rows, quads] vec4 f32, row-major      w  [4 * quads, stride / 4] vec4, row-major
//
// workgroup        16 x 8 threads, a tile of 64 rows x 128 columns
// thread           8 rows x 8 columns, two vec4 of columns 64 apart
// workgroup memory 12,288 bytes: two stages of 8 d, so that one is filled while the other
//                  is used, and one barrier a stage
// numerics         f32, d ascending: per element the multiplications and additions of
//                  encode.wgsl, in its order. Padding adds +0 to sums that are never -0.
//
// Rows past the end repeat the last one; what they give is for the caller to leave out.

const TILE_ROWS = 64u;

struct Tile {
  a0: vec4f, a1: vec4f, a2: vec4f, a3: vec4f, a4: vec4f, a5: vec4f, a6: vec4f, a7: vec4f,
  b0: vec4f, b1: vec4f, b2: vec4f, b3: vec4f, b4: vec4f, b5: vec4f, b6: vec4f, b7: vec4f,
}

// [stage][quad][row] and [stage][d][column / 4]
var<workgroup> xs: array<vec4f, 256>;
var<workgroup> ws: array<vec4f, 512>;

fn multiply(top: u32, left: u32, thread: u32) -> Tile {
  let columns = p.stride / 4u;
  let quads = p.quads;
  // What this thread fetches of a stage: one quad of a row of x, and two of w, 4 rows apart.
  let x_quad = thread % 2u;
  let x_at = min(top + thread / 2u, p.rows - 1u) * quads;
  let x_to = x_quad * 64u + thread / 2u;
  let w_d = thread / 32u;
  let w_at = left + thread % 32u;
  // What it multiplies.
  let row = (thread / 16u) * 8u;
  let column = thread % 16u;

  var t: Tile;
  var stage = 0u;
  for (var q = 0u; ; q += 2u) {
    // Fetch first: the loads are under way while the last stage is multiplied.
    var fx = vec4f();
    var fw0 = vec4f();
    var fw1 = vec4f();
    if (q + x_quad < quads) {
      fx = x[x_at + q + x_quad];
    }
    if (q < quads) {
      fw0 = vec4f(w[(q * 4u + w_d) * columns + w_at]);
    }
    if (q + 1u < quads) {
      fw1 = vec4f(w[(q * 4u + 4u + w_d) * columns + w_at]);
    }
    if (q > 0u) {
      let last = 1u - stage;
      for (var half = 0u; half < 2u; half++) {
        let xq = last * 128u + half * 64u + row;
        let x0 = xs[xq];
        let x1 = xs[xq + 1u];
        let x2 = xs[xq + 2u];
        let x3 = xs[xq + 3u];
        let x4 = xs[xq + 4u];
        let x5 = xs[xq + 5u];
        let x6 = xs[xq + 6u];
        let x7 = xs[xq + 7u];
        var at = last * 256u + half * 128u + column;
        var l = ws[at];
        var r = ws[at + 16u];
        t.a0 += x0.x * l;
        t.a1 += x1.x * l;
        t.a2 += x2.x * l;
        t.a3 += x3.x * l;
        t.a4 += x4.x * l;
        t.a5 += x5.x * l;
        t.a6 += x6.x * l;
        t.a7 += x7.x * l;
        t.b0 += x0.x * r;
        t.b1 += x1.x * r;
        t.b2 += x2.x * r;
        t.b3 += x3.x * r;
        t.b4 += x4.x * r;
        t.b5 += x5.x * r;
        t.b6 += x6.x * r;
        t.b7 += x7.x * r;
        at += 32u;
        l = ws[at];
        r = ws[at + 16u];
        t.a0 += x0.y * l;
        t.a1 += x1.y * l;
        t.a2 += x2.y * l;
        t.a3 += x3.y * l;
        t.a4 += x4.y * l;
        t.a5 += x5.y * l;
        t.a6 += x6.y * l;
        t.a7 += x7.y * l;
        t.b0 += x0.y * r;
        t.b1 += x1.y * r;
        t.b2 += x2.y * r;
        t.b3 += x3.y * r;
        t.b4 += x4.y * r;
        t.b5 += x5.y * r;
        t.b6 += x6.y * r;
        t.b7 += x7.y * r;
        at += 32u;
        l = ws[at];
        r = ws[at + 16u];
        t.a0 += x0.z * l;
        t.a1 += x1.z * l;
        t.a2 += x2.z * l;
        t.a3 += x3.z * l;
        t.a4 += x4.z * l;
        t.a5 += x5.z * l;
        t.a6 += x6.z * l;
        t.a7 += x7.z * l;
        t.b0 += x0.z * r;
        t.b1 += x1.z * r;
        t.b2 += x2.z * r;
        t.b3 += x3.z * r;
        t.b4 += x4.z * r;
        t.b5 += x5.z * r;
        t.b6 += x6.z * r;
        t.b7 += x7.z * r;
        at += 32u;
        l = ws[at];
        r = ws[at + 16u];
        t.a0 += x0.w * l;
        t.a1 += x1.w * l;
        t.a2 += x2.w * l;
        t.a3 += x3.w * l;
        t.a4 += x4.w * l;
        t.a5 += x5.w * l;
        t.a6 += x6.w * l;
        t.a7 += x7.w * l;
        t.b0 += x0.w * r;
        t.b1 += x1.w * r;
        t.b2 += x2.w * r;
        t.b3 += x3.w * r;
        t.b4 += x4.w * r;
        t.b5 += x5.w * r;
        t.b6 += x6.w * r;
        t.b7 += x7.w * r;
      }
    }
    if (q >= quads) {
      break;
    }
    xs[stage * 128u + x_to] = fx;
    ws[stage * 256u + thread] = fw0;
    ws[stage * 256u + 128u + thread] = fw1;
    workgroupBarrier();
    stage = 1u - stage;
  }
  return t;
}
