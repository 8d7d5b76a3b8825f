/**
 * The lab's views: elements of other folders, fetched when they are first shown and fed
 * one at a time, a frame of the page apart, so that no task of the page is as long as all of them.
 */
import type { DyingRecord } from '../../engine/dying/record.js';
import type { RunName, ViewName } from './settings.js';

/** What every view of dying has. */
export interface DyingView extends HTMLElement {
  record: DyingRecord | null;
  step: number | null;
  /** Features that were chosen here or in another view. */
  features: readonly number[] | null;
}

interface ViewSource {
  readonly tag: string;
  readonly title: string;
  readonly load: () => Promise<unknown>;
}

export const VIEWS: Readonly<Record<ViewName, ViewSource>> = {
  cloud: { tag: 'sae-dying-cloud', title: 'Density, bias and D/E', load: () => import('../dying-cloud/define.js') },
  timelapse: { tag: 'sae-density-timelapse', title: 'Density by step', load: () => import('../density-timelapse/define.js') },
  hyperplane: { tag: 'sae-hyperplane', title: 'The boundary in the data', load: () => import('../hyperplane/define.js') },
  collapse: { tag: 'sae-collapse-plot', title: 'One curve for all?', load: () => import('../collapse-plot/define.js') },
};

/** What a view is to show. */
interface Wanted {
  readonly record: DyingRecord | null;
  readonly step: number | null;
  readonly features: readonly number[] | null;
}

export class ViewDeck {
  readonly #views = new Map<string, DyingView>();
  readonly #wanted = new Map<RunName, Wanted>();
  readonly #loaded = new Map<ViewName, 'loading' | 'ready' | { readonly error: unknown }>();
  readonly #changed: () => void;
  #frame: number | null = null;

  /** @param changed a view's code has come, or cannot be had */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** How it stands with the code of a view; the first question fetches it. */
  state(view: ViewName): 'loading' | 'ready' | { readonly error: unknown } {
    const state = this.#loaded.get(view);
    if (state !== undefined) return state;
    this.#loaded.set(view, 'loading');
    VIEWS[view].load().then(
      () => this.#settle(view, 'ready'),
      (error: unknown) => this.#settle(view, { error }),
    );
    return 'loading';
  }

  /** Asks again for code that could not be had. */
  retry(view: ViewName): void {
    this.#loaded.delete(view);
    this.#changed();
  }

  /** The view's element for a run; its code must be there. */
  element(run: RunName, view: ViewName): DyingView {
    const key = `${run} ${view}`;
    const held = this.#views.get(key);
    if (held !== undefined) return held;
    const element = document.createElement(VIEWS[view].tag) as DyingView;
    this.#views.set(key, element);
    this.#pump();
    return element;
  }

  /** What the views of a run are to show from now on. */
  show(run: RunName, wanted: Wanted): void {
    this.#wanted.set(run, wanted);
    this.#pump();
  }

  /** Lets go of all views but those of `runs` that are among `views`. */
  keep(runs: readonly RunName[], views: readonly ViewName[]): void {
    for (const key of this.#views.keys()) {
      const [run, view] = key.split(' ') as [RunName, ViewName];
      if (!runs.includes(run) || !views.includes(view)) this.#views.delete(key);
    }
    for (const run of this.#wanted.keys()) if (!runs.includes(run)) this.#wanted.delete(run);
  }

  /** Feeds nothing any more, until it is asked for something. */
  rest(): void {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
  }

  #settle(view: ViewName, state: 'ready' | { readonly error: unknown }): void {
    this.#loaded.set(view, state);
    this.#changed();
  }

  #pump(): void {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      if (this.#feedOne()) this.#pump();
    });
  }

  /** @returns whether there may be more to do */
  #feedOne(): boolean {
    for (const [key, element] of this.#views) {
      const wanted = this.#wanted.get(key.split(' ')[0] as RunName);
      if (wanted === undefined || !element.isConnected) continue;
      const { record, step, features } = wanted;
      // A view that a person scrubs has moved already.
      if (element.record === record && element.step === step && element.features === features) continue;
      Object.assign(element, wanted);
      // Who was fed last waits longest.
      this.#views.delete(key);
      this.#views.set(key, element);
      return true;
    }
    return false;
  }
}
