// Included where the device has subgroups: sums over threads without workgroup memory. Right for
// subgroups of any size up to 512, of different sizes in one workgroup, partly filled, and made of
// any threads: nothing is assumed of how threads lie in subgroups, nor that it is the same in
// another workgroup. (Sizes of 4 to 128 are on record, and adapters that report another size than
// they have.)
//
// Only sums and maxima of u32 are used, in uniform control flow.

struct Lane {
  // A thread's place in the workgroup: 0, 1, ... with those of a subgroup next to each other, so
  // that sums over what comes before a place can be made of sums over subgroups. Which subgroup
  // comes first may differ from run to run: what is written may depend on places only by way
  // of what is done at them.
  index: u32,
  // Its place in its subgroup.
  rank: u32,
  // Its subgroup's, among the subgroups.
  group: u32,
}

// Subgroups so far in the upper half, threads of them in the lower.
var<workgroup> allotted: atomic<u32>;

// Once in a kernel.
fn lane_of(thread: u32) -> Lane {
  let rank = subgroupExclusiveAdd(1u);
  let size = subgroupAdd(1u);
  var begin = 0u;
  if (rank == 0u) {
    begin = atomicAdd(&allotted, size | 0x10000u);
  }
  // All but one of these are 0.
  begin = subgroupAdd(begin);
  return Lane((begin & 0xffffu) + rank, rank, begin >> 16u);
}

// Sum over the threads of the subgroup before this one.
fn ahead(value: u32) -> u32 {
  return subgroupExclusiveAdd(value);
}

// Sum over the subgroup.
fn together(value: u32) -> u32 {
  return subgroupAdd(value);
}

// What this thread adds to a bin (< 4096) for all of its subgroup that have the same one as the
// first that counts; 1 for every other that counts, 0 where another thread adds it.
fn lump(lane: Lane, bin: u32, counts: bool) -> u32 {
  let mine = select(0u, ((512u - lane.rank) << 12u) | bin, counts);
  let first = subgroupMax(mine);
  let same = counts && bin == (first & 4095u);
  let all = subgroupAdd(select(0u, 1u, same));
  return select(select(0u, 1u, counts && !same), all, counts && mine == first);
}
