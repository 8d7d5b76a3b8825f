// Included where pre-activations become activations. What is selected is a function of z, of the
// feature's entry in `table` and of a selection's `cuts`, so that it is never written densely.
//
//   table  [width] (b_enc, theta or exp(r_mag), b_gate, norm of d_i)
//   marks  [width] group << 1 | dead
//   cuts   by selection (key, index, _, _): see walk.wgsl

struct Cell {
  // It has an activation.
  on: bool,
  // Something depends on it; `on`, or within a threshold's window.
  live: bool,
  f: f32,
  z: f32,
}

// Integers that order like the floats; -0 is equal to +0.
fn key_of(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  let plain = select(bits, 0u, bits == 0x80000000u);
  return plain ^ select(0x80000000u, 0xffffffffu, plain >= 0x80000000u);
}

fn pre_of(row: u32, i: u32) -> f32 {
  return z[row * p.width + i] + select(0.0, table[i].z, flagged(HAS_GATE));
}

fn dead(i: u32) -> bool {
  return (marks[i] & 1u) == 1u;
}

// Whether a selection may take it.
fn candidate(value: f32, i: u32) -> bool {
  return select(value > 0.0, dead(i), p.mode == AUXK);
}

fn rank_of(value: f32, i: u32) -> u32 {
  return key_of(select(value, value * table[i].w, flagged(RANK_BY_NORM)));
}

// Descends where indices ascend: of equal ranks the lowest goes first.
fn index_of(row: u32, i: u32) -> u32 {
  return ~select(i, row * p.n + i, p.mode == BATCH_CUT) << p.shift;
}

fn cell(row: u32, i: u32) -> Cell {
  let value = pre_of(row, i);
  let t = table[i];
  switch p.mode {
    case ROW_CUT, BATCH_CUT, AUXK: {
      let cut = cuts[select(row, 0u, p.mode == BATCH_CUT)];
      let key = rank_of(value, i);
      var on = candidate(value, i) && (key > cut.x || (key == cut.x && index_of(row, i) >= cut.y));
      on = on && (value > 0.0 || (p.mode == AUXK && !flagged(AUX_RELU)));
      return Cell(on, on, value, value);
    }
    case JUMP: {
      let on = value > t.y;
      let u = (value - t.y) / p.bandwidth;
      return Cell(on, on || (u > -0.5 && u < 0.5), select(0.0, value, on), value);
    }
    case GATED: {
      let on = value > 0.0;
      return Cell(on, on, max(z[row * p.width + i] * t.y + t.x, 0.0), value);
    }
    case GHOST: {
      let on = dead(i);
      return Cell(on, on, exp(min(value, 30.0)), value);
    }
    case BELOW: {
      let on = dead(i) && value < t.y;
      return Cell(on, on, 0.0, value);
    }
    default: {
      let on = value > 0.0;
      return Cell(on, on, value, value);
    }
  }
}
