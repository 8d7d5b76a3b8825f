// fold: batchtopk's copies of a bin into the first of them, the others to 0.
//
//   bins  [64, 256] u32
//
// grid             4 workgroups of 64 threads, a thread a bin; no barrier

@group(0) @binding(0) var<storage, read_write> bins: array<u32>;

@compute @workgroup_size(64)
fn fold(@builtin(global_invocation_id) id: vec3u) {
  var sum = bins[id.x];
  for (var copy = 1u; copy < 64u; copy++) {
    sum += bins[copy * 256u + id.x];
    bins[copy * 256u + id.x] = 0u;
  }
  bins[id.x] = sum;
}
