/**
 * Subgroups where a device has none, or of one size only: the three functions that
 * gpu/kernels/parts/lanes.wgsl uses, written in WGSL over workgroup memory. So the kernels' own
 * text is run with any size, by any compiler, and with threads that lie in subgroups in any order.
 */

/**
 * @param size threads of a subgroup
 * @param scatter odd; 1 puts threads into subgroups as they come, anything else strews them over
 *   256 places, so that in smaller workgroups subgroups are partly filled
 */
export function emulatedSubgroups(size: number, scatter: number): string {
  return `
var<private> emulated_place: u32;
var<workgroup> emulated_threads: atomic<u32>;
var<workgroup> emulated_values: array<u32, 256>;

// Where the values of the thread's subgroup begin.
fn emulated_share(value: u32) -> u32 {
  if (emulated_place == 0u) {
    emulated_place = ((atomicAdd(&emulated_threads, 1u) * ${scatter}u) & 255u) + 1u;
  }
  emulated_values[emulated_place - 1u] = value;
  workgroupBarrier();
  return (emulated_place - 1u) & ${256 - size}u;
}

fn subgroupAdd(value: u32) -> u32 {
  let begin = emulated_share(value);
  var sum = 0u;
  for (var i = 0u; i < ${size}u; i++) {
    sum += emulated_values[begin + i];
  }
  workgroupBarrier();
  return sum;
}

fn subgroupExclusiveAdd(value: u32) -> u32 {
  let begin = emulated_share(value);
  var sum = 0u;
  for (var i = begin; i < emulated_place - 1u; i++) {
    sum += emulated_values[i];
  }
  workgroupBarrier();
  return sum;
}

fn subgroupMax(value: u32) -> u32 {
  let begin = emulated_share(value);
  var most = 0u;
  for (var i = 0u; i < ${size}u; i++) {
    most = max(most, emulated_values[begin + i]);
  }
  workgroupBarrier();
  return most;
}
`;
}
