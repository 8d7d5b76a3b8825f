// entries: dL/df of each entry, d_i . s and the penalty's derivative.
//
//   s        [rows, groups, quads] vec4 f32
//   w        [width, quads] vec4 f32: W_dec
//   table, marks  see parts/cell.wgsl
//   figures  see figures.wgsl
//   lists    [width, stride] entries, whose last part is written;  counts [width]
//
// grid             a workgroup of 32 threads a feature, folded; no barrier
// numerics         f32, d ascending by vec4

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> s: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> table: array<vec4f>;
@group(0) @binding(4) var<storage, read> marks: array<u32>;
@group(0) @binding(5) var<storage, read> figures: array<vec4f>;
@group(0) @binding(6) var<storage, read> counts: array<u32>;
@group(0) @binding(7) var<storage, read_write> lists: array<vec4u>;

fn penalty_of(f: f32, t: vec4f, row: u32) -> f32 {
  switch p.penalty {
    case L1: {
      return select(1.0, t.w, flagged(NORMED));
    }
    case LP: {
      return select(0.0, p.power * pow(f, p.power - 1.0), f > 0.0);
    }
    case ROOT: {
      return select(0.0, figures[row * 2u + 1u].x * pow(f, p.power - 1.0), f > 0.0);
    }
    case TANH: {
      let u = tanh_of(p.scale * f * t.w);
      return p.scale * t.w * (1.0 - u * u);
    }
    default: {
      return 0.0;
    }
  }
}

@compute @workgroup_size(32)
fn entries(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let i = group.y * groups.x + group.x;
  if (i >= p.n) {
    return;
  }
  let t = table[i];
  let g = select(0u, marks[i] >> 1u, p.groups > 1u);
  let size = counts[i];
  for (var e = thread; e < size; e += 32u) {
    let entry = lists[i * p.stride + e];
    var slope = p.coefficient * t.w;
    if (p.mode != BELOW) {
      let base = (entry.x * p.groups + g) * p.quads;
      slope = 0.0;
      for (var q = 0u; q < p.quads; q++) {
        slope += dot(w[i * p.quads + q], s[base + q]);
      }
      if (p.mode < GATED) {
        slope += p.coefficient * penalty_of(bitcast<f32>(entry.y), t, entry.x);
      }
    }
    lists[i * p.stride + e].w = bitcast<u32>(slope);
  }
}
