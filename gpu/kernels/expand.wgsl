// expand: the bits of screen.wgsl as a list, for settle.wgsl.
//
//   sums  from `masks` the bits: read. [row * segments + s] 0: written, where settle.wgsl counts what
//         is kept. From `places`: (first entry in the pool, how many) by segment: written; a
//         segment is 128 columns
//   head  [3 + rows] += entries: where the next ones go
//   pool  [keep] (column, row) of what passed: written; the entries of a segment lie together,
//         columns ascending. Entries past `keep` are dropped, and counted.
//
// grid             one thread a segment, in any two dimensions
// workgroup memory none, no barrier

const SEGMENT = 128u;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;
@group(0) @binding(2) var<storage, read_write> head: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> pool: array<vec2u>;

@compute @workgroup_size(64)
fn expand(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let id = (group.y * groups.x + group.x) * 64u + thread;
  let segments = (p.stride - p.begin) / SEGMENT;
  if (id >= p.rows * segments) {
    return;
  }
  let row = id / segments;
  let segment = id % segments;
  let masks = p.masks + ((row / 4u) * segments + segment) * 16u;
  let shift = 8u * (row % 4u);
  var count = 0u;
  for (var octet = 0u; octet < 16u; octet++) {
    count += countOneBits((sums[masks + octet] >> shift) & 255u);
  }
  var to = 0u;
  if (count > 0u) {
    to = atomicAdd(&head[3u + p.rows], count);
  }
  sums[id] = 0u;
  sums[p.places + 2u * id] = to;
  sums[p.places + 2u * id + 1u] = count;
  for (var octet = 0u; octet < 16u; octet++) {
    for (var bits = (sums[masks + octet] >> shift) & 255u; bits != 0u; bits &= bits - 1u) {
      if (to < p.keep) {
        pool[to] = vec2u(p.begin + segment * SEGMENT + octet * 8u + firstTrailingBit(bits), row);
      }
      to++;
    }
  }
}
