// dots: inner products of rows, in parts that are to be added in their order.
//
//   a, b  [rows, quads] vec4 f32
//   out   [rows, parts] f32: written; part t is the sum over vec4 t, t + parts, ...
//
// grid             one thread a part, folded; 64 threads, no barrier

struct Shape {
  rows: u32,
  quads: u32,
  parts: u32,
}

@group(0) @binding(0) var<uniform> p: Shape;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn dots(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = (group.y * groups.x + group.x) * 64u + thread;
  let row = at / p.parts;
  if (row >= p.rows) {
    return;
  }
  var sum = 0.0;
  for (var q = at % p.parts; q < p.quads; q += p.parts) {
    sum += dot(a[row * p.quads + q], b[row * p.quads + q]);
  }
  out[at] = sum;
}
