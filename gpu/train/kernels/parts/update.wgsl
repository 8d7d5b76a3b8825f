// Included by the kernels that change parameters.
struct Update {
  // vec4 of the parameter, and of a row of it.
  size: u32,
  quads: u32,
  // Parts of an inner product (dots.wgsl).
  parts: u32,
  flags: u32,
  b1: f32,
  b2: f32,
  // lr / (1 - b1^t); lr of sgd
  rate: f32,
  // 1 / sqrt(1 - b2^t)
  root: f32,
  eps: f32,
  clip: f32,
  rest1: f32,
  rest2: f32,
}

const ADAM = 1u;
const PARALLEL = 2u;
const AT_MOST = 4u;
const CLIPPED = 8u;
