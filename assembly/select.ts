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
