// finish: gradients that need the whole batch: of the penalties through ||d_i||, and of L0.
//
//   w      [width, quads] vec4 f32: W_dec;  table see parts/cell.wgsl
//   totals vec4 f32, of which the 8th is the sum of figures.wgsl over the rows (gpu/train/plan.ts)
//   g      [width, quads] vec4 f32: added to where NORMED
//   sums   see scalars.wgsl: 6 goes into 2 where the penalty is L0 or L0_TARGET, whose target is `scale`
//
// grid             one thread a vec4 of a feature, folded; 64 threads, no barrier

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> table: array<vec4f>;
@group(0) @binding(3) var<storage, read> totals: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> g: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn finish(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = number(group, groups, thread);
  let i = at / p.quads;
  if (i >= p.n) {
    return;
  }
  if (flagged(NORMED)) {
    let norm = table[i].w;
    g[at] += select(0.0, p.coefficient * sums[4u * p.width + i] / norm, norm > 0.0) * w[at];
  }
  if (at % p.quads == 0u && (p.penalty == L0 || p.penalty == L0_TARGET)) {
    let l0 = totals[7].y / f32(p.rows);
    let slope = select(1.0, 2.0 * (l0 / p.scale - 1.0) / p.scale, p.penalty == L0_TARGET);
    sums[2u * p.width + i] -= p.coefficient * slope / p.bandwidth * sums[6u * p.width + i];
  }
}
