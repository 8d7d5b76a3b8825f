/**
 * An element that gets what it shows: by `src`, or from the page.
 *
 * Kept true: it is in exactly one state; what was asked for last is what it
 * shows, however the answers arrive; a request that nobody waits for any more is
 * aborted; far from the viewport it asks for nothing (`loading="eager"` turns
 * that off); while something new loads, the old stays, so that nothing jumps; the
 * element's own content (the static card for readers without scripts) is seen
 * until there is something better.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { SaeElement } from './element.js';
import { SaeErrorEvent, SaeLoadEvent } from './events.js';

/** `empty`: nothing was asked for. Also a custom state, for style sheets: `sae-feature-card:state(error)`. */
export type LoadState = 'empty' | 'loading' | 'error' | 'ready';

/** What an element wants to show: a value that is there, one to be fetched, or nothing. */
export type Wanted<T> = { readonly value: T } | { readonly load: (signal: AbortSignal) => Promise<T> } | null;

/** How far from the viewport loading begins. */
const NEAR = '300px';

export abstract class LoadingElement<T> extends SaeElement {
  static override properties = {
    src: {},
    loading: {},
    state: { state: true },
    value: { state: true },
  };

  /** Folder of the pack. */
  declare src: string | null;
  /** `eager` does not wait until the element comes near the viewport. */
  declare loading: 'lazy' | 'eager';

  declare protected state: LoadState;
  /** What is shown; while something new loads, still the old. */
  declare protected value: T | null;
  protected error: unknown = null;

  /** Properties whose change asks anew. */
  protected wantsOn: readonly PropertyKey[] = ['src'];

  readonly #internals = this.attachInternals();
  #stop: AbortController | null = null;
  #observer: IntersectionObserver | null = null;
  #near = false;

  constructor() {
    super();
    this.src = null;
    this.loading = 'lazy';
    this.state = 'empty';
    this.value = null;
  }

  /** What the properties ask for now. A throw is shown as an error. */
  protected abstract want(): Wanted<T>;
  protected abstract renderContent(value: T): TemplateResult;
  /** Says what could not be had: `Feature 61`. */
  protected abstract subject(): string;
  /** Fills the reserved space. */
  protected renderSkeleton(): TemplateResult | typeof nothing {
    return nothing;
  }
  /** What the page's author sees who asked for nothing. */
  protected renderEmpty(): TemplateResult | typeof nothing {
    return nothing;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (!this.#near) {
      this.#observer = new IntersectionObserver(
        (entries) => {
          if (entries.some(({ isIntersecting }) => isIntersecting)) this.#approach();
        },
        { rootMargin: NEAR },
      );
      this.#observer.observe(this);
    }
    if (this.hasUpdated && this.state === 'loading') this.refresh();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#observer?.disconnect();
    this.#observer = null;
    this.#stop?.abort();
  }

  #approach(): void {
    this.#observer?.disconnect();
    this.#observer = null;
    this.#near = true;
    if (this.state === 'loading' && this.#stop === null) this.refresh();
  }

  /** Asks again for what the properties say. */
  refresh(): void {
    this.#stop?.abort();
    this.#stop = null;
    let wanted: Wanted<T>;
    try {
      wanted = this.want();
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (wanted === null) {
      this.value = null;
      this.#enter('empty');
    } else if (!this.#near && this.loading !== 'eager') {
      this.#enter('loading');
    } else if ('value' in wanted) {
      this.value = wanted.value;
      this.#enter('ready');
    } else {
      void this.#run(wanted.load);
    }
  }

  async #run(load: (signal: AbortSignal) => Promise<T>): Promise<void> {
    const stop = (this.#stop = new AbortController());
    this.#enter('loading');
    try {
      const value = await load(stop.signal);
      if (stop.signal.aborted) return;
      this.value = value;
      this.#enter('ready');
      await this.updateComplete;
      if (!stop.signal.aborted && this.state === 'ready') this.dispatchEvent(new SaeLoadEvent());
    } catch (error) {
      if (!stop.signal.aborted) this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.error = error;
    this.#enter('error');
    this.dispatchEvent(new SaeErrorEvent(error));
  }

  #enter(state: LoadState): void {
    this.state = state;
    const { states } = this.#internals;
    // Chromium before 125 knows only names with dashes here: there the states are not to be had.
    try {
      states.clear();
      states.add(state);
    } catch {
      // The element works without.
    }
    this.#internals.ariaBusy = String(state === 'loading');
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (this.wantsOn.some((name) => changed.has(name as keyof this)) || (changed.has('loading') && this.state === 'loading')) this.refresh();
  }

  /** The element's own content, when it is more than white space and data. */
  protected get hasFallback(): boolean {
    return Array.from(this.childNodes).some((node) => (node instanceof Element ? !node.matches('script, style, template') : node.nodeType === Node.TEXT_NODE && node.nodeValue?.trim() !== ''));
  }

  protected override render(): TemplateResult {
    let content: TemplateResult | typeof nothing = nothing;
    if (this.value !== null && this.state !== 'error') {
      try {
        content = this.renderContent(this.value);
      } catch (error) {
        // Data from a page may have any shape; a broken card is an error in its own place.
        queueMicrotask(() => this.#fail(error));
      }
    }
    const shown = content !== nothing;
    const own = !shown && this.hasFallback;
    return html`
      ${content}
      <slot ?hidden=${shown} @slotchange=${this.onSlotChange}></slot>
      ${shown ? nothing : this.state === 'error' ? this.#renderError() : own ? nothing : this.state === 'loading' ? this.renderSkeleton() : this.renderEmpty()}
    `;
  }

  /** The element's own content changed. */
  protected onSlotChange(): void {
    this.requestUpdate();
  }

  #renderError(): TemplateResult {
    const { message, hint } = (this.error ?? {}) as { readonly message?: unknown; readonly hint?: unknown };
    return html`
      <div class="notice error" part="error" role="alert">
        <p class="what">${this.subject()} could not be loaded</p>
        <p>${String(message ?? this.error)}</p>
        ${typeof hint === 'string' ? html`<p>${hint}</p>` : nothing}
        <button class="retry" part="retry" type="button" @click=${this.#retry}>Try again</button>
      </div>
    `;
  }

  #retry(): void {
    this.#near = true;
    this.refresh();
  }
}
