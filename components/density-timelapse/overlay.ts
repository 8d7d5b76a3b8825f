/** Axes, medians, laws, knees, the floor and the cursor: SVG over the canvas. */
import { nothing, svg, type SVGTemplateResult } from 'lit';
import type { DyingFrame } from '../../engine/dying/record.js';
import { formatDensity } from '../internal/format.js';
import type { Group } from './groups.js';
import type { Knee, Law } from './laws.js';
import { BAND, type TimelapseLayout } from './layout.js';

const round = (value: number): number => Math.round(value * 10) / 10;

/** A path through what is not null; a gap where it is. */
export function pathThrough(columns: readonly number[], values: readonly (number | null)[], map: (value: number) => number): string {
  let path = '';
  let open = false;
  for (const [at, value] of values.entries()) {
    if (value === null) {
      open = false;
      continue;
    }
    path += `${open ? 'L' : 'M'}${round(columns[at]!)},${round(map(value))}`;
    open = true;
  }
  return path;
}

export interface OverlayOptions {
  readonly layout: TimelapseLayout;
  readonly frames: readonly DyingFrame[];
  readonly groups: readonly Group[];
  readonly hidden: ReadonlySet<string>;
  readonly laws: readonly Law[];
  readonly knees: readonly Knee[];
  /** Chosen features, to be drawn on top. */
  readonly features: readonly number[];
  readonly cursor: number;
}

export function overlayTemplate({ layout, frames, groups, hidden, laws, knees, features, cursor }: OverlayOptions): SVGTemplateResult {
  const { plot, x, y, floor, columns } = layout;
  const [left, right, bottom] = [plot.x, plot.x + plot.width, plot.y + plot.height];
  const floorY = y.map(floor);
  const lawX = (step: number): number => x.map(Math.max(x.kind === 'log' ? 1 : 0, step));
  return svg`
    <g class="grid">${y.ticks.map(({ at, label }) => svg`<line x1=${left} x2=${right} y1=${at} y2=${at}></line><text x=${left - 6} y=${at} text-anchor="end" dy="0.32em">${label}</text>`)}</g>
    <g class="grid">${x.ticks.map(({ at, label }) => svg`<text x=${at} y=${bottom + BAND + 16} text-anchor="middle">${label}</text>`)}</g>
    <rect class="band" x=${left} y=${bottom} width=${plot.width} height=${BAND}></rect>
    <text class="band-name" x=${left + 4} y=${bottom + BAND / 2} dy="0.32em">no firing: below ${formatDensity(floor)}</text>
    <path class="floor" d=${`M${left},${round(floorY)}H${right}`}></path>
    ${knees.map(({ name, density }) => (density < y.domain[0] ? nothing : svg`<path class="knee" d=${`M${left},${round(y.map(density))}H${right}`}></path><text class="knee-name" x=${right - 3} y=${round(y.map(density)) - 4} text-anchor="end">${name} = ${formatDensity(density)}</text>`))}
    ${groups.map((group) => {
      if (hidden.has(group.name)) return nothing;
      const band = bandBetween(columns, group, y.map);
      return svg`${band === '' ? nothing : svg`<path class=${`quartiles ${group.color}`} d=${band}></path>`}<path class=${`median ${group.color}`} stroke-dasharray=${group.dash} d=${pathThrough(columns, group.median, y.map)}></path>`;
    })}
    ${laws.map(({ step, p }) => svg`<path class="law" d=${pathThrough(Array.from(step, lawX), Array.from(p, (value) => (value < y.domain[0] ? null : value)), y.map)}></path>`)}
    ${features.map((i) => svg`<path class="chosen" d=${pathThrough(columns, frames.map(({ counts, rows }) => (counts[i]! > 0 ? counts[i]! / rows : null)), y.map)}></path>`)}
    <path class="cursor" d=${`M${round(columns[cursor] ?? left)},${plot.y}V${bottom + BAND}`}></path>
  `;
}

/** Between the quartiles, over the stretch in which both can be seen. */
function bandBetween(columns: readonly number[], { q25, q75 }: Group, map: (value: number) => number): string {
  const both = columns.flatMap((x, at) => (q25[at] === null || q25[at] === undefined || q75[at] === null || q75[at] === undefined ? [] : [{ x, low: map(q25[at]), high: map(q75[at]) }]));
  if (both.length < 2) return '';
  return `M${both.map(({ x, high }) => `${round(x)},${round(high)}`).join('L')}L${both.reverse().map(({ x, low }) => `${round(x)},${round(low)}`).join('L')}Z`;
}
