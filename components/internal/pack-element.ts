/**
 * The base of elements that show something of a pack.
 *
 * Kept true: an element is in exactly one phase; it shows what was asked for
 * last, however the answers arrive, and a request that nobody waits for any more
 * is aborted; far from the viewport it asks for nothing (`loading="eager"` turns
 * that off); while something new loads, the old stays, so that nothing jumps; its
 * own content (the static form for readers without scripts) is seen until there
 * is something better.
 */
import { css, html, nothing, type CSSResultGroup, type PropertyDeclarations, type PropertyValues, type TemplateResult } from 'lit';
import type { Pack } from '../../engine/pack/reader.js';
import { SaeElement } from './element.js';
import { SaeErrorEvent, SaeLoadEvent } from './events.js';
import { openPack } from './pack-store.js';

/** `empty`: nothing was asked for. Also a custom state, for style sheets: `sae-feature-card:state(error)`. */
export type Phase = 'empty' | 'loading' | 'error' | 'ready';

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
  .what {
    color: var(--_error);
    font-weight: 600;
  }
  .state button {
    padding: 0.25rem 0.9rem;
    border: 1px solid var(--_muted);
    border-radius: var(--_radius);
    background: var(--_raised);
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
 * @fires sae-load - what was asked for is shown
 * @fires sae-error - it could not be had; `error` says why
 */
export abstract class PackElement<T> extends SaeElement {
  static override base: CSSResultGroup = [SaeElement.base, styles];
  static override properties: PropertyDeclarations = {
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
  /** What is shown; while something new loads, still the old. */
  declare protected content: T | null;
  declare protected failure: unknown;
  /** The pack that `content` came from. */
  protected openPack: Pack | null = null;

  readonly #internals = this.attachInternals();
  #near = false;
  #observer: IntersectionObserver | null = null;
  #request: AbortController | null = null;
  #asked: readonly unknown[] = [];

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

  protected abstract renderContent(content: T): TemplateResult;

  /** What the element needs besides the pack, its `feature`; null when it cannot ask yet. A change fetches anew. */
  protected requestKey(): unknown {
    return '';
  }

  /** What is to be shown without any pack; null without such. @throws what is wrong with it */
  protected givenContent(): T | null {
    return null;
  }

  /** Code that the drawing needs; it is loaded beside the data. Null when it is there. */
  protected prepare(): Promise<unknown> | null {
    return null;
  }

  /** Name of what is shown, for the loading and error views. */
  protected get subject(): string {
    return 'pack';
  }

  /** Stands in the space that the content will need. */
  protected renderLoading(): TemplateResult {
    return html`<div class="state" part="loading" lang="en" dir="ltr"><span class="bar"></span><p>Loading ${this.subject} …</p></div>`;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (!this.#near) {
      this.#observer = new IntersectionObserver((entries) => entries.some(({ isIntersecting }) => isIntersecting) && this.#approach(), { rootMargin: '300px' });
      this.#observer.observe(this);
    }
    // What was asked for when it left the page was aborted.
    if (this.hasUpdated && this.phase === 'loading') this.retry();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#observer?.disconnect();
    this.#observer = null;
    this.#request?.abort();
  }

  #approach(): void {
    this.#observer?.disconnect();
    this.#observer = null;
    this.#near = true;
    // An eager one has asked already.
    if (this.phase === 'loading' && this.loading !== 'eager') this.retry();
  }

  protected override willUpdate(changed: PropertyValues): void {
    const { src, pack } = this;
    const asked = [pack ?? src, this.requestKey()];
    if (!this.hasUpdated || asked.some((part, i) => !Object.is(part, this.#asked[i])) || (changed.has('loading') && this.phase === 'loading')) {
      this.#asked = asked;
      this.retry();
    }
  }

  /** Asks for what the properties say, anew: after a failure, or when what lies at the pack's place has changed. */
  retry(): void {
    this.#request?.abort();
    this.failure = null;
    const source = this.pack ?? this.src ?? '';
    const none = source === '' || this.requestKey() === null;
    const now = this.#near || this.loading === 'eager';
    let given: T | null = null;
    try {
      // Far from the viewport it matters only whether there is anything.
      if (now || none) given = this.givenContent();
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (given === null && none) {
      this.content = this.openPack = null;
      this.#enter('empty');
    } else {
      this.#enter('loading');
      if (now) void this.#load(given, source);
    }
  }

  async #load(given: T | null, source: Pack | string): Promise<void> {
    const { signal } = (this.#request = new AbortController());
    let pack: Pack | null = null;
    const fetched = async (): Promise<T> => {
      pack = typeof source === 'string' ? await openPack(source, { signal }) : source;
      signal.throwIfAborted();
      return this.fetchContent(pack, signal);
    };
    try {
      const [content] = await Promise.all([given ?? fetched(), this.prepare()]);
      signal.throwIfAborted();
      this.openPack = pack;
      this.content = content;
      this.#enter('ready');
      await this.updateComplete;
      if (!signal.aborted && this.phase === 'ready') this.dispatchEvent(new SaeLoadEvent());
    } catch (error) {
      // A newer question, or none: this answer is nobody's any more.
      if (!signal.aborted) this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.content = this.openPack = null;
    this.failure = error;
    this.#enter('error');
    this.dispatchEvent(new SaeErrorEvent(error));
  }

  #enter(phase: Phase): void {
    this.phase = phase;
    this.#internals.ariaBusy = String(phase === 'loading');
    try {
      this.#internals.states.clear();
      this.#internals.states.add(phase);
    } catch {
      // Chromium before 125 knows states by dashed names only: there is no styling by phase.
    }
  }

  /** True where the element has content of its own: more than white space and data. */
  protected get hasOwnContent(): boolean {
    return Array.from(this.childNodes).some((node) => (node instanceof Element ? !node.matches('script, style, template') : node.nodeType === Node.TEXT_NODE && node.nodeValue?.trim() !== ''));
  }

  protected override render(): unknown {
    const { content, phase } = this;
    let view: unknown = nothing;
    if (content !== null) {
      try {
        view = this.renderContent(content);
      } catch (error) {
        // Content from a page may have any shape: what breaks on it is an error in this place, and only here.
        queueMicrotask(() => this.content === content && this.#fail(error));
      }
    } else if (phase === 'error') view = this.#renderError();
    else if (!this.hasOwnContent) view = phase === 'loading' ? this.renderLoading() : html`<div class="state" part="empty" lang="en" dir="ltr"><p>Nothing to show: the element needs a <code>${(this.pack ?? this.src ?? '') === '' ? 'src' : 'feature'}</code>.</p></div>`;
    return html`${view}<slot ?hidden=${content !== null} @slotchange=${this.onSlotChange}></slot>`;
  }

  /** The element's own content has changed. */
  protected onSlotChange(): void {
    if (this.content === null) this.requestUpdate();
  }

  #renderError(): TemplateResult {
    const { message, hint } = Object(this.failure) as { readonly message?: unknown; readonly hint?: unknown };
    return html`
      <div class="state error" part="error" role="alert" lang="en" dir="ltr">
        <p class="what">Cannot show ${this.subject}</p>
        <p>${String(message ?? this.failure)}</p>
        ${typeof hint === 'string' ? html`<p>${hint}</p>` : nothing}
        <button type="button" part="retry" @click=${this.retry}>Try again</button>
      </div>
    `;
  }
}
