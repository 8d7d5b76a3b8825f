// decode: what a chunk's rows reconstruct, less what they should: for each group the activations
// below its width.
//
//   list, counts  see figures.wgsl
//   w       [width, quads] vec4 f32: W_dec
//   bias    [quads] vec4 f32: b_dec, where BIASED
//   marks   [width] group << 1 | dead
//   target  r_g = y_g + sign * target[row * stride + offset + quad]
//   r       [rows, groups, quads] vec4 f32: written
//
// grid             one thread a vec4 of a row, folded; 64 threads, no barrier
// numerics         f32, b_dec first, features ascending

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> list: array<vec2u>;
@group(0) @binding(2) var<storage, read> counts: array<u32>;
@group(0) @binding(3) var<storage, read> w: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read> marks: array<u32>;
@group(0) @binding(6) var<storage, read> aim: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> r: array<vec4f>;

@compute @workgroup_size(64)
fn reconstruct(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = number(group, groups, thread);
  let row = at / p.quads;
  let q = at % p.quads;
  if (row >= p.count) {
    return;
  }
  let to = (p.first + row) * p.groups * p.quads + q;
  let total = counts[row * (p.width / 64u)];
  let wanted = p.sign * aim[(p.first + row) * p.stride + p.offset + q];
  var y = select(vec4f(), bias[q], flagged(BIASED));
  var g = 0u;
  for (var e = 0u; e < total; e++) {
    let entry = list[row * p.width + e];
    if (p.groups > 1u) {
      let own = marks[entry.x] >> 1u;
      for (; g < own; g++) {
        r[to + g * p.quads] = y + wanted;
      }
    }
    y += bitcast<f32>(entry.y) * w[entry.x * p.quads + q];
  }
  for (; g < p.groups; g++) {
    r[to + g * p.quads] = y + wanted;
  }
}
