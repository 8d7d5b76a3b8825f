// bins: how many positive z there are, by 11 bits at a time (batchtopk).
//
//   z     [rows, width] f32, row-major; the first n columns of a row count
//   bins  [2048] u32, += the positive z by their bits 20 .. 30 where keep = 0; else, of those
//         whose bits 20 .. 31 are keep - 1, by their bits 9 .. 19
//
// grid             one workgroup for 64 rows x 128 columns: (n / 128 rounded up, ceil(rows / 64))
// workgroup memory 8,192 bytes: the tile's own bins, added to the batch's at the end, so that
//                  the few that most z fall in are not fought for; 1 barrier
// numerics         integer atomics only: exact, in any order

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<u32>;
@group(0) @binding(2) var<storage, read_write> bins: array<atomic<u32>>;

var<workgroup> own: array<atomic<u32>, 2048>;

@compute @workgroup_size(128)
fn bins_of(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = lane_of(thread);
  let column = group.x * 128u + thread;
  let end = min(group.y * 64u + 64u, p.rows);
  for (var row = group.y * 64u; row < end; row++) {
    var bits = 0u;
    if (column < p.n) {
      bits = z[row * p.width + column];
    }
    // 0 and everything negative are left out: their first bit, or all of them.
    let positive = bits != 0u && bits < 0x80000000u;
    let bin = select((bits >> 9u) & 2047u, bits >> 20u, p.keep == 0u) & 2047u;
    let size = lump(lane, bin, positive && (p.keep == 0u || (bits >> 20u) == p.keep - 1u));
    if (size > 0u) {
      atomicAdd(&own[bin], size);
    }
  }
  workgroupBarrier();
  for (var bin = thread; bin < 2048u; bin += 128u) {
    let size = atomicLoad(&own[bin]);
    if (size > 0u) {
      atomicAdd(&bins[bin], size);
    }
  }
}
