/**
 * The drawing of the histogram: a listbox of bars in SVG. Geometry comes from
 * layout.ts, looks from the style sheet; nothing here has state.
 */
import { nothing, svg, type SVGTemplateResult, type TemplateResult } from 'lit';
import { formatCount, formatDensity } from '../internal/format.js';
import { mainClass, type DensityBar } from './bins.js';
import type { BarLayout, HistogramLayout } from './layout.js';


export interface ChartState {
  readonly layout: HistogramLayout;
  readonly floor: number;
  /** Bars that are brushed, both ends included. */
  readonly range: readonly [number, number] | null;
  /** Bar that the keyboard is on. */
  readonly cursor: number;
  /** Bar under the pointer. */
  readonly hovered: number | null;
  /** Features of `selected` in each bar; null when nothing is selected. */
  readonly highlighted: Uint32Array | null;
  /** x of single selected features that lie on the axis. */
  readonly marks: readonly number[];
}

/** One bar in words. */
export function describeBar(bar: DensityBar): string {
  const count = `${formatCount(bar.features.length)} ${bar.features.length === 1 ? 'feature' : 'features'}`;
  if (bar.kind === 'dead') return `Dead, no firing: ${count}`;
  if (bar.kind === 'unresolved') return `Fired, but below the resolution floor of ${formatDensity(bar.high)}: ${count}`;
  const name = mainClass(bar);
  return `Density ${formatDensity(bar.low)} to ${formatDensity(bar.high)}: ${count}${name === null ? '' : `, ${name}`}`;
}

/** Everything inside the `<svg>`. */
export function chartTemplate(state: ChartState): TemplateResult | SVGTemplateResult {
  const { layout, range } = state;
  const { plot } = layout;
  const bottom = plot.y + plot.height;
  return svg`
    <defs>
      <pattern id="unreachable" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <line class="hatch" x1="0" y1="0" x2="0" y2="6"></line>
      </pattern>
    </defs>
    <g aria-hidden="true">
      ${layout.yTicks.map(({ at, label }) => svg`
        <line class="grid" x1=${layout.bars[0]?.column.x ?? 0} x2=${layout.width - 10} y1=${at} y2=${at}></line>
        <text class="tick" x=${34} y=${at} dy="0.32em" text-anchor="end">${label}</text>`)}
      <rect class="zone" x=${plot.x} y=${plot.y} width=${layout.floor - plot.x} height=${plot.height}></rect>
      <rect class="zone-hatch" fill="url(#unreachable)" x=${plot.x} y=${plot.y} width=${layout.floor - plot.x} height=${plot.height}></rect>
      ${range === null ? nothing : brush(layout, range)}
    </g>
    ${layout.bars.map((bar, i) => barTemplate(bar, i, state))}
    <g aria-hidden="true">
      ${layout.edges.map((x) => svg`<line class="edge" x1=${x} x2=${x} y1=${plot.y - 4} y2=${bottom}></line>`)}
      ${layout.bands.map(({ class: name, from, to, named }) => (named ? svg`<text class="band ${name}" x=${(from + to) / 2} y=${plot.y - 22} text-anchor="middle">${name}</text>` : nothing))}
      ${floorTemplate(state)}
      <line class="axis" x1=${layout.bars[0]?.column.x ?? 0} x2=${layout.bars[1] === undefined ? 0 : layout.bars[1].column.x + layout.bars[1].column.width} y1=${bottom} y2=${bottom}></line>
      <line class="axis" x1=${plot.x} x2=${plot.x + plot.width} y1=${bottom} y2=${bottom}></line>
      ${layout.xTicks.map(({ at, label }) => svg`
        <line class="axis" x1=${at} x2=${at} y1=${bottom} y2=${bottom + 4}></line>
        <text class="tick" x=${at} y=${bottom + 20} text-anchor="middle">${label}</text>`)}
      ${[layout.bars[0], layout.bars[1]].map((bar, i) => (bar === undefined ? nothing : svg`
        <text class="tick" x=${bar.column.x + bar.column.width / 2} y=${bottom + (i === 1 && bar.column.width < 30 ? 28 : 16)} text-anchor="middle">${i === 0 ? 'dead' : '< 3/N'}</text>`))}
      <text class="title" x=${plot.x + plot.width / 2} y=${layout.height - 4} text-anchor="middle">${plot.width < 280 ? 'density' : 'density (share of tokens on which it fires)'}</text>
      ${state.marks.map((x) => svg`<path class="pin" d=${`M${x},${bottom + 1}l-4.5,8h9z`}></path>`)}
    </g>`;
}

function brush(layout: HistogramLayout, [from, to]: readonly [number, number]): SVGTemplateResult {
  const a = layout.bars[from]?.column;
  const b = layout.bars[to]?.column;
  if (a === undefined || b === undefined) return svg``;
  return svg`<rect class="brush" x=${a.x - 1} y=${a.y} width=${b.x + b.width - a.x + 2} height=${a.height}></rect>`;
}

function barTemplate({ bar, column, segments, top, cut }: BarLayout, i: number, { range, cursor, hovered, highlighted, marks, layout }: ChartState): SVGTemplateResult {
  const inRange = range !== null && i >= range[0] && i <= range[1];
  const faded = range !== null && !inRange;
  const share = highlighted === null || bar.features.length === 0 ? 0 : (highlighted[i] ?? 0) / bar.features.length;
  const bottom = layout.plot.y + layout.plot.height;
  const body = segments[0];
  return svg`
    <g id=${`bar-${i}`} role="option" aria-selected=${inRange ? 'true' : 'false'} aria-label=${describeBar(bar)}
      class="feature-bar ${faded ? 'faded' : ''} ${i === hovered ? 'hovered' : ''} ${bar.kind}">
      <rect class="column ${i === cursor ? 'cursor' : ''}" x=${column.x} y=${column.y} width=${column.width} height=${column.height}></rect>
      ${segments.map(({ class: name, x, y, width, height }) => svg`<rect class="segment ${name}" x=${x} y=${y} width=${width} height=${height}></rect>`)}
      ${share === 0 || marks.length > 0 || body === undefined ? nothing : svg`
        <rect class="chosen" x=${body.x} y=${bottom - Math.max(2, share * (bottom - top))} width=${body.width} height=${Math.max(2, share * (bottom - top))}></rect>`}
      ${cut && body !== undefined ? svg`
        <path class="cut" d=${`M${body.x - 2},${top + 13}l${body.width + 4},-6v4l${-body.width - 4},6z`}></path>` : nothing}
      ${bar.kind === 'bin' ? nothing : svg`<text class="count" x=${column.x + column.width / 2} y=${top - 4} text-anchor="middle">${formatCount(bar.features.length)}</text>`}
    </g>`;
}

/** The floor's line and its name, on the side that has room. */
function floorTemplate({ layout, floor }: ChartState): SVGTemplateResult {
  const { plot, floor: x } = layout;
  const right = x < plot.x + plot.width * 0.55;
  return svg`
    <line class="floor" x1=${x} x2=${x} y1=${plot.y - 12} y2=${plot.y + plot.height}></line>
    <text class="floor-name" x=${right ? x + 4 : x - 4} y=${plot.y - 5} text-anchor=${right ? 'start' : 'end'}>floor 3/N = ${formatDensity(floor)}</text>`;
}
