/**
 * The canvas of the cloud and who draws on it. The element says that something has changed; the
 * stage draws once in the next frame, and only while it is seen.
 *
 * Kept true: a canvas that has had one kind of context is never asked for the other; where WebGPU is
 * not to be had, or its device is lost, a 2-D canvas takes its place with the same picture.
 */
import { CanvasRenderer } from './canvas-renderer.js';
import type { CloudRenderer, Scene } from './scene.js';

/** `auto`: WebGPU where an adapter has a GPU behind it. `webgpu`: any adapter. */
export type RendererChoice = 'auto' | 'webgpu' | 'canvas';

export class Stage {
  #renderer: CloudRenderer | null = null;
  #canvas: HTMLCanvasElement | null = null;
  #place: HTMLElement | null = null;
  #choice: RendererChoice | null = null;
  #observer: IntersectionObserver | null = null;
  #seen = false;
  #dirty = false;
  #frame = 0;
  /** Of the opening that is under way: an older one gives up. */
  #turn = 0;
  /** Frames drawn. */
  drawn = 0;
  readonly #scene: () => Scene | null;
  readonly #changed: (kind: CloudRenderer['kind'] | null) => void;

  /** @param changed told whenever another renderer draws, or none */
  constructor(scene: () => Scene | null, changed: (kind: CloudRenderer['kind'] | null) => void) {
    this.#scene = scene;
    this.#changed = changed;
  }

  get renderer(): CloudRenderer | null {
    return this.#renderer;
  }

  get canvas(): HTMLCanvasElement | null {
    return this.#canvas;
  }

  /** Draws inside `place`, a box that holds nothing else. Null: nowhere any more. */
  mount(place: HTMLElement | null, choice: RendererChoice): void {
    if (place === this.#place && choice === this.#choice) return;
    if (place !== this.#place) {
      this.#observer?.disconnect();
      this.#observer = null;
      this.#seen = false;
      if (place !== null) {
        this.#observer = new IntersectionObserver((entries) => {
          this.#seen = entries.at(-1)?.isIntersecting ?? false;
          if (this.#seen && this.#dirty) this.request();
        });
        this.#observer.observe(place);
      }
    }
    this.#place = place;
    this.#choice = choice;
    this.#close();
    if (place !== null) void this.#open(choice);
  }

  /** Something has changed. */
  request(): void {
    this.#dirty = true;
    if (this.#frame !== 0 || !this.#seen || this.#renderer === null) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.drawNow();
    });
  }

  /** Draws without waiting for a frame. @returns whether there was anything to draw on */
  drawNow(): boolean {
    const scene = this.#renderer === null ? null : this.#scene();
    if (scene === null) return false;
    this.#dirty = false;
    this.#renderer!.draw(scene);
    this.drawn++;
    return true;
  }

  #fresh(): HTMLCanvasElement {
    const canvas = document.createElement('canvas');
    canvas.setAttribute('aria-hidden', 'true');
    this.#place!.replaceChildren(canvas);
    return canvas;
  }

  async #open(choice: RendererChoice): Promise<void> {
    const turn = ++this.#turn;
    const canvas = this.#fresh();
    if (choice !== 'canvas' && 'gpu' in navigator) {
      try {
        const { openWebGpuRenderer } = await import('./webgpu-renderer.js');
        const renderer = await openWebGpuRenderer(canvas, {
          software: choice === 'webgpu',
          onLost: () => {
            if (turn === this.#turn && this.#place !== null) this.#fallBack(this.#fresh());
          },
        });
        if (turn !== this.#turn) {
          renderer?.dispose();
          return;
        }
        if (renderer !== null) {
          this.#use(canvas, renderer);
          return;
        }
      } catch {
        // No device, no chunk: the picture is the same on a 2-D canvas.
        if (turn !== this.#turn) return;
      }
    }
    // A canvas that was offered to WebGPU may be bound to it.
    this.#fallBack(choice === 'canvas' ? canvas : this.#fresh());
  }

  #fallBack(canvas: HTMLCanvasElement): void {
    this.#renderer?.dispose();
    this.#use(canvas, new CanvasRenderer(canvas));
  }

  #use(canvas: HTMLCanvasElement, renderer: CloudRenderer): void {
    this.#canvas = canvas;
    this.#renderer = renderer;
    this.#changed(renderer.kind);
    this.request();
  }

  #close(): void {
    this.#turn++;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#renderer !== null) this.#changed(null);
    this.#renderer?.dispose();
    this.#renderer = this.#canvas = null;
  }

  dispose(): void {
    this.mount(null, this.#choice ?? 'auto');
    this.#choice = null;
  }
}
