// ghost: the ghost gradients' loss and what dead features see of it, from g = sum exp(z_i) d_i.
//
//   target  [rows, stride] vec4 f32: the residual r = xhat - x lies at `offset`; e = -r
//   errors  [rows, groups, need] f32: parts of ||r_g||^2;  norms  [rows, need] f32: of ||g||^2
//   g       [rows, quads] vec4 f32: read, and the loss's terms m (ghat - e)^2 in its place
//   s       [rows, quads] vec4 f32: written, dL/dg = scale c m (ghat - e)
//
// grid             one thread a vec4 of a row, folded; 64 threads, no barrier

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> aim: array<vec4f>;
@group(0) @binding(2) var<storage, read> errors: array<f32>;
@group(0) @binding(3) var<storage, read> norms: array<f32>;
@group(0) @binding(4) var<storage, read_write> g: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> s: array<vec4f>;

@compute @workgroup_size(64)
fn ghost(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = number(group, groups, thread);
  let row = at / p.quads;
  if (row >= p.rows) {
    return;
  }
  var ee = 0.0;
  var gg = 0.0;
  for (var part = 0u; part < p.need; part++) {
    ee += errors[((row + 1u) * p.groups - 1u) * p.need + part];
    gg += norms[row * p.need + part];
  }
  let c = sqrt(ee) / (2.0 * sqrt(gg) + 1e-6);
  let e = -aim[row * p.stride + p.offset + at % p.quads];
  let off = c * g[at] - e;
  let m = e * e / (off * off + 1e-6);
  g[at] = m * off * off;
  s[at] = (p.scale * c) * m * off;
}
