/**
 * Where the lines of a chart go, in CSS pixels. Pure.
 *
 * Kept true: of all points in one column of pixels the first, the lowest, the
 * highest and the last are drawn, so that no spike is smoothed away; what is not
 * finite breaks the line.
 */
import { axisOf, type Axis } from './scale.js';

export interface LineData {
  readonly name: string;
  /** Run or kind: chooses colour and dashes. */
  readonly style: number;
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

export interface PlacedLine {
  readonly name: string;
  readonly style: number;
  readonly path: string;
  /** The last point that is drawn; null for a line without any. */
  readonly end: { readonly x: number; readonly y: number } | null;
}

export interface Plot {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface LineLayout {
  readonly width: number;
  readonly height: number;
  readonly plot: Plot;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly PlacedLine[];
}

export interface LineOptions {
  readonly width: number;
  readonly height: number;
  readonly xKind: 'linear' | 'log';
  readonly yKind: 'linear' | 'log';
  /** Steps that the axis spans at least. */
  readonly span?: readonly number[];
  /** Values that the axis spans at least. */
  readonly include?: readonly number[];
  readonly format?: (value: number) => string;
}

export const MARGIN = { top: 10, right: 12, bottom: 26, left: 48 } as const;

/** The plot's place, and its axis of steps: the same in all charts of a width, so that they can be read down. */
export function plotOf(width: number, height: number): Plot {
  return { x: MARGIN.left, y: MARGIN.top, width: Math.max(40, width - MARGIN.left - MARGIN.right), height: Math.max(30, height - MARGIN.top - MARGIN.bottom) };
}

/** Steps along the bottom; step 0 stands at 1 where it is logarithmic. */
export function stepAxis(steps: Iterable<number>, kind: 'linear' | 'log', plot: Plot): Axis {
  const shown = kind === 'log' ? Array.from(steps, (step) => Math.max(1, step)) : steps;
  return axisOf(shown, { kind, range: [plot.x, plot.x + plot.width], count: Math.max(2, Math.floor(plot.width / 70)), format: shortCount });
}

export function layoutLines(lines: readonly LineData[], { width, height, xKind, yKind, span = [], include = [], format }: LineOptions): LineLayout {
  const plot = plotOf(width, height);
  const all = (pick: (line: LineData) => readonly number[]): number[] => lines.flatMap((line) => [...pick(line)]);
  const x = stepAxis([...span, ...all(({ steps }) => steps)], xKind, plot);
  const y = axisOf([...include, ...all(({ values }) => values)], { kind: yKind, range: [plot.y + plot.height, plot.y], count: Math.max(2, Math.floor(plot.height / 32)), ...(format === undefined ? {} : { format }) });
  return { width, height, plot, x, y, lines: lines.map((line) => place(line, x, y)) };
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function place({ name, style, steps, values }: LineData, x: Axis, y: Axis): PlacedLine {
  const pieces: string[] = [];
  let end: Point | null = null;
  let column: { first: Point; low: Point; high: Point; last: Point; at: number } | null = null;
  let open = false;
  const draw = ({ x: px, y: py }: Point): void => {
    pieces.push(`${open ? 'L' : 'M'}${round(px)},${round(py)}`);
    open = true;
    end = { x: px, y: py };
  };
  const flush = (): void => {
    if (column === null) return;
    const { first, low, high, last } = column;
    const inner = [low, high].filter((point) => point !== first && point !== last).sort((a, b) => a.x - b.x);
    for (const point of new Set([first, ...inner, last])) draw(point);
    column = null;
  };
  for (let i = 0; i < steps.length; i++) {
    const value = values[i] as number;
    if (!Number.isFinite(value) || (y.kind === 'log' && value <= 0)) {
      flush();
      open = false;
      continue;
    }
    const point = { x: x.map(Math.max(x.kind === 'log' ? 1 : 0, steps[i] as number)), y: y.map(value) };
    const at = Math.floor(point.x);
    if (column === null || column.at !== at) {
      flush();
      column = { first: point, low: point, high: point, last: point, at };
    } else {
      if (point.y > column.low.y) column.low = point;
      if (point.y < column.high.y) column.high = point;
      column.last = point;
    }
  }
  flush();
  return { name, style, path: pieces.join(''), end };
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** 12000 → `12k`: axes have little room. */
export function shortCount(value: number): string {
  if (value >= 1e6) return `${trim(value / 1e6)}M`;
  if (value >= 1e4) return `${trim(value / 1e3)}k`;
  return trim(value);
}
const trim = (value: number): string => String(Math.round(value * 100) / 100);
