// tile: z = x @ w + b for some columns of a latent block, by tiles; for real GPUs.
//
//   x        [rows, 4 * quads] f32, row-major; d_in is padded with zeros
//   w        [4 * quads, stride] f32 or f16, row-major, padded with zeros
//   columns  [stride] per column: see params.wgsl; b is the first
//   z        [rows, width] f32, row-major: written, the first `width` columns of w
//
// grid             (ceil(rows / 64), width / 128): workgroups that follow each other share
//                  their columns of w, the larger of the two matrices
// workgroup        see parts/tile.wgsl
// numerics         the same bits as encode.wgsl, where the compiler contracts
//                  multiplications and additions in both or in neither

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<Weight>;
@group(0) @binding(3) var<storage, read> columns: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> z: array<vec4f>;

fn bias_of(quad: u32) -> vec4f {
  let c = quad * 4u;
  return select(vec4f(columns[c].x, columns[c + 1u].x, columns[c + 2u].x, columns[c + 3u].x), vec4f(), flagged(BARE));
}

@compute @workgroup_size(128)
fn tile(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let top = group.x * TILE_ROWS;
  let left = group.y * 32u;
  let t = multiply(top, left, thread);
  let row = top + (thread / 16u) * 8u;
  let quad = left + thread % 16u;
  let bias_left = bias_of(quad);
  let bias_right = bias_of(quad + 16u);
  var l = array<vec4f, 8>(t.a0, t.a1, t.a2, t.a3, t.a4, t.a5, t.a6, t.a7);
  var r = array<vec4f, 8>(t.b0, t.b1, t.b2, t.b3, t.b4, t.b5, t.b6, t.b7);
  for (var i = 0u; i < 8u; i++) {
    if (row + i < p.rows) {
      let out = (row + i) * (p.width / 4u) + quad;
      z[out] = l[i] + bias_left;
      z[out + 16u] = r[i] + bias_right;
    }
  }
}
