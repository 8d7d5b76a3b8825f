/**
 * The events of all elements. They bubble and cross shadow boundaries, so that a
 * page listens once, on an ancestor; none is fired for what the page itself sets.
 *
 * `sae-select` is the one protocol for linked selection, across elements of
 * different authors: whoever lets features be chosen raises it, whoever holds
 * several elements together listens and sets their properties.
 */
import type { Pack } from '../../engine/pack/reader.js';

/** What kind of element a selection came from; elements of other authors name their own. */
export type SelectSource = 'card' | 'neighbour' | 'histogram' | 'table' | (string & {});

export interface SaeSelectInit {
  /** One feature, to be opened. */
  readonly feature?: number | null | undefined;
  /** A set of features, to be marked or filtered by; null when a set was taken away. */
  readonly features?: readonly number[] | null | undefined;
  readonly source?: SelectSource | undefined;
  /** The pack that the indices belong to, where it is open. */
  readonly pack?: Pack | null | undefined;
}

/** Features were chosen by a person. `preventDefault()` keeps an element from following its own choice. */
export class SaeSelectEvent extends Event {
  /** The feature to open; null when the choice is a set. */
  readonly feature: number | null;
  /** All features of the choice, `[feature]` for a single one; null when the choice was taken away. */
  readonly features: readonly number[] | null;
  readonly source: SelectSource;
  readonly pack: Pack | null;

  constructor({ feature = null, features, source = '', pack = null }: SaeSelectInit) {
    super('sae-select', { bubbles: true, composed: true, cancelable: true });
    this.feature = feature;
    this.features = features ?? (feature === null ? null : [feature]);
    this.source = source;
    this.pack = pack;
  }
}

/** A person moved to another step of a training run; who holds several views together sets `step` on all of them. */
export class SaeScrubEvent extends Event {
  /** Null for the last step there is. */
  readonly step: number | null;

  constructor(step: number | null) {
    super('sae-scrub', { bubbles: true, composed: true, cancelable: true });
    this.step = step;
  }
}

/** An element shows what its `src` or its inline data said. */
export class SaeLoadEvent extends Event {
  constructor() {
    super('sae-load', { bubbles: true, composed: true });
  }
}

/** An element could not get what it shows; it says so itself, too. */
export class SaeErrorEvent extends Event {
  readonly error: unknown;

  constructor(error: unknown) {
    super('sae-error', { bubbles: true, composed: true });
    this.error = error;
  }
}

declare global {
  interface HTMLElementEventMap {
    'sae-select': SaeSelectEvent;
    'sae-scrub': SaeScrubEvent;
    'sae-load': SaeLoadEvent;
    'sae-error': SaeErrorEvent;
  }
}
