// decode: y = f @ W_dec + b_dec from sparse codes, for one block of latents.
//
//   ranges   [rows] (begin, end): the row's entries that lie in this block
//   entries  (feature, bits of the value), features ascending within a row
//   w        [n, 4 * quads] f32 or f16, row-major: rows `first` .. `first + n` of W_dec; d_out is
//            padded with zeros
//   bias     [4 * quads] f32: b_dec
//   y        [rows, 4 * quads] f32, row-major: written by the first block (first = 0), which
//            begins with b_dec; the blocks after it add to what is there
//
// grid             (ceil(quads / 16), ceil(rows / 4)), rows at most 4 times the grid's limit
// workgroup        16 x 4 threads, each 4 neighbouring columns of a row
// workgroup memory none, no barrier
// numerics         f32, b_dec first, then the entries in ascending order: the same sum for
//                  any number of blocks. |y - exact| <= gamma_{nnz + 1} (|f|.|w| + |b|)

struct Params {
  rows: u32,
  first: u32,
  quads: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> ranges: array<vec2u>;
@group(0) @binding(2) var<storage, read> entries: array<vec2u>;
@group(0) @binding(3) var<storage, read> w: array<Weight>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(16, 4)
fn decode(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  let row = id.y;
  if (column >= p.quads || row >= p.rows) {
    return;
  }
  let out = row * p.quads + column;
  var sum = bias[column];
  if (p.first > 0u) {
    sum = y[out];
  }
  let range = ranges[row];
  for (var e = range.x; e < range.y; e++) {
    let entry = entries[e];
    sum += bitcast<f32>(entry.y) * vec4f(w[(entry.x - p.first) * p.quads + column]);
  }
  y[out] = sum;
}
