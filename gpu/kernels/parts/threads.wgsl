// Included where subgroups are not used: parts/lanes.wgsl for subgroups of one thread.

struct Lane {
  index: u32,
  rank: u32,
  group: u32,
}

fn lane_of(thread: u32) -> Lane {
  return Lane(thread, 0u, thread);
}

fn ahead(value: u32) -> u32 {
  return 0u;
}

fn together(value: u32) -> u32 {
  return value;
}

fn lump(lane: Lane, bin: u32, counts: bool) -> u32 {
  return select(0u, 1u, counts);
}
