/**
 * The base of views on how features die: of a pack (`src`), or of a record that is kept up to
 * date from a live run (`record`), at one step of its training.
 *
 * Kept true: a record that replaces another is drawn in its place without a moment of
 * loading; `step` names a step, and what is shown is the last frame at or before it.
 */
import type { CSSResultGroup, PropertyDeclarations, PropertyValues } from 'lit';
import type { DyingFrame, DyingRecord } from '../../engine/dying/record.js';
import type { Pack } from '../../engine/pack/reader.js';
import { controlsStyles } from './dying-controls.styles.js';
import { SaeScrubEvent } from './events.js';
import { PackElement } from './pack-element.js';

/**
 * @attr step - a step of training; default the last
 * @fires sae-scrub - a person moved to another step: `step`, null for the last; cancelable
 */
export abstract class DyingElement extends PackElement<DyingRecord> {
  static override base: CSSResultGroup = [PackElement.base, controlsStyles];
  static override properties: PropertyDeclarations = {
    ...PackElement.properties,
    record: { attribute: false },
    step: { type: Number, reflect: true },
    features: { attribute: false },
  };

  /** In place of a pack. */
  declare record: DyingRecord | null;
  declare step: number | null;
  /** Features chosen here or elsewhere; null for none. */
  declare features: readonly number[] | null;

  #scheme: MediaQueryList | null = null;

  constructor() {
    super();
    this.record = null;
    this.step = null;
    this.features = null;
  }

  protected override get subject(): string {
    return 'how features die';
  }

  override connectedCallback(): void {
    super.connectedCallback();
    // Canvases are painted in colours that were read: another scheme paints them again.
    this.#scheme = matchMedia('(prefers-color-scheme: dark)');
    this.#scheme.addEventListener('change', this.#repaint);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#scheme?.removeEventListener('change', this.#repaint);
    this.#scheme = null;
  }

  readonly #repaint = (): void => this.requestUpdate();

  protected override async fetchContent(pack: Pack, signal: AbortSignal): Promise<DyingRecord> {
    const { readDyingRecord } = await import('../../engine/dying/read-record.js');
    return readDyingRecord(pack, { signal });
  }

  protected override requestKey(): unknown {
    return this.record === null ? '' : 'record';
  }

  protected override givenContent(): DyingRecord | null {
    return this.record;
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    if (changed.has('record') && this.record !== null && this.phase === 'ready') this.content = this.record;
  }

  /** Index of the frame at `step`; -1 without content. */
  protected get frameIndex(): number {
    return this.content === null ? -1 : frameAt(this.content, this.step);
  }

  protected get frame(): DyingFrame | null {
    return this.content?.frames[this.frameIndex] ?? null;
  }

  /** A person moved to a frame: told, and followed unless someone prevents it. */
  protected scrub(index: number): void {
    const { content } = this;
    if (content === null) return;
    const last = content.frames.length - 1;
    const at = Math.max(0, Math.min(last, index));
    const step = at === last ? null : content.frames[at]!.step;
    if (step === this.step) return;
    if (this.dispatchEvent(new SaeScrubEvent(step))) this.step = step;
  }
}

/** Index of the last frame at or before a step; the last one for null, the first where all are later. */
export function frameAt({ frames }: Pick<DyingRecord, 'frames'>, step: number | null): number {
  if (step === null || Number.isNaN(step)) return frames.length - 1;
  let at = 0;
  for (let i = 0; i < frames.length; i++) if (frames[i]!.step <= step) at = i;
  return at;
}
