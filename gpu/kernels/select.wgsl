// select: the `keep` largest of each row's first n z above the row's edge (topk).
//
//   z        [>= rows, width] f32, row-major
//   edges    [>= rows] keys: what is not above is left out, as it can neither be in the codes
//            nor be near a decision; written, see parts/rank.wgsl
//   head     [1] = min(itself, the lowest row that has a z that is not finite)
//            [2 + r] how many were selected in row r: written
//   entries  [rows, keep] (feature, bits of z): written, features ascending within a
//            row; feature = first + column
//   1 <= keep <= n
//
// tie rule         of equal z, the lowest features
// grid             one workgroup a row, in any two dimensions
// workgroup, memory, numerics: parts/rank.wgsl

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<u32>;
@group(0) @binding(2) var<storage, read_write> edges: array<u32>;
@group(0) @binding(3) var<storage, read_write> head: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> entries: array<vec2u>;

fn bits_at(row: u32, i: u32) -> u32 {
  return z[row * p.width + i];
}

fn feature_at(row: u32, i: u32) -> u32 {
  return p.first + i;
}

@compute @workgroup_size(THREADS)
fn select_rows(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = group.y * groups.x + group.x;
  if (row < p.rows) {
    rank(row, p.n, edges[row], thread);
  }
}
