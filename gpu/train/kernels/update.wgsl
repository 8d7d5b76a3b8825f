// update: Adam, or SGD with momentum, on one parameter.
//
//   g         [size] vec4 f32
//   verdict   see verdict.wgsl: nothing changes where it says so
//   along     [size / quads, parts] f32: parts of g . d_i, and squares the same of ||d_i||^2, where PARALLEL
//   w, m, v   [size] vec4 f32: the parameter and its moments; v not by SGD
//
// grid             one thread a vec4, folded; 64 threads, no barrier

@group(0) @binding(0) var<uniform> p: Update;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read> verdict: array<f32>;
@group(0) @binding(3) var<storage, read> along: array<f32>;
@group(0) @binding(4) var<storage, read> squares: array<f32>;
@group(0) @binding(5) var<storage, read_write> w: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> v: array<vec4f>;

@compute @workgroup_size(64)
fn update(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = (group.y * groups.x + group.x) * 64u + thread;
  if (at >= p.size || verdict[0] == 0.0) {
    return;
  }
  var gradient = g[at];
  if ((p.flags & PARALLEL) != 0u) {
    let row = at / p.quads * p.parts;
    var gd = 0.0;
    var dd = 0.0;
    for (var part = 0u; part < p.parts; part++) {
      gd += along[row + part];
      dd += squares[row + part];
    }
    gradient -= select(0.0, gd / dd, dd > 0.0) * w[at];
  }
  gradient *= verdict[1];
  if ((p.flags & ADAM) != 0u) {
    let first = p.b1 * m[at] + p.rest1 * gradient;
    let second = p.b2 * v[at] + p.rest2 * gradient * gradient;
    m[at] = first;
    v[at] = second;
    w[at] -= p.rate * first / (sqrt(second) * p.root + p.eps);
  } else {
    let first = p.b1 * m[at] + gradient;
    m[at] = first;
    w[at] -= p.rate * first;
  }
}
