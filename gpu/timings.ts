/**
 * How long submissions took, by kind (`encode`, `decode`), for benchmarks:
 *
 *   wall   from the submission to `onSubmittedWorkDone`; overlaps where several are under way
 *   gpu    the sum of the compute passes' own time by `timestamp-query`, where the device has it
 *   map    from asking for the results to having them: the latency of reading back
 *
 * Browsers round timestamps (to 100 µs by default), and a wall clock holds the
 * queue and the browser's own hops; neither is the other, so both are reported.
 */
import { type Device, Usage } from './device.js';

export interface Timing {
  readonly submissions: number;
  readonly wallSeconds: number;
  /** Null where the device has no timestamps, or one pass could not be timed. */
  readonly gpuSeconds: number | null;
  readonly mapSeconds: number;
  /** The longest single wait for a mapping. */
  readonly longestMapSeconds: number;
}

export type TimingReport = Readonly<Record<string, Timing>>;

/** Compute passes that one submission is timed with; what comes after them makes `gpuSeconds` null. */
const MOST_PASSES = 32;
export const TIMESTAMP_BYTES = 2 * MOST_PASSES * 8;

interface Sum {
  submissions: number;
  wall: number;
  gpu: number;
  untimed: number;
  map: number;
  longest: number;
}

export class Timings {
  readonly #sums = new Map<string, Sum>();

  report(): TimingReport {
    const entries = [...this.#sums].map(([label, { submissions, wall, gpu, untimed, map, longest }]): [string, Timing] => [
      label,
      { submissions, wallSeconds: wall / 1000, gpuSeconds: untimed > 0 ? null : gpu / 1e9, mapSeconds: map / 1000, longestMapSeconds: longest / 1000 },
    ]);
    return Object.fromEntries(entries);
  }

  /** Begins anew, so that a warm-up does not count. */
  reset(): void {
    this.#sums.clear();
  }

  /** @param milliseconds from submitting to done */
  wall(label: string, milliseconds: number): void {
    this.#of(label).wall += milliseconds;
  }

  /** @param milliseconds from mapAsync to mapped */
  mapped(label: string, milliseconds: number): void {
    const sum = this.#of(label);
    sum.submissions++;
    sum.map += milliseconds;
    sum.longest = Math.max(sum.longest, milliseconds);
  }

  /** @param nanoseconds of all passes of a submission; null where they were not measured */
  gpu(label: string, nanoseconds: number | null): void {
    const sum = this.#of(label);
    if (nanoseconds === null) sum.untimed++;
    else sum.gpu += nanoseconds;
  }

  #of(label: string): Sum {
    let sum = this.#sums.get(label);
    if (sum === undefined) this.#sums.set(label, (sum = { submissions: 0, wall: 0, gpu: 0, untimed: 0, map: 0, longest: 0 }));
    return sum;
  }
}

/** Two timestamps for each pass of one submission. */
export class PassTimer {
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  #passes = 0;

  /** The device must have timestamps. */
  constructor({ gpu }: Device) {
    this.#queries = gpu.createQuerySet({ type: 'timestamp', count: 2 * MOST_PASSES });
    this.#resolved = gpu.createBuffer({ size: TIMESTAMP_BYTES, usage: Usage.QUERY_RESOLVE | Usage.COPY_SRC });
  }

  begin(): void {
    this.#passes = 0;
  }

  /** For the next pass. */
  next(): GPUComputePassTimestampWrites | undefined {
    const at = 2 * this.#passes++;
    return this.#passes > MOST_PASSES ? undefined : { querySet: this.#queries, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
  }

  /** After the last pass: into `target` from byte `offset`, TIMESTAMP_BYTES at most. */
  resolve(encoder: GPUCommandEncoder, target: GPUBuffer, offset: number): void {
    const passes = Math.min(this.#passes, MOST_PASSES);
    if (passes === 0) return;
    encoder.resolveQuerySet(this.#queries, 0, 2 * passes, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, target, offset, 16 * passes);
  }

  /** @returns nanoseconds of all passes, or null where one was not timed or a clock ran backwards */
  read(bytes: ArrayBuffer): number | null {
    if (this.#passes === 0 || this.#passes > MOST_PASSES) return null;
    const stamps = new BigUint64Array(bytes, 0, 2 * this.#passes);
    let sum = 0;
    for (let at = 0; at < stamps.length; at += 2) {
      const span = Number(stamps[at + 1]! - stamps[at]!);
      if (span < 0) return null;
      sum += span;
    }
    return sum;
  }

  destroy(): void {
    this.#queries.destroy();
    this.#resolved.destroy();
  }
}
