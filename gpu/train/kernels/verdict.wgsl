// verdict: whether there is to be an update, and what gradients are multiplied by.
//
//   totals   [size] vec4 f32: `quads` sums of squares of gradients, the others sums of the loss's terms
//   verdict  (1 where all are finite else 0, factor, squared norm, 0): written
//
// grid             one thread

@group(0) @binding(0) var<uniform> p: Update;
@group(0) @binding(1) var<storage, read> totals: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> verdict: array<f32>;

fn finite(value: f32) -> bool {
  // On the bits: WGSL lets a compiler assume that floats are finite.
  return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(1)
fn judge() {
  var squares = 0.0;
  var good = true;
  for (var i = 0u; i < p.size; i++) {
    let sum = totals[i].x + totals[i].y + (totals[i].z + totals[i].w);
    good = good && finite(sum);
    if (i < p.quads) {
      squares += sum;
    }
  }
  good = good && finite(squares);
  verdict[0] = select(0.0, 1.0, good);
  verdict[1] = select(1.0, min(1.0, p.clip / (sqrt(squares) + 1e-6)), (p.flags & CLIPPED) != 0u);
  verdict[2] = squares;
  verdict[3] = 0.0;
}
