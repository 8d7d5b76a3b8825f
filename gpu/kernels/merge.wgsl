// merge: the `keep` largest of each row's best so far and of its new candidates (topk).
//
//   best        [rows, keep] entries of select.wgsl or of the merge before, counts as in
//   best_head   [2 + r] how many they are
//   candidates  entries in CSR order, all of features after those of `best`
//   starts      [2 + r] the first candidate of row r, [3 + r] the end
//   edges, head, entries  as select.wgsl has them; not the buffers of `best`
//
// tie rule         of equal values, the lowest features
// grid             one workgroup a row, in any two dimensions
// workgroup, memory, numerics: parts/rank.wgsl

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> best: array<vec2u>;
@group(0) @binding(2) var<storage, read> best_head: array<u32>;
@group(0) @binding(3) var<storage, read> candidates: array<vec2u>;
@group(0) @binding(4) var<storage, read> starts: array<u32>;
@group(0) @binding(5) var<storage, read_write> edges: array<u32>;
@group(0) @binding(6) var<storage, read_write> head: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> entries: array<vec2u>;

fn item(row: u32, i: u32) -> vec2u {
  let held = best_head[2u + row];
  if (i < held) {
    return best[row * p.keep + i];
  }
  return candidates[starts[2u + row] + i - held];
}

fn bits_at(row: u32, i: u32) -> u32 {
  return item(row, i).y;
}

fn feature_at(row: u32, i: u32) -> u32 {
  return item(row, i).x;
}

@compute @workgroup_size(THREADS)
fn merge(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = group.y * groups.x + group.x;
  if (row < p.rows) {
    // All of them were above the row's edge when they were kept; the last of the best is its edge now.
    rank(row, best_head[2u + row] + starts[3u + row] - starts[2u + row], 0u, thread);
  }
}
