// settle: what a screen let through, computed and decided on as fire.wgsl does it.
//
//   x, columns, tolerance, edges, head  as fire.wgsl has them
//   wt    [stride, 4 * quads] f32: W_enc transposed (pack-columns.wgsl)
//   sums  [row * segments + s] += what is kept in segment s of the row
//   pool  [keep] (column, row) of expand.wgsl: read; written, (feature, bits of the activation), or
//         NONE where it is not kept, which gather.wgsl leaves out
//
// grid             one thread an entry that there is room for, in any two dimensions. (Not one a
//                  segment: threads should have the same to do, and llvmpipe ends a thread's loops
//                  after 65,535 turns, all of them together.)
// workgroup memory none, no barrier; integer atomics only, so the order does not matter
// numerics         the same bits as encode.wgsl (see tile.wgsl)

const SEGMENT = 128u;
const NONE = 0xffffffffu;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> wt: array<vec4f>;
@group(0) @binding(3) var<storage, read> columns: array<vec4f>;
@group(0) @binding(4) var<storage, read> tolerance: array<f32>;
@group(0) @binding(5) var<storage, read> edges: array<u32>;
@group(0) @binding(6) var<storage, read_write> head: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> sums: array<atomic<u32>>;
@group(0) @binding(8) var<storage, read_write> pool: array<vec2u>;

@compute @workgroup_size(64)
fn settle(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let id = (group.y * groups.x + group.x) * 64u + thread;
  if (id >= min(atomicLoad(&head[3u + p.rows]), p.keep)) {
    return;
  }
  let column = pool[id].x;
  let row = pool[id].y;
  var sum = 0.0;
  for (var q = 0u; q < p.quads; q++) {
    let a = x[row * p.quads + q];
    let b = wt[column * p.quads + q];
    sum += a.x * b.x;
    sum += a.y * b.y;
    sum += a.z * b.z;
    sum += a.w * b.w;
  }
  let c = columns[column];
  let z = select(sum + c.x, sum, flagged(GATED));
  var entry = vec2u(NONE, 0u);
  if (kept(z, c, column, tolerance[row], edges[row], row) != 0u) {
    entry = vec2u(p.first + column, bitcast<u32>(magnitude(z, c)));
    atomicAdd(&sums[row * ((p.stride - p.begin) / SEGMENT) + (column - p.begin) / SEGMENT], 1u);
  }
  pool[id] = entry;
  if (ties > 0u) {
    atomicAdd(&head[0], ties);
  }
}
