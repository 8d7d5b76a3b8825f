/** Where everything of the collapse plot goes, in CSS pixels: pure, tested without a page. */
import { ticks } from 'd3-array';
import { classOf } from '../../engine/statistics.js';
import { FEATURE_CLASSES, type FeatureClass } from '../../engine/pack/schema.js';
import { formatNumber, formatPower, trimmed } from '../internal/format.js';
import { markPath } from '../dying-cloud/marks.js';
import type { Collapse, CollapsePoint, Curve } from './collapse.js';

export interface PlacedPoint extends CollapsePoint {
  readonly class: FeatureClass;
  readonly x: number;
  /** Of the density; at the floor for features that cannot be told from zero. */
  readonly y: number;
  /** Whether it is drawn open, at the floor. */
  readonly open: boolean;
}

export interface CollapseLayout {
  readonly width: number;
  readonly height: number;
  readonly plot: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  readonly xTicks: readonly { readonly at: number; readonly label: string }[];
  readonly yTicks: readonly { readonly at: number; readonly label: string }[];
  readonly points: readonly PlacedPoint[];
  /** y of the floor 3/N. */
  readonly floor: number;
  /** Paths: the survival curve, the normal one. */
  readonly curve: string;
  readonly gaussian: string;
  /** Paths of marks and intervals by class; open marks apart. */
  readonly marks: readonly { readonly class: FeatureClass; readonly open: boolean; readonly path: string }[];
  readonly whiskers: readonly { readonly class: FeatureClass; readonly path: string }[];
}

/** Intervals are drawn of so many features at most. */
const WHISKERS = 2000;
const STEPS = 240;

export function layoutCollapse(result: Collapse, rows: number, curve: Curve, gaussian: Curve, survival: { readonly c: ArrayLike<number>; readonly p: ArrayLike<number> }, width: number, height: number): CollapseLayout {
  const W = Math.max(200, width);
  const plot = { x: 46, y: 22, width: W - 46 - 12, height: Math.max(60, height - 22 - 40) };
  const floorValue = Math.min(1, 3 / Math.max(1, rows));
  const top = Math.min(1, result.edge * 3);
  const bottom = Math.min(floorValue, ...[survival.p[survival.p.length - 1]! || Infinity]) / 3;
  const [low, high] = offsetRange(result.points, survival, top);
  const x = (c: number): number => plot.x + (plot.width * (c - low)) / (high - low);
  const y = (p: number): number => plot.y + (plot.height * Math.log(top / Math.max(bottom, Math.min(top, p)))) / Math.log(top / bottom);
  const lines = (f: Curve): string => {
    let [path, open] = ['', false];
    for (let i = 0; i <= STEPS; i++) {
      const c = low + ((high - low) * i) / STEPS;
      const p = f(c);
      const inside = p > bottom && p <= top;
      if (inside) path += `${open ? 'L' : 'M'}${round(x(c))},${round(y(p))}`;
      open = inside;
    }
    return path;
  };
  const radius = result.points.length > 800 ? 2.4 : 3.6;
  const points = result.points.map((point): PlacedPoint => {
    const open = point.p < floorValue;
    return { ...point, class: classOf(point.count, rows), x: x(point.c), y: y(open ? floorValue : point.p), open };
  });
  const marks = FEATURE_CLASSES.flatMap((name) => [false, true].map((open) => ({ class: name, open, path: points.filter((point) => point.class === name && point.open === open).map((point) => markPath(name, radius, point.x, point.y)).join('') })));
  const whiskers = points.length > WHISKERS ? [] : FEATURE_CLASSES.map((name) => ({ class: name, path: points.filter((point) => point.class === name).map(({ x: at, interval }) => `M${round(at)},${round(y(interval.low))}V${round(y(interval.high))}`).join('') }));
  const decades = { first: Math.ceil(Math.log10(bottom)), last: Math.floor(Math.log10(top)) };
  const every = Math.max(1, Math.ceil(((decades.last - decades.first + 1) * 22) / plot.height));
  return {
    width: W,
    height,
    plot,
    xTicks: ticks(low, high, Math.max(2, Math.floor(plot.width / 70))).map((value) => ({ at: x(value), label: trimmed(formatNumber(Math.abs(value) < 1e-12 ? 0 : value)) })),
    yTicks: Array.from({ length: Math.max(0, decades.last - decades.first + 1) }, (_, i) => decades.last - i).filter((_, i) => i % every === 0).map((exponent) => ({ at: y(Number(`1e${exponent}`)), label: formatPower(exponent) })),
    points,
    floor: y(floorValue),
    curve: lines(curve),
    gaussian: lines(gaussian),
    marks: marks.filter(({ path }) => path !== ''),
    whiskers: whiskers.filter(({ path }) => path !== ''),
  };
}

/** From where the curve enters the picture, or the least offset, to the farthest of both. */
function offsetRange(points: readonly CollapsePoint[], { c, p }: { readonly c: ArrayLike<number>; readonly p: ArrayLike<number> }, top: number): readonly [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const point of points) [low, high] = [Math.min(low, point.c), Math.max(high, point.c)];
  for (let i = 0; i < c.length; i++) if (p[i]! <= top) [low, high] = [Math.min(low, c[i]!), Math.max(high, c[i]!)];
  if (low > high) return [0, 1];
  const room = high > low ? 0.03 * (high - low) : 0.5;
  return [low - room, high + room];
}

/** The nearest point within reach; null where there is none. */
export function pointAt(points: readonly PlacedPoint[], x: number, y: number, reach = 14): PlacedPoint | null {
  let best: PlacedPoint | null = null;
  let least = reach * reach;
  for (const point of points) {
    const away = (point.x - x) ** 2 + (point.y - y) ** 2;
    if (away <= least) [best, least] = [point, away];
  }
  return best;
}

const round = (value: number): number => Math.round(value * 10) / 10;
