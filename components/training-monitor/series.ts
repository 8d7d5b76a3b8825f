/**
 * What the monitor knows of a run, live or read from a folder: figures of steps,
 * densities of windows, checkpoints. Bounded, however long the run is.
 *
 * Kept true: steps ascend; the first and the last figure are always there; where
 * windows are too many, two neighbours become one of both their rows, so that no
 * firing is lost and the floor that can be resolved sinks.
 */
import type { DensityWindow, StepMetrics } from '../../engine/train/events.js';
import type { LiveEvent } from '../../engine/train/live.js';

/** A step whose state is kept; figures are null where it was not evaluated. */
export interface Checkpoint {
  readonly step: number;
  /** Its folder in the run's; null for a live run. */
  readonly folder: string | null;
  readonly l0: number | null;
  readonly fvu: number | null;
}

/** Most figures and windows of a run that are held. */
const LIMITS = { metrics: 1600, windows: 128 } as const;

export class RunSeries {
  metrics: StepMetrics[] = [];
  windows: DensityWindow[] = [];
  checkpoints: Checkpoint[] = [];
  /** Steps after which features were resampled. */
  resampled: number[] = [];
  /** The step at which it diverged, and how that showed. */
  diverged: { readonly step: number; readonly message: string } | null = null;
  ended: string | null = null;
  /** Where it began: a branch does not at 0. */
  start = 0;
  /** Every how many'th figure is held. */
  #stride = 1;
  #seen = 0;

  get last(): StepMetrics | null {
    return this.metrics.at(-1) ?? null;
  }

  add(event: LiveEvent): void {
    switch (event.type) {
      case 'start':
        if (this.metrics.length === 0) this.start = event.step;
        break;
      case 'metrics':
        this.#addMetrics(event.metrics);
        break;
      case 'densities':
        this.windows.push(event.window);
        if (this.windows.length > LIMITS.windows) this.windows = mergePairs(this.windows);
        break;
      case 'checkpoint':
        this.checkpoints.push({ step: event.step, folder: null, l0: event.evaluation?.l0 ?? null, fvu: event.evaluation?.fvu ?? null });
        break;
      case 'resampled':
        this.resampled.push(event.step);
        break;
      case 'diverged':
        this.diverged = { step: event.step, message: event.message };
        break;
      case 'end':
        this.ended = event.reason;
        break;
      case 'rewound':
        this.#rewind(event.step);
    }
  }

  #addMetrics(metrics: StepMetrics): void {
    // The newest one is always the last, whether it stays or not.
    const { length } = this.metrics;
    if (length > 1 && (this.#seen - 1) % this.#stride !== 0) this.metrics.pop();
    this.metrics.push(metrics);
    this.#seen++;
    if (this.metrics.length <= LIMITS.metrics) return;
    this.metrics = this.metrics.filter((_, i) => i % 2 === 0 || i === this.metrics.length - 1);
    this.#stride *= 2;
    this.#seen = this.#stride * (this.metrics.length - 1) + 1;
  }

  #rewind(to: number): void {
    const until = <T extends { readonly step: number }>(items: readonly T[]): T[] => items.filter(({ step }) => step <= to);
    this.metrics = until(this.metrics);
    this.windows = until(this.windows);
    this.checkpoints = until(this.checkpoints);
    this.resampled = this.resampled.filter((step) => step <= to);
    this.diverged = this.ended = null;
    this.#seen = this.#stride * Math.max(0, this.metrics.length - 1) + Math.min(1, this.metrics.length);
  }

  /** The figures of the last step at or before `step`. */
  at(step: number): StepMetrics | null {
    return latest(this.metrics, step);
  }

  /** L0 and FVU over time: of evaluated checkpoints where there are two, else means over batches of about as many steps, on a log scale. */
  get tradeOff(): { readonly step: number; readonly l0: number; readonly fvu: number }[] {
    const evaluated = this.checkpoints.flatMap(({ step, l0, fvu }) => (l0 === null || fvu === null ? [] : [{ step, l0, fvu }]));
    return evaluated.length > 1 ? evaluated : averaged(this.metrics);
  }

  /** The last window that ended at or before `step`. */
  windowAt(step: number): DensityWindow | null {
    return latest(this.windows, step);
  }
}

/** Means of figures whose steps lie within a tenth of each other. */
export function averaged(metrics: readonly StepMetrics[]): { readonly step: number; readonly l0: number; readonly fvu: number }[] {
  const groups: StepMetrics[][] = [];
  for (const one of metrics) {
    const group = groups.at(-1);
    if (group !== undefined && one.step <= 1.1 * (group[0] as StepMetrics).step) group.push(one);
    else groups.push([one]);
  }
  const mean = (group: readonly StepMetrics[], of: 'l0' | 'fvu'): number => group.reduce((sum, one) => sum + one[of], 0) / group.length;
  return groups.map((group) => ({ step: (group.at(-1) as StepMetrics).step, l0: mean(group, 'l0'), fvu: mean(group, 'fvu') }));
}

function latest<T extends { readonly step: number }>(items: readonly T[], step: number): T | null {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((items[middle] as T).step <= step) low = middle + 1;
    else high = middle;
  }
  return items[low - 1] ?? null;
}

/** Two and two together; an odd last one stays. */
export function mergePairs(windows: readonly DensityWindow[]): DensityWindow[] {
  const merged: DensityWindow[] = [];
  for (let i = 0; i < windows.length; i += 2) {
    const [first, second] = [windows[i] as DensityWindow, windows[i + 1]];
    merged.push(second === undefined ? first : { step: second.step, rows: first.rows + second.rows, counts: first.counts.map((count, feature) => count + (second.counts[feature] ?? 0)) });
  }
  return merged;
}

/** How many features of a window never fired, and how many fired but rarely. */
export interface RareCounts {
  readonly dead: number;
  readonly rare: number;
  /** What counts as rare: below 1e-4, or below the floor where that is higher. */
  readonly below: number;
}

export function rareCounts({ counts, rows }: DensityWindow): RareCounts {
  const below = Math.max(1e-4, 3 / rows);
  let dead = 0;
  let rare = 0;
  for (const count of counts) {
    if (count === 0) dead++;
    else if (count / rows < below) rare++;
  }
  return { dead, rare, below };
}
