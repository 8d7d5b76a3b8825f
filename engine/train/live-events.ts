/**
 * Events on their way to whoever listens. A run of thousands of steps a second
 * would fill a page with messages, so they wait here and go in batches.
 *
 * Kept true: order; a batch has one window of densities at most, that of all rows
 * since the last one; of snapshots it has the latest, and those of evaluated checkpoints (the
 * newest of them, up to SNAPSHOT_BYTES), so that who wants both gets both; of metrics that nobody
 * has fetched every second one goes when there are too many, the latest never.
 */
import type { DensityWindow } from './events.js';
import type { LiveEvent } from './live-messages.js';

/** Events that wait at most. */
const LIMIT = 4096;
/** What snapshots of evaluated checkpoints weigh together at most, while they wait. */
const SNAPSHOT_BYTES = 2 ** 26;

export class EventBuffer {
  #events: LiveEvent[] = [];

  get length(): number {
    return this.#events.length;
  }

  push(event: LiveEvent): void {
    if (event.type === 'snapshot') this.#makeRoom();
    if (event.type === 'densities') {
      const before = this.#take('densities');
      if (before !== null) return this.push({ type: 'densities', window: together(before.window, event.window) });
    }
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

  /** A snapshot takes the place of the others, but for those that belong to an evaluation. */
  #makeRoom(): void {
    const evaluated = new Set(this.#events.flatMap((event) => (event.type === 'checkpoint' && event.evaluation !== null ? [event.step] : [])));
    let bytes = 0;
    const kept = this.#events.reverse().filter((event) => {
      if (event.type !== 'snapshot') return true;
      const { encoder, decoder } = event.snapshot;
      bytes += encoder.byteLength + decoder.byteLength;
      return evaluated.has(event.snapshot.step) && bytes <= SNAPSHOT_BYTES;
    });
    this.#events = kept.reverse();
  }

  /** Takes the event of a kind out, of which there is one at most. */
  #take<T extends LiveEvent['type']>(type: T): (LiveEvent & { readonly type: T }) | null {
    const at = this.#events.findIndex((event) => event.type === type);
    return at < 0 ? null : ((this.#events.splice(at, 1)[0] as LiveEvent & { readonly type: T }) ?? null);
  }

  #thin(): void {
    let odd = false;
    const kept = this.#events.reverse().filter(({ type }) => type !== 'metrics' || (odd = !odd));
    this.#events = kept.reverse();
  }
}

/** Two windows that follow each other, as one of both their rows. */
function together(first: DensityWindow, second: DensityWindow): DensityWindow {
  return { step: second.step, rows: first.rows + second.rows, counts: second.counts.map((count, feature) => count + (first.counts[feature] as number)) };
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
