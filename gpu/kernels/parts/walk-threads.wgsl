// Included by rank.wgsl where subgroups are not used: which bin the need-th largest lies in.

// The bin, and how many are needed of those in it, to `shared_digit` and `shared_need`.
fn walk(lane: Lane, need: u32) {
  // One thread walks: on software adapters, 64 walks cost as much as everything else.
  if (lane.index == 0u) {
    var left = need;
    var digit = 255u;
    loop {
      let size = atomicLoad(&bins[digit]);
      if (size >= left || digit == 0u) {
        break;
      }
      left -= size;
      digit--;
    }
    shared_digit = digit;
    shared_need = left;
  }
}
