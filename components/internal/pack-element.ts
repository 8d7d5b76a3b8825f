/**
 * The base of elements that show something of a pack: they load it when they
 * come into view, show that they are loading in the space that they will need,
 * say what went wrong and offer to try again, and drop an answer that comes
 * after the question has changed.
 */
import { css, html, nothing, type CSSResultGroup, type PropertyValues, type TemplateResult } from 'lit';
import type { Pack } from '../../engine/pack/reader.js';
import { SaeElement } from './element.js';
import { SaeErrorEvent, SaeLoadEvent } from './events.js';
import { openPackAt } from './pack-store.js';

export type Phase = 'empty' | 'loading' | 'ready' | 'error';

const styles = css`
  .state {
    display: grid;
    place-content: center;
    justify-items: center;
    gap: 0.5rem;
    min-block-size: inherit;
    padding: 1rem;
    color: var(--_muted);
    text-align: center;
    overflow-wrap: anywhere;
  }
  .state p {
    margin: 0;
    max-inline-size: 60ch;
  }
  .state.error .what {
    color: var(--_error);
    font-weight: 600;
  }
  .state button {
    padding: 0.25rem 0.9rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_raised);
    cursor: pointer;
  }
  .bar {
    inline-size: 8rem;
    block-size: 3px;
    border-radius: 2px;
    background: linear-gradient(90deg, var(--_line) 0 35%, var(--_accent) 50%, var(--_line) 65% 100%) 0 / 200% 100%;
  }
  @media (prefers-reduced-motion: no-preference) {
    .bar {
      animation: sweep 1.4s linear infinite;
    }
  }
  @keyframes sweep {
    from {
      background-position: 150% 0;
    }
    to {
      background-position: -50% 0;
    }
  }
`;

/**
 * @typeParam T what the element shows
 * @attr src - folder of the pack, relative to the page
 * @attr loading - `lazy` (default) waits until the element is near the viewport, `eager` does not
 * @fires sae-load - what it shows is there
 * @fires sae-error - it could not be had; `error` says why
 */
export abstract class PackElement<T> extends SaeElement {
  static override base: CSSResultGroup = [SaeElement.base, styles];
  static override properties = {
    src: {},
    loading: {},
    pack: { attribute: false },
    phase: { state: true },
    content: { state: true },
    failure: { state: true },
  };

  declare src: string | null;
  declare loading: 'lazy' | 'eager';
  /** An open pack, in place of `src`. */
  declare pack: Pack | null;

  declare protected phase: Phase;
  declare protected content: T | null;
  declare protected failure: unknown;
  /** The pack that `content` came from. */
  protected openPack: Pack | null = null;

  #seen = false;
  #observer: IntersectionObserver | null = null;
  #controller: AbortController | null = null;

  constructor() {
    super();
    this.src = null;
    this.loading = 'lazy';
    this.pack = null;
    this.phase = 'empty';
    this.content = null;
    this.failure = null;
  }

  /** Fetches what is shown. Called again whenever `requestKey` changes. */
  protected abstract fetchContent(pack: Pack, signal: AbortSignal): Promise<T>;

  protected abstract renderContent(content: T): unknown;

  /** What the element needs besides the pack; null when it cannot ask yet. A change fetches anew. */
  protected requestKey(): unknown {
    return '';
  }

  /** Name of what is shown, for the loading and error views. */
  protected get subject(): string {
    return 'pack';
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.loading === 'eager' || typeof IntersectionObserver === 'undefined') this.#seen = true;
    if (!this.#seen) {
      this.#observer = new IntersectionObserver(
        (entries) => {
          if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
          this.#see();
        },
        { rootMargin: '300px' },
      );
      this.#observer.observe(this);
    } else if (this.hasUpdated && this.phase === 'loading') this.#start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#observer?.disconnect();
    this.#observer = null;
    this.#controller?.abort();
    this.#controller = null;
  }

  #see(): void {
    this.#seen = true;
    this.#observer?.disconnect();
    this.#observer = null;
    if (this.phase === 'loading') this.#start();
  }

  #source: unknown = undefined;
  #key: unknown = undefined;

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    if (changed.has('loading') && this.loading === 'eager' && !this.#seen) {
      this.#seen = true;
      this.#observer?.disconnect();
    }
    const source = this.pack ?? this.src;
    const key = source === null ? null : this.requestKey();
    if (source === this.#source && key === this.#key) return;
    this.#source = source;
    this.#key = key;
    this.#controller?.abort();
    this.#controller = null;
    this.failure = null;
    if (source === null || key === null) {
      this.content = this.openPack = null;
      this.phase = 'empty';
      return;
    }
    this.phase = 'loading';
    if (this.#seen) this.#start();
  }

  /** Asks again after a failure. */
  retry(): void {
    this.failure = null;
    this.phase = 'loading';
    this.#start();
  }

  #start(): void {
    this.#controller?.abort();
    const controller = new AbortController();
    this.#controller = controller;
    void this.#load(controller);
  }

  async #load(controller: AbortController): Promise<void> {
    const { signal } = controller;
    const { pack: given, src } = this;
    try {
      const pack = given ?? (await openPackAt(src ?? '', { signal }));
      signal.throwIfAborted();
      const content = await this.fetchContent(pack, signal);
      signal.throwIfAborted();
      this.openPack = pack;
      this.content = content;
      this.phase = 'ready';
      await this.updateComplete;
      if (!signal.aborted) this.dispatchEvent(new SaeLoadEvent());
    } catch (error) {
      // A newer question, or none: this answer is nobody's any more.
      if (signal.aborted) return;
      this.content = null;
      this.failure = error;
      this.phase = 'error';
      this.dispatchEvent(new SaeErrorEvent(error));
    }
  }

  protected override render(): unknown {
    // While the next content loads, the last one stays: no flash, no jump.
    if (this.content !== null && this.phase !== 'error') return html`<div aria-busy=${this.phase === 'loading' ? 'true' : 'false'}>${this.renderContent(this.content)}</div>`;
    if (this.phase === 'error') return this.#errorView();
    if (this.phase === 'loading') return html`<div class="state" part="loading" role="status"><span class="bar"></span><p>Loading ${this.subject} …</p><slot></slot></div>`;
    return html`<div class="state" part="empty"><slot><p>No pack: the element needs a <code>src</code>.</p></slot></div>`;
  }

  #errorView(): TemplateResult {
    const { failure } = this;
    const message = failure instanceof Error ? failure.message : String(failure);
    const hint = failure instanceof Error && 'hint' in failure && typeof failure.hint === 'string' ? failure.hint : null;
    return html`
      <div class="state error" part="error" role="alert">
        <p class="what">Cannot show ${this.subject}</p>
        <p>${message}</p>
        ${hint === null ? nothing : html`<p>${hint}</p>`}
        <button type="button" @click=${() => this.retry()}>Try again</button>
        <slot></slot>
      </div>
    `;
  }
}
