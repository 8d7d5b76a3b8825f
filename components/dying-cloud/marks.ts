/**
 * The mark of each class: a shape and a colour, so that neither says it alone. Outlines are in
 * units of the mark's radius, y down; cloud.wgsl has the same shapes as distance functions.
 */
import { FEATURE_CLASSES, type FeatureClass } from '../../engine/pack/schema.js';

/** Corners of a class's mark; null for a circle of radius 1. */
export const MARK_CORNERS: Readonly<Record<FeatureClass, readonly (readonly [x: number, y: number])[] | null>> = {
  dead: null,
  ultralow: [[-1.1, -0.75], [1.1, -0.75], [0, 1.15]],
  rare: [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]],
  live: [[-1.1, 0.75], [1.1, 0.75], [0, -1.15]],
  dense: [[-0.88, -0.88], [0.88, -0.88], [0.88, 0.88], [-0.88, 0.88]],
};

/** Farther out than any mark reaches, in radii. */
export const MARK_REACH = 1.3;

/** The outline as the `d` of an SVG path, about (x, y). */
export function markPath(name: FeatureClass, radius: number, x = 0, y = 0): string {
  const corners = MARK_CORNERS[name];
  const at = (value: number): string => String(Math.round(value * 100) / 100);
  if (corners === null) return `M${at(x - radius)},${at(y)}a${at(radius)},${at(radius)} 0 1,0 ${at(2 * radius)},0a${at(radius)},${at(radius)} 0 1,0 ${at(-2 * radius)},0Z`;
  return `${corners.map(([cx, cy], i) => `${i === 0 ? 'M' : 'L'}${at(x + cx * radius)},${at(y + cy * radius)}`).join('')}Z`;
}

/** Traces the outline on a canvas. */
export function traceMark(context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D, name: FeatureClass, radius: number, x: number, y: number): void {
  const corners = MARK_CORNERS[name];
  context.beginPath();
  if (corners === null) context.arc(x, y, radius, 0, 2 * Math.PI);
  else {
    for (const [cx, cy] of corners) context.lineTo(x + cx * radius, y + cy * radius);
    context.closePath();
  }
}

/** Colours as CSS has them, resolved. */
export interface CloudColors {
  /** By FEATURE_CLASSES. */
  readonly classes: readonly string[];
  readonly surface: string;
  /** What is not in the chosen set. */
  readonly faded: string;
}

/** Reads them off elements of the classes' names and `.surface`, `.faded`: what light-dark() and forced colours make of the theme. */
export function readColors(probes: ParentNode): CloudColors {
  const colorOf = (name: string): string => {
    const probe = probes.querySelector(`.${name}`);
    return probe === null ? '#808080' : getComputedStyle(probe).color;
  };
  return { classes: FEATURE_CLASSES.map(colorOf), surface: colorOf('surface'), faded: colorOf('faded') };
}
