// rows: lists the activations of a chunk's rows, 64 features at a time.
//
//   z, table, marks, cuts  see parts/cell.wgsl
//   list    [count, width] (feature, bits of f): written, each segment of 64 from its own beginning
//   counts  [count, width / 64] u32: written
//
// grid             one thread a segment, folded; 64 threads, no barrier

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<vec4f>;
@group(0) @binding(3) var<storage, read> marks: array<u32>;
@group(0) @binding(4) var<storage, read> cuts: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> list: array<vec2u>;
@group(0) @binding(6) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(64)
fn rows(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = number(group, groups, thread);
  let segments = p.width / 64u;
  let row = at / segments;
  if (row >= p.count) {
    return;
  }
  let begin = at % segments * 64u;
  var to = row * p.width + begin;
  for (var i = begin; i < min(begin + 64u, p.n); i++) {
    let c = cell(p.first + row, i);
    if (c.on) {
      list[to] = vec2u(i, bitcast<u32>(c.f));
      to++;
    }
  }
  counts[at] = to - row * p.width - begin;
}
