// figures: joins a row's segments, and adds up what the loss wants to know of its activations.
//
//   z, table  see parts/cell.wgsl
//   list      [count, width]: entries are brought together at the row's beginning
//   counts    [count, width / 64]: the row's total goes to its first place
//   figures   [rows, 2] vec4 f32: written in the first pass (modes up to GATED)
//             (entries with f > 0, penalty, penalty at `next`, least f > 0 or 0),
//             (factor of a root penalty's gradient, 0, 0, 0)
//
// grid             one thread a row of the chunk, folded; 64 threads, no barrier
// numerics         f32, features ascending

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> list: array<vec2u>;
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;
@group(0) @binding(5) var<storage, read_write> figures: array<vec4f>;

@compute @workgroup_size(64)
fn add_up(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = number(group, groups, thread);
  if (row >= p.count) {
    return;
  }
  let segments = p.width / 64u;
  let base = row * p.width;
  var to = base;
  var firing = 0u;
  var least = 0.0;
  var penalty = 0.0;
  var next = 0.0;
  for (var s = 0u; s < segments; s++) {
    let size = counts[row * segments + s];
    for (var e = 0u; e < size; e++) {
      let entry = list[base + s * 64u + e];
      list[to] = entry;
      to++;
      if (p.mode > GATED) {
        continue;
      }
      let t = table[entry.x];
      var f = bitcast<f32>(entry.y);
      if (f > 0.0) {
        least = select(min(least, f), f, firing == 0u);
        firing++;
      }
      if (p.mode == GATED) {
        f = z[(p.first + row) * p.width + entry.x] + t.z;
      }
      switch p.penalty {
        case L1: {
          penalty += f * select(1.0, t.w, flagged(NORMED));
        }
        case LP, ROOT: {
          if (f > 0.0) {
            penalty += pow(f, p.power);
            next += pow(f, p.next);
          }
        }
        case L0, L0_TARGET: {
          penalty += 1.0;
        }
        case TANH: {
          penalty += tanh_of(p.scale * f * t.w);
        }
        default: {}
      }
    }
  }
  counts[row * segments] = to - base;
  if (p.mode > GATED) {
    return;
  }
  var factor = 0.0;
  if (p.penalty == ROOT) {
    factor = select(0.0, pow(penalty, 1.0 / p.power - 1.0), penalty > 0.0);
    penalty = select(0.0, pow(penalty, 1.0 / p.power), penalty > 0.0);
    next = select(0.0, pow(next, 1.0 / p.next), next > 0.0);
  }
  let at = (p.first + row) * 2u;
  figures[at] = vec4f(f32(firing), penalty, next, least);
  figures[at + 1u] = vec4f(factor, 0.0, 0.0, 0.0);
}
