// encode: z = xbar @ W + b for one latent block.
//
//   x        [rows up to a multiple of 32, 4 * quads] f32, row-major; d_in is padded with zeros
//   w        [4 * quads, stride] f32 or f16, row-major: the block's columns of W_enc, padded with zeros
//   columns  [stride] per column: see parts/params.wgsl; b is the first
//   z        [rows up to a multiple of 32, width] f32, row-major: written, the first `width`
//            columns of w
//
// grid             (width / 128, ceil(rows / 32))
// workgroup        16 x 8 threads, a tile of 128 columns x 32 rows
// thread           4 rows x 8 columns in registers: two vec4 of columns 64 apart, so
//                  that a row of threads reads 256 contiguous bytes
// workgroup memory none, and no barrier: rows and columns are shared by the caches.
//                  (Software adapters take seconds to compile a barrier.)
// numerics         f32. The sum runs over d_in in ascending order and the bias comes
//                  last, whatever the rows, the tile and the latent block: a row's z
//                  does not depend on the batch it came in.
//                  |z - exact| <= gamma_{d_in + 1} (|x|.|w| + |b|)

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<Weight>;
@group(0) @binding(3) var<storage, read> columns: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> z: array<vec4f>;

fn bias_of(quad: u32) -> vec4f {
  let c = quad * 4u;
  return select(vec4f(columns[c].x, columns[c + 1u].x, columns[c + 2u].x, columns[c + 3u].x), vec4f(), flagged(BARE));
}

@compute @workgroup_size(16, 8)
fn encode(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) thread: vec3u) {
  let stride = p.stride / 4u;
  let left = tile.x * 32u + thread.x;
  let right = left + 16u;
  let row = tile.y * 32u + thread.y * 4u;
  let quads = p.quads;

  var a0 = vec4f();
  var a1 = vec4f();
  var a2 = vec4f();
  var a3 = vec4f();
  var b0 = vec4f();
  var b1 = vec4f();
  var b2 = vec4f();
  var b3 = vec4f();

  for (var q = 0u; q < quads; q++) {
    let x0 = x[row * quads + q];
    let x1 = x[(row + 1u) * quads + q];
    let x2 = x[(row + 2u) * quads + q];
    let x3 = x[(row + 3u) * quads + q];
    var at = q * 4u * stride;

    var l = vec4f(w[at + left]);
    var r = vec4f(w[at + right]);
    a0 += x0.x * l;
    a1 += x1.x * l;
    a2 += x2.x * l;
    a3 += x3.x * l;
    b0 += x0.x * r;
    b1 += x1.x * r;
    b2 += x2.x * r;
    b3 += x3.x * r;

    at += stride;
    l = vec4f(w[at + left]);
    r = vec4f(w[at + right]);
    a0 += x0.y * l;
    a1 += x1.y * l;
    a2 += x2.y * l;
    a3 += x3.y * l;
    b0 += x0.y * r;
    b1 += x1.y * r;
    b2 += x2.y * r;
    b3 += x3.y * r;

    at += stride;
    l = vec4f(w[at + left]);
    r = vec4f(w[at + right]);
    a0 += x0.z * l;
    a1 += x1.z * l;
    a2 += x2.z * l;
    a3 += x3.z * l;
    b0 += x0.z * r;
    b1 += x1.z * r;
    b2 += x2.z * r;
    b3 += x3.z * r;

    at += stride;
    l = vec4f(w[at + left]);
    r = vec4f(w[at + right]);
    a0 += x0.w * l;
    a1 += x1.w * l;
    a2 += x2.w * l;
    a3 += x3.w * l;
    b0 += x0.w * r;
    b1 += x1.w * r;
    b2 += x2.w * r;
    b3 += x3.w * r;
  }

  let bias_left = bias_of(left);
  let bias_right = bias_of(right);
  let width = p.width / 4u;
  var out = row * width;
  z[out + left] = a0 + bias_left;
  z[out + right] = b0 + bias_right;
  out += width;
  z[out + left] = a1 + bias_left;
  z[out + right] = b1 + bias_right;
  out += width;
  z[out + left] = a2 + bias_left;
  z[out + right] = b2 + bias_right;
  out += width;
  z[out + left] = a3 + bias_left;
  z[out + right] = b3 + bias_right;
}
