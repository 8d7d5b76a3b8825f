/**
 * Exact selection for topk, block by block, without a row of pre-activations
 * ever being whole: each row holds candidates, and a floor that a new z must
 * exceed to be one. When the candidates are many, the k + 1 largest stay and
 * the smallest of them becomes the floor (k + 1, because the first one that is
 * left out says how near the selection was to another).
 *
 * A candidate is a 64-bit key: the f32's order-preserving bits above, the
 * feature's complement below. Keys are distinct, larger means selected first,
 * and so ties go to the lowest feature. -0 counts as +0. The floor begins at
 * -tol_r: a smaller z can neither be in the codes (they keep z > 0) nor be a
 * near tie. Blocks come in ascending order and pruning is stable, so
 * candidates always ascend by feature.
 *
 * Cost a row: one comparison per feature, and radix selections over the
 * candidates, each of which removes at least half of them.
 */
import { bins } from './memory';
import { BAD_PREACTIVATION, FLAGS, FLOOR, HELD, ROW_SHIFT, TIES, TOLERANCE } from './rows';

// @ts-ignore: decorator
@inline function keyOf(z: f32, feature: u32): u64 {
  const bits = reinterpret<i32>(z + 0);
  return (<u64>(<u32>(bits ^ ((bits >> 31) | 0x80000000))) << 32) | <u64>~feature;
}

// @ts-ignore: decorator
@inline function valueOf(key: u64): f32 {
  const bits = <i32>(key >> 32);
  return reinterpret<f32>(bits ^ (~(bits >> 31) | 0x80000000));
}

/**
 * Adds a tile's candidates.
 *
 * @param z `rows` rows of `columns` f32 (a multiple of 4; columns past d_sae hold -FLT_MAX), `stride` bytes apart
 * @param first feature of column 0; `state` the rows' records
 * @param keep k + 1
 * @param capacity candidates that a row has room for: at least keep + columns after the last pruning
 * @param candidates [rows][capacity] u64
 * @param full prune a row that holds more than this, keep <= full <= capacity - columns
 */
export function collect(z: usize, stride: usize, rows: u32, columns: u32, first: u32, state: usize, keep: u32, full: u32, candidates: usize, capacity: u32): void {
  for (let r: u32 = 0; r < rows; r++) {
    const row = z + <usize>r * stride;
    const held = load<u32>(state, HELD);
    const floor = f32x4.splat(load<f32>(state, FLOOR));
    let to = candidates + (<usize>held << 3);
    let bad = i32x4.splat(0);
    for (let c: u32 = 0; c < columns; c += 4) {
      const value = v128.load(row + (<usize>c << 2));
      bad = v128.or(bad, f32x4.sub(value, value));
      let above = i32x4.bitmask(f32x4.gt(value, floor));
      while (above) {
        const column = c + ctz(above);
        store<u64>(to, keyOf(load<f32>(row + (<usize>column << 2)), first + column));
        to += 8;
        above &= above - 1;
      }
    }
    let now = <u32>((to - candidates) >> 3);
    if (now > full) {
      store<f32>(state, valueOf(prune(candidates, now, keep)), FLOOR);
      now = keep;
    }
    store<u32>(state, now, HELD);
    if (v128.any_true(bad)) store<u32>(state, load<u32>(state, FLAGS) | BAD_PREACTIVATION, FLAGS);
    candidates += <usize>capacity << 3;
    state += 1 << ROW_SHIFT;
  }
}

/**
 * Ends the rows: writes the entries, the k largest that are above 0, and counts
 * a row as a near tie when the k-th and the next are closer than tol_r or a
 * selected |z| is below tol_r.
 *
 * @param counts [rows] u32: written; `out` (feature u32, value f32) pairs, room for rows * min(k, d_sae)
 * @returns how many entries
 */
export function finish(rows: u32, k: u32, state: usize, candidates: usize, capacity: u32, counts: usize, out: usize): u32 {
  const begin = out;
  for (let r: u32 = 0; r < rows; r++) {
    let held = load<u32>(state, HELD);
    let next: u64 = 0;
    if (held > k) {
      if (held > k + 1) prune(candidates, held, k + 1);
      held = k + 1;
      next = least(candidates, held);
    }
    const rowBegin = out;
    let last: u64 = u64.MAX_VALUE;
    for (let i: u32 = 0; i < held; i++) {
      const key = load<u64>(candidates + (<usize>i << 3));
      if (key == next) continue;
      last = min(last, key);
      const value = valueOf(key);
      if (value > 0) {
        store<u32>(out, ~(<u32>key));
        store<f32>(out, value, 4);
        out += 8;
      }
    }
    store<u32>(counts + (<usize>r << 2), <u32>((out - rowBegin) >> 3));
    if (last != u64.MAX_VALUE) {
      const tolerance = load<f32>(state, TOLERANCE);
      const smallest = valueOf(last);
      if (smallest < tolerance || (next != 0 && smallest - valueOf(next) < tolerance)) {
        store<u32>(state, load<u32>(state, TIES) + 1, TIES);
      }
    }
    candidates += <usize>capacity << 3;
    state += 1 << ROW_SHIFT;
  }
  return <u32>((out - begin) >> 3);
}

/**
 * First floors for rows that are there whole: of 64 groups of columns (those that leave the
 * same remainder) the largest values are found, and of these the keep-th largest. So many
 * values are no smaller, and what is smaller is not among the `keep` largest of the row. Of
 * random values about 1.5 keep are left above such a floor.
 *
 * @param z, stride, rows, columns, state as in `collect`; @param keep at most 64
 */
export function firstFloors(z: usize, stride: usize, rows: u32, columns: u32, state: usize, keep: u32): void {
  const even = columns & ~63;
  if (even == 0 || keep > 64) return;
  for (let r: u32 = 0; r < rows; r++) {
    const row = z + <usize>r * stride;
    // 32 groups a time are what the registers hold.
    for (let half: usize = 0; half < 256; half += 128) {
      let at = row + half;
      let m0 = v128.load(at);
      let m1 = v128.load(at, 16);
      let m2 = v128.load(at, 32);
      let m3 = v128.load(at, 48);
      let m4 = v128.load(at, 64);
      let m5 = v128.load(at, 80);
      let m6 = v128.load(at, 96);
      let m7 = v128.load(at, 112);
      const end = row + (<usize>even << 2);
      for (at += 256; at < end; at += 256) {
        // b where a < b: NaN stays out, and is found by `collect`.
        m0 = f32x4.pmax(m0, v128.load(at));
        m1 = f32x4.pmax(m1, v128.load(at, 16));
        m2 = f32x4.pmax(m2, v128.load(at, 32));
        m3 = f32x4.pmax(m3, v128.load(at, 48));
        m4 = f32x4.pmax(m4, v128.load(at, 64));
        m5 = f32x4.pmax(m5, v128.load(at, 80));
        m6 = f32x4.pmax(m6, v128.load(at, 96));
        m7 = f32x4.pmax(m7, v128.load(at, 112));
      }
      const to = bins + half;
      v128.store(to, m0);
      v128.store(to, m1, 16);
      v128.store(to, m2, 32);
      v128.store(to, m3, 48);
      v128.store(to, m4, 64);
      v128.store(to, m5, 80);
      v128.store(to, m6, 96);
      v128.store(to, m7, 112);
    }
    const floor = max(load<f32>(state, FLOOR), below(largestOf64(keep)));
    store<f32>(state, floor, FLOOR);
    state += 1 << ROW_SHIFT;
  }
}

/** The keep-th largest of 64 f32 in `bins`: the largest that `keep` of them reach. */
function largestOf64(keep: u32): f32 {
  let found: f32 = -f32.MAX_VALUE;
  for (let i: usize = 0; i < 256; i += 4) {
    const value = load<f32>(bins + i);
    if (!(value > found)) continue;
    const splat = f32x4.splat(value);
    let reach = i32x4.splat(0);
    for (let j: usize = 0; j < 256; j += 16) reach = i32x4.sub(reach, f32x4.ge(v128.load(bins + j), splat));
    const count = i32x4.extract_lane(reach, 0) + i32x4.extract_lane(reach, 1) + i32x4.extract_lane(reach, 2) + i32x4.extract_lane(reach, 3);
    if (<u32>count >= keep) found = value;
  }
  return found;
}

/** The next f32 below: what equals the value is above it. */
// @ts-ignore: decorator
@inline function below(value: f32): f32 {
  const bits = reinterpret<i32>(value);
  if (bits << 1 == 0) return -f32.MIN_VALUE;
  return reinterpret<f32>(bits > 0 ? bits - 1 : bits + 1);
}

/**
 * Floors for rows of which upper bounds have been collected: where `keep` z are no further
 * than `width` below the keep-th largest bound, what is lower than that is not among them.
 *
 * @param bounded the records that the bounds were collected with, `candidates` of theirs
 * @param state the rows' own records: their floors are raised
 * @param widths f32, 16 bytes apart
 */
export function raiseFloors(rows: u32, keep: u32, bounded: usize, candidates: usize, capacity: u32, state: usize, widths: usize): void {
  for (let r: u32 = 0; r < rows; r++) {
    const held = load<u32>(bounded, HELD);
    if (held >= keep) {
      const kth = valueOf(prune(candidates, held, keep));
      // The subtraction is rounded, and a z at the floor would be lost.
      const floor = kth - load<f32>(widths) - abs(kth) * <f32>1e-6 - <f32>1e-40;
      store<f32>(state, max(load<f32>(state, FLOOR), floor), FLOOR);
    }
    candidates += <usize>capacity << 3;
    bounded += 1 << ROW_SHIFT;
    state += 1 << ROW_SHIFT;
    widths += 16;
  }
}

function least(keys: usize, count: u32): u64 {
  let key: u64 = u64.MAX_VALUE;
  for (let i: u32 = 0; i < count; i++) key = min(key, load<u64>(keys + (<usize>i << 3)));
  return key;
}

/**
 * Radix selection, 8 bits a pass from the top: keeps the `keep` largest of
 * `count` keys in their order, 1 <= keep <= count.
 *
 * @returns the smallest key kept
 */
function prune(keys: usize, count: u32, keep: u32): u64 {
  const end = keys + (<usize>count << 3);
  let prefix: u64 = 0;
  let fixed: u64 = 0;
  let left = keep;
  for (let shift: u64 = 56; ; shift -= 8) {
    memory.fill(bins, 0, 1024);
    for (let at = keys; at < end; at += 8) {
      const key = load<u64>(at);
      if ((key & fixed) == prefix) {
        const bin = bins + (<usize>((key >> shift) & 255) << 2);
        store<u32>(bin, load<u32>(bin) + 1);
      }
    }
    // The digit of the last key to keep, and how many with that digit are kept.
    let digit: u64 = 255;
    let size = load<u32>(bins + (<usize>digit << 2));
    while (size < left) {
      left -= size;
      digit--;
      size = load<u32>(bins + (<usize>digit << 2));
    }
    prefix |= digit << shift;
    fixed |= <u64>255 << shift;
    // Keys are distinct: at the latest the last digit's bin holds exactly one.
    if (size == left) break;
  }
  let to = keys;
  let smallest: u64 = u64.MAX_VALUE;
  for (let at = keys; at < end; at += 8) {
    const key = load<u64>(at);
    if (key < prefix) continue;
    store<u64>(to, key);
    smallest = min(smallest, key);
    to += 8;
  }
  return smallest;
}
