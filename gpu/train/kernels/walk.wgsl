// walk: finds a digit of the last candidate that a selection takes, from the counts of tally.wgsl.
//
//   bins  [selections, 256] u32: read, and set to 0
//   cuts  [selections] (key, index, wanted, done): the digits found so far, how many of the candidates
//         that agree with them are wanted, and whether that is all of them. A candidate is taken where
//         its (rank_of, index_of) is not below (key, index).
//
// grid             one thread a selection (batchtopk: one thread), folded; 64 threads, no barrier

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> bins: array<u32>;
@group(0) @binding(2) var<storage, read_write> cuts: array<vec4u>;

@compute @workgroup_size(64)
fn walk(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = number(group, groups, thread);
  if (row >= select(p.rows, 1u, p.mode == BATCH_CUT)) {
    return;
  }
  var cut = vec4u(0u, 0u, p.need, 0u);
  if (p.digit > 0u) {
    cut = cuts[row];
  }
  if (cut.w != 0u) {
    return;
  }
  if (p.need == 0u) {
    cut = vec4u(0xffffffffu, 0xffffffffu, 0u, 1u);
  }
  var found = cut.w != 0u;
  for (var i = 0u; i < 256u; i++) {
    let digit = 255u - i;
    let size = bins[row * 256u + digit];
    bins[row * 256u + digit] = 0u;
    if (found) {
      continue;
    }
    if (size >= cut.z) {
      found = true;
      let bits = digit << (24u - 8u * (p.digit % 4u));
      if (p.digit < 4u) {
        cut.x |= bits;
      } else {
        cut.y |= bits;
      }
      cut.w = select(0u, 1u, size == cut.z);
    } else {
      cut.z -= size;
    }
  }
  // Fewer candidates than are wanted, which the first digit shows: all of them.
  if (!found) {
    cut.w = 1u;
  }
  cuts[row] = cut;
}
