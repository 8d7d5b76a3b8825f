// Features as marks: an instanced square each, cut to its class's shape by a distance function.
// The shapes are those of marks.ts; y runs down here as it does there. Positions are the cube's.

struct View {
  matrix: mat4x4f,
  // CSS pixels of the picture, device pixels in one of them, radius of a mark.
  size: vec2f,
  scale: f32,
  radius: f32,
  // Clip w of the cube's middle, where marks have that radius; width of the ring between marks.
  middle: f32,
  halo: f32,
  pad: vec2f,
  surface: vec4f,
  faded: vec4f,
  classes: array<vec4f, 5>,
}

struct Mark {
  @location(0) position: vec3f,
  // Class in bits 0 to 2, then 8: open, 16: faded.
  @location(1) kind: u32,
}

struct Corner {
  @builtin(position) position: vec4f,
  // From the mark's middle, in CSS pixels.
  @location(0) at: vec2f,
  @location(1) @interpolate(flat) kind: u32,
  @location(2) @interpolate(flat) radius: f32,
}

@group(0) @binding(0) var<uniform> view: View;

@vertex
fn corner(@builtin(vertex_index) index: u32, mark: Mark) -> Corner {
  let side = vec2f(f32(index & 1u), f32(index >> 1u)) * 2.0 - 1.0;
  let clip = view.matrix * vec4f(mark.position, 1.0);
  var out: Corner;
  out.kind = mark.kind;
  out.radius = view.radius * clamp(view.middle / clip.w, 0.7, 1.5);
  out.at = side * (out.radius * 1.3 + view.halo + 1.0);
  out.position = clip + vec4f(out.at * vec2f(2.0, -2.0) / view.size * clip.w, 0.0, 0.0);
  return out;
}

/// Distance to a shape's edge in radii, negative inside.
fn edge(shape: u32, p: vec2f) -> f32 {
  switch shape {
    case 1u { return max(-p.y - 0.75, (abs(p.x) * 1.9 + p.y * 1.1 - 1.265) / 2.195449); }
    case 2u { return (abs(p.x) + abs(p.y) - 1.25) * 0.70710678; }
    case 3u { return max(p.y - 0.75, (abs(p.x) * 1.9 - p.y * 1.1 - 1.265) / 2.195449); }
    case 4u { return max(abs(p.x), abs(p.y)) - 0.88; }
    default { return length(p) - 1.0; }
  }
}

struct Pixel {
  @location(0) color: vec4f,
  @builtin(sample_mask) samples: u32,
}

@fragment
fn paint(in: Corner) -> Pixel {
  let shape = in.kind & 7u;
  // Everything in device pixels from here.
  let away = edge(shape, in.at / in.radius) * in.radius * view.scale;
  var color = select(view.classes[shape], view.faded, (in.kind & 16u) != 0u);
  if (in.kind & 8u) != 0u {
    let stroke = max(1.0, 0.36 * in.radius * view.scale);
    color = mix(color, view.surface, clamp(-away - stroke + 0.5, 0.0, 1.0));
  }
  color = mix(color, view.surface, clamp(away + 0.5, 0.0, 1.0));
  // Four samples: as many of them as the pixel is covered.
  let covered = clamp(0.5 - (away - view.halo * view.scale), 0.0, 1.0);
  let samples = u32(round(covered * 4.0));
  if samples == 0u {
    discard;
  }
  var out: Pixel;
  out.color = vec4f(color.rgb, 1.0);
  out.samples = (1u << samples) - 1u;
  return out;
}
