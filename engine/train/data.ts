/**
 * Where training rows come from. A batch depends on nothing but its step, so that
 * a run can stop, resume, rewind and branch without a reader's position to restore.
 */

/** Rows to train on: held activations, a file or model read in chunks, or a generator. */
export interface TrainData {
  /** Width of a row. */
  readonly d: number;
  /** How many rows there are; null for a generator that never ends. */
  readonly rows: number | null;
  /** For the run's record: kind, files, hashes, shapes, seeds. JSON. */
  readonly provenance: Readonly<Record<string, unknown>>;
  /**
   * The rows of step `step` (0 for the first), [size, d] f32, as they are in the model
   * (before normalisation). Same step, same rows, whatever was asked before. The array
   * is the caller's to change.
   */
  batch(step: number, size: number, signal?: AbortSignal): Promise<Float32Array>;
  /**
   * Rows for statistics and evaluation, in a fixed order: calls `visit` with pieces of at
   * most `size` rows until `limit` rows (default all; a generator needs a limit).
   */
  scan(visit: (x: Float32Array, rows: number) => void | Promise<void>, options: { readonly size: number; readonly limit?: number | undefined; readonly signal?: AbortSignal | undefined }): Promise<number>;
  close(): Promise<void>;
}

/** A dictionary that is known to be the right answer, where data were generated. */
export interface Truth {
  /** How many true features, n_true. */
  readonly features: number;
  readonly d: number;
  /** [features, d] unit directions, by feature. */
  readonly directions: Float32Array;
  /** [features] firing probabilities, where they are known. */
  readonly probabilities: Float64Array | null;
}
