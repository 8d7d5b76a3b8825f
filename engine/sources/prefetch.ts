/**
 * Batches one ahead of their consumer: while one is worked on, the next is
 * made, and never more than that one. Aborting ends the wait at once.
 */

/** Rejects as soon as `signal` aborts, with its reason; otherwise settles as `promise` does. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  signal.throwIfAborted();
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/**
 * Yields produce(0), produce(1), …, produce(count - 1). `produce` is given a
 * signal that aborts when the consumer stops, by `signal` or by leaving its loop.
 */
export async function* prefetch<T>(count: number, produce: (index: number, signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
  signal?.throwIfAborted();
  const stopped = new AbortController();
  const start = (index: number): Promise<T> => {
    const promise = produce(index, stopped.signal);
    // It may fail while nobody waits for it: the error is seen when its turn comes.
    promise.catch(() => undefined);
    return promise;
  };
  try {
    let pending = count > 0 ? start(0) : null;
    for (let index = 0; pending !== null; index++) {
      const value: T = await abortable(pending, signal);
      pending = index + 1 < count ? start(index + 1) : null;
      yield value;
      signal?.throwIfAborted();
    }
  } finally {
    stopped.abort();
  }
}
