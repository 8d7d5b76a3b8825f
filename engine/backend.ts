/**
 * The contract between the engine and whatever does its dense arithmetic.
 *
 * Two implementations exist: `engine/wasm/` over the AssemblyScript kernels and
 * `gpu/` over WGSL. Each is held to the same float64 oracle. `engine/choose-backend.ts`
 * is the one file that knows both.
 */
import type { SparseCodes } from './codes.js';
import type { Sae } from './sae.js';
import type { TieTolerance } from './ties.js';

export type BackendKind = 'webgpu' | 'wasm';

export interface BackendInfo {
  readonly kind: BackendKind;
  /** For people: `SwiftShader (google)`, `WASM SIMD, 2 threads`. */
  readonly description: string;
  /** True where the arithmetic runs on the CPU after all (SwiftShader, lavapipe). */
  readonly software: boolean;
  /** Limits, features and counts that `saekit doctor` prints and the manifest records. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

export interface Backend {
  readonly info: BackendInfo;
  /** Uploads or packs the weights once. The SAE's arrays may be dropped by the caller afterwards. */
  load(sae: Sae, options?: LoadOptions): Promise<LoadedSae>;
  dispose(): Promise<void>;
}

export interface LoadOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Screened encode: an int8 pass proves which pre-activations are too small to
   * matter, and only the others are computed in f32, in the dense path's own order
   * of summation: the codes are the same bit for bit. `auto` (default) takes it
   * where it measures faster; on WebGPU, where the encoder takes 2.3 times the memory
   * for it, only `on` does.
   */
  readonly screen?: 'auto' | 'on' | 'off' | undefined;
  /** `f16` stores weights in half precision and accumulates in f32 (WebGPU with `shader-f16`); default `f32`. */
  readonly storage?: 'f32' | 'f16' | undefined;
  /** Where this SAE is a block of a larger one: the tie tolerance of the whole (engine/ties.ts). */
  readonly tolerance?: TieTolerance | undefined;
}

/** What became of an SAE on its backend, for `doctor`, the manifest and benchmarks. */
export interface LoadReport {
  /** Bytes that the weights take, in linear memory or on the device, on all threads together. */
  readonly weightBytes: number;
  /** Pieces by latents: 1 where the encoder lies in one. */
  readonly shards: number;
  /** Null where encode is dense; else what share of the pre-activations were computed in f32 so far. */
  readonly screen: { readonly survivorRatio: number } | null;
  /** Null for f32 storage; else a bound on |z - z_f32| per unit of ||xbar||. */
  readonly storageErrorPerNorm: number | null;
}

/**
 * An SAE that is ready to run. Both calls work on prepared rows: `xbar` is the
 * input after normalisation and b_dec subtraction (engine/prepare.ts), and
 * `decode` gives f @ W_dec + b_dec before the output is un-normalised.
 */
export interface LoadedSae {
  /** The largest number of rows that one `encode` may be given. */
  readonly maxRows: number;
  /**
   * @param xbar [rows, d_in] f32, row-major. The caller may reuse it after the promise settles.
   * @throws NumericError naming the row if an input or a pre-activation is not finite.
   */
  encode(xbar: Float32Array, rows: number, options?: { signal?: AbortSignal | undefined }): Promise<SparseCodes>;
  /** @returns [rows, d_out] f32. Rows without entries give b_dec. */
  decode(codes: SparseCodes, options?: { signal?: AbortSignal | undefined }): Promise<Float32Array>;
  /**
   * Dense pre-activations z (those of the gate for gated), for training, tests and
   * benchmarks: [rows, d_sae] f32. `encode` never holds them.
   * @param options.out where they are written and what is returned, [at least rows * d_sae]; without it,
   *   a new array each time. On a shared buffer threads write to it directly; should one of
   *   them be lost meanwhile, a copy is returned, because it may be writing to `out` still.
   * @throws ShapeError where `out` is too short
   */
  preactivations?(xbar: Float32Array, rows: number, options?: { signal?: AbortSignal | undefined; out?: Float32Array | undefined }): Promise<Float32Array>;
  report?(): LoadReport;
  dispose(): void;
}
