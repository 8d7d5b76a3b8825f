/**
 * Densities over time: columns of windows, rows of log10 density. Pure.
 *
 * Kept true: each feature is in one cell of its column; one that cannot be told
 * from zero in its window (below 3 / rows) is never on the axis but in one of two
 * strips below it: never fired, or fired and not resolved.
 */
import type { DensityWindow } from '../../engine/train/events.js';
import { formatPower } from '../internal/format.js';
import { MARGIN, stepAxis, type Plot } from './lines.js';
import type { Axis, Tick } from './scale.js';

/** Cells of one shade, as one path. */
export interface HeatLevel {
  /** 1 to LEVELS. */
  readonly level: number;
  readonly path: string;
}

export interface HeatLayout {
  readonly width: number;
  readonly height: number;
  /** The axis' part; the strips lie below it. */
  readonly plot: Plot;
  readonly strips: readonly { readonly name: string; readonly y: number; readonly height: number }[];
  readonly x: Axis;
  readonly yTicks: readonly Tick[];
  readonly levels: readonly HeatLevel[];
  /** The floor of each column, as a line of steps. */
  readonly floor: string;
  /** Features in the fullest cell: what the darkest shade stands for. */
  readonly most: number;
}

export const LEVELS = 8;
const PER_DECADE = 6;
const STRIP = 12;
const GAP = 5;

/** Features of a window by bin: [0] never fired, [1] below the floor, then bins from `decades` below 1 upward. */
export function binWindow({ counts, rows }: DensityWindow, decades: number): Uint32Array {
  const bins = new Uint32Array(2 + decades * PER_DECADE);
  for (const count of counts) {
    const at = count === 0 ? 0 : count < 3 ? 1 : 2 + Math.max(0, Math.min(decades * PER_DECADE - 1, Math.floor((Math.log10(count / rows) + decades) * PER_DECADE + 1e-9)));
    bins[at] = (bins[at] as number) + 1;
  }
  return bins;
}

/** Decades below 1 that the windows can resolve, and a little more. */
export function decadesOf(windows: readonly DensityWindow[]): number {
  const floor = Math.min(0.1, ...windows.map(({ rows }) => 3 / rows));
  return Math.max(1, Math.ceil(-Math.log10(floor) - 1e-9));
}

/**
 * @param span steps that the axis spans at least, as in the charts around it
 * @param start the step at which the run began to count: the first column reaches back to it
 */
export function layoutHeat(windows: readonly DensityWindow[], { width, height, xKind, span, start = 0 }: { readonly width: number; readonly height: number; readonly xKind: 'linear' | 'log'; readonly span: readonly number[]; readonly start?: number }): HeatLayout {
  const below = 2 * (STRIP + GAP);
  const plot: Plot = { x: MARGIN.left, y: MARGIN.top, width: Math.max(40, width - MARGIN.left - MARGIN.right), height: Math.max(40, height - MARGIN.top - MARGIN.bottom - below) };
  const bottom = plot.y + plot.height;
  const x = stepAxis([...span, ...windows.map(({ step }) => step)], xKind, plot);
  const decades = decadesOf(windows);
  const cell = plot.height / (decades * PER_DECADE);
  const strips = ['below floor', 'dead'].map((name, i) => ({ name, y: bottom + GAP + i * (STRIP + GAP), height: STRIP }));
  const y = (density: number): number => bottom + (plot.height * Math.log10(density)) / -decades - plot.height;

  const columns = windows.map((window) => binWindow(window, decades));
  const most = columns.reduce((best, bins) => bins.reduce((a, b) => Math.max(a, b), best), 1);
  const levels = Array.from({ length: LEVELS }, () => [] as string[]);
  const floor: string[] = [];
  let from = x.map(Math.max(x.kind === 'log' ? 1 : 0, start));
  windows.forEach((window, i) => {
    const to = x.map(Math.max(x.kind === 'log' ? 1 : 0, window.step));
    const [left, wide] = [round(from), round(Math.max(0.6, to - from))];
    (columns[i] as Uint32Array).forEach((count, bin) => {
      if (count === 0) return;
      const level = Math.max(1, Math.ceil((LEVELS * Math.log1p(count)) / Math.log1p(most)));
      const strip = bin < 2 ? strips[1 - bin] : undefined;
      const top = strip === undefined ? bottom - (bin - 1) * cell : strip.y;
      (levels[Math.min(LEVELS, level) - 1] as string[]).push(`M${left},${round(top)}h${wide}v${round(strip === undefined ? cell : STRIP)}h${-wide}z`);
    });
    const at = round(Math.max(plot.y, Math.min(bottom, y(Math.min(1, 3 / window.rows)))));
    floor.push(`${floor.length === 0 ? 'M' : 'L'}${left},${at}H${round(Math.max(to, from))}`);
    from = Math.max(from, to);
  });
  const every = Math.max(1, Math.ceil((decades * 16) / plot.height));
  const yTicks = Array.from({ length: decades + 1 }, (_, i) => ({ at: plot.y + (i * plot.height) / decades, label: i % every === 0 ? formatPower(-i) : '' }));
  return { width, height, plot, strips, x, yTicks, levels: levels.flatMap((paths, i) => (paths.length === 0 ? [] : [{ level: i + 1, path: paths.join('') }])), floor: floor.join(''), most };
}

const round = (value: number): number => Math.round(value * 10) / 10;
