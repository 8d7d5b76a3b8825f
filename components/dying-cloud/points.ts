/**
 * The cloud of one frame: where each feature lies in the cube [-1, 1]^3, of which class it is, and
 * whether it can be told from zero.
 *
 * Kept true: a feature whose density is below the floor 3/N lies in the floor's plane as an open mark, never
 * below it; a feature without a value on one of the axes, or of a class that is switched off, is not
 * `shown`, and what is not shown is not drawn, not picked and not brushed.
 */
import { classOf } from '../../engine/statistics.js';
import { FEATURE_CLASSES, type FeatureClass } from '../../engine/pack/schema.js';
import type { DyingFrame } from '../../engine/dying/record.js';
import { domainOf, floorOf, quantityOf, type Quantity } from './quantities.js';

export interface CloudAxis {
  readonly quantity: Quantity;
  /** The ends, of the logarithm to base 10 where the scale is logarithmic. */
  readonly domain: readonly [number, number];
}

/** x to the right, y up, z to the viewer, as the camera stands at first. */
export type CloudAxes = readonly [x: CloudAxis, y: CloudAxis, z: CloudAxis];

/** The axes of a record; where a name is none of a quantity, bias, density and D/E. */
export function cloudAxes(frames: readonly DyingFrame[], [x, y, z]: readonly [string, string, string]): CloudAxes {
  const axisOf = (quantity: Quantity): CloudAxis => ({ quantity, domain: domainOf(frames, quantity) });
  return [axisOf(quantityOf(x, 'bias')), axisOf(quantityOf(y, 'density')), axisOf(quantityOf(z, 'de'))];
}

export interface CloudPoints {
  readonly count: number;
  /** [count, 3] in [-1, 1]; NaN where there is no value. */
  readonly position: Float32Array;
  /** [count] index into FEATURE_CLASSES. */
  readonly classes: Uint8Array;
  /** [count] 1 where the density is below the floor. */
  readonly open: Uint8Array;
  /** [count] 1 where the feature is drawn. */
  readonly shown: Uint8Array;
  /** Features of each class, drawn or not. */
  readonly counts: Readonly<Record<FeatureClass, number>>;
  /** How many features have no value on an axis. */
  readonly without: number;
}

/** Where a value lies on an axis, -1 to 1 and beyond for what lies outside its ends. */
export function placeOn({ quantity, domain: [low, high] }: CloudAxis, value: number): number {
  const at = quantity.scale === 'log' ? Math.log10(value) : value;
  return (2 * (at - low)) / (high - low) - 1;
}

export function cloudPoints(frame: DyingFrame, axes: CloudAxes, hidden: ReadonlySet<FeatureClass>): CloudPoints {
  const count = frame.counts.length;
  const floor = floorOf(frame);
  const position = new Float32Array(3 * count);
  const classes = new Uint8Array(count);
  const open = new Uint8Array(count);
  const shown = new Uint8Array(count);
  const counts = Object.fromEntries(FEATURE_CLASSES.map((name) => [name, 0])) as Record<FeatureClass, number>;
  let without = 0;
  for (let i = 0; i < count; i++) {
    const name = frame.rows > 0 ? classOf(frame.counts[i]!, frame.rows) : 'dead';
    counts[name]++;
    classes[i] = FEATURE_CLASSES.indexOf(name);
    const below = !(frame.counts[i]! / frame.rows >= floor);
    open[i] = below ? 1 : 0;
    let whole = true;
    for (let a = 0; a < 3; a++) {
      const axis = axes[a]!;
      const value = axis.quantity.scale === 'log' ? (below ? floor : axis.quantity.of(frame, i)) : axis.quantity.of(frame, i);
      const at = placeOn(axis, value);
      position[3 * i + a] = at;
      if (!Number.isFinite(at)) whole = false;
    }
    if (!whole) without++;
    shown[i] = whole && !hidden.has(name) ? 1 : 0;
  }
  return { count, position, classes, open, shown, counts, without };
}

/** Radius of a mark in CSS pixels: smaller where there are many. */
export function markRadius(shown: number): number {
  return Math.max(1.1, Math.min(4, 7.6 - 1.3 * Math.log10(Math.max(1, shown))));
}
