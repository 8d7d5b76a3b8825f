// Included by the kernels of encode, which share one uniform.
struct Params {
  // Rows of this submission.
  rows: u32,
  // Columns that count: past them there is padding, or what another dispatch looks at.
  n: u32,
  // Columns of w in memory, a multiple of 128.
  stride: u32,
  // The feature of column 0.
  first: u32,
  // Entries that there is room for: in all, or in a row.
  keep: u32,
  // d_in in vec4.
  quads: u32,
  // The first column that a fused pass looks at, a multiple of 128.
  begin: u32,
  // Columns of z in memory, a multiple of 128.
  width: u32,
  // Where the segments' places in the pool begin in `sums`.
  places: u32,
  // GATED, RANKED, BARE.
  flags: u32,
  // Where the bits of a screen begin in `sums`.
  masks: u32,
}

// The SAE is gated, and z is the bare product x.w.
const GATED = 1u;
// Thresholds do not count (topk).
const RANKED = 2u;
// A product is wanted without b.
const BARE = 4u;

// Flags are in the uniform and not overrides, so that a device compiles each kernel once.
fn flagged(flag: u32) -> bool {
  return (p.flags & flag) != 0u;
}

fn finite(value: f32) -> bool {
  // On the bits: WGSL lets a compiler assume that floats are finite.
  return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}

// Integers that order like the floats; -0 is equal to +0.
fn key_of(bits: u32) -> u32 {
  let plain = select(bits, 0u, bits == 0x80000000u);
  return plain ^ select(0x80000000u, 0xffffffffu, plain >= 0x80000000u);
}

// A column's c is (b_gate or b_enc, max(threshold, 0), b_enc, exp(r_mag)).

// The activation, should it fire.
fn magnitude(z: f32, c: vec4f) -> f32 {
  return select(z, z * c.w + c.z, flagged(GATED));
}

// What is compared: z, or for a gated SAE the smaller of gate and magnitude.
fn decisive(z: f32, c: vec4f) -> f32 {
  return select(z, min(z + c.x, z * c.w + c.z), flagged(GATED));
}
