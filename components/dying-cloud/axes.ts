/**
 * What stands round the cloud, projected: the three far faces with their grid, ticks and names on
 * the edges that are seen from outside, the floor's plane, whiskers. Pure; axes-template.ts draws it.
 */
import { ticks } from 'd3-array';
import type { DyingFrame } from '../../engine/dying/record.js';
import { formatNumber, formatPower, trimmed } from '../internal/format.js';
import { project, type Seen } from './camera.js';
import { floorOf, intervalOf } from './quantities.js';
import { placeOn, type CloudAxes, type CloudAxis, type CloudPoints } from './points.js';

export interface AxisText {
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly anchor: 'start' | 'middle' | 'end';
}

export interface AxesLayout {
  /** Lines of the far faces, as the `d` of a path: their outlines, and their grid. */
  readonly outline: string;
  readonly grid: string;
  readonly ticks: readonly AxisText[];
  /** [3] names of the axes. */
  readonly names: readonly AxisText[];
  /** The plane of the resolution floor, and where it is named; null where no axis is a density. */
  readonly floor: { readonly path: string; readonly label: AxisText } | null;
}

type Vector = [number, number, number];

export interface Picture {
  readonly matrix: Float32Array;
  readonly width: number;
  readonly height: number;
}

const round = (value: number): number => Math.round(value * 10) / 10;
const line = (from: Seen, to: Seen): string => `M${round(from.x)},${round(from.y)}L${round(to.x)},${round(to.y)}`;

/** Ticks of an axis, as places and texts. */
export function ticksOf(axis: CloudAxis, count: number): { readonly at: number; readonly text: string }[] {
  const [low, high] = axis.domain;
  if (axis.quantity.scale === 'linear') return ticks(low, high, count).map((value) => ({ at: placeOn(axis, value), text: trimmed(formatNumber(Math.abs(value) < 1e-12 ? 0 : value)) }));
  const [first, last] = [Math.ceil(low), Math.floor(high)];
  const every = Math.max(1, Math.ceil((last - first + 1) / Math.max(2, count)));
  const out: { at: number; text: string }[] = [];
  for (let exponent = last; exponent >= first; exponent -= every) out.push({ at: (2 * (exponent - low)) / (high - low) - 1, text: formatPower(exponent) });
  return out.reverse();
}

const axisName = ({ quantity }: CloudAxis): string => quantity.label;

export function layoutAxes(axes: CloudAxes, frame: DyingFrame, { matrix, width, height }: Picture): AxesLayout {
  const see = ([x, y, z]: Vector): Seen => project(matrix, x, y, z, width, height);
  const centre = see([0, 0, 0]);
  /** By axis: the side whose face is behind the cloud. */
  const far = [0, 1, 2].map((a) => (see(vector(a, 1)).w > see(vector(a, -1)).w ? 1 : -1));
  let outline = '';
  let grid = '';
  const texts: AxisText[] = [];
  const names: AxisText[] = [];

  for (let a = 0; a < 3; a++) {
    const [b, c] = [(a + 1) % 3, (a + 2) % 3] as [number, number];
    for (const [from, to] of [[[-1, -1], [1, -1]], [[1, -1], [1, 1]], [[1, 1], [-1, 1]], [[-1, 1], [-1, -1]]] as const) outline += line(see(placed(a, far[a]!, b, from[0], c, from[1])), see(placed(a, far[a]!, b, to[0], c, to[1])));

    // An edge is on the outline of the cube where one of its two faces is near and the other far.
    const edges = ([[-1, -1], [-1, 1], [1, -1], [1, 1]] as const).filter(([sb, sc]) => (sb === far[b]) !== (sc === far[c]));
    const ends = edges.map(([sb, sc]) => [see(placed(a, -1, b, sb, c, sc)), see(placed(a, 1, b, sb, c, sc)), sb, sc] as const);
    // Names stand left of the cloud for the vertical, below it for the others.
    const middleOf = (edge: (typeof ends)[number]): number => (a === 1 ? -(edge[0].x + edge[1].x) : edge[0].y + edge[1].y);
    const edge = ends.reduce((best, one) => (middleOf(one) > middleOf(best) ? one : best));
    const [start, end, sb, sc] = edge;
    const length = Math.hypot(end.x - start.x, end.y - start.y);
    // Across the edge, away from the cloud.
    let [nx, ny] = length > 0 ? [-(end.y - start.y) / length, (end.x - start.x) / length] : [0, 1];
    if (nx * ((start.x + end.x) / 2 - centre.x) + ny * ((start.y + end.y) / 2 - centre.y) < 0) [nx, ny] = [-nx, -ny];
    const text = (at: Seen, away: number, value: string): AxisText => ({ x: round(at.x + nx * away), y: round(at.y + ny * away), text: value, anchor: nx > 0.35 ? 'start' : nx < -0.35 ? 'end' : 'middle' });
    const marks = ticksOf(axes[a]!, Math.max(2, Math.min(7, Math.floor(length / (a === 1 ? 34 : 46)))));
    for (const { at, text: value } of marks) {
      const here = see(placed(a, at, b, sb, c, sc));
      if (length > 24) texts.push(text(here, 11, value));
      grid += line(see(placed(a, at, b, far[b]!, c, -1)), see(placed(a, at, b, far[b]!, c, 1))) + line(see(placed(a, at, b, -1, c, far[c]!)), see(placed(a, at, b, 1, c, far[c]!)));
    }
    const longest = Math.max(0, ...marks.map(({ text: value }) => value.length));
    // Beside an upright edge a name stands above its end, where it has room.
    names.push(a === 1 && Math.abs(nx) > 0.7 ? { x: round(Math.max(4, Math.min(start.x, end.x) - 26)), y: round(Math.min(start.y, end.y) - 12), text: axisName(axes[a]!), anchor: 'start' } : text(see(placed(a, 0, b, sb, c, sc)), 24 + 6 * longest * Math.abs(nx), axisName(axes[a]!)));
  }
  return { outline, grid, ticks: texts, names: names.map((name) => inside(name, width, height)), floor: floorPlane(axes, frame, see, width, height) };
}

/** Texts stay in the picture. Letters are taken to be 6.2 px wide. */
function inside(text: AxisText, width: number, height: number): AxisText {
  const long = 6.4 * text.text.length;
  const [before, after] = text.anchor === 'start' ? [0, long] : text.anchor === 'end' ? [long, 0] : [long / 2, long / 2];
  return { ...text, x: Math.max(before + 2, Math.min(width - after - 2, text.x)), y: Math.max(12, Math.min(height - 4, text.y)) };
}

function floorPlane(axes: CloudAxes, frame: DyingFrame, see: (v: Vector) => Seen, width: number, height: number): AxesLayout['floor'] {
  const a = axes.findIndex(({ quantity }) => quantity.scale === 'log');
  if (a < 0) return null;
  const [b, c] = [(a + 1) % 3, (a + 2) % 3] as [number, number];
  const at = placeOn(axes[a]!, floorOf(frame));
  const corners = ([[-1, -1], [1, -1], [1, 1], [-1, 1]] as const).map(([sb, sc]) => see(placed(a, at, b, sb, c, sc)));
  const right = corners.reduce((best, one) => (one.x > best.x ? one : best));
  const path = `${corners.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${round(x)},${round(y)}`).join('')}Z`;
  return { path, label: inside({ x: round(right.x + 6), y: round(right.y + 3), text: '3/N', anchor: 'start' }, width, height) };
}

/** The 95 % interval of a feature's density as a line along the density's axis; empty where no axis is one. */
export function whisker(axes: CloudAxes, frame: DyingFrame, points: CloudPoints, feature: number, { matrix, width, height }: Picture): string {
  const a = axes.findIndex(({ quantity }) => quantity.scale === 'log');
  if (a < 0 || points.shown[feature] !== 1) return '';
  const { low, high } = intervalOf(frame, feature);
  const ends = [low, high].map((value): Seen => {
    const at: Vector = [points.position[3 * feature]!, points.position[3 * feature + 1]!, points.position[3 * feature + 2]!];
    // An interval that reaches zero ends where the axis does.
    at[a] = value > 0 ? Math.max(-1, placeOn(axes[a]!, value)) : -1;
    return project(matrix, ...at, width, height);
  });
  return ends.every(({ w }) => w > 0.05) ? line(ends[0]!, ends[1]!) : '';
}

function vector(a: number, value: number): Vector {
  const out: Vector = [0, 0, 0];
  out[a] = value;
  return out;
}

function placed(a: number, va: number, b: number, vb: number, c: number, vc: number): Vector {
  const out: Vector = [0, 0, 0];
  out[a] = va;
  out[b] = vb;
  out[c] = vc;
  return out;
}
