// columns: lists a chunk's entries by feature, rows ascending.
//
//   z, table, marks, cuts  see parts/cell.wgsl
//   lists   [width, stride] (row, bits of f, bits of z, 0): written; `stride` is the largest chunk
//   counts  [width] u32: written
//   fired   [width] u32: rows with f > 0 are added, in the first pass (modes up to GATED)
//
// grid             one thread a feature, folded, whose neighbours read neighbouring columns; 64 threads, no barrier

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<vec4f>;
@group(0) @binding(3) var<storage, read> marks: array<u32>;
@group(0) @binding(4) var<storage, read> cuts: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> lists: array<vec4u>;
@group(0) @binding(6) var<storage, read_write> counts: array<u32>;
@group(0) @binding(7) var<storage, read_write> fired: array<u32>;

@compute @workgroup_size(64)
fn columns(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let i = number(group, groups, thread);
  if (i >= p.width) {
    return;
  }
  var size = 0u;
  var firing = 0u;
  if (i < p.n) {
    for (var row = p.first; row < p.first + p.count; row++) {
      let c = cell(row, i);
      if (c.live) {
        lists[i * p.stride + size] = vec4u(row, bitcast<u32>(c.f), bitcast<u32>(c.z), 0u);
        size++;
        firing += select(0u, 1u, c.f > 0.0);
      }
    }
  }
  counts[i] = size;
  if (p.mode <= GATED) {
    fired[i] += firing;
  }
}
