/**
 * All features of a pack, sorted into bars by log10 density.
 *
 * Kept true: every feature is in exactly one bar; a feature whose density cannot
 * be told from zero (below 3/N) is never placed on the axis: it goes to one of
 * two bars of their own, `dead` (no firing) and `unresolved` (a firing or two).
 * Bin edges contain every power of ten, so that a bin holds one class at most.
 */
import { bisectRight } from 'd3-array';
import { FEATURE_CLASSES, type FeatureClass } from '../../engine/pack/schema.js';
import type { PackSummary } from '../../engine/pack/reader.js';

export interface DensityBar {
  readonly kind: 'dead' | 'unresolved' | 'bin';
  /** Densities: low <= density < high; the last bin includes its high edge, which is 1. */
  readonly low: number;
  readonly high: number;
  /** Indices of its features, ascending. */
  readonly features: readonly number[];
  /** How many of them each class has. */
  readonly classes: Readonly<Record<FeatureClass, number>>;
}

export interface DensityBars {
  /** `dead` and `unresolved` first, then the bins by rising density. */
  readonly bars: readonly DensityBar[];
  /** The resolution floor, 3/N. */
  readonly floor: number;
  /** The axis: powers of ten; the first lies below the floor, the last is 1. */
  readonly domain: readonly [number, number];
  /** [features] the bar that each feature is in. */
  readonly barOf: Int32Array;
}

export interface BinOptions {
  /** 3 / tokens. */
  readonly floor: number;
  /** Bins a power of ten; by default 8, and 16 from 4096 features on. */
  readonly perDecade?: number | undefined;
}

/** 10^(i / perDecade), and exactly the powers of ten where i is a multiple. */
function edgesOf(first: number, last: number, perDecade: number): number[] {
  const edges: number[] = [];
  for (let decade = first; decade <= last; decade++) {
    edges.push(Number(`1e${decade}`));
    for (let step = 1; step < perDecade && decade < last; step++) edges.push(10 ** (decade + step / perDecade));
  }
  return edges;
}

/** Sorts the features of a summary that has `density` and classes. */
export function binDensities(summary: PackSummary, options: BinOptions): DensityBars {
  const { floor } = options;
  const perDecade = options.perDecade ?? (summary.rows >= 4096 ? 16 : 8);
  const density = summary.columns['density'] ?? new Float64Array(0);
  // A little room below the floor, so that the zone that cannot be reached is seen.
  const lowest = Math.min(-1, Math.floor(Math.log10(Math.min(floor, 1)) - 0.15));
  const edges = edgesOf(lowest, 0, perDecade);
  const bin = (value: number): number => Math.max(0, Math.min(edges.length - 2, bisectRight(edges, value) - 1));
  const firstBin = bin(Math.min(floor, 1));

  const members: number[][] = Array.from({ length: 2 + edges.length - 1 - firstBin }, () => []);
  const barOf = new Int32Array(density.length);
  for (let feature = 0; feature < density.length; feature++) {
    const value = density[feature] as number;
    const bar = value === 0 ? 0 : value < floor ? 1 : 2 + bin(value) - firstBin;
    barOf[feature] = bar;
    (members[bar] as number[]).push(feature);
  }
  const bars = members.map((features, i): DensityBar => {
    const classes = Object.fromEntries(FEATURE_CLASSES.map((name) => [name, 0])) as Record<FeatureClass, number>;
    for (const feature of features) classes[summary.classes[feature] ?? 'live']++;
    if (i === 0) return { kind: 'dead', low: 0, high: 0, features, classes };
    if (i === 1) return { kind: 'unresolved', low: 0, high: floor, features, classes };
    const at = firstBin + i - 2;
    // The first bin begins at the floor: nothing is drawn below it.
    return { kind: 'bin', low: Math.max(floor, edges[at] as number), high: edges[at + 1] as number, features, classes };
  });
  return { bars, floor, domain: [edges[0] as number, 1], barOf };
}

/** The features of the bars `from` to `to`, both included, ascending. */
export function featuresBetween({ bars }: DensityBars, from: number, to: number): number[] {
  return bars
    .slice(Math.min(from, to), Math.max(from, to) + 1)
    .flatMap(({ features }) => features)
    .sort((a, b) => a - b);
}

/** The class of most features of a bar; null for an empty bar. */
export function mainClass({ classes, features }: DensityBar): FeatureClass | null {
  if (features.length === 0) return null;
  return FEATURE_CLASSES.reduce((best, name) => (classes[name] > classes[best] ? name : best));
}
