/**
 * Blocks of a batch, a few of them under way at once: while the host packs and
 * unpacks one, the GPU computes the next. Results come in order; of several
 * failures, the one of the first block counts.
 */

/** Blocks under way. More would hold more memory and win nothing. */
export const DEPTH = 3;

/**
 * @param starts first rows of the blocks
 * @param launch does a block's synchronous part at once and returns a promise of its result
 * @throws what the first failing block threw, or the reason of `signal`; nothing is under way any more then
 */
export async function pipelined<T>(starts: readonly number[], launch: (start: number) => Promise<T>, signal: AbortSignal | undefined): Promise<T[]> {
  const results: T[] = [];
  const running: Promise<T>[] = [];
  try {
    for (const start of starts) {
      signal?.throwIfAborted();
      const block = launch(start);
      block.catch(() => undefined);
      running.push(block);
      if (running.length >= DEPTH) results.push(await running.shift()!);
    }
    while (running.length > 0) {
      results.push(await running.shift()!);
      signal?.throwIfAborted();
    }
    return results;
  } finally {
    await Promise.allSettled(running);
  }
}
