/**
 * What pointers do on the plot: drag goes round, two fingers and the wheel zoom, Shift and drag (or
 * drag alone while the brush is held) outline features, a click opens one.
 *
 * Kept true: the wheel is the page's until the plot has the focus or Ctrl is held; a press that
 * does not move is a click.
 */
import type { Point } from './pick.js';

export interface GestureHost {
  /** Whether a plain drag outlines. */
  isBrushing(): boolean;
  orbit(yaw: number, pitch: number): void;
  zoom(factor: number): void;
  hover(at: Point | null): void;
  click(at: Point): void;
  outline(points: readonly Point[], done: boolean): void;
}

/** Movement, in CSS pixels, up to which a press is a click. */
const STILL = 4;
/** Radians a CSS pixel. */
const TURN = 0.0085;

export class Gestures {
  readonly #host: GestureHost;
  /** Pointers that are down, and where. */
  readonly #down = new Map<number, Point>();
  #start: Point | null = null;
  #moved = false;
  #outline: Point[] | null = null;

  constructor(host: GestureHost) {
    this.#host = host;
  }

  readonly onPointerDown = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const plot = event.currentTarget as HTMLElement;
    plot.setPointerCapture(event.pointerId);
    plot.focus({ preventScroll: true });
    const at = pointOf(event);
    this.#down.set(event.pointerId, at);
    if (this.#down.size > 1) {
      this.#moved = true;
      this.#outline = null;
      return;
    }
    this.#start = at;
    this.#moved = false;
    this.#outline = event.shiftKey || this.#host.isBrushing() ? [at] : null;
    this.#host.hover(null);
  };

  readonly onPointerMove = (event: PointerEvent): void => {
    const at = pointOf(event);
    const before = this.#down.get(event.pointerId);
    if (before === undefined) {
      if (event.pointerType !== 'touch') this.#host.hover(at);
      return;
    }
    if (this.#down.size === 2) {
      const [other] = [...this.#down].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      const apart = (a: Point): number => Math.max(1, Math.hypot(a.x - other!.x, a.y - other!.y));
      this.#host.zoom(apart(before) / apart(at));
      this.#down.set(event.pointerId, at);
      return;
    }
    if (!this.#moved && this.#start !== null && Math.hypot(at.x - this.#start.x, at.y - this.#start.y) <= STILL) return;
    this.#moved = true;
    this.#down.set(event.pointerId, at);
    if (this.#outline !== null) {
      this.#outline.push(at);
      this.#host.outline(this.#outline, false);
    } else this.#host.orbit(-(at.x - before.x) * TURN, (at.y - before.y) * TURN);
  };

  readonly onPointerUp = (event: PointerEvent): void => {
    if (!this.#down.delete(event.pointerId)) return;
    if (this.#outline !== null && this.#moved) this.#host.outline(this.#outline, true);
    else if (!this.#moved && event.type === 'pointerup') this.#host.click(pointOf(event));
    this.#outline = null;
  };

  readonly onPointerLeave = (): void => {
    if (this.#down.size === 0) this.#host.hover(null);
  };

  readonly onWheel = (event: WheelEvent): void => {
    const plot = event.currentTarget as HTMLElement;
    if (!event.ctrlKey && (plot.getRootNode() as ShadowRoot).activeElement !== plot) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    this.#host.zoom(Math.exp(Math.max(-0.5, Math.min(0.5, event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)))));
  };
}

/** In CSS pixels of the plot; a transform around it is undone. */
function pointOf(event: PointerEvent): Point {
  const plot = event.currentTarget as HTMLElement;
  const box = plot.getBoundingClientRect();
  return { x: (event.clientX - box.left) * (plot.offsetWidth / Math.max(1, box.width)), y: (event.clientY - box.top) * (plot.offsetHeight / Math.max(1, box.height)) };
}
