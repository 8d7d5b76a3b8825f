/** How the features are spread along each axis alone: three histograms, stacked by class. Placement is pure; the template has no state. */
import { svg, type SVGTemplateResult } from 'lit';
import { FEATURE_CLASSES, type FeatureClass } from '../../engine/pack/schema.js';
import { formatCount } from '../internal/format.js';
import { ticksOf } from './axes.js';
import type { CloudAxis, CloudPoints } from './points.js';

const BINS = 36;

export interface Marginal {
  /** [classes][BINS] features that are shown; below the floor apart. */
  readonly counts: readonly Uint32Array[];
  /** Features below the resolution floor, which have no place on a density's axis; by class. */
  readonly below: Uint32Array;
  readonly most: number;
}

/** Counts what is shown, and of a chosen set what is in it. */
export function marginalOf(points: CloudPoints, axis: number, logarithmic: boolean, chosen: Uint8Array | null): Marginal {
  const counts = FEATURE_CLASSES.map(() => new Uint32Array(BINS));
  const below = new Uint32Array(FEATURE_CLASSES.length);
  for (let i = 0; i < points.count; i++) {
    if (points.shown[i] === 0 || (chosen !== null && chosen[i] === 0)) continue;
    const name = points.classes[i]!;
    if (logarithmic && points.open[i] === 1) {
      below[name]!++;
      continue;
    }
    const bin = Math.max(0, Math.min(BINS - 1, Math.floor(((points.position[3 * i + axis]! + 1) / 2) * BINS)));
    counts[name]![bin]!++;
  }
  let most = 0;
  for (let bin = 0; bin < BINS; bin++) most = Math.max(most, counts.reduce((sum, of) => sum + of[bin]!, 0));
  return { counts, below, most };
}

/** @param most features that the plot's height stands for */
export function marginalTemplate(axis: CloudAxis, marginal: Marginal, most: number, width: number, height: number): SVGTemplateResult {
  const [left, top, bottom] = [6, 16, height - 18];
  const plot = Math.max(10, width - 2 * left);
  const step = plot / BINS;
  const tall = (count: number): number => ((bottom - top) * Math.min(count, most)) / Math.max(1, most);
  const paths = FEATURE_CLASSES.map((name, k): { name: FeatureClass; d: string } => {
    let d = '';
    for (let bin = 0; bin < BINS; bin++) {
      const count = marginal.counts[k]![bin]!;
      if (count === 0) continue;
      let under = 0;
      for (let other = 0; other < k; other++) under += marginal.counts[other]![bin]!;
      const base = bottom - tall(under);
      d += `M${(left + bin * step).toFixed(1)},${base.toFixed(1)}v${(-Math.max(1, tall(count))).toFixed(1)}h${Math.max(0.8, step - 0.6).toFixed(1)}V${base.toFixed(1)}Z`;
    }
    return { name, d };
  });
  const below = marginal.below.reduce((sum, count) => sum + count, 0);
  return svg`
    <svg class="marginal" role="img" aria-label=${`${axis.quantity.label}: histogram of the features that are shown${below > 0 ? `; ${below} more lie below the floor` : ''}`} width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`}>
      <text class="name" x=${left} y="10">${axis.quantity.label}</text>
      ${below > 0 ? svg`<text class="tick" x=${width - left} y="10" text-anchor="end">${formatCount(below)} ${width > 190 ? 'below 3/N' : '< 3/N'}</text>` : ''}
      ${paths.map(({ name, d }) => (d === '' ? '' : svg`<path class=${`bar ${name}`} d=${d}></path>`))}
      <line class="axis" x1=${left} x2=${left + plot} y1=${bottom} y2=${bottom}></line>
      ${ticksOf(axis, Math.max(2, Math.floor(plot / 60))).map(({ at, text }) => {
        const x = left + ((at + 1) / 2) * plot;
        return svg`<line class="axis" x1=${x} x2=${x} y1=${bottom} y2=${bottom + 3}></line><text class="tick" x=${Math.max(left + 6, Math.min(width - left - 6, x))} y=${bottom + 14} text-anchor="middle">${text}</text>`;
      })}
    </svg>`;
}
