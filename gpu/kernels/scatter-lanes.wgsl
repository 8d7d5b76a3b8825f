// scatter-lanes: as scatter.wgsl, where the device has subgroups.
//
//   z, columns, edges, sums, head, entries  as scatter.wgsl has them, and the same entries
//
// grid             one workgroup a segment, in any two dimensions; two columns a thread
// workgroup memory see parts/before.wgsl; no atomics on what is written

const SEGMENT = 128u;
const RUN = 64u;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> columns: array<vec4f>;
@group(0) @binding(3) var<storage, read> edges: array<u32>;
@group(0) @binding(4) var<storage, read> sums: array<u32>;
@group(0) @binding(5) var<storage, read_write> head: array<u32>;
@group(0) @binding(6) var<storage, read_write> entries: array<vec2u>;

@compute @workgroup_size(64)
fn scatter(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let id = group.y * groups.x + group.x;
  let segments = p.width / SEGMENT;
  let all = p.rows * segments;
  if (id >= all) {
    return;
  }
  let lane = lane_of(thread);
  let row = id / segments;
  let edge = edges[row];
  // By place and not by thread: entries are in the order of places.
  let begin = (id % segments) * SEGMENT + 2u * lane.index;
  var fires = vec2u();
  var bits = vec2u();
  for (var i = 0u; i < 2u; i++) {
    if (begin + i < p.n) {
      let value = z[row * p.width + begin + i];
      let c = columns[begin + i];
      fires[i] = select(0u, 1u, key_of(bitcast<u32>(decisive(value, c))) > max(edge, key_of(bitcast<u32>(c.y))));
      bits[i] = bitcast<u32>(magnitude(value, c));
    }
  }
  let earlier = before(lane, vec2u(fires.x + fires.y, 0u)).x;
  var to = 0u;
  var level = 0u;
  var size = all;
  var at = id;
  loop {
    to += sums[level + at];
    if (size <= RUN) {
      break;
    }
    level += size;
    size = (size + RUN - 1u) / RUN;
    at /= RUN;
  }
  if (id % segments == 0u && lane.index == 0u) {
    head[2u + row] = to;
  }
  to += earlier;
  for (var i = 0u; i < 2u; i++) {
    if (fires[i] != 0u) {
      if (to < p.keep) {
        entries[to] = vec2u(p.first + begin + i, bits[i]);
      }
      to++;
    }
  }
  if (id == all - 1u && lane.index == 63u) {
    head[2u + p.rows] = to;
  }
}
