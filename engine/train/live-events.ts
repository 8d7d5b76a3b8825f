/**
 * Events on their way to whoever listens. A run of thousands of steps a second
 * would fill a page with messages, so they wait here and go in batches.
 *
 * Kept true: order; what only replaces an older figure (densities, snapshots)
 * is in a batch once, the latest; of metrics that nobody has fetched every
 * second one goes when there are too many, the latest never.
 */
import type { LiveEvent } from './live-messages.js';

/** Events that wait at most. */
const LIMIT = 4096;

export class EventBuffer {
  #events: LiveEvent[] = [];

  get length(): number {
    return this.#events.length;
  }

  push(event: LiveEvent): void {
    if (event.type === 'densities' || event.type === 'snapshot') this.#events = this.#events.filter(({ type }) => type !== event.type);
    // What was undone before anybody heard of it.
    if (event.type === 'rewound') this.#events = this.#events.filter((waiting) => stepOf(waiting) <= event.step);
    this.#events.push(event);
    if (this.#events.length > LIMIT) this.#thin();
  }

  /** All that waits; nothing does then. */
  drain(): LiveEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** The one that waits longest. */
  shift(): LiveEvent | undefined {
    return this.#events.shift();
  }

  #thin(): void {
    let odd = false;
    const kept = this.#events.reverse().filter(({ type }) => type !== 'metrics' || (odd = !odd));
    this.#events = kept.reverse();
  }
}

/** The step that an event is of. */
export function stepOf(event: LiveEvent): number {
  switch (event.type) {
    case 'metrics':
      return event.metrics.step;
    case 'densities':
      return event.window.step;
    case 'snapshot':
      return event.snapshot.step;
    default:
      return event.step;
  }
}
