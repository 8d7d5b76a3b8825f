// Included where an entry's gradients are added up. `lists` holds entries (row, f, z, g) as bits,
// g = dL/df (entries.wgsl).

struct Slopes {
  // dL/dz, which goes to w_i, and through xbar to b_dec.
  z: f32,
  // gated: dL/dm.
  magnitude: f32,
  // gated: dL/dpi.
  gate: f32,
  // jumprelu: dL/dtheta.
  theta: f32,
}

fn slopes(entry: vec4u, t: vec4f) -> Slopes {
  let f = bitcast<f32>(entry.y);
  let value = bitcast<f32>(entry.z);
  let g = bitcast<f32>(entry.w);
  switch p.mode {
    case JUMP: {
      let u = (value - t.y) / p.bandwidth;
      let pull = select(0.0, -(t.y / p.bandwidth) * g, u > -0.5 && u < 0.5);
      return Slopes(select(0.0, g, value > t.y) - select(0.0, pull, flagged(TO_INPUT)), 0.0, 0.0, pull);
    }
    case GATED: {
      let m = select(0.0, g, f > 0.0);
      let gate = select(0.0, p.coefficient * select(1.0, t.w, flagged(NORMED)), p.penalty == L1);
      return Slopes(m * t.y + gate, m, gate, 0.0);
    }
    case GHOST: {
      let s = select(0.0, g * f, value <= 30.0);
      return Slopes(s, 0.0, s, 0.0);
    }
    case BELOW: {
      return Slopes(-g, 0.0, 0.0, g);
    }
    default: {
      return Slopes(g, 0.0, g, 0.0);
    }
  }
}
