// pack-rows: a batch's rows as screened encode needs them.
//
//   x          [rows, 4 * quads] f32, row-major
//   tolerance  [rows] f32, tol_r
//   xq         [rows up to a multiple of 4, depth] words of 4 integers: written, rows past the end 0
//   records    [rows] 3 vec4: written: (s, what ||w|| is multiplied by, what ||w - w^|| is, tol_r and
//              what rounding makes of it), and the row's values in the outlying dimensions
//
// grid             one thread a row, in any two dimensions
// workgroup memory none, no barrier
// numerics         as pack-columns.wgsl

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> s: Screened;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> tolerance: array<f32>;
@group(0) @binding(4) var<storage, read_write> xq: array<u32>;
@group(0) @binding(5) var<storage, read_write> records: array<vec4f>;

// The values of 4 dimensions that are rounded to integers: outliers are 0.
fn inliers(row: u32, q: u32) -> vec4f {
  var values = x[row * p.quads + q];
  for (var o = 0u; o < s.count; o++) {
    let d = s.outliers[o / 4u][o % 4u];
    if (d / 4u == q) {
      values[d % 4u] = 0.0;
    }
  }
  return values;
}

@compute @workgroup_size(64)
fn pack_rows(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = (group.y * groups.x + group.x) * 64u + thread;
  if (row >= (p.rows + 3u) / 4u * 4u) {
    return;
  }
  if (row >= p.rows) {
    for (var q = 0u; q < s.depth; q++) {
      xq[row * s.depth + q] = 0u;
    }
    return;
  }
  var four = vec4f();
  var all = vec4f();
  for (var q = 0u; q < p.quads; q++) {
    four = max(four, abs(inliers(row, q)));
    all = max(all, abs(x[row * p.quads + q]));
  }
  let largest = max(max(four.x, four.y), max(four.z, four.w));
  let longest = max(max(max(all.x, all.y), max(all.z, all.w)), SMALL);
  let usable = largest >= SMALL;
  let unit = select(1.0, largest, usable);
  let scale = select(0.0, unit / 127.0, usable);
  let inverse = select(0.0, 127.0 / unit, usable);
  var squares = vec4f();
  var lost = vec4f();
  var integers = 0u;
  for (var q = 0u; q < s.depth; q++) {
    var values = vec4f();
    if (q < p.quads) {
      values = inliers(row, q);
      let part = x[row * p.quads + q] / longest;
      squares += part * part;
    }
    let rounded = clamp(round(values * inverse), vec4f(-127.0), vec4f(127.0));
    let rest = (values - rounded * scale) / unit;
    lost += rest * rest;
    let word = pack4xI8(vec4i(rounded));
    xq[row * s.depth + q] = word;
    integers += u32(dot4I8Packed(word, word));
  }
  let up = 1.0 + 4.0 * s.relative;
  let norm = longest * sqrt(dot(squares, vec4f(1.0))) * up;
  let error = select(SMALL * sqrt(f32(4u * p.quads)), unit * sqrt(dot(lost, vec4f(1.0))), usable) * up + s.relative * norm;
  records[row * 3u] = vec4f(scale, error + s.relative * norm, scale * sqrt(f32(integers)) * up, tolerance[row] * 1.0001 + s.tiny);
  var outlying = array<vec4f, 2>();
  for (var o = 0u; o < s.count; o++) {
    let d = s.outliers[o / 4u][o % 4u];
    outlying[o / 4u][o % 4u] = x[row * p.quads + d / 4u][d % 4u];
  }
  records[row * 3u + 1u] = outlying[0];
  records[row * 3u + 2u] = outlying[1];
}
