// accumulate: adds a chunk's entries to the gradients of W_dec and W_enc.
//
//   lists   [width, stride] entries;  counts [width];  table, marks see parts/cell.wgsl
//   s       [rows, groups, quads] vec4 f32
//   xbar    [rows, quads] vec4 f32
//   g_dec, g_enc  [width, quads] vec4 f32, added to; g_dec not where DETACHED
//
// grid             one thread a vec4 of a feature, folded; 64 threads, no barrier
// numerics         f32, rows ascending, a chunk's sum before it is added

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> lists: array<vec4u>;
@group(0) @binding(2) var<storage, read> counts: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<vec4f>;
@group(0) @binding(4) var<storage, read> marks: array<u32>;
@group(0) @binding(5) var<storage, read> s: array<vec4f>;
@group(0) @binding(6) var<storage, read> xbar: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> g_dec: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> g_enc: array<vec4f>;

@compute @workgroup_size(64)
fn accumulate(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = number(group, groups, thread);
  let i = at / p.quads;
  let q = at % p.quads;
  if (i >= p.n) {
    return;
  }
  let size = counts[i];
  if (size == 0u) {
    return;
  }
  let t = table[i];
  let g = select(0u, marks[i] >> 1u, p.groups > 1u);
  var dec = vec4f();
  var enc = vec4f();
  for (var e = 0u; e < size; e++) {
    let entry = lists[i * p.stride + e];
    dec += bitcast<f32>(entry.y) * s[(entry.x * p.groups + g) * p.quads + q];
    enc += slopes(entry, t).z * xbar[entry.x * p.quads + q];
  }
  if (!flagged(DETACHED)) {
    g_dec[at] += dec;
  }
  g_enc[at] += enc;
}
