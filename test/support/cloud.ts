/** What the tests of the cloud hold it against: a projection of their own, and scenes without an element. */
import { FIRST_CAMERA, projectAll, viewProjection, type Camera } from '../../components/dying-cloud/camera.js';
import type { Point } from '../../components/dying-cloud/pick.js';
import { cloudAxes, cloudPoints } from '../../components/dying-cloud/points.js';
import type { Scene } from '../../components/dying-cloud/scene.js';
import type { DyingRecord } from '../../engine/dying/record.js';

export const COLORS = { classes: ['#646464', '#6c2a7e', '#1c74cd', '#12563a', '#a85f17'], surface: '#ffffff', faded: '#dddddd' };

/** The camera by textbook, in f64 and without the library: orthonormal frame of the eye, then division by depth. */
export function oracle({ yaw, pitch, distance }: Camera, width: number, height: number): (p: readonly number[]) => Point & { readonly depth: number } {
  const aspect = width / height;
  const back = distance * Math.max(1, 1.12 / aspect);
  const eye = [back * Math.cos(pitch) * Math.sin(yaw), back * Math.sin(pitch), back * Math.cos(pitch) * Math.cos(yaw)];
  const dot = (a: readonly number[], b: readonly number[]): number => a[0]! * b[0]! + a[1]! * b[1]! + a[2]! * b[2]!;
  const unit = (v: number[]): number[] => v.map((value) => value / Math.sqrt(dot(v, v)));
  const forward = unit([-eye[0]!, -0.12 - eye[1]!, -eye[2]!]);
  const cross = (a: readonly number[], b: readonly number[]): number[] => [a[1]! * b[2]! - a[2]! * b[1]!, a[2]! * b[0]! - a[0]! * b[2]!, a[0]! * b[1]! - a[1]! * b[0]!];
  const right = unit(cross(forward, [0, 1, 0]));
  const up = cross(right, forward);
  const scale = height / 2 / Math.tan((20 * Math.PI) / 180);
  return (p) => {
    const from = [p[0]! - eye[0]!, p[1]! - eye[1]!, p[2]! - eye[2]!];
    const depth = dot(from, forward);
    return { x: width / 2 + (scale * dot(from, right)) / depth, y: height / 2 - (scale * dot(from, up)) / depth, depth };
  };
}

export const rgbOf = (color: string): number[] => [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
/** Greatest difference of two colours in a channel. */
export const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number => Math.max(...[0, 1, 2].map((k) => Math.abs(a[k]! - b[k]!)));

/** A scene of a record, without an element. */
export function sceneOf(record: DyingRecord, width = 480, height = 360): Scene {
  const points = cloudPoints(record.frames.at(-1)!, cloudAxes(record.frames, ['bias', 'density', 'de']), new Set());
  return { points, chosen: null, matrix: viewProjection(FIRST_CAMERA, width, height), width, height, scale: 1, radius: 4, colors: COLORS };
}

/** Features whose middle no nearer mark covers: their pixel there has their own colour. */
export function uncovered({ points, matrix, width, height }: Scene): number[] {
  const seen = projectAll(matrix, points.position, points.shown, width, height);
  return Array.from({ length: points.count }, (_, i) => i).filter((i) => !Array.from({ length: points.count }, (_, j) => j).some((j) => j !== i && seen[3 * j + 2]! <= seen[3 * i + 2]! + 1e-3 && Math.hypot(seen[3 * j]! - seen[3 * i]!, seen[3 * j + 1]! - seen[3 * i + 1]!) < 12));
}
