/**
 * Batches one ahead of their consumer: while one is worked on, the next is
 * made, and never more than that one. Aborting ends the wait at once.
 */
import { UsageError } from '../errors.js';
import type { BatchOptions } from './source.js';

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

/**
 * `prefetch` over the contexts that `options` ask for.
 * @param contexts how many the source has
 * @param read makes the batch of the contexts start .. end - 1
 * @throws UsageError when the range lies outside of the source
 */
export function contextBatches<T>(options: BatchOptions, contexts: number, read: (start: number, end: number, signal: AbortSignal) => Promise<T>): AsyncGenerator<T, void, undefined> {
  const { start = 0, end = contexts } = options;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start > end || end > contexts) {
    throw new UsageError(`contexts ${start} to ${end} were asked for, the source has ${contexts}`);
  }
  const size = Math.max(1, Math.floor(options.contextsPerBatch));
  return prefetch(Math.ceil((end - start) / size), (index, signal) => read(start + index * size, Math.min(start + (index + 1) * size, end), signal), options.signal);
}
