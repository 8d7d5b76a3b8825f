/** What a renderer is given, and what it is: the same for WebGPU and Canvas, so that one can stand in for the other. */
import type { CloudColors } from './marks.js';
import type { CloudPoints } from './points.js';

export interface Scene {
  readonly points: CloudPoints;
  /** [count] 1 for features of the chosen set; null where none is chosen and all are drawn in full. */
  readonly chosen: Uint8Array | null;
  /** [16] by columns. */
  readonly matrix: Float32Array;
  /** CSS pixels. */
  readonly width: number;
  readonly height: number;
  /** Device pixels in one of them. */
  readonly scale: number;
  /** Of a mark in the middle of the cube, CSS pixels. */
  readonly radius: number;
  readonly colors: CloudColors;
}

export interface CloudRenderer {
  readonly kind: 'webgpu' | 'canvas';
  /** Draws at once, on the canvas that it was made for. */
  draw(scene: Scene): void;
  /** Gives everything back; nothing is drawn after it. */
  dispose(): void;
}

/** Many small marks have no room for a ring between them. */
export const haloOf = (radius: number): number => (radius >= 2.4 ? 1 : 0);
