/**
 * A bump arena over the whole of linear memory: the weights lie at its bottom,
 * what a batch needs above them, and `reset(mark)` gives the latter back. There
 * are no managed objects in this module, so nothing else allocates.
 */

let top: usize = (__heap_base + 15) & ~15;

/** The present top of the arena, to go back to with `reset`. */
export function mark(): usize {
  return top;
}

/** Frees everything allocated since `mark` returned this value. */
export function reset(to: usize): void {
  top = to;
}

/** `bytes` of uninitialised memory, 16-byte aligned; 0 when they are not to be had. */
export function alloc(bytes: usize): usize {
  const start = top;
  const end = (<u64>start + <u64>bytes + 15) & ~15;
  // The last 64 KiB of the 4 GiB stay out, so that no end wraps to 0.
  if (end > 0xffff0000) return 0;
  const pages = <i32>((end + 0xffff) >> 16);
  const missing = pages - memory.size();
  if (missing > 0 && memory.grow(missing) < 0) return 0;
  top = <usize>end;
  return start;
}
