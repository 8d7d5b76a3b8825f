/**
 * batchtopk: the largest pre-activations of a whole batch, of which no more are held
 * than a few times as many as are wanted. A candidate's key is the order-preserving bits of what is
 * ranked above, the complement of row * n + feature below: keys are distinct, and of equal
 * ranks the lowest row, then the lowest feature goes first.
 */
import { bins } from '../memory';
import { BAD_PREACTIVATION, FLAGS, ROW_SHIFT } from '../rows';

/**
 * Adds the candidates of some rows: positive, and with a rank above `floor`.
 *
 * @param z, ranks `rows` rows of `columns` f32, `stride` bytes apart; the same where z is what is ranked
 * @param first row * n of row 0; `n` features
 * @param keys u64, zs f32: written from `at` on
 * @returns where the next candidate goes
 */
export function keep(z: usize, ranks: usize, stride: usize, rows: u32, columns: u32, first: u32, n: u32, floor: f32, state: usize, keys: usize, zs: usize, at: u32): u32 {
  const edge = f32x4.splat(floor);
  for (let r: u32 = 0; r < rows; r++) {
    let bad = i32x4.splat(0);
    for (let c: u32 = 0; c < columns; c += 4) {
      const value = v128.load(ranks + (<usize>c << 2));
      bad = v128.or(bad, f32x4.sub(value, value));
      let mask = i32x4.bitmask(f32x4.gt(value, edge));
      while (mask) {
        const column = c + ctz(mask);
        mask &= mask - 1;
        const activation = load<f32>(z + (<usize>column << 2));
        if (!(activation > 0)) continue;
        // Positive: its bits ascend as they are.
        const bits = reinterpret<u32>(load<f32>(ranks + (<usize>column << 2)));
        store<u64>(keys + (<usize>at << 3), (<u64>bits << 32) | <u64>~(first + column));
        store<f32>(zs + (<usize>at << 2), activation);
        at++;
      }
    }
    if (v128.any_true(bad)) store<u32>(state, load<u32>(state, FLAGS) | BAD_PREACTIVATION, FLAGS);
    z += stride;
    ranks += stride;
    first += n;
    state += 1 << ROW_SHIFT;
  }
  return at;
}

/**
 * Keeps the `wanted` largest of `count` candidates in their order, 1 <= wanted <= count: radix
 * selection, 8 bits a pass.
 *
 * @returns the smallest rank that was kept: a later candidate must be above it, because it loses a tie
 */
export function keepLargest(keys: usize, zs: usize, count: u32, wanted: u32): f32 {
  const end = keys + (<usize>count << 3);
  let prefix: u64 = 0;
  let fixed: u64 = 0;
  let left = wanted;
  for (let shift: u64 = 56; ; shift -= 8) {
    memory.fill(bins, 0, 1024);
    for (let at = keys; at < end; at += 8) {
      const key = load<u64>(at);
      if ((key & fixed) == prefix) {
        const bin = bins + (<usize>((key >> shift) & 255) << 2);
        store<u32>(bin, load<u32>(bin) + 1);
      }
    }
    let digit: u64 = 255;
    let size = load<u32>(bins + (<usize>digit << 2));
    while (size < left) {
      left -= size;
      digit--;
      size = load<u32>(bins + (<usize>digit << 2));
    }
    prefix |= digit << shift;
    fixed |= <u64>255 << shift;
    if (size == left) break;
  }
  let to: usize = 0;
  let smallest: u64 = u64.MAX_VALUE;
  for (let from: usize = 0; from < <usize>count; from++) {
    const key = load<u64>(keys + (from << 3));
    if (key < prefix) continue;
    store<u64>(keys + (to << 3), key);
    store<f32>(zs + (to << 2), load<f32>(zs + (from << 2)));
    smallest = min(smallest, key);
    to++;
  }
  return reinterpret<f32>(<u32>(smallest >> 32));
}

/** Entries from keys, which ascend by row and feature. */
export function spreadKeys(keys: usize, count: u32, rows: u32, n: u32, ids: usize, offsets: usize): void {
  let entry: u32 = 0;
  for (let r: u32 = 0; r < rows; r++) {
    store<u32>(offsets + (<usize>r << 2), entry);
    const begin = r * n;
    while (entry < count) {
      const feature = ~(<u32>load<u64>(keys + (<usize>entry << 3))) - begin;
      if (feature >= n) break;
      store<u32>(ids + (<usize>entry << 2), feature);
      entry++;
    }
  }
  store<u32>(offsets + (<usize>rows << 2), entry);
}
