// pack-columns: an encoder as screened encode needs it beside W; once, when it is loaded.
//
//   w        [4 * quads, stride] f32, row-major, padded with zeros
//   columns  [stride] per column: see parts/params.wgsl
//   wq       [depth, stride] words of 4 integers, those of 4 neighbouring d: written
//   wt       [stride, 4 * quads] f32: written, w transposed
//   bounds   [stride] (S, ||w||, ||w - w^||, b - T): written; the norms rounded up, and the last
//            by as much as rounding may move it
//
// grid             one thread 4 columns, in any two dimensions
// workgroup memory none, no barrier
// numerics         f32. What is rounded to is a choice; the norms hold for the choice made.

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> s: Screened;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> columns: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> wq: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> wt: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> bounds: array<vec4f>;

@compute @workgroup_size(64)
fn pack_columns(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let id = (group.y * groups.x + group.x) * 64u + thread;
  let stride = p.stride / 4u;
  if (id >= stride) {
    return;
  }
  let d_in = p.quads * 4u;
  var largest = vec4f();
  for (var d = 0u; d < d_in; d++) {
    largest = max(largest, abs(w[d * stride + id]));
  }
  let usable = largest >= vec4f(SMALL);
  let unit = select(vec4f(1.0), largest, usable);
  let scale = select(vec4f(), unit / 127.0, usable);
  let inverse = select(vec4f(), 127.0 / unit, usable);
  // Of values over the largest, so that no square leaves f32.
  var squares = vec4f();
  var lost = vec4f();
  for (var q = 0u; q < s.depth; q++) {
    var integers: array<vec4i, 4>;
    var values: array<vec4f, 4>;
    for (var i = 0u; i < 4u; i++) {
      if (q < p.quads) {
        values[i] = w[(q * 4u + i) * stride + id];
      }
      let rounded = clamp(round(values[i] * inverse), vec4f(-127.0), vec4f(127.0));
      integers[i] = vec4i(rounded);
      let rest = (values[i] - rounded * scale) / unit;
      let part = values[i] / unit;
      squares += part * part;
      lost += rest * rest;
    }
    var words: vec4u;
    for (var c = 0u; c < 4u; c++) {
      words[c] = pack4xI8(vec4i(integers[0][c], integers[1][c], integers[2][c], integers[3][c]));
      if (q < p.quads) {
        wt[(id * 4u + c) * p.quads + q] = vec4f(values[0][c], values[1][c], values[2][c], values[3][c]);
      }
    }
    wq[q * stride + id] = words;
  }
  let up = 1.0 + 4.0 * s.relative;
  let least = SMALL * sqrt(f32(d_in)) * up;
  for (var i = 0u; i < 4u; i++) {
    let norm = select(least, unit[i] * sqrt(squares[i]) * up, usable[i]);
    let error = select(least, unit[i] * sqrt(lost[i]) * up + s.relative * norm, usable[i]);
    let c = columns[id * 4u + i];
    // Below every sum of what is finite, and finite itself.
    let edge = max(c.x - c.y, -1e38) + s.relative * (abs(c.x) + min(abs(c.y), 1e38)) + s.tiny;
    bounds[id * 4u + i] = vec4f(scale[i], norm, error, edge);
  }
}
