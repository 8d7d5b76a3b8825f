// count: how many features of each segment fire (standard and jumprelu).
//
//   z          [>= rows, stride] f32, row-major; the first n columns of a row count
//   threshold  [>= n] f32, at least 0: a feature fires when z > threshold, strictly
//   tolerance  [>= rows] f32, tol_r of engine/codes.ts
//   head       [0] += decisions with |z - threshold| < tol_r
//              [1] = min(itself, the lowest row that has a z that is not finite)
//   sums       [rows * segments] u32: written, how many fire in segment s of row r at
//              r * segments + s; a segment is 128 columns, segments = stride / 128
//
// grid             one thread a segment, in any two dimensions (see scan.wgsl)
// workgroup memory none, no barrier; integer atomics only, so the order does not matter
// numerics         "not finite" is tested on the bits: WGSL lets a compiler assume that
//                  floats are finite

const SEGMENT = 128u;

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
@group(0) @binding(3) var<storage, read> tolerance: array<f32>;
@group(0) @binding(4) var<storage, read_write> head: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(64)
fn count(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let id = (group.y * groups.x + group.x) * 64u + thread;
  let segments = p.stride / SEGMENT;
  if (id >= p.rows * segments) {
    return;
  }
  let row = id / segments;
  let begin = (id % segments) * SEGMENT;
  let end = min(begin + SEGMENT, p.n);
  let near = tolerance[row];
  var fires = 0u;
  var ties = 0u;
  var bad = false;
  for (var i = begin; i < end; i++) {
    let value = z[row * p.stride + i];
    let edge = threshold[i];
    fires += select(0u, 1u, value > edge);
    ties += select(0u, 1u, abs(value - edge) < near);
    bad = bad || (bitcast<u32>(value) & 0x7f800000u) == 0x7f800000u;
  }
  sums[id] = fires;
  if (ties > 0u) {
    atomicAdd(&head[0], ties);
  }
  if (bad) {
    atomicMin(&head[1], row);
  }
}
