// scan-lanes: as scan.wgsl, where the device has subgroups.
//
//   level, sums  as scan.wgsl has them, and the same numbers
//
// grid             one workgroup a run, in any two dimensions; a thread an entry, so that
//                  threads read what lies together
// workgroup memory see parts/before.wgsl
// numerics         exact while the total is below 2^32

const RUN = 64u;

struct Level {
  begin: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> level: Level;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(64)
fn scan(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let run = group.y * groups.x + group.x;
  if (run * RUN >= level.count) {
    return;
  }
  let lane = lane_of(thread);
  let i = run * RUN + lane.index;
  var value = 0u;
  if (i < level.count) {
    value = sums[level.begin + i];
  }
  let sum = before(lane, vec2u(value, 0u)).x;
  if (i < level.count) {
    sums[level.begin + i] = sum;
  }
  if (lane.index == RUN - 1u) {
    sums[level.begin + level.count + run] = sum + value;
  }
}
