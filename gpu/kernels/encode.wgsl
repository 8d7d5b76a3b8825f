// encode: z = xbar @ W + b for one latent block.
//
//   x     [rows up to a multiple of 32, 4 * quads] f32, row-major; d_in is padded with zeros
//   w     [4 * quads, stride] f32, row-major: the block's columns of W_enc, padded with zeros
//   bias  [stride] f32
//   z     [rows up to a multiple of 32, stride] f32, row-major: written
//   stride is a multiple of 128.
//
// grid             (stride / 128, ceil(rows / 32))
// workgroup        16 x 8 threads, a tile of 128 columns x 32 rows
// thread           4 rows x 8 columns in registers: two vec4 of columns 64 apart, so
//                  that a row of threads reads 256 contiguous bytes
// workgroup memory none, and no barrier: rows and columns are shared by the caches.
//                  (Software adapters take seconds to compile a barrier.)
// numerics         f32. The sum runs over d_in in ascending order and the bias comes
//                  last, whatever the rows, the tile and the latent block: a row's z
//                  does not depend on the batch it came in.
//                  |z - exact| <= gamma_{d_in + 1} (|x|.|w| + |b|)

struct Params {
  rows: u32,
  n: u32,
  stride: u32,
  first: u32,
  keep: u32,
  quads: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> z: array<vec4f>;

@compute @workgroup_size(16, 8)
fn encode(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) thread: vec3u) {
  let columns = p.stride / 4u;
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
    var at = q * 4u * columns;

    var l = w[at + left];
    var r = w[at + right];
    a0 += x0.x * l;
    a1 += x1.x * l;
    a2 += x2.x * l;
    a3 += x3.x * l;
    b0 += x0.x * r;
    b1 += x1.x * r;
    b2 += x2.x * r;
    b3 += x3.x * r;

    at += columns;
    l = w[at + left];
    r = w[at + right];
    a0 += x0.y * l;
    a1 += x1.y * l;
    a2 += x2.y * l;
    a3 += x3.y * l;
    b0 += x0.y * r;
    b1 += x1.y * r;
    b2 += x2.y * r;
    b3 += x3.y * r;

    at += columns;
    l = w[at + left];
    r = w[at + right];
    a0 += x0.z * l;
    a1 += x1.z * l;
    a2 += x2.z * l;
    a3 += x3.z * l;
    b0 += x0.z * r;
    b1 += x1.z * r;
    b2 += x2.z * r;
    b3 += x3.z * r;

    at += columns;
    l = w[at + left];
    r = w[at + right];
    a0 += x0.w * l;
    a1 += x1.w * l;
    a2 += x2.w * l;
    a3 += x3.w * l;
    b0 += x0.w * r;
    b1 += x1.w * r;
    b2 += x2.w * r;
    b3 += x3.w * r;
  }

  let biasLeft = bias[left];
  let biasRight = bias[right];
  var out = row * columns;
  z[out + left] = a0 + biasLeft;
  z[out + right] = b0 + biasRight;
  out += columns;
  z[out + left] = a1 + biasLeft;
  z[out + right] = b1 + biasRight;
  out += columns;
  z[out + left] = a2 + biasLeft;
  z[out + right] = b2 + biasRight;
  out += columns;
  z[out + left] = a3 + biasLeft;
  z[out + right] = b3 + biasRight;
}
