/** Where everything of the chart stands, in CSS pixels. Pure. */
import type { DyingRecord } from '../../engine/dying/record.js';
import { ruleOfThree } from '../../engine/statistics.js';
import { axisOf, type Axis } from '../training-monitor/scale.js';
import { stepAxis, type Plot } from '../training-monitor/lines.js';
import type { Knee, Law } from './laws.js';

const MARGIN = { top: 10, right: 14, bottom: 28, left: 52 } as const;
/** Height of the band for what the rows cannot show. */
export const BAND = 18;

export interface TimelapseLayout {
  readonly width: number;
  readonly height: number;
  /** Of densities; the band lies below it. */
  readonly plot: Plot;
  readonly x: Axis;
  readonly y: Axis;
  /** The least 3 / N over the frames: nothing is drawn below it. */
  readonly floor: number;
  /** By frame, from the left. */
  readonly columns: readonly number[];
}

export function layoutTimelapse({ frames }: Pick<DyingRecord, 'frames'>, { width, height, kind, laws, knees }: { readonly width: number; readonly height: number; readonly kind: 'log' | 'linear'; readonly laws: readonly Law[]; readonly knees: readonly Knee[] }): TimelapseLayout {
  const plot: Plot = { x: MARGIN.left, y: MARGIN.top, width: Math.max(40, width - MARGIN.left - MARGIN.right), height: Math.max(40, height - MARGIN.top - MARGIN.bottom - BAND) };
  const floor = Math.min(1, ...frames.map(({ rows }) => ruleOfThree(rows)));
  const least = Math.min(...frames.map(({ rows }) => 1 / rows));
  const lowest = Math.min(least, ...laws.flatMap(({ p }) => (p.length === 0 ? [] : [Math.max(p[p.length - 1]!, least / 10)])), ...knees.map(({ density }) => Math.max(density, least / 3)));
  const y = axisOf([1, lowest], { kind: 'log', range: [plot.y + plot.height, plot.y], count: Math.max(2, Math.floor(plot.height / 34)) });
  const x = stepAxis(frames.map(({ step }) => step), kind, plot);
  return { width, height, plot, x, y, floor, columns: frames.map(({ step }) => x.map(kind === 'log' ? Math.max(1, step) : step)) };
}

/** The frame whose column is nearest. */
export function frameNear({ columns }: Pick<TimelapseLayout, 'columns'>, x: number): number {
  let best = 0;
  for (let at = 1; at < columns.length; at++) if (Math.abs(columns[at]! - x) < Math.abs(columns[best]! - x)) best = at;
  return best;
}
