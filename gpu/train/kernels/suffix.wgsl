// suffix: what the features of group g see of the residuals, s_g = sum over h >= g of factors[h] r_h.
//
//   r        [rows, groups, quads] vec4 f32
//   factors  [groups] f32
//   totals   vec4 f32 (gpu/train/plan.ts): where DIVIDED the factors are over the sum of the 11th's parts, or 0
//   s        [rows, groups, quads] vec4 f32: written
//
// grid             one thread a vec4 of a row, folded; 64 threads, no barrier

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> r: array<vec4f>;
@group(0) @binding(2) var<storage, read> factors: array<f32>;
@group(0) @binding(3) var<storage, read> totals: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> s: array<vec4f>;

@compute @workgroup_size(64)
fn suffix(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = number(group, groups, thread);
  let row = at / p.quads;
  if (row >= p.rows) {
    return;
  }
  var by = 1.0;
  if (flagged(DIVIDED)) {
    let sum = dot(totals[10], vec4f(1.0));
    by = select(0.0, 1.0 / sum, sum > 0.0);
  }
  let base = row * p.groups * p.quads + at % p.quads;
  var sum = vec4f();
  for (var h = p.groups; h > 0u; h--) {
    sum += (by * factors[h - 1u]) * r[base + (h - 1u) * p.quads];
    s[base + (h - 1u) * p.quads] = sum;
  }
}
