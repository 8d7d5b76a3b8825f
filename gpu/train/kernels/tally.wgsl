// tally: counts one digit of the candidates of a selection that agree with the digits found so far.
//
//   z, table, marks  see parts/cell.wgsl
//   cuts   by selection (key, index, wanted, done): see walk.wgsl; not read for digit 0
//   bins   [selections, 256] u32, added to; a selection is a row, and of batchtopk, which has one,
//          a copy for every 64th row, so that fewer threads add to one place
//
// The digits are the bytes of (rank_of, index_of), from the top.
//
// grid             one thread 4 columns of a row, folded; 64 threads, no barrier
// numerics         integers only: the order of the atomics does not matter

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<vec4f>;
@group(0) @binding(3) var<storage, read> marks: array<u32>;
@group(0) @binding(4) var<storage, read> cuts: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> bins: array<atomic<u32>>;

@compute @workgroup_size(64)
fn tally(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let columns = p.width / 4u;
  let at = number(group, groups, thread);
  let row = at / columns;
  if (row >= p.rows) {
    return;
  }
  let batch = p.mode == BATCH_CUT;
  var cut = vec4u();
  if (p.digit > 0u) {
    cut = cuts[select(row, 0u, batch)];
  }
  if (cut.w != 0u) {
    return;
  }
  let low = p.digit >= 4u;
  let shift = 24u - 8u * (p.digit % 4u);
  // The digits above this one in its word.
  let known = select(0xffffffffu << ((shift + 8u) % 32u), 0u, shift == 24u);
  let to = select(row, row % 64u, batch) * 256u;
  for (var i = at % columns * 4u; i < min(at % columns * 4u + 4u, p.n); i++) {
    let value = pre_of(row, i);
    if (!candidate(value, i)) {
      continue;
    }
    let key = rank_of(value, i);
    let word = select(key, index_of(row, i), low);
    if ((!low || key == cut.x) && (word & known) == select(cut.x, cut.y, low)) {
      atomicAdd(&bins[to + ((word >> shift) & 255u)], 1u);
    }
  }
}
