// sum: adds 64 rows of a matrix at a time; again and again, until one is left.
//
//   m        [rows, stride] vec4 f32, of which `quads` at `offset` are looked at
//   weights  [rows] f32: where WEIGHTED, what a row is multiplied by, negated
//   mean     [quads] vec4 f32: where SQUARED, (m - scale mean)^2 is added up
//   out      [ceil(rows / 64), quads] vec4 f32 from `to` on: written, where ADDED added to
//
// grid             one thread a vec4 of the result, folded; 64 threads, no barrier
// numerics         f32, rows ascending

struct Shape {
  rows: u32,
  quads: u32,
  stride: u32,
  offset: u32,
  to: u32,
  flags: u32,
  scale: f32,
}

const WEIGHTED = 1u;
const SQUARED = 2u;
const ADDED = 4u;

@group(0) @binding(0) var<uniform> p: Shape;
@group(0) @binding(1) var<storage, read> m: array<vec4f>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn sum(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = (group.y * groups.x + group.x) * 64u + thread;
  let begin = at / p.quads * 64u;
  if (begin >= p.rows) {
    return;
  }
  let q = at % p.quads;
  let middle = select(vec4f(), p.scale * mean[q], p.scale != 0.0);
  var total = vec4f();
  for (var row = begin; row < min(begin + 64u, p.rows); row++) {
    var value = m[row * p.stride + p.offset + q];
    if ((p.flags & SQUARED) != 0u) {
      value -= middle;
      value *= value;
    }
    if ((p.flags & WEIGHTED) != 0u) {
      value *= -weights[row];
    }
    total += value;
  }
  if ((p.flags & ADDED) != 0u) {
    total += out[p.to + at];
  }
  out[p.to + at] = total;
}
