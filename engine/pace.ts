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
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#signal?.throwIfAborted();
    this.#resumed = performance.now();
  }
}
