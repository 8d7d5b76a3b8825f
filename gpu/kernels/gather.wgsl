// gather: what fire.wgsl or settle.wgsl kept, in CSR order.
//
//   sums     prefix sums over the segments, level by level (scan.wgsl); from `places` the
//            segments' places in the pool
//   pool     [keep] entries of segments, NONE where settle.wgsl did not keep one
//   head     [2 + r] the first entry of row r, [2 + rows] the number of entries: written, both as
//            far as there was room
//   entries  [keep] (feature, bits): written, rows ascending, features ascending within a row.
//            Where the pool was too small, they are of no use: head tells.
//
// grid             one thread a segment, in any two dimensions (see scan.wgsl)
// workgroup memory none, no barrier, no atomics: the order is the same on every device

const RUN = 64u;
const SEGMENT = 128u;
const NONE = 0xffffffffu;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> sums: array<u32>;
@group(0) @binding(2) var<storage, read> pool: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> head: array<u32>;
@group(0) @binding(4) var<storage, read_write> entries: array<vec2u>;

@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let id = (group.y * groups.x + group.x) * 64u + thread;
  let segments = (p.stride - p.begin) / SEGMENT;
  let all = p.rows * segments;
  if (id >= all) {
    return;
  }
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
  if (id % segments == 0u) {
    head[2u + id / segments] = to;
  }
  let begin = sums[p.places + 2u * id];
  let count = sums[p.places + 2u * id + 1u];
  for (var i = begin; i < begin + count && i < p.keep; i++) {
    let entry = pool[i];
    if (entry.x != NONE && to < p.keep) {
      entries[to] = entry;
      to++;
    }
  }
  if (id == all - 1u) {
    head[2u + p.rows] = to;
  }
}
