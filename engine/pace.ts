/** Long computations that let events in: an abort, a frame, a message. */

/** How long a thread computes before it pauses, ms. */
const SLICE = 40;

export class Pace {
  readonly #signal: AbortSignal | undefined;
  readonly #slice: number;
  #resumed = performance.now();

  /** @param slice ms between pauses */
  constructor(signal: AbortSignal | undefined, slice = SLICE) {
    this.#signal = signal;
    this.#slice = slice;
  }

  /** True when it is time to `pause`; asked between steps, so that short work has no pause at all. */
  get isDue(): boolean {
    return performance.now() - this.#resumed > this.#slice;
  }

  /** Ends the current task, serves events, and goes on. @throws the signal's reason when aborted */
  async pause(): Promise<void> {
    await nextTask();
    this.#signal?.throwIfAborted();
    this.#resumed = performance.now();
  }
}

/** The next task: events that wait come before it. Browsers hold back timers that follow each other for 4 ms; messages they do not. */
function nextTask(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => void setImmediate(resolve));
  if (typeof MessageChannel === 'undefined') return new Promise((resolve) => void setTimeout(resolve, 0));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
