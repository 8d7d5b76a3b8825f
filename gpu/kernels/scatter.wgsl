// scatter: writes the features that fire, in CSR order (all but topk).
//
//   z, columns, edges  as count.wgsl has them; the same comparison decides
//   sums          prefix sums over the segments, level by level (scan.wgsl)
//   head          [2 + r] the first entry of row r, [2 + rows] the number of entries: written
//   entries       [keep] (feature, bits of the activation): written, rows ascending, features ascending
//                 within a row; feature = first + column. Entries past `keep` are dropped:
//                 the caller sees by head that there were more.
//
// grid             one thread a segment, in any two dimensions (see scan.wgsl)
// workgroup memory none, no barrier, no atomics: the order is the same on every device

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
  let id = (group.y * groups.x + group.x) * 64u + thread;
  let segments = p.width / SEGMENT;
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
  let row = id / segments;
  let segment = id % segments;
  if (segment == 0u) {
    head[2u + row] = to;
  }
  let edge = edges[row];
  let begin = segment * SEGMENT;
  let end = min(begin + SEGMENT, p.n);
  for (var i = begin; i < end; i++) {
    let value = z[row * p.width + i];
    let c = columns[i];
    if (key_of(bitcast<u32>(decisive(value, c))) > max(edge, key_of(bitcast<u32>(c.y)))) {
      if (to < p.keep) {
        entries[to] = vec2u(p.first + i, bitcast<u32>(magnitude(value, c)));
      }
      to++;
    }
  }
  if (id == all - 1u) {
    head[2u + p.rows] = to;
  }
}
