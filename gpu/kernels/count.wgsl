// count: how many features of each segment fire (all but topk).
//
//   z          [>= rows, width] f32, row-major; the first n columns of a row count. Of a gated
//              SAE the bare product.
//   columns    [>= n] per column: see parts/params.wgsl; what fires is above the threshold,
//              which is at least 0, and above its row's edge, both strictly, by keys
//   edges      [>= rows] keys
//   tolerance  [>= rows] f32, tol_r of engine/codes.ts
//   head       [0] += decisions with |z - threshold| < tol_r
//              [1] = min(itself, the lowest row that has a z that is not finite)
//   sums       [rows * segments] u32: written, how many fire in segment s of row r at
//              r * segments + s; a segment is 128 columns, segments = width / 128
//
// grid             one thread a segment, in any two dimensions (see scan.wgsl)
// workgroup memory none, no barrier; integer atomics only, so the order does not matter

const SEGMENT = 128u;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> columns: array<vec4f>;
@group(0) @binding(3) var<storage, read> tolerance: array<f32>;
@group(0) @binding(4) var<storage, read> edges: array<u32>;
@group(0) @binding(5) var<storage, read_write> head: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(64)
fn count(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let id = (group.y * groups.x + group.x) * 64u + thread;
  let segments = p.width / SEGMENT;
  if (id >= p.rows * segments) {
    return;
  }
  let row = id / segments;
  let begin = (id % segments) * SEGMENT;
  let end = min(begin + SEGMENT, p.n);
  let near = tolerance[row];
  let edge = edges[row];
  var fires = 0u;
  var ties = 0u;
  var bad = false;
  for (var i = begin; i < end; i++) {
    let value = z[row * p.width + i];
    let c = columns[i];
    let decision = decisive(value, c);
    fires += select(0u, 1u, key_of(bitcast<u32>(decision)) > max(edge, key_of(bitcast<u32>(c.y))));
    ties += select(0u, 1u, abs(decision - c.y) < near);
    bad = bad || !finite(value) || !finite(decision) || !finite(magnitude(value, c));
  }
  sums[id] = fires;
  if (ties > 0u) {
    atomicAdd(&head[0], ties);
  }
  if (bad) {
    atomicMin(&head[1], row);
  }
}
