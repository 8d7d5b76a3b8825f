/**
 * Generated rows: in one piece with their true codes, or as endless training data.
 * Row i of a stream depends on nothing but (spec, stream, i), so that a batch of step s
 * is rows s size .. (s + 1) size - 1 however it was asked for, and rows that are held
 * out for evaluation come from a stream of their own.
 */
import { UsageError } from '../errors.js';
import { Pace } from '../pace.js';
import type { TrainData } from '../train/data.js';
import { resolveGenerator, samplerOf, type GeneratorSpec, type ResolvedSpec } from './generators.js';
import { RowRandom, STREAM } from './row-random.js';
import type { GeneratedTruth, Moments, Sampler } from './sampler.js';

/** The true codes of rows, in compressed sparse rows; unlike an SAE's codes, values may be negative. */
export interface TrueCodes {
  readonly rows: number;
  /** Width: how many true features there are. */
  readonly n: number;
  /** [rows + 1] */
  readonly offsets: Uint32Array;
  /** [nnz], ascending within a row. */
  readonly features: Uint32Array;
  /** [nnz], not 0. */
  readonly values: Float32Array;
}

export interface GenerateOptions {
  /** First row; default 0. */
  readonly first?: number;
  /** Rows of the held-out stream instead of those that are trained on. */
  readonly heldOut?: boolean;
  /** Leave the codes out. */
  readonly withoutCodes?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface Generated {
  readonly spec: ResolvedSpec;
  readonly d: number;
  readonly rows: number;
  /** [rows, d] */
  readonly x: Float32Array;
  readonly truth: GeneratedTruth | null;
  readonly moments: Moments | null;
  /** Null where there is no dictionary. */
  readonly codes: TrueCodes | null;
}

/**
 * Rows `first` .. `first + rows - 1` of a generator.
 * @throws UsageError naming the field of the spec that is wrong
 */
export function generate(spec: GeneratorSpec, rows: number, options: GenerateOptions = {}): Generated {
  const resolved = resolveGenerator(spec);
  const sampler = samplerOf(resolved);
  const { d, truth, moments } = sampler;
  if (!Number.isSafeInteger(rows) || rows < 0 || rows * d > 2 ** 31) throw new UsageError(`generate: cannot hold ${rows} rows of ${d} numbers`, { hint: 'Generate in several pieces with `first`.' });
  const codes = truth === null || options.withoutCodes === true ? null : new CodesBuilder(truth.features);
  const x = fill(sampler, new RowRandom(resolved.seed, options.heldOut === true ? STREAM.heldOut : STREAM.train), options.first ?? 0, rows, codes);
  return { spec: resolved, d, rows, x, truth, moments, codes: codes?.finish() ?? null };
}

/** Training data that never ends, with the dictionary that is the right answer. */
export interface GeneratedData extends TrainData {
  readonly rows: null;
  readonly spec: ResolvedSpec;
  /** Null for kinds that have no dictionary. */
  readonly truth: GeneratedTruth | null;
  readonly moments: Moments | null;
}

/** @throws UsageError naming the field of the spec that is wrong */
export function generatedData(spec: GeneratorSpec): GeneratedData {
  const resolved = resolveGenerator(spec);
  const sampler = samplerOf(resolved);
  const train = new RowRandom(resolved.seed, STREAM.train);
  const heldOut = new RowRandom(resolved.seed, STREAM.heldOut);
  return {
    d: sampler.d,
    rows: null,
    spec: resolved,
    truth: sampler.truth,
    moments: sampler.moments,
    provenance: { kind: 'generated', spec: resolved },
    async batch(step, size, signal) {
      return paced(sampler, train, step * size, size, new Pace(signal), signal);
    },
    async scan(visit, { size, limit, signal }) {
      if (limit === undefined) throw new UsageError('A generator never ends: scanning it needs a limit');
      const pace = new Pace(signal);
      for (let first = 0; first < limit; first += size) {
        const rows = Math.min(size, limit - first);
        await visit(await paced(sampler, heldOut, first, rows, pace, signal), rows);
      }
      return limit;
    },
    close: () => Promise.resolve(),
  };
}

/** Rows `first` .. `first + rows - 1` of the stream that `random` is of, [rows, d]. */
export function fill(sampler: Sampler, random: RowRandom, first: number, rows: number, codes: CodesBuilder | null): Float32Array {
  const x = new Float32Array(rows * sampler.d);
  fillPart(sampler, random, first, x, 0, rows, codes);
  return x;
}

function fillPart(sampler: Sampler, random: RowRandom, first: number, x: Float32Array, from: number, to: number, codes: CodesBuilder | null): void {
  for (let r = from; r < to; r++) {
    sampler.row(random.seek(first + r), x, r * sampler.d, codes);
    codes?.endRow();
  }
}

/** Rows between two looks at the clock. */
const PART = 64;

/** The same with pauses: wide worlds take a good part of a millisecond a row, and a page must stay alive. */
async function paced(sampler: Sampler, random: RowRandom, first: number, rows: number, pace: Pace, signal: AbortSignal | undefined): Promise<Float32Array> {
  signal?.throwIfAborted();
  const x = new Float32Array(rows * sampler.d);
  for (let from = 0; from < rows; from += PART) {
    fillPart(sampler, random, first, x, from, Math.min(rows, from + PART), null);
    if (pace.isDue) await pace.pause();
  }
  return x;
}

/** Gathers codes row by row and sorts each row's by feature. */
export class CodesBuilder {
  readonly #n: number;
  readonly #offsets: number[] = [0];
  #features = new Uint32Array(1024);
  #values = new Float32Array(1024);
  #count = 0;

  /** @param n how many true features there are */
  constructor(n: number) {
    this.#n = n;
  }

  add(feature: number, value: number): void {
    if (Math.fround(value) === 0) return;
    if (this.#count === this.#features.length) {
      const features = new Uint32Array(2 * this.#count);
      features.set(this.#features);
      this.#features = features;
      const values = new Float32Array(2 * this.#count);
      values.set(this.#values);
      this.#values = values;
    }
    // Insertion into the row's sorted part: rows are short.
    const start = this.#offsets[this.#offsets.length - 1]!;
    let at = this.#count++;
    for (; at > start && this.#features[at - 1]! > feature; at--) {
      this.#features[at] = this.#features[at - 1]!;
      this.#values[at] = this.#values[at - 1]!;
    }
    this.#features[at] = feature;
    this.#values[at] = value;
  }

  endRow(): void {
    this.#offsets.push(this.#count);
  }

  finish(): TrueCodes {
    return {
      rows: this.#offsets.length - 1,
      n: this.#n,
      offsets: Uint32Array.from(this.#offsets),
      features: this.#features.slice(0, this.#count),
      values: this.#values.slice(0, this.#count),
    };
  }
}
