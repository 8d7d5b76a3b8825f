/**
 * The events by which elements, ours and others', share one selection. They
 * bubble and cross shadow roots, so that a dashboard hears them from anything
 * inside it.
 */

export interface SaeSelectInit {
  /** The features that were chosen; null takes a selection away. */
  readonly features: readonly number[] | null;
}

/** `sae-select`: a person chose features. Cancelable: an element that would act on it itself (a lone card following its neighbour link) then does not. */
export class SaeSelectEvent extends Event {
  static readonly type = 'sae-select';
  readonly features: readonly number[] | null;

  constructor({ features }: SaeSelectInit) {
    super(SaeSelectEvent.type, { bubbles: true, composed: true, cancelable: true });
    this.features = features;
  }
}

/** `sae-load`: what the element shows is there. */
export class SaeLoadEvent extends Event {
  static readonly type = 'sae-load';

  constructor() {
    super(SaeLoadEvent.type, { bubbles: true, composed: true });
  }
}

/** `sae-error`: it could not be had; the element shows why and offers to try again. */
export class SaeErrorEvent extends Event {
  static readonly type = 'sae-error';
  readonly error: unknown;

  constructor(error: unknown) {
    super(SaeErrorEvent.type, { bubbles: true, composed: true });
    this.error = error;
  }
}

declare global {
  interface HTMLElementEventMap {
    'sae-select': SaeSelectEvent;
    'sae-load': SaeLoadEvent;
    'sae-error': SaeErrorEvent;
  }
}
