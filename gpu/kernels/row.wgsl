// row: z = x @ w + b for at most 4 rows: every weight is read once, and memory is the limit.
//
//   x, w, columns, z  as tile.wgsl has them; rows <= 4
//
// grid             one thread a vec4 of columns: (ceil(width / 128), 1)
// workgroup        32 threads: d_sae of 16,384 makes workgroups enough for a large GPU
// workgroup memory none, no barrier
// numerics         the same bits as encode.wgsl (see tile.wgsl)

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<Weight>;
@group(0) @binding(3) var<storage, read> columns: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> z: array<vec4f>;

@compute @workgroup_size(32)
fn row(@builtin(global_invocation_id) id: vec3u) {
  let stride = p.stride / 4u;
  let width = p.width / 4u;
  let column = id.x;
  if (column >= width) {
    return;
  }
  let quads = p.quads;
  // Rows past the end repeat the last one.
  let last = p.rows - 1u;
  let r1 = min(1u, last) * quads;
  let r2 = min(2u, last) * quads;
  let r3 = min(3u, last) * quads;
  var a0 = vec4f();
  var a1 = vec4f();
  var a2 = vec4f();
  var a3 = vec4f();
  for (var q = 0u; q < quads; q++) {
    let at = q * 4u * stride + column;
    let w0 = vec4f(w[at]);
    let w1 = vec4f(w[at + stride]);
    let w2 = vec4f(w[at + 2u * stride]);
    let w3 = vec4f(w[at + 3u * stride]);
    let x0 = x[q];
    let x1 = x[r1 + q];
    let x2 = x[r2 + q];
    let x3 = x[r3 + q];
    a0 += x0.x * w0;
    a1 += x1.x * w0;
    a2 += x2.x * w0;
    a3 += x3.x * w0;
    a0 += x0.y * w1;
    a1 += x1.y * w1;
    a2 += x2.y * w1;
    a3 += x3.y * w1;
    a0 += x0.z * w2;
    a1 += x1.z * w2;
    a2 += x2.z * w2;
    a3 += x3.z * w2;
    a0 += x0.w * w3;
    a1 += x1.w * w3;
    a2 += x2.w * w3;
    a3 += x3.w * w3;
  }
  let c = column * 4u;
  let bias = select(vec4f(columns[c].x, columns[c + 1u].x, columns[c + 2u].x, columns[c + 3u].x), vec4f(), flagged(BARE));
  z[column] = a0 + bias;
  if (p.rows > 1u) {
    z[width + column] = a1 + bias;
  }
  if (p.rows > 2u) {
    z[2u * width + column] = a2 + bias;
  }
  if (p.rows > 3u) {
    z[3u * width + column] = a3 + bias;
  }
}
