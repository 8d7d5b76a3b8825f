/** Long computations that let events in: an abort, a frame, a message. */

/** How long a thread computes before it pauses, ms. */
const SLICE = 40;

export class Pace {
  readonly #signal: AbortSignal | undefined;
  #resumed = performance.now();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** True when it is time to `pause`; asked between steps, so that short work has no pause at all. */
  get isDue(): boolean {
    return performance.now() - this.#resumed > SLICE;
  }

  /** Ends the current task, serves events, and goes on. @throws the signal's reason when aborted */
  async pause(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#signal?.throwIfAborted();
    this.#resumed = performance.now();
  }
}
