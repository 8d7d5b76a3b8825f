/** What is drawn in SVG behind and before the marks. Templates of what axes.ts has placed. */
import { nothing, svg, type SVGTemplateResult } from 'lit';
import { FEATURE_CLASSES } from '../../engine/pack/schema.js';
import type { DyingFrame } from '../../engine/dying/record.js';
import { whisker, type AxesLayout, type AxisText, type Picture } from './axes.js';
import type { Point } from './pick.js';
import type { CloudAxes, CloudPoints } from './points.js';

export function backTemplate(layout: AxesLayout, width: number, height: number): SVGTemplateResult {
  return svg`
    <svg class="layer" aria-hidden="true" width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`}>
      ${layout.floor === null ? nothing : svg`<path class="floor" d=${layout.floor.path}></path>`}
      <path class="grid-line" d=${layout.grid}></path>
      <path class="outline" d=${layout.outline}></path>
    </svg>`;
}

export interface FrontState {
  readonly layout: AxesLayout;
  readonly width: number;
  readonly height: number;
  /** By class: path of the whiskers. */
  readonly whiskers: readonly string[];
  /** Ringed features: the one that is open, the one that the keyboard or the pointer is on. */
  readonly rings: readonly { readonly kind: 'open' | 'focus'; readonly at: Point; readonly radius: number }[];
  /** The brush that is being drawn, as a path. */
  readonly brush: string;
}

export function frontTemplate({ layout, width, height, whiskers, rings, brush }: FrontState): SVGTemplateResult {
  const text = (one: AxisText, name: string): SVGTemplateResult => svg`<text class=${name} x=${one.x} y=${one.y} dy="0.32em" text-anchor=${one.anchor}>${one.text}</text>`;
  return svg`
    <svg class="layer front" aria-hidden="true" width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`}>
      ${FEATURE_CLASSES.map((name, k) => (whiskers[k] ? svg`<path class=${`whisker ${name}`} d=${whiskers[k]}></path>` : nothing))}
      ${layout.ticks.map((tick) => text(tick, 'tick'))}
      ${layout.names.map((name) => text(name, 'name'))}
      ${layout.floor === null ? nothing : text(layout.floor.label, 'floor-name')}
      ${rings.map(({ kind, at, radius }) => svg`<circle class=${`ring ${kind}`} cx=${at.x} cy=${at.y} r=${radius}></circle>`)}
      ${brush === '' ? nothing : svg`<path class="brush" d=${brush}></path>`}
    </svg>`;
}

/** By class: the intervals of some features as one path. */
export function whiskerPaths(axes: CloudAxes, frame: DyingFrame, points: CloudPoints, features: Iterable<number | null>, picture: Picture): string[] {
  const paths = FEATURE_CLASSES.map(() => '');
  for (const i of features) if (i !== null && i < points.count) paths[points.classes[i]!] += whisker(axes, frame, points, i, picture);
  return paths;
}

/** Two corners as a rectangle, more points as a lasso. */
export function outlinePath(outline: readonly Point[] | null): string {
  const [a, b] = outline ?? [];
  if (a === undefined || b === undefined) return '';
  return outline!.length === 2 ? `M${a.x},${a.y}H${b.x}V${b.y}H${a.x}Z` : `M${outline!.map(({ x, y }) => `${x},${y}`).join('L')}Z`;
}
