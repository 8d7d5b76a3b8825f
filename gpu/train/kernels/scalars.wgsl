// scalars: adds a chunk's entries up to what a feature has one number of.
//
//   lists   [width, stride] entries;  counts [width];  table see parts/cell.wgsl
//   sums    [7, width] f32, added to:
//             0 dL/dz   1 dL/db_enc (gated: the magnitude's)   2 dL/dtheta or dL/dr_mag   3 dL/db_gate
//             4 what dL/d||d_i|| is without the coefficient   5 pre-activation loss   6 entries within the threshold's window
//
// grid             one thread a feature, folded; 64 threads, no barrier
// numerics         f32, rows ascending

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> lists: array<vec4u>;
@group(0) @binding(2) var<storage, read> counts: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn scalars(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let i = number(group, groups, thread);
  if (i >= p.n) {
    return;
  }
  let t = table[i];
  let size = counts[i];
  var sum = array<f32, 7>();
  for (var e = 0u; e < size; e++) {
    let entry = lists[i * p.stride + e];
    let f = bitcast<f32>(entry.y);
    let value = bitcast<f32>(entry.z);
    let d = slopes(entry, t);
    sum[0] += d.z;
    if (flagged(HAS_GATE)) {
      sum[1] += d.magnitude;
      sum[2] += d.magnitude * t.y * (value - t.z);
      sum[3] += d.gate;
    } else {
      sum[1] += d.z;
      sum[2] += d.theta;
    }
    if (p.mode == BELOW) {
      sum[5] += t.w * (t.y - value);
    } else if (p.mode <= GATED) {
      if (p.penalty == TANH) {
        let u = tanh_of(p.scale * f * t.w);
        sum[4] += p.scale * f * (1.0 - u * u);
      } else {
        sum[4] += select(f, value, p.mode == GATED);
      }
      let u = (value - t.y) / p.bandwidth;
      if (p.mode == JUMP && u > -0.5 && u < 0.5 && (value > t.y || !flagged(ONE_SIDED))) {
        sum[6] += 1.0;
      }
    }
  }
  for (var slot = 0u; slot < 7u; slot++) {
    sums[slot * p.width + i] += sum[slot];
  }
}
