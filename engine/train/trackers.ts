/** What a run keeps count of: who has not fired for how long, densities of windows, the running threshold, whether the loss still falls. */
import type { StateValue } from '../run/accumulator.js';
import type { DensityWindow } from './events.js';

/** Rows since each feature last fired, exact. */
export class SinceFired {
  readonly #rows: Float64Array;

  constructor(d_sae: number) {
    this.#rows = new Float64Array(d_sae);
  }

  add(fired: Uint32Array, rows: number): void {
    for (let i = 0; i < fired.length; i++) this.#rows[i] = fired[i] === 0 ? this.#rows[i]! + rows : 0;
  }

  /** 1 where a feature has not fired for `after` rows; null where all have. */
  dead(after: number): Uint8Array | null {
    const flags = new Uint8Array(this.#rows.length);
    let some = false;
    for (let i = 0; i < flags.length; i++) {
      if (this.#rows[i]! < after) continue;
      flags[i] = 1;
      some = true;
    }
    return some ? flags : null;
  }

  count(after: number): number {
    let count = 0;
    for (const rows of this.#rows) if (rows >= after) count++;
    return count;
  }

  /** Resampled features begin anew. */
  reset(features: readonly number[]): void {
    for (const i of features) this.#rows[i] = 0;
  }

  save(): StateValue {
    return this.#rows.slice();
  }

  restore(saved: StateValue): void {
    this.#rows.set(saved as Float64Array);
  }
}

/** Firings within windows of a number of rows; a window ends with the batch that fills it. */
export class DensityCounter {
  #counts: Uint32Array;
  #rows = 0;

  constructor(d_sae: number) {
    this.#counts = new Uint32Array(d_sae);
  }

  /** @returns the window where it is full */
  add(fired: Uint32Array, rows: number, step: number, window: number): DensityWindow | null {
    for (let i = 0; i < fired.length; i++) this.#counts[i] = this.#counts[i]! + fired[i]!;
    this.#rows += rows;
    if (this.#rows < window) return null;
    const full = { step, rows: this.#rows, counts: this.#counts };
    this.reset();
    return full;
  }

  /** Firings so far. */
  get counts(): Uint32Array {
    return this.#counts;
  }

  get rows(): number {
    return this.#rows;
  }

  reset(): void {
    this.#counts = new Uint32Array(this.#counts.length);
    this.#rows = 0;
  }

  save(): StateValue {
    return { counts: this.#counts.slice(), rows: this.#rows };
  }

  restore(saved: StateValue): void {
    const { counts, rows } = saved as { counts: Uint32Array; rows: number };
    this.#counts = counts.slice();
    this.#rows = rows;
  }
}

/**
 * The running threshold of topk and batchtopk, which makes a jumprelu of them at inference:
 * t += rate (least active - t), from the first least activation on, in f64.
 */
export class RunningThreshold {
  value: number | null = null;

  add(least: number | null, rate: number): void {
    if (least === null || !Number.isFinite(least)) return;
    this.value = this.value === null ? least : this.value + rate * (least - this.value);
  }
}

/** Mean losses of consecutive spans of steps: a run has stalled when a span's is not below the best by a share of it. */
export class Stall {
  #sum = 0;
  #steps = 0;
  #best = Infinity;

  /** @returns true when a span has ended without progress */
  add(loss: number, span: number, ratio: number): boolean {
    if (span === 0) return false;
    this.#sum += loss;
    this.#steps++;
    if (this.#steps < span) return false;
    const mean = this.#sum / span;
    this.#sum = 0;
    this.#steps = 0;
    const stalled = mean > this.#best - ratio * Math.abs(this.#best);
    this.#best = Math.min(this.#best, mean);
    return stalled;
  }

  save(): StateValue {
    return { sum: this.#sum, steps: this.#steps, best: Number.isFinite(this.#best) ? this.#best : null };
  }

  restore(saved: StateValue): void {
    const { sum, steps, best } = saved as { sum: number; steps: number; best: number | null };
    this.#sum = sum;
    this.#steps = steps;
    this.#best = best ?? Infinity;
  }
}
