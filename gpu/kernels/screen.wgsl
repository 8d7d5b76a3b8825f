// screen: which z of columns begin .. stride might be kept or be near a decision, by products of
// 8-bit integers. It leaves out only what surely is neither: see parts/screened.wgsl.
//
//   xq, records   as pack-rows.wgsl has them      wq, bounds  as pack-columns.wgsl has them
//   w             [4 * quads, stride] f32: the outlying dimensions' rows are read
//   edges         [rows] keys: what is not above its row's need not be looked at
//   sums          from `masks`, at (row / 4) * octets + octet: written, for 4 rows and 8 neighbouring
//                 columns a bit each, the row's byte by row % 4; octets = (stride - begin) / 8
//
// grid             ((stride - begin) / 128, ceil(rows / 32))
// workgroup        16 x 8 threads, a tile of 128 columns x 32 rows
// thread           4 rows x 8 columns in registers
// workgroup memory none, no barrier
// numerics         integers, exact for d_in up to 131,072; then f32, rounded up

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> s: Screened;
@group(0) @binding(2) var<storage, read> xq: array<vec4u>;
@group(0) @binding(3) var<storage, read> wq: array<vec4u>;
@group(0) @binding(4) var<storage, read> records: array<vec4f>;
@group(0) @binding(5) var<storage, read> bounds: array<vec4f>;
@group(0) @binding(6) var<storage, read> w: array<vec4f>;
@group(0) @binding(7) var<storage, read> edges: array<u32>;
@group(0) @binding(8) var<storage, read_write> sums: array<u32>;

fn dots(x: u32, w: vec4u) -> vec4i {
  return vec4i(dot4I8Packed(x, w.x), dot4I8Packed(x, w.y), dot4I8Packed(x, w.z), dot4I8Packed(x, w.w));
}

fn value_of(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key ^ 0x80000000u, key >= 0x80000000u));
}

// The bits of 4 columns whose upper bound passes what it must.
fn pass_of(row: u32, quad: u32, sum: vec4i) -> u32 {
  let record = records[row * 3u];
  var estimate = (record.x * vec4f(sum)) * vec4f(bounds[quad * 4u].x, bounds[quad * 4u + 1u].x, bounds[quad * 4u + 2u].x, bounds[quad * 4u + 3u].x);
  for (var o = 0u; o < s.count; o++) {
    estimate += records[row * 3u + 1u + o / 4u][o % 4u] * w[s.outliers[o / 4u][o % 4u] * (p.stride / 4u) + quad];
  }
  let key = edges[row];
  var bar = 0.0;
  if (flagged(RANKED)) {
    bar = value_of(key);
  } else if (key > 0x80000000u) {
    // Above 0; what is near the threshold is not counted then (batchtopk).
    bar = value_of(key);
  }
  var bits = 0u;
  for (var i = 0u; i < 4u; i++) {
    let c = bounds[quad * 4u + i];
    let most = estimate[i] + c.w + record.y * c.y + record.z * c.z + record.w;
    bits |= select(0u, 1u << i, most >= bar && quad * 4u + i < p.n);
  }
  return bits;
}

@compute @workgroup_size(16, 8)
fn screen(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) thread: vec3u) {
  let stride = p.stride / 4u;
  let octet = tile.x * 16u + thread.x;
  let left = p.begin / 4u + octet * 2u;
  let row = tile.y * 32u + thread.y * 4u;
  if (row >= p.rows) {
    return;
  }
  let deep = s.depth / 4u;

  var a: array<vec4i, 4>;
  var b: array<vec4i, 4>;
  var a0 = vec4i();
  var a1 = vec4i();
  var a2 = vec4i();
  var a3 = vec4i();
  var b0 = vec4i();
  var b1 = vec4i();
  var b2 = vec4i();
  var b3 = vec4i();
  for (var q = 0u; q < deep; q++) {
    let x0 = xq[row * deep + q];
    let x1 = xq[(row + 1u) * deep + q];
    let x2 = xq[(row + 2u) * deep + q];
    let x3 = xq[(row + 3u) * deep + q];
    for (var i = 0u; i < 4u; i++) {
      let at = (q * 4u + i) * stride + left;
      let l = wq[at];
      let r = wq[at + 1u];
      a0 += dots(x0[i], l);
      a1 += dots(x1[i], l);
      a2 += dots(x2[i], l);
      a3 += dots(x3[i], l);
      b0 += dots(x0[i], r);
      b1 += dots(x1[i], r);
      b2 += dots(x2[i], r);
      b3 += dots(x3[i], r);
    }
  }
  a = array(a0, a1, a2, a3);
  b = array(b0, b1, b2, b3);
  var mask = 0u;
  for (var i = 0u; i < 4u; i++) {
    if (row + i < p.rows) {
      mask |= (pass_of(row + i, left, a[i]) | (pass_of(row + i, left + 1u, b[i]) << 4u)) << (8u * i);
    }
  }
  sums[p.masks + (row / 4u) * ((p.stride - p.begin) / 8u) + octet] = mask;
}
