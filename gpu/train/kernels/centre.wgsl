// centre: pads rows of x to vec4, and takes b_dec off.
//
//   raw    [rows * d] f32;  d = p.stride
//   bias   [quads] vec4 f32: b_dec
//   x      [count, quads] vec4 f32: written, zero where raw has nothing
//   xbar   the same, less sign * b_dec in the rows that there are: written
//
// grid             one thread a vec4 of `count` rows, folded; 64 threads, no barrier

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> raw: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> xbar: array<vec4f>;

@compute @workgroup_size(64)
fn centre(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = number(group, groups, thread);
  if (at >= p.count * p.quads) {
    return;
  }
  let row = at / p.quads;
  let q = at % p.quads;
  var v = vec4f();
  if (row < p.rows) {
    for (var c = 0u; c < 4u; c++) {
      if (q * 4u + c < p.stride) {
        v[c] = raw[row * p.stride + q * 4u + c];
      }
    }
  }
  x[at] = v;
  xbar[at] = v - select(vec4f(), p.sign * bias[q], row < p.rows);
}
