/** L0 against FVU, a path for each run: what sparsity costs. Pure. */
import { axisOf, type Axis } from './scale.js';
import { plotOf, type Plot } from './lines.js';

export interface FrontierRun {
  readonly name: string;
  readonly style: number;
  /** In order of steps. */
  readonly points: readonly { readonly step: number; readonly l0: number; readonly fvu: number }[];
}

export interface PlacedRun {
  readonly name: string;
  readonly style: number;
  readonly path: string;
  /** Where it is now. */
  readonly end: { readonly x: number; readonly y: number; readonly l0: number; readonly fvu: number } | null;
  /** Whether no other run is both sparser and closer: its end lies on the frontier. */
  readonly efficient: boolean;
}

export interface FrontierLayout {
  readonly width: number;
  readonly height: number;
  readonly plot: Plot;
  readonly x: Axis;
  readonly y: Axis;
  readonly runs: readonly PlacedRun[];
}

/** Points of a path at most: every so many'th is drawn, and the last. */
const PATH_POINTS = 120;

export function layoutFrontier(runs: readonly FrontierRun[], width: number, height: number): FrontierLayout {
  const plot = plotOf(width, height);
  const usable = runs.map((run) => ({ ...run, points: run.points.filter(({ l0, fvu }) => l0 > 0 && fvu > 0 && Number.isFinite(l0) && Number.isFinite(fvu)) }));
  const all = usable.flatMap(({ points }) => points);
  const x = axisOf(all.map(({ l0 }) => l0), { kind: 'log', range: [plot.x, plot.x + plot.width], count: Math.max(2, Math.floor(plot.width / 60)) });
  const y = axisOf(all.map(({ fvu }) => fvu), { kind: 'log', range: [plot.y + plot.height, plot.y], count: Math.max(2, Math.floor(plot.height / 32)) });
  const ends = usable.map(({ points }) => points.at(-1) ?? null);
  return {
    width,
    height,
    plot,
    x,
    y,
    runs: usable.map(({ name, style, points }, i) => {
      const end = ends[i] ?? null;
      const every = Math.max(1, Math.ceil(points.length / PATH_POINTS));
      const path = points
        .filter((_, at) => at % every === 0 || at === points.length - 1)
        .map(({ l0, fvu }, at) => `${at === 0 ? 'M' : 'L'}${round(x.map(l0))},${round(y.map(fvu))}`)
        .join('');
      const beaten = end !== null && ends.some((other) => other !== null && other !== end && other.l0 <= end.l0 && other.fvu <= end.fvu && (other.l0 < end.l0 || other.fvu < end.fvu));
      return { name, style, path, end: end === null ? null : { x: x.map(end.l0), y: y.map(end.fvu), l0: end.l0, fvu: end.fvu }, efficient: end !== null && !beaten };
    }),
  };
}

const round = (value: number): number => Math.round(value * 10) / 10;
