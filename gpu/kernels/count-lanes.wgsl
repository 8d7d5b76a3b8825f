// count-lanes: as count.wgsl, where the device has subgroups.
//
//   z, columns, tolerance, edges, head, sums  as count.wgsl has them, and the same numbers
//
// grid             one workgroup a segment of 128 columns, in any two dimensions; two columns a
//                  thread, so that threads read what lies together
// workgroup memory 4 bytes; 1 barrier; integer atomics only, so the order does not matter

const SEGMENT = 128u;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> columns: array<vec4f>;
@group(0) @binding(3) var<storage, read> tolerance: array<f32>;
@group(0) @binding(4) var<storage, read> edges: array<u32>;
@group(0) @binding(5) var<storage, read_write> head: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> sums: array<u32>;

var<workgroup> fired: atomic<u32>;

@compute @workgroup_size(64)
fn count(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let id = group.y * groups.x + group.x;
  let segments = p.width / SEGMENT;
  if (id >= p.rows * segments) {
    return;
  }
  let row = id / segments;
  let begin = (id % segments) * SEGMENT;
  let near = tolerance[row];
  let edge = edges[row];
  var fires = 0u;
  var ties = 0u;
  var bad = 0u;
  for (var i = begin + thread; i < min(begin + SEGMENT, p.n); i += 64u) {
    let value = z[row * p.width + i];
    let c = columns[i];
    let decision = decisive(value, c);
    fires += select(0u, 1u, key_of(bitcast<u32>(decision)) > max(edge, key_of(bitcast<u32>(c.y))));
    ties += select(0u, 1u, abs(decision - c.y) < near);
    bad += select(1u, 0u, finite(value) && finite(decision) && finite(magnitude(value, c)));
  }
  let lane = lane_of(thread);
  fires = together(fires);
  ties = together(ties);
  bad = together(bad);
  if (lane.rank == 0u) {
    atomicAdd(&fired, fires);
    if (ties > 0u) {
      atomicAdd(&head[0], ties);
    }
    if (bad > 0u) {
      atomicMin(&head[1], row);
    }
  }
  workgroupBarrier();
  if (thread == 0u) {
    sums[id] = atomicLoad(&fired);
  }
}
