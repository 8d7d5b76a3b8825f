/**
 * What the pool and its workers say to each other. Large arrays travel by
 * transfer; nothing is shared, so no page needs cross-origin isolation.
 */
import { BackendError, NumericError, isAbort } from '../errors.js';
import type { SparseCodes } from '../codes.js';
import type { EncoderWeights } from './encoder.js';
import type { KernelModule } from './loader.js';

/** The name that tells a worker thread that it is one of the pool's. */
export const WORKER_NAME = 'saekit-wasm-worker';

export type Request =
  | { readonly type: 'load'; readonly job: number; readonly sae: number; readonly weights: EncoderWeights; readonly kind: KernelModule }
  | { readonly type: 'encode'; readonly job: number; readonly sae: number; readonly xbar: Float32Array; readonly rows: number; readonly firstRow: number; readonly budget: number | undefined }
  | { readonly type: 'abort'; readonly job: number }
  | { readonly type: 'unload'; readonly sae: number };

export type Reply =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly error: PlainError }
  | { readonly type: 'done'; readonly job: number; readonly codes: SparseCodes | null }
  | { readonly type: 'error'; readonly job: number; readonly error: PlainError };

/** An error as data: structured cloning keeps neither the class nor the fields of ours. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly hint: string | undefined;
}

export function toPlain(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), hint: undefined };
  const name = isAbort(error) ? 'AbortError' : error.name;
  return { name, message: error.message, hint: (error as { hint?: string }).hint };
}

export function fromPlain({ name, message, hint }: PlainError): Error {
  switch (name) {
    case 'NumericError':
      return new NumericError(message, { hint });
    case 'AbortError':
      return new DOMException(message, 'AbortError');
    default:
      return new BackendError(`WASM worker: ${message}`, { hint });
  }
}
