// Included by the kernels that know the objective. z, and what goes by features, has `width`
// columns in memory, a multiple of 128; d is padded with zeros to `quads` vec4.
struct Params {
  // Rows of the batch; the chunk's first, and how many it has.
  rows: u32,
  first: u32,
  count: u32,
  n: u32,
  width: u32,
  quads: u32,
  // Reconstructions of this pass.
  groups: u32,
  mode: u32,
  flags: u32,
  penalty: u32,
  // Selections: how many are wanted, which digit is looked at, and how far indices are shifted up.
  need: u32,
  digit: u32,
  shift: u32,
  // Where in vec4 the target of a reconstruction lies.
  stride: u32,
  offset: u32,
  sign: f32,
  // Of the penalty, with the mean's 1 / rows.
  coefficient: f32,
  power: f32,
  next: f32,
  bandwidth: f32,
  scale: f32,
}

// What a pass reconstructs with (gpu/train/plan.ts).
const RELU = 0u;
const ROW_CUT = 1u;
const BATCH_CUT = 2u;
const JUMP = 3u;
const GATED = 4u;
const GATE_ALONE = 5u;
const AUXK = 6u;
const GHOST = 7u;
const BELOW = 8u;

const ONE_SIDED = 1u;
const TO_INPUT = 2u;
const RANK_BY_NORM = 4u;
const DETACHED = 8u;
const BIASED = 16u;
const HAS_GATE = 32u;
const AUX_RELU = 64u;
const NORMED = 128u;
const DIVIDED = 256u;

const L1 = 1u;
const LP = 2u;
const ROOT = 3u;
const L0 = 4u;
const L0_TARGET = 5u;
const TANH = 6u;

fn flagged(flag: u32) -> bool {
  return (p.flags & flag) != 0u;
}

// A thread's number in a grid that is folded in two dimensions.
fn number(group: vec3u, groups: vec3u, thread: u32) -> u32 {
  return (group.y * groups.x + group.x) * 64u + thread;
}
