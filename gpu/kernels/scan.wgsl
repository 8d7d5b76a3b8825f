// scan: one level of an exclusive prefix sum over u32, by runs of 64.
//
//   sums  levels one after the other: `count` numbers from `begin`, and right after
//         them one number a run, ceil(count / 64)
//         read and written: each run becomes its own exclusive prefix sum, and its
//         total goes to the next level
//
// Applied level after level, until a level is one run: the prefix sum of entry i is
// level 0 at i + level 1 at i / 64 + ..., which scatter.wgsl adds up.
//
// grid             one thread a run, in any two dimensions: thread t of workgroup (x, y)
//                  is number (y * num_workgroups.x + x) * 64 + t
// workgroup memory none, no barrier, and no look-back, which would need forward
//                  progress between workgroups that not every GPU gives
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
  let run = (group.y * groups.x + group.x) * 64u + thread;
  let begin = run * RUN;
  if (begin >= level.count) {
    return;
  }
  let end = min(begin + RUN, level.count);
  var sum = 0u;
  for (var i = begin; i < end; i++) {
    let value = sums[level.begin + i];
    sums[level.begin + i] = sum;
    sum += value;
  }
  sums[level.begin + level.count + run] = sum;
}
