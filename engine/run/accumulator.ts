/**
 * What comes after `encode`: accumulators. Each analysis keeps a state of size
 * O(features), takes one batch after the other, can be merged with the state of
 * another shard, saved and restored, and finishes in tables.
 */
import type { SparseCodes } from '../codes.js';
import type { Table, Column } from './table.js';

/** One batch of the stream. Contexts are never cut: rows = contexts x positions, row = context * positions + position. */
export interface Batch {
  /** Index of the first row, and of the first context, in the whole stream. */
  readonly rowOffset: number;
  readonly contextOffset: number;
  readonly contexts: number;
  readonly positions: number;
  readonly rows: number;
  /** [rows] token ids, when the stream has tokens. */
  readonly tokens: Int32Array | null;
  /** [rows] 1 where the row counts in statistics, 0 where an ignore rule left it out. */
  readonly counted: Uint8Array;
  /** How many rows count. */
  readonly countedRows: number;
  /** [rows, d_in] activations as they came, before normalisation. */
  readonly x: Float32Array;
  /** Codes of every row; rows that do not count have no entries. */
  readonly codes: SparseCodes;
  /** [rows, d_out] the reconstruction in the space of x; computed once, on first call; zeros in rows that do not count. */
  reconstruction(): Promise<Float32Array>;
}

/** Plain data that structured clone carries between workers and that `encodeState` writes to bytes. */
export type StateValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | readonly StateValue[]
  | { readonly [key: string]: StateValue };

/** What an analysis leaves behind. */
export interface AnalysisResult {
  /** Columns of length d_sae that join features.parquet (outside the `sae/` namespace the names are prefixed). */
  readonly features?: readonly Column[];
  /** Tables of their own. */
  readonly tables?: readonly Table[];
  /** Whole-run figures for the manifest; JSON. */
  readonly summary?: Readonly<Record<string, unknown>>;
}

export interface Accumulator {
  update(batch: Batch): void | Promise<void>;
  /** Adds the state of another accumulator of the same kind over other contexts. */
  merge(saved: StateValue): void;
  /** The whole state; `create(ctx)` followed by `merge(saved)` restores it. */
  save(): StateValue;
  finish(signal?: AbortSignal): AnalysisResult | Promise<AnalysisResult>;
}
