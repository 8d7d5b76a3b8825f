// Included by rank.wgsl where the device has subgroups: as walk-threads.wgsl, by all threads at
// once. 1 barrier

fn walk(lane: Lane, need: u32) {
  // Each has a stretch of bins, from the top; their sums tell whose holds the one.
  let stretch = (256u + THREADS - 1u) / THREADS;
  let begin = min(lane.index * stretch, 256u);
  let end = min(begin + stretch, 256u);
  var sum = 0u;
  for (var i = begin; i < end; i++) {
    sum += atomicLoad(&bins[255u - i]);
  }
  let above = before(lane, vec2u(sum, 0u)).x;
  // Where there are fewer than are needed, it is the last bin.
  let last = begin < 256u && end == 256u;
  if (above < need && (above + sum >= need || last)) {
    var left = need - above;
    var i = begin;
    loop {
      let size = atomicLoad(&bins[255u - i]);
      if (size >= left || i + 1u >= end) {
        break;
      }
      left -= size;
      i++;
    }
    shared_digit = 255u - i;
    shared_need = left;
  }
}
