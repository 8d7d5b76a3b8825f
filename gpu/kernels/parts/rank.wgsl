// Included by select.wgsl and merge.wgsl, which say what a row's items are: the `keep`
// largest of them above an edge, exactly, in their order.
//
// Radix selection: 4 passes of 8 bits over keys (key_of). A pass counts the next digit of
// the keys that agree with the digits found so far; walking the bins from the top finds
// the digit of the keep-th largest (walk-threads.wgsl, walk-lanes.wgsl). Then each thread
// counts what its stretch of the row contributes, and writes it after those before it.
//
// tie rule         of equal values, the first items
// workgroup        THREADS threads (override), at most 256, one row
// workgroup memory 3,084 bytes; 13 barriers, 17 with subgroups
// numerics         integers only: exact, and the same on every device

override THREADS = 64u;

var<workgroup> bins: array<atomic<u32>, 256>;
// What the walk found: the next digit of the keep-th, and how many are needed of those that agree with it so far.
var<workgroup> shared_digit: u32;
var<workgroup> shared_need: u32;

// Of the first n items those above `edge`. Writes the row's entries, how many there are to
// head[2 + row], and what the row's edge has become: where `keep` were found, nothing that is
// not above the last of them can be among them any more, if it comes after them.
fn rank(row: u32, n: u32, edge: u32, thread: u32) {
  let lane = lane_of(thread);
  // The keep-th largest key above the edge, digit by digit; 0 when there are fewer.
  var kth = 0u;
  var known = 0u;
  var need = p.keep;
  for (var turn = 0u; turn < 4u; turn++) {
    let shift = 24u - 8u * turn;
    for (var i = thread; i < 256u; i += THREADS) {
      atomicStore(&bins[i], 0u);
    }
    workgroupBarrier();
    // As often for every thread, since subgroups work together.
    for (var first = 0u; first < n; first += THREADS) {
      let i = first + thread;
      var key = 0u;
      if (i < n) {
        key = key_of(bits_at(row, i));
      }
      let digit = (key >> shift) & 255u;
      let count = lump(lane, digit, i < n && key > edge && (key & known) == kth);
      if (count > 0u) {
        atomicAdd(&bins[digit], count);
      }
    }
    workgroupBarrier();
    walk(lane, need);
    workgroupBarrier();
    kth |= shared_digit << shift;
    need = shared_need;
    known |= 255u << shift;
  }

  // `need` is now how many of those that equal the keep-th are selected.
  let bar = max(kth, edge);
  let stretch = (n + THREADS - 1u) / THREADS;
  let begin = min(lane.index * stretch, n);
  let end = min(begin + stretch, n);
  var above = 0u;
  var equal = 0u;
  var bad = false;
  for (var i = begin; i < end; i++) {
    let bits = bits_at(row, i);
    let key = key_of(bits);
    above += select(0u, 1u, key > bar);
    equal += select(0u, 1u, key == kth && key > edge);
    bad = bad || !finite(bitcast<f32>(bits));
  }
  if (bad) {
    atomicMin(&head[1], row);
  }
  let earlier = before(lane, vec2u(above, equal));
  if (lane.index == THREADS - 1u) {
    atomicStore(&head[2u + row], earlier.x + above + min(earlier.y + equal, need));
    edges[row] = max(edges[row], kth);
  }
  var ties = earlier.y;
  var to = row * p.keep + earlier.x + min(ties, need);
  for (var i = begin; i < end; i++) {
    let bits = bits_at(row, i);
    let key = key_of(bits);
    if (key <= edge || key < kth) {
      continue;
    }
    if (key == kth) {
      ties++;
      if (ties > need) {
        continue;
      }
    }
    entries[to] = vec2u(feature_at(row, i), bits);
    to++;
  }
}
