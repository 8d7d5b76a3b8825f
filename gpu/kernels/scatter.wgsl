// scatter: writes the features that fire, in CSR order (standard and jumprelu).
//
//   z, threshold  as count.wgsl has them; the same comparison decides
//   sums          prefix sums over the segments, level by level (scan.wgsl)
//   head          [2 + r] the first entry of row r, [2 + rows] the number of entries: written
//   entries       [keep] (feature, bits of z): written, rows ascending, features ascending
//                 within a row; feature = first + column. Entries past `keep` are dropped:
//                 the caller sees by head that there were more.
//
// grid             one thread a segment, in any two dimensions (see scan.wgsl)
// workgroup memory none, no barrier, no atomics: the order is the same on every device

const SEGMENT = 128u;
const RUN = 64u;

struct Params {
  rows: u32,
  n: u32,
  stride: u32,
  first: u32,
  keep: u32,
  quads: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> threshold: array<f32>;
@group(0) @binding(3) var<storage, read> sums: array<u32>;
@group(0) @binding(4) var<storage, read_write> head: array<u32>;
@group(0) @binding(5) var<storage, read_write> entries: array<vec2u>;

@compute @workgroup_size(64)
fn scatter(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let id = (group.y * groups.x + group.x) * 64u + thread;
  let segments = p.stride / SEGMENT;
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
  let begin = segment * SEGMENT;
  let end = min(begin + SEGMENT, p.n);
  for (var i = begin; i < end; i++) {
    let value = z[row * p.stride + i];
    if (value > threshold[i]) {
      if (to < p.keep) {
        entries[to] = vec2u(p.first + i, bitcast<u32>(value));
      }
      to++;
    }
  }
  if (id == all - 1u) {
    head[2u + p.rows] = to;
  }
}
