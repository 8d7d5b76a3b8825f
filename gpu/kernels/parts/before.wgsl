// Included after threads.wgsl or lanes.wgsl: sums over the threads of a workgroup that come before one.
//
// workgroup memory 2,048 bytes; 1 barrier a call, and one is needed between calls

var<workgroup> totals: array<vec2u, 256>;

// Sum over the places before the lane's, in a workgroup of at most 256 threads.
fn before(lane: Lane, value: vec2u) -> vec2u {
  var sum = vec2u(ahead(value.x), ahead(value.y));
  let all = vec2u(together(value.x), together(value.y));
  if (lane.rank == 0u) {
    totals[lane.group] = all;
  }
  workgroupBarrier();
  for (var group = 0u; group < lane.group; group++) {
    sum += totals[group];
  }
  return sum;
}
