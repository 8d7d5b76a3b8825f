// table: what a feature's activation depends on, in one vec4.
//
//   b_enc   [width] f32
//   second  [width] f32: threshold, or with HAS_GATE r_mag
//   gate    [width] f32: b_gate
//   dots    [width, stride] f32: parts of the squared norms of d_i (dots.wgsl)
//   table   [width] vec4 f32: written, see parts/cell.wgsl
//
// grid             one thread a feature, folded; 64 threads, no barrier

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> b_enc: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read> gate: array<f32>;
@group(0) @binding(4) var<storage, read> dots: array<f32>;
@group(0) @binding(5) var<storage, read_write> table: array<vec4f>;

@compute @workgroup_size(64)
fn make_table(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let i = number(group, groups, thread);
  if (i >= p.width) {
    return;
  }
  var squares = 0.0;
  for (var part = 0u; part < p.stride; part++) {
    squares += dots[i * p.stride + part];
  }
  let s = second[i];
  table[i] = vec4f(b_enc[i], select(s, exp(s), flagged(HAS_GATE)), gate[i], sqrt(squares));
}
