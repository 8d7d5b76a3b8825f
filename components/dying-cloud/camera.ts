/**
 * The camera of the cloud: it goes round the cube's middle, looks just below it, and sees in perspective.
 *
 *   clip = perspective(FIELD, aspect) lookAt(eye, (0, LOWER, 0), up) [x y z 1]'
 *   eye  = distance (cos pitch sin yaw, sin pitch, cos pitch cos yaw)
 *
 * Kept true: pitch stays short of the poles, so that up is always up; what is projected here for
 * pointers, axes and brushes is what the GPU projects with the same matrix.
 */
import { mat4 } from 'wgpu-matrix';

export interface Camera {
  /** Radians about the vertical. */
  readonly yaw: number;
  /** Radians above the horizontal. */
  readonly pitch: number;
  /** From the middle of the cube, whose half edge is 1. */
  readonly distance: number;
}

export const FIRST_CAMERA: Camera = { yaw: 0.62, pitch: 0.36, distance: 5 };

const FIELD = (40 * Math.PI) / 180;
/** It looks a little below the middle: seen from above, the cube's near bottom corner reaches farthest. */
const LOWER = -0.12;
const STEEPEST = 1.45;
const NEAREST = 1.6;
const FARTHEST = 16;

export function orbit(camera: Camera, yaw: number, pitch: number): Camera {
  return { ...camera, yaw: camera.yaw + yaw, pitch: Math.max(-STEEPEST, Math.min(STEEPEST, camera.pitch + pitch)) };
}

/** @param factor above 1 goes farther away */
export function zoom(camera: Camera, factor: number): Camera {
  return { ...camera, distance: Math.max(NEAREST, Math.min(FARTHEST, camera.distance * factor)) };
}

/** [16] by columns, for clip space with depth from 0 to 1. On narrow elements the camera stands back, so that the cube's width is seen. */
export function viewProjection({ yaw, pitch, distance }: Camera, width: number, height: number): Float32Array {
  const aspect = Math.max(0.05, width / Math.max(1, height));
  const back = distance * Math.max(1, 1.12 / aspect);
  const eye = [back * Math.cos(pitch) * Math.sin(yaw), back * Math.sin(pitch), back * Math.cos(pitch) * Math.cos(yaw)];
  const matrix = mat4.perspective(FIELD, aspect, 0.05, 60);
  return mat4.multiply(matrix, mat4.lookAt(eye, [0, LOWER, 0], [0, 1, 0])) as Float32Array;
}

/** How far away the middle of the cube is, in the units of clip w: marks there have their nominal size. */
export function middleDepth(matrix: Float32Array): number {
  return matrix[15]!;
}

/** Where a point is seen: CSS pixels from the top left corner, and w, its distance along the view. */
export interface Seen {
  readonly x: number;
  readonly y: number;
  readonly w: number;
}

export function project(m: Float32Array, x: number, y: number, z: number, width: number, height: number): Seen {
  const w = m[3]! * x + m[7]! * y + m[11]! * z + m[15]!;
  return {
    x: (((m[0]! * x + m[4]! * y + m[8]! * z + m[12]!) / w + 1) / 2) * width,
    y: ((1 - (m[1]! * x + m[5]! * y + m[9]! * z + m[13]!) / w) / 2) * height,
    w,
  };
}

/** All points at once. @returns [count, 3] x, y and w of each; w is NaN where the point is not shown or lies behind the camera */
export function projectAll(m: Float32Array, position: Float32Array, shown: Uint8Array, width: number, height: number): Float32Array {
  const out = new Float32Array(position.length);
  for (let i = 0, at = 0; i < shown.length; i++, at += 3) {
    const [x, y, z] = [position[at]!, position[at + 1]!, position[at + 2]!];
    const w = m[3]! * x + m[7]! * y + m[11]! * z + m[15]!;
    if (shown[i] === 0 || !(w > 0.05)) {
      out[at] = out[at + 1] = out[at + 2] = NaN;
      continue;
    }
    out[at] = (((m[0]! * x + m[4]! * y + m[8]! * z + m[12]!) / w + 1) / 2) * width;
    out[at + 1] = ((1 - (m[1]! * x + m[5]! * y + m[9]! * z + m[13]!) / w) / 2) * height;
    out[at + 2] = w;
  }
  return out;
}

/** A mark's size at depth w, relative to the middle of the cube. */
export function sizeAt(w: number, middle: number): number {
  return Math.max(0.7, Math.min(1.5, middle / w));
}

const ARROWS: Readonly<Record<string, { readonly x: number; readonly y: number }>> = { ArrowLeft: { x: -1, y: 0 }, ArrowRight: { x: 1, y: 0 }, ArrowUp: { x: 0, y: -1 }, ArrowDown: { x: 0, y: 1 } };

/** Where an arrow key points, y down; null for other keys. */
export const arrowOf = (key: string): { readonly x: number; readonly y: number } | null => ARROWS[key] ?? null;

/** The camera after a key: arrows go round, plus and minus zoom, 0 goes back; null for other keys. */
export function cameraByKey(camera: Camera, key: string): Camera | null {
  const arrow = arrowOf(key);
  if (arrow !== null) return orbit(camera, (arrow.x * Math.PI) / 24, (-arrow.y * Math.PI) / 24);
  if (key === '+' || key === '=') return zoom(camera, 0.87);
  if (key === '-' || key === '_') return zoom(camera, 1 / 0.87);
  return key === '0' ? FIRST_CAMERA : null;
}
