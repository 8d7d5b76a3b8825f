/**
 * Where activations come from: a file, a model that runs as it is read, or a
 * generator. A source is a stream of batches of whole contexts.
 */

export interface ActivationBatch {
  readonly contexts: number;
  readonly positions: number;
  /** [contexts * positions, d] f32 */
  readonly x: Float32Array;
  /** [contexts * positions] or null when the stream has no tokens. */
  readonly tokens: Int32Array | null;
}

export interface BatchOptions {
  readonly contextsPerBatch: number;
  /** First context, default 0; and the one after the last, default `contexts`. */
  readonly start?: number | undefined;
  readonly end?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ActivationSource {
  /** Width of a row. */
  readonly d: number;
  /** Known before the first batch, so that progress can be shown. */
  readonly contexts: number;
  readonly positions: number;
  readonly hasTokens: boolean;
  /** For the manifest: kind, files, hook, hashes, shapes. */
  readonly provenance: Readonly<Record<string, unknown>>;
  /**
   * Batches in order. The arrays of a batch are the consumer's to keep. With
   * `start` and `end` only the contexts start to end - 1 are read (a shard);
   * a source that honours them says so in `ranges`.
   */
  batches(options: BatchOptions): AsyncIterable<ActivationBatch>;
  /** True when `batches` begins at `start` and ends at `end` without reading the rest. */
  readonly ranges?: boolean;
  close(): Promise<void>;
}
