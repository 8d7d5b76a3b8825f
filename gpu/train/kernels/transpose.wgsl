// transpose: W_enc by feature as the kernels of encode read it.
//
//   w    [width, quads] vec4 f32
//   out  [4 * quads, width] f32: written
//
// grid             one thread 4 x 4 values, folded; 64 threads, no barrier

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn transpose_weights(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let columns = p.width / 4u;
  let at = number(group, groups, thread);
  if (at >= columns * p.quads) {
    return;
  }
  let q = at / columns;
  let i = at % columns;
  let base = i * 4u * p.quads + q;
  var t = transpose(mat4x4f(w[base], w[base + p.quads], w[base + 2u * p.quads], w[base + 3u * p.quads]));
  for (var c = 0u; c < 4u; c++) {
    out[(q * 4u + c) * columns + i] = t[c];
  }
}
