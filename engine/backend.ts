/**
 * The contract between the engine and whatever does its dense arithmetic.
 *
 * Two implementations exist: `engine/wasm/` over the AssemblyScript kernels and
 * `gpu/` over WGSL. Each is held to the same float64 oracle. `engine/choose-backend.ts`
 * is the one file that knows both.
 */
import type { SparseCodes } from './codes.js';
import type { Sae } from './sae.js';

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
  load(sae: Sae, options?: { signal?: AbortSignal | undefined }): Promise<LoadedSae>;
  dispose(): Promise<void>;
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
  dispose(): void;
}
