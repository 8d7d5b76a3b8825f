/** The drawings: SVG of what lines.ts, heat.ts and frontier.ts have placed. Looks come from the style sheet; nothing here has state. */
import { nothing, svg, type SVGTemplateResult } from 'lit';
import { formatCount } from '../internal/format.js';
import type { FrontierLayout } from './frontier.js';
import type { HeatLayout } from './heat.js';
import type { LineLayout, Plot } from './lines.js';
import type { Axis, Tick } from './scale.js';

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly plot: Plot;
}

/** What all charts over steps have: where the slider stands, and where features were resampled. */
export interface Marks {
  readonly cursor: number | null;
  readonly resampled: readonly number[];
}

const picture = ({ width, height }: Frame, label: string, content: unknown): SVGTemplateResult => svg`
  <svg class="chart" role="img" aria-label=${label} width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`}>${content}</svg>`;

function axes({ plot, height }: Frame, x: readonly Tick[], y: readonly Tick[], bottom: number, title: string): SVGTemplateResult {
  return svg`
    ${y.map(({ at, label }) => svg`
      <line class="grid" x1=${plot.x} x2=${plot.x + plot.width} y1=${at} y2=${at}></line>
      ${label === '' ? nothing : svg`<text class="tick" x=${plot.x - 6} y=${at} dy="0.32em" text-anchor="end">${label}</text>`}`)}
    <line class="axis" x1=${plot.x} x2=${plot.x + plot.width} y1=${bottom} y2=${bottom}></line>
    ${x.map(({ at, label }) => svg`
      <line class="axis" x1=${at} x2=${at} y1=${bottom} y2=${bottom + 4}></line>
      ${at > plot.x + plot.width - 40 && title !== '' ? nothing : svg`<text class="tick" x=${at} y=${bottom + 16} text-anchor="middle">${label}</text>`}`)}
    ${title === '' ? nothing : svg`<text class="tick" x=${plot.x + plot.width} y=${Math.min(height - 4, bottom + 16)} text-anchor="end">${title}</text>`}`;
}

function stepMarks(x: Axis, { cursor, resampled }: Marks, top: number, bottom: number): SVGTemplateResult {
  const at = (step: number): number => x.map(Math.max(x.kind === 'log' ? 1 : 0, step));
  return svg`
    ${resampled.map((step) => svg`<line class="resampled" x1=${at(step)} x2=${at(step)} y1=${top} y2=${bottom}></line>`)}
    ${cursor === null ? nothing : svg`<line class="cursor" x1=${at(cursor)} x2=${at(cursor)} y1=${top} y2=${bottom}></line>`}`;
}

/** @param label in words, for those who do not see it */
export function lineChart(layout: LineLayout, label: string, marks: Marks): SVGTemplateResult {
  const { plot, x, y, lines } = layout;
  const bottom = plot.y + plot.height;
  return picture(layout, label, svg`
    ${axes(layout, x.ticks, y.ticks, bottom, 'step')}
    ${lines.map(({ path, style, end }) => svg`
      <path class=${`line style-${style % 6}`} d=${path}></path>
      ${end === null ? nothing : svg`<circle class=${`end style-${style % 6}`} cx=${end.x} cy=${end.y} r="2.5"></circle>`}`)}
    ${stepMarks(x, marks, plot.y, bottom)}`);
}

export function heatChart(layout: HeatLayout, label: string, marks: Marks): SVGTemplateResult {
  const { plot, strips, x, yTicks, levels, floor } = layout;
  const end = strips.at(-1);
  const bottom = end === undefined ? plot.y + plot.height : end.y + end.height;
  return picture(layout, label, svg`
    ${axes(layout, x.ticks, yTicks, bottom, 'step')}
    ${strips.map(({ name, y, height }) => svg`
      <rect class="strip" x=${plot.x} y=${y} width=${plot.width} height=${height}></rect>
      <text class="tick" x=${plot.x - 6} y=${y + height / 2} dy="0.32em" text-anchor="end">${name === 'dead' ? 'dead' : '< 3/N'}</text>`)}
    ${levels.map(({ level, path }) => svg`<path class=${`heat level-${level}`} d=${path}></path>`)}
    <path class="floor" d=${floor}></path>
    ${stepMarks(x, marks, plot.y, bottom)}`);
}

export function frontierChart(layout: FrontierLayout, label: string): SVGTemplateResult {
  const { plot, x, y, runs } = layout;
  const bottom = plot.y + plot.height;
  return picture(layout, label, svg`
    ${axes(layout, x.ticks, y.ticks, bottom, 'L0')}
    ${runs.map(({ style, path, end, efficient }) => svg`
      <path class=${`line faint style-${style % 6}`} d=${path}></path>
      ${end === null ? nothing : svg`<circle class=${`point style-${style % 6} ${efficient ? 'efficient' : ''}`} cx=${end.x} cy=${end.y} r="5"></circle>`}`)}`);
}

/** The heat map's shades in words. */
export const heatLegend = (most: number): string => `from 1 to ${formatCount(most)} features in a cell`;
