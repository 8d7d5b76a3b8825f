// renormalize: rows of W_dec to length 1, with AT_MOST only those that are longer; rows of length 0 stay.
//
//   verdict  see verdict.wgsl
//   squares  [size / quads, parts] f32: parts of ||d_i||^2 (dots.wgsl)
//   w        [size] vec4 f32
//
// grid             one thread a vec4, folded; 64 threads, no barrier

@group(0) @binding(0) var<uniform> p: Update;
@group(0) @binding(1) var<storage, read> verdict: array<f32>;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read_write> w: array<vec4f>;

@compute @workgroup_size(64)
fn renormalize(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = (group.y * groups.x + group.x) * 64u + thread;
  if (at >= p.size || verdict[0] == 0.0) {
    return;
  }
  var dd = 0.0;
  for (var part = 0u; part < p.parts; part++) {
    dd += squares[at / p.quads * p.parts + part];
  }
  if (dd > 0.0 && ((p.flags & AT_MOST) == 0u || dd > 1.0)) {
    w[at] *= 1.0 / sqrt(dd);
  }
}
