// fire: x @ w, bias, threshold or gate, and compaction, from registers: the pre-activations
// of columns begin .. n are decided on and never written.
//
//   x, w, columns  as tile.wgsl has them
//   tolerance  [rows] f32, tol_r of engine/codes.ts
//   edges      [rows] keys (key_of): only what is above its row's edge is kept
//   head       [0] += decisions with |z - threshold| < tol_r
//              [1] = min(itself, the lowest row that has a z that is not finite)
//              [3 + rows] += entries: where the next ones go
//   sums       [row * segments + s] how many are kept in segment s of the row: written; a
//              segment is 128 columns. From `places`: (first entry in the pool, how many)
//              by segment: written
//   pool       [keep] (feature, bits of the activation): written; the entries of a segment lie
//              together, features ascending, and segments in no order: gather.wgsl
//              brings them into it. Entries past `keep` are dropped, and counted.
//
// Kept is what is above its column's threshold (RANKED: whatever that is) and above
// its row's edge, both strictly, by keys. Ties are counted against the threshold.
//
// grid             (ceil(rows / 64), (stride - begin) / 128)
// workgroup        see parts/tile.wgsl
// workgroup memory 13,568 bytes
// numerics         as tile.wgsl; what is kept, and the order within a segment, do not depend
//                  on the order in which threads and workgroups run

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<Weight>;
@group(0) @binding(3) var<storage, read> columns: array<vec4f>;
@group(0) @binding(4) var<storage, read> tolerance: array<f32>;
@group(0) @binding(5) var<storage, read> edges: array<u32>;
@group(0) @binding(6) var<storage, read_write> head: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> sums: array<u32>;
@group(0) @binding(8) var<storage, read_write> pool: array<vec2u>;

// Which columns of the tile are kept, 4 words a row; WGSL begins with zeros.
var<workgroup> marks: array<atomic<u32>, 256>;
var<workgroup> places: array<u32, 64>;

// A quad of z (the bare product of a gated SAE) from the bare product.
fn biased(product: vec4f, c: mat4x4f) -> vec4f {
  return select(product + vec4f(c[0].x, c[1].x, c[2].x, c[3].x), product, flagged(GATED));
}

fn columns_of(quad: u32) -> mat4x4f {
  let c = quad * 4u;
  return mat4x4f(columns[c], columns[c + 1u], columns[c + 2u], columns[c + 3u]);
}

// Marks what is kept of 4 neighbouring columns of a row.
fn mark(top: u32, row: u32, left: u32, quad: u32, product: vec4f, c: mat4x4f) {
  if (top + row >= p.rows) {
    return;
  }
  let near = tolerance[top + row];
  let edge = edges[top + row];
  let z = biased(product, c);
  let at = (left + quad) * 4u;
  let bits = kept(z.x, c[0], at, near, edge, top + row) | (kept(z.y, c[1], at + 1u, near, edge, top + row) << 1u)
    | (kept(z.z, c[2], at + 2u, near, edge, top + row) << 2u) | (kept(z.w, c[3], at + 3u, near, edge, top + row) << 3u);
  if (bits != 0u) {
    atomicOr(&marks[row * 4u + quad / 8u], bits << (quad % 8u * 4u));
  }
}

// Writes what was marked of them.
fn place(row: u32, left: u32, quad: u32, product: vec4f, c: mat4x4f) {
  let word = quad / 8u;
  let shift = quad % 8u * 4u;
  let marked = atomicLoad(&marks[row * 4u + word]);
  let bits = (marked >> shift) & 15u;
  if (bits == 0u) {
    return;
  }
  var to = places[row] + countOneBits(marked & ((1u << shift) - 1u));
  for (var before = 0u; before < word; before++) {
    to += countOneBits(atomicLoad(&marks[row * 4u + before]));
  }
  let z = biased(product, c);
  let values = vec4f(magnitude(z.x, c[0]), magnitude(z.y, c[1]), magnitude(z.z, c[2]), magnitude(z.w, c[3]));
  for (var i = 0u; i < 4u; i++) {
    if (((bits >> i) & 1u) != 0u) {
      if (to < p.keep) {
        pool[to] = vec2u(p.first + (left + quad) * 4u + i, bitcast<u32>(values[i]));
      }
      to++;
    }
  }
}

@compute @workgroup_size(128)
fn fire(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let top = group.x * TILE_ROWS;
  let left = p.begin / 4u + group.y * 32u;
  let t = multiply(top, left, thread);
  let row = (thread / 16u) * 8u;
  let quad = thread % 16u;
  let cl = columns_of(left + quad);
  let cr = columns_of(left + quad + 16u);
  // Dynamic indices, so that the body is compiled once and not sixteen times.
  var l = array<vec4f, 8>(t.a0, t.a1, t.a2, t.a3, t.a4, t.a5, t.a6, t.a7);
  var r = array<vec4f, 8>(t.b0, t.b1, t.b2, t.b3, t.b4, t.b5, t.b6, t.b7);
  for (var i = 0u; i < 8u; i++) {
    mark(top, row + i, left, quad, l[i], cl);
    mark(top, row + i, left, quad + 16u, r[i], cr);
  }
  workgroupBarrier();
  let lane = lane_of(thread);
  let near = together(ties);
  if (lane.rank == 0u && near > 0u) {
    atomicAdd(&head[0], near);
  }
  // A thread a row.
  let counts = thread < TILE_ROWS && top + thread < p.rows;
  var count = 0u;
  if (counts) {
    for (var i = 0u; i < 4u; i++) {
      count += countOneBits(atomicLoad(&marks[thread * 4u + i]));
    }
  }
  // One takes the places of all of its subgroup's rows.
  let all = together(count);
  var begin = 0u;
  if (lane.rank == 0u && all > 0u) {
    begin = atomicAdd(&head[3u + p.rows], all);
  }
  let to = together(begin) + ahead(count);
  if (counts) {
    places[thread] = to;
    let segment = (top + thread) * groups.y + group.y;
    sums[segment] = count;
    sums[p.places + 2u * segment] = to;
    sums[p.places + 2u * segment + 1u] = count;
  }
  workgroupBarrier();
  for (var i = 0u; i < 8u; i++) {
    place(row + i, left, quad, l[i], cl);
    place(row + i, left, quad + 16u, r[i], cr);
  }
}
