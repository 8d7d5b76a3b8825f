/**
 * A bump arena over linear memory: the weights lie at its bottom, what a batch
 * needs above them, and `reset(mark)` gives the latter back. There are no managed
 * objects in this module and no static data, so nothing else allocates: threads
 * that share a memory each have a stretch of it (`bound`) and nothing in common
 * but what they only read.
 */

/** The last 64 KiB of the 4 GiB stay out, so that no end wraps to 0. */
// @ts-ignore: decorator
@inline const CEILING: u32 = 0xffff0000;

/** Bytes at the arena's bottom: the histogram of select.ts, 256 u32. */
// @ts-ignore: decorator
@inline const BINS: usize = 1024;

/** This thread's histogram. */
export let bins: usize = (__heap_base + 15) & ~15;
let top: usize = bins + BINS;
let limit: u32 = CEILING;

/** The present top of the arena, to go back to with `reset`. */
export function mark(): usize {
  return top;
}

/** Frees everything allocated since `mark` returned this value. */
export function reset(to: usize): void {
  top = to;
}

/** From now on the arena is this stretch of a memory that is there already; both 16-byte aligned. */
export function bound(begin: usize, end: usize): void {
  bins = begin;
  top = begin + BINS;
  limit = <u32>end;
}

/** `bytes` of uninitialised memory, 16-byte aligned; 0 when they are not to be had. */
export function alloc(bytes: usize): usize {
  const start = top;
  const end = (<u64>start + <u64>bytes + 15) & ~15;
  if (end > limit) return 0;
  const pages = <i32>((end + 0xffff) >> 16);
  const missing = pages - memory.size();
  if (missing > 0 && memory.grow(missing) < 0) return 0;
  top = <usize>end;
  return start;
}
