/**
 * Streams for tests of the run: activations in memory as a source, small
 * accumulators whose results are known, and codes as plain data to compare.
 */
import type { LoadedSae } from '../../engine/backend.js';
import { hash32 } from '../../engine/random.js';
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../engine/run/accumulator.js';
import type { ActivationSource } from '../../engine/sources/source.js';

export interface Stream {
  /** [contexts * positions, d] */
  readonly x: Float32Array;
  readonly tokens: Int32Array | null;
  readonly contexts: number;
  readonly positions: number;
  readonly d: number;
}

/** A source over arrays. `ranges` false: it always reads from its first context. */
export function memorySource({ x, tokens, contexts, positions, d }: Stream, { ranges = true } = {}): ActivationSource & { readonly log: string[] } {
  const log: string[] = [];
  return {
    log,
    d,
    contexts,
    positions,
    hasTokens: tokens !== null,
    provenance: { kind: 'memory' },
    ranges,
    async *batches({ contextsPerBatch, start = 0, end = contexts, signal }) {
      try {
        const last = ranges ? end : contexts;
        for (let from = ranges ? start : 0; from < last; from += contextsPerBatch) {
          const to = Math.min(from + contextsPerBatch, last);
          log.push(`read ${from}-${to}`);
          await Promise.resolve();
          signal?.throwIfAborted();
          yield { contexts: to - from, positions, x: x.slice(from * positions * d, to * positions * d), tokens: tokens?.slice(from * positions, to * positions) ?? null };
        }
      } finally {
        log.push('stopped');
      }
    },
    close: () => Promise.resolve(void log.push('closed')),
  };
}

/** The contexts of a stream in another order. */
export function permuteContexts(stream: Stream, order: readonly number[]): Stream {
  const width = stream.positions * stream.d;
  const x = new Float32Array(stream.x.length);
  const tokens = stream.tokens === null ? null : new Int32Array(stream.tokens.length);
  order.forEach((from, to) => {
    x.set(stream.x.subarray(from * width, (from + 1) * width), to * width);
    tokens?.set(stream.tokens!.subarray(from * stream.positions, (from + 1) * stream.positions), to * stream.positions);
  });
  return { ...stream, x, tokens };
}

/** Firings a feature, over rows that count; and a sum of values in f64. */
export class FiringCounter implements Accumulator {
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  tokens = 0;

  constructor(d_sae: number) {
    this.counts = new Float64Array(d_sae);
    this.sums = new Float64Array(d_sae);
  }

  update({ codes, countedRows }: Batch): void {
    this.tokens += countedRows;
    codes.features.forEach((feature, entry) => {
      this.counts[feature]! += 1;
      this.sums[feature]! += codes.values[entry]!;
    });
  }

  merge(saved: StateValue): void {
    const other = saved as unknown as FiringCounter;
    other.counts.forEach((count, feature) => (this.counts[feature]! += count));
    other.sums.forEach((sum, feature) => (this.sums[feature]! += sum));
    this.tokens += other.tokens;
  }

  save(): StateValue {
    return { counts: this.counts, sums: this.sums, tokens: this.tokens };
  }

  finish(): AnalysisResult {
    return { features: [{ name: 'firings', type: 'u64', data: this.counts, description: 'firings' }], summary: { tokens: this.tokens } };
  }
}

/** One row a feature, drawn evenly among its firings: the row whose hash is lowest. It depends on row indices, not on batches. */
export class LowestHash implements Accumulator {
  readonly rows: Float64Array;
  readonly hashes: Float64Array;
  readonly seed: number;

  constructor(d_sae: number, seed: number) {
    this.rows = new Float64Array(d_sae).fill(-1);
    this.hashes = new Float64Array(d_sae).fill(Infinity);
    this.seed = seed;
  }

  update({ codes, rowOffset, rows }: Batch): void {
    for (let row = 0; row < rows; row++) {
      for (let entry = codes.offsets[row]!; entry < codes.offsets[row + 1]!; entry++) this.#offer(codes.features[entry]!, rowOffset + row, hash32(this.seed, rowOffset + row));
    }
  }

  merge(saved: StateValue): void {
    const other = saved as unknown as LowestHash;
    other.rows.forEach((row, feature) => row >= 0 && this.#offer(feature, row, other.hashes[feature]!));
  }

  save(): StateValue {
    return { rows: this.rows, hashes: this.hashes };
  }

  finish(): AnalysisResult {
    return { features: [{ name: 'row', type: 'f64', data: this.rows, description: 'drawn row' }] };
  }

  #offer(feature: number, row: number, hash: number): void {
    if (hash > this.hashes[feature]! || (hash === this.hashes[feature]! && row > this.rows[feature]!)) return;
    this.hashes[feature] = hash;
    this.rows[feature] = row;
  }
}

/** Every entry as (row, feature, value), and what batches came. */
export class Recorder {
  readonly entries: [row: number, feature: number, value: number][] = [];
  readonly batches: Batch[] = [];

  update(batch: Batch): void {
    this.batches.push(batch);
    for (let row = 0; row < batch.rows; row++) {
      for (let entry = batch.codes.offsets[row]!; entry < batch.codes.offsets[row + 1]!; entry++) {
        this.entries.push([batch.rowOffset + row, batch.codes.features[entry]!, batch.codes.values[entry]!]);
      }
    }
  }
}

/** A loaded SAE that counts its calls and takes at most `maxRows` rows at a time. */
export function limited(loaded: LoadedSae, maxRows: number): LoadedSae & { readonly calls: { encode: number[]; decode: number[] } } {
  const calls = { encode: [] as number[], decode: [] as number[] };
  return {
    calls,
    maxRows,
    encode(xbar, rows, options) {
      if (rows > maxRows || rows < 1) throw new Error(`encode was given ${rows} rows, maxRows is ${maxRows}`);
      calls.encode.push(rows);
      return loaded.encode(xbar, rows, options);
    },
    decode(codes, options) {
      calls.decode.push(codes.rows);
      return loaded.decode(codes, options);
    },
    dispose: () => loaded.dispose(),
  };
}
