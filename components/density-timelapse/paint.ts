/**
 * One line a feature, on a canvas: thousands of elements would be too many.
 *
 * Kept true: a line runs through counted densities only. Where a feature has no firing its line ends in the
 * band below, which says no more than that; a density between 1 / N and 3 / N was counted and is drawn.
 */
import type { DyingFrame } from '../../engine/dying/record.js';
import type { Group } from './groups.js';
import { BAND, type TimelapseLayout } from './layout.js';

export interface PaintOptions {
  readonly context: CanvasRenderingContext2D;
  readonly layout: TimelapseLayout;
  readonly frames: readonly DyingFrame[];
  readonly groups: readonly Group[];
  /** Resolved CSS colour of a group. */
  readonly color: (group: Group) => string;
  readonly hidden: ReadonlySet<string>;
}

/** Opacity at which so many lines still show where they lie close. */
export function opacityFor(features: number): number {
  return Math.max(0.03, Math.min(0.6, 14 / Math.max(1, features)));
}

export function paintLines({ context, layout, frames, groups, color, hidden }: PaintOptions): void {
  const { plot, y, columns } = layout;
  const bottom = plot.y + plot.height;
  context.lineWidth = 1;
  for (const group of groups) {
    if (hidden.has(group.name)) continue;
    context.strokeStyle = color(group);
    context.globalAlpha = opacityFor(group.features.length);
    for (const i of group.features) {
      context.beginPath();
      let open = false;
      for (const [at, { counts, rows }] of frames.entries()) {
        const x = columns[at]!;
        const count = counts[i]!;
        if (count > 0) {
          const to = y.map(count / rows);
          if (!open && at > 0 && counts[i] !== undefined && frames[at - 1]!.counts[i] === 0) context.moveTo(columns[at - 1]!, bottom + BAND / 2);
          if (open || (at > 0 && frames[at - 1]!.counts[i] === 0)) context.lineTo(x, to);
          else context.moveTo(x, to);
          open = true;
        } else {
          if (open) context.lineTo(x, bottom + BAND / 2);
          open = false;
        }
      }
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}
