/** The scatter, the boundary with its trail, and the survival curve, as SVG over the canvas of points. */
import { nothing, svg, type SVGTemplateResult } from 'lit';
import type { DyingPlane } from '../../engine/dying/record.js';
import { axisOf, type Axis } from '../training-monitor/scale.js';
import { formatNumber, trimmed } from '../internal/format.js';
import { clip, type Boundary, type Projected } from './geometry.js';

const MARGIN = { top: 24, right: 10, bottom: 36, left: 46 } as const;

export interface Panel {
  readonly width: number;
  readonly height: number;
  readonly x: Axis;
  readonly y: Axis;
}

const ranges = (width: number, height: number): { x: readonly [number, number]; y: readonly [number, number] } => ({ x: [MARGIN.left, width - MARGIN.right], y: [height - MARGIN.bottom, MARGIN.top] });

export function scatterPanel({ acrossDomain, upDomain }: Projected, width: number, height: number): Panel {
  const { x, y } = ranges(width, height);
  return { width, height, x: axisOf(acrossDomain, { kind: 'linear', range: x, count: Math.max(2, Math.floor(width / 80)) }), y: axisOf(upDomain, { kind: 'linear', range: y, count: Math.max(2, Math.floor(height / 50)) }) };
}

export function survivalPanel({ survival }: Pick<DyingPlane, 'survival'>, boundary: Boundary, density: number, width: number, height: number): Panel {
  const { x, y } = ranges(width, height);
  const { c, p, rows } = survival;
  const seen = Array.from(c).filter((_, at) => p[at]! > 0 && p[at]! < 1);
  // An offset far from the data is told in words: it would squeeze the curve into a corner.
  const [low, high] = [Math.min(...seen), Math.max(...seen)];
  const offset = Number.isFinite(boundary.offset) && boundary.offset > low - (high - low) / 4 && boundary.offset < high + (high - low) ? [boundary.offset] : [];
  return { width, height, x: axisOf([...seen, ...offset], { kind: 'linear', range: x, count: Math.max(2, Math.floor(width / 70)) }), y: axisOf([1, 1 / rows, ...(density > 0 ? [density] : [])], { kind: 'log', range: y, count: Math.max(2, Math.floor(height / 40)) }) };
}

const round = (value: number): number => Math.round(value * 10) / 10;

function axes({ width, height, x, y }: Panel, across: string, up: string): SVGTemplateResult {
  const bottom = height - MARGIN.bottom;
  return svg`
    <g class="grid">${y.ticks.map(({ at, label }) => svg`<line x1=${MARGIN.left} x2=${width - MARGIN.right} y1=${round(at)} y2=${round(at)}></line><text x=${MARGIN.left - 6} y=${round(at)} text-anchor="end" dy="0.32em">${label}</text>`)}</g>
    <g class="grid">${x.ticks.map(({ at, label }) => svg`<text x=${round(at)} y=${bottom + 14} text-anchor="middle">${label}</text>`)}</g>
    <text class="name" x=${(MARGIN.left + width - MARGIN.right) / 2} y=${height - 4} text-anchor="middle">${across}</text>
    <text class="name" x=${MARGIN.left} y=${MARGIN.top - 12}>${up}</text>
  `;
}

/** @param trail earlier boundaries, the latest last */
export function scatterOverlay(panel: Panel, projected: Projected, boundary: Boundary, trail: readonly Boundary[]): SVGTemplateResult {
  const { x, y } = panel;
  const line = (one: Boundary): string | null => {
    const segment = clip(one, projected.acrossDomain, projected.upDomain);
    if (segment === null) return null;
    const { from, to } = segment;
    return `M${round(x.map(from[0]))},${round(y.map(from[1]))}L${round(x.map(to[0]))},${round(y.map(to[1]))}`;
  };
  const now = line(boundary);
  return svg`
    ${axes(panel, 'along w*, the direction of least firing →', '↑ most variance beside it')}
    ${trail.map((one, at) => {
      const path = line(one);
      return path === null ? nothing : svg`<path class="trail" opacity=${round((0.5 * (at + 1)) / (trail.length + 1))} d=${path}></path>`;
    })}
    ${now === null ? svg`<text class="beyond" x=${panel.width - MARGIN.right - 4} y=${MARGIN.top + 10} text-anchor="end">the boundary lies beyond this window</text>` : svg`<path class="boundary" d=${now}></path>${arrow(panel, projected, boundary)}`}
  `;
}

/** From the middle of the boundary's piece to the side that fires. */
function arrow({ x, y }: Panel, { acrossDomain, upDomain }: Projected, boundary: Boundary): SVGTemplateResult | typeof nothing {
  const segment = clip(boundary, acrossDomain, upDomain);
  if (segment === null) return nothing;
  const middle = [(segment.from[0] + segment.to[0]) / 2, (segment.from[1] + segment.to[1]) / 2] as const;
  const start = [x.map(middle[0]), y.map(middle[1])] as const;
  // At a right angle to the line as it is drawn: axes differ in scale.
  const along = [x.map(segment.to[0]) - x.map(segment.from[0]), y.map(segment.to[1]) - y.map(segment.from[1])] as const;
  const length = Math.hypot(...along);
  // A corner that is cut off has no room for one.
  if (length < 24) return nothing;
  let [nx, ny] = [-along[1] / length, along[0] / length];
  // Does a step that way raise w . x + b?
  const perPixel = [(acrossDomain[1] - acrossDomain[0]) / (x.map(acrossDomain[1]) - x.map(acrossDomain[0])), (upDomain[1] - upDomain[0]) / (y.map(upDomain[1]) - y.map(upDomain[0]))] as const;
  if (boundary.across * nx * perPixel[0] + boundary.up * ny * perPixel[1] < 0) [nx, ny] = [-nx, -ny];
  const tip = [start[0] + 26 * nx, start[1] + 26 * ny] as const;
  const wing = (side: number): string => `${round(tip[0] - 7 * nx + side * 4 * ny)},${round(tip[1] - 7 * ny - side * 4 * nx)}`;
  return svg`<path class="arrow" d=${`M${round(start[0])},${round(start[1])}L${round(tip[0])},${round(tip[1])}M${wing(1)}L${round(tip[0])},${round(tip[1])}L${wing(-1)}`}></path>`;
}

/** P(w* . x > c), and where this feature's own boundary is: along w*, if that were its direction. */
export function survivalOverlay(panel: Panel, { survival }: Pick<DyingPlane, 'survival'>, boundary: Boundary, density: number): SVGTemplateResult {
  const { x, y } = panel;
  const { c, p, rows } = survival;
  let path = '';
  for (let at = 0; at < c.length; at++) if (p[at]! > 0) path += `${path === '' ? 'M' : 'L'}${round(x.map(c[at]!))},${round(y.map(p[at]!))}`;
  const place = Number.isFinite(boundary.offset) ? x.map(boundary.offset) : null;
  return svg`
    ${axes(panel, 'offset c', 'share of tokens beyond c')}
    <path class="survival" d=${path}></path>
    ${place === null ? nothing : offsetTemplate(panel, boundary.offset, place, y.map(density > 0 ? density : 1 / rows), density > 0)}
  `;
}

/** The feature at its own offset and density (pixels `place`, `up`); of an offset beyond the axis the number, and on which side it lies. */
function offsetTemplate({ width, height }: Panel, offset: number, place: number, up: number, fires: boolean): SVGTemplateResult {
  const [left, right] = [MARGIN.left, width - MARGIN.right];
  const at = Math.max(left, Math.min(right, round(place)));
  const named = `−b/‖w‖ = ${trimmed(formatNumber(offset))}`;
  const onRight = at > width / 2;
  const label = (text: string): SVGTemplateResult => svg`<text class="offset-name" x=${at} y=${MARGIN.top + 14} dx=${onRight ? -5 : 5} text-anchor=${onRight ? 'end' : 'start'}>${text}</text>`;
  if (place < left - 1 || place > right + 1) return label(onRight ? `${named} →` : `← ${named}`);
  return svg`
    <path class="offset" d=${`M${at},${MARGIN.top}V${height - MARGIN.bottom}`}></path>
    <circle class=${fires ? 'own' : 'own open'} cx=${at} cy=${round(up)} r="5"></circle>
    ${label(named)}
  `;
}
