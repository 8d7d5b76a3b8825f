/**
 * Where everything of the histogram goes, in CSS pixels: pure functions of the
 * bars and the element's size, tested without a page.
 *
 *   | dead | < 3/N |  ////floor| bin bin bin …  |
 *
 * The two bars of what cannot be told from zero stand left of a gap, off the axis.
 */
import { max, ticks } from 'd3-array';
import { CLASS_EDGES, FEATURE_CLASSES, type FeatureClass } from '../../engine/pack/schema.js';
import { formatCount, formatPower } from '../internal/format.js';
import type { DensityBar, DensityBars } from './bins.js';

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface BarLayout {
  readonly bar: DensityBar;
  /** The column in which pointer and keyboard find it: the whole height of the plot. */
  readonly column: Rect;
  /** Stacked by class, the rarest below; only classes that it has. */
  readonly segments: readonly (Rect & { readonly class: FeatureClass })[];
  /** Top of the bar. */
  readonly top: number;
  /** True where the bar is taller than the plot: it is cut, marked, and its count is written. */
  readonly cut: boolean;
}

export interface Tick {
  readonly at: number;
  readonly label: string;
}

export interface HistogramLayout {
  readonly width: number;
  readonly height: number;
  /** The axis' part of the plot, without the two bars on its left. */
  readonly plot: Rect;
  readonly bars: readonly BarLayout[];
  /** From density to x, on the axis. */
  readonly x: (density: number) => number;
  /** Powers of ten; every one has a tick, as many as fit a label. */
  readonly xTicks: readonly Tick[];
  readonly yTicks: readonly Tick[];
  /** x of the resolution floor. */
  readonly floor: number;
  /** Class bands between the edges, with the middle of each for its name; those that lie above the floor in part. */
  readonly bands: readonly { readonly class: FeatureClass; readonly from: number; readonly to: number; readonly named: boolean }[];
  /** x of each class edge inside the axis. */
  readonly edges: readonly number[];
}

const MARGIN = { top: 38, right: 10, bottom: 42, left: 40 } as const;
/** Width of a letter at the labels' size, on the generous side. */
const LETTER = 6.6;
/** A bar off the axis is cut where it is so many times taller than the tallest bin. */
const TALL = 1.6;

/** @param width at least 200; narrower elements scroll nothing, they draw at 200 */
export function layoutHistogram({ bars, floor, domain }: DensityBars, width: number, height: number): HistogramLayout {
  const W = Math.max(200, width);
  const special = W < 420 ? 24 : 34;
  const gap = W < 420 ? 6 : 12;
  const x0 = MARGIN.left + 2 * (special + gap) + (W < 420 ? gap : 2 * gap);
  const plot: Rect = { x: x0, y: MARGIN.top, width: W - x0 - MARGIN.right, height: Math.max(40, height - MARGIN.top - MARGIN.bottom) };
  const bottom = plot.y + plot.height;
  // Two affine maps: d3-scale would bring colours and interpolation with it, 9 kB gzipped.
  const decades = Math.round(-Math.log10(domain[0]));
  const x = (density: number): number => plot.x + plot.width * (1 + Math.log10(density) / decades);

  const counts = bars.map(({ features }) => features.length);
  const tallestBin = max(counts.slice(2)) ?? 0;
  const tallest = max(counts) ?? 0;
  const limit = tallestBin > 0 && tallest > TALL * tallestBin ? TALL * tallestBin : Math.max(1, tallest);
  const y = (count: number): number => bottom - (count / limit) * plot.height;

  const layouts = bars.map((bar, i): BarLayout => {
    const [from, to] =
      bar.kind === 'bin'
        ? [x(bar.low), x(bar.high)]
        : [MARGIN.left + gap / 2 + i * (special + gap), MARGIN.left + gap / 2 + i * (special + gap) + special];
    const cut = bar.features.length > limit;
    const inset = Math.min(1, (to - from) / 6);
    const scale = cut ? limit / bar.features.length : 1;
    let below = 0;
    const segments = FEATURE_CLASSES.flatMap((name) => {
      const count = bar.classes[name];
      if (count === 0) return [];
      const low = y(below * scale);
      below += count;
      // One feature of ten thousand is still seen.
      const high = Math.min(y(below * scale), low - 1.5);
      return [{ class: name, x: from + inset, y: high, width: Math.max(1, to - from - 2 * inset), height: low - high }];
    });
    return { bar, column: { x: from, y: plot.y, width: to - from, height: plot.height }, segments, top: segments.at(-1)?.y ?? bottom, cut };
  });

  const every = Math.max(1, Math.ceil((decades * 34) / plot.width));
  const xTicks = Array.from({ length: decades + 1 }, (_, i) => ({ at: x(Number(`1e${-i}`)), label: i % every === 0 ? formatPower(-i) : '' })).reverse();
  const yTicks = ticks(0, limit, plot.height < 120 ? 2 : 4)
    .filter(Number.isInteger)
    .map((value) => ({ at: y(value), label: formatCount(value) }));

  const floorAt = x(Math.min(1, Math.max(floor, domain[0])));
  const limits = [0, CLASS_EDGES.ultralow, CLASS_EDGES.rare, CLASS_EDGES.dense, 1];
  const bands = (['ultralow', 'rare', 'live', 'dense'] as const).flatMap((name, i) => {
    const from = Math.max(floorAt, x(Math.max(domain[0], limits[i] as number)));
    const to = x(Math.max(domain[0], limits[i + 1] as number));
    return to - from < 1 ? [] : [{ class: name, from, to, named: to - from > name.length * LETTER + 4 }];
  });
  const edges = limits.slice(1, 4).filter((edge) => edge > floor && edge > domain[0]).map((edge) => x(edge));
  return { width: W, height, plot, bars: layouts, x, xTicks, yTicks, floor: floorAt, bands, edges };
}

/** The bar at an x, or the nearest one: a drag may leave the plot. */
export function barAt({ bars }: HistogramLayout, x: number): number {
  let best = 0;
  let distance = Infinity;
  bars.forEach(({ column }, i) => {
    const away = x < column.x ? column.x - x : x > column.x + column.width ? x - column.x - column.width : 0;
    if (away < distance) [best, distance] = [i, away];
  });
  return best;
}
