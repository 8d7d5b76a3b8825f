// Included by fire.wgsl and settle.wgsl: whether a feature is kept. They declare `p` and `head`.

// Decisions nearer than tol_r.
var<private> ties: u32;

// 1 where z of a row and column, whose c this is, passes its threshold (RANKED: whatever that is)
// and the row's edge, both strictly, by keys. Names the row where something is not finite.
fn kept(z: f32, c: vec4f, column: u32, near: f32, edge: u32, row: u32) -> u32 {
  if (column >= p.n) {
    return 0u;
  }
  let decision = decisive(z, c);
  if (!finite(z) || !finite(decision) || !finite(magnitude(z, c))) {
    atomicMin(&head[1], row);
  }
  ties += select(0u, 1u, abs(decision - c.y) < near);
  let bar = select(max(edge, key_of(bitcast<u32>(c.y))), edge, flagged(RANKED));
  return select(0u, 1u, key_of(bitcast<u32>(decision)) > bar);
}
