// Included by the kernels of screened encode, which share a second uniform.
//
// A row x and a column w are rounded to 8-bit integers, x^ = s xq and w^ = S wq, but for a few
// dimensions that hold much of the rows' energy: there x^ is 0, and products are added in f32. For
// every row and column,
//
//   |fl(x.w) - (s S xq.wq + outliers)| <= ||x - x^|| ||w|| + ||x^|| ||w - w^|| + rel ||x|| ||w|| + tiny
//
// by Cauchy-Schwarz, where `relative` covers the f32 roundings of the dense sum and of this one, and
// `tiny` what is lost where f32 has no normal numbers. Norms are rounded up.
struct Screened {
  // Dimensions in f32: how many, and which.
  count: u32,
  relative: f32,
  tiny: f32,
  // d_in in words of 4 integers, a multiple of 4.
  depth: u32,
  outliers: array<vec4u, 2>,
}

// Below this, a row or column is rounded to 0.
const SMALL = 1e-30;
