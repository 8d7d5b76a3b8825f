// select: the `keep` largest of each row's first n z, exactly (topk).
//
//   z          [>= rows, stride] f32, row-major
//   tolerance  [>= rows] f32, tol_r of engine/codes.ts: only z > -tol_r is selected, since a
//              smaller z can neither be in the codes (z > 0) nor be near a decision
//   head       [1] = min(itself, the lowest row that has a z that is not finite)
//              [2 + r] how many were selected in row r: written
//   entries    [rows, keep] (feature, bits of z): written, features ascending within a
//              row; feature = first + column
//   1 <= keep <= n
//
// Radix selection: 4 passes of 8 bits over keys, u32s that order like the floats (-inf
// below all finite, -0 equal to +0). A pass counts the next digit of the keys that agree
// with the digits found so far; walking the bins from the top finds the digit of the
// keep-th largest. Then each thread counts what its stretch of the row contributes, and
// writes it after those before it.
//
// tie rule         of equal z, the lowest features
// grid             one workgroup a row, in any two dimensions
// workgroup memory 1,544 bytes; 13 barriers
// numerics         integers only: exact, and the same on every device

const THREADS = 64u;

struct Params {
  rows: u32,
  n: u32,
  stride: u32,
  first: u32,
  keep: u32,
  quads: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<u32>;
@group(0) @binding(2) var<storage, read> tolerance: array<f32>;
@group(0) @binding(3) var<storage, read_write> head: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> entries: array<vec2u>;

var<workgroup> bins: array<atomic<u32>, 256>;
var<workgroup> found: array<vec2u, 64>;
// What the walk found: the digits of the keep-th so far, and how many are needed of those that agree with them.
var<workgroup> shared_kth: u32;
var<workgroup> shared_need: u32;

fn keyOf(bits: u32) -> u32 {
  let plain = select(bits, 0u, bits == 0x80000000u);
  return plain ^ select(0x80000000u, 0xffffffffu, plain >= 0x80000000u);
}

@compute @workgroup_size(64)
fn select_rows(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = group.y * groups.x + group.x;
  if (row >= p.rows) {
    return;
  }
  let base = row * p.stride;
  let floor = keyOf(bitcast<u32>(-tolerance[row]));

  // The keep-th largest key above the floor, digit by digit; 0 when there are fewer.
  var kth = 0u;
  var known = 0u;
  var need = p.keep;
  for (var turn = 0u; turn < 4u; turn++) {
    let shift = 24u - 8u * turn;
    for (var i = thread; i < 256u; i += THREADS) {
      atomicStore(&bins[i], 0u);
    }
    workgroupBarrier();
    for (var i = thread; i < p.n; i += THREADS) {
      let key = keyOf(z[base + i]);
      if (key > floor && (key & known) == kth) {
        atomicAdd(&bins[(key >> shift) & 255u], 1u);
      }
    }
    workgroupBarrier();
    // One thread walks: on software adapters, 64 walks cost as much as everything else.
    if (thread == 0u) {
      var digit = 255u;
      loop {
        let size = atomicLoad(&bins[digit]);
        if (size >= need || digit == 0u) {
          break;
        }
        need -= size;
        digit--;
      }
      shared_kth = kth | (digit << shift);
      shared_need = need;
    }
    workgroupBarrier();
    kth = shared_kth;
    need = shared_need;
    known |= 255u << shift;
  }

  // `need` is now how many of those that equal the keep-th are selected.
  let stretch = (p.n + THREADS - 1u) / THREADS;
  let begin = min(thread * stretch, p.n);
  let end = min(begin + stretch, p.n);
  var above = 0u;
  var equal = 0u;
  var bad = false;
  for (var i = begin; i < end; i++) {
    let bits = z[base + i];
    let key = keyOf(bits);
    above += select(0u, 1u, key > max(kth, floor));
    equal += select(0u, 1u, key == kth && key > floor);
    bad = bad || (bits & 0x7f800000u) == 0x7f800000u;
  }
  if (bad) {
    atomicMin(&head[1], row);
  }
  found[thread] = vec2u(above, equal);
  workgroupBarrier();
  var before = vec2u();
  for (var i = 0u; i < thread; i++) {
    before += found[i];
  }
  if (thread == THREADS - 1u) {
    atomicStore(&head[2u + row], before.x + above + min(before.y + equal, need));
  }
  var ties = before.y;
  var to = row * p.keep + before.x + min(ties, need);
  for (var i = begin; i < end; i++) {
    let bits = z[base + i];
    let key = keyOf(bits);
    if (key <= floor || key < kth) {
      continue;
    }
    if (key == kth) {
      ties++;
      if (ties > need) {
        continue;
      }
    }
    entries[to] = vec2u(p.first + i, bits);
    to++;
  }
}
