/**
 * What the pool and its workers say to each other. Large arrays travel by
 * transfer, and come back with the answer to be used again; or they are shared,
 * and only the way to them is sent.
 */
import { BackendError, NumericError, isAbort } from '../errors.js';
import type { KernelModule, Pointer } from './loader.js';
import type { RoomArrays } from './rooms.js';
import type { EncoderState, EncoderWeights } from './shape.js';
import type { Home } from './space.js';

/** The name that tells a worker thread that it is one of the pool's. */
export const WORKER_NAME = 'saekit-wasm-worker';

/** A piece of a call, for a thread with the encoder in a memory of its own. */
export interface PieceRequest {
  readonly sae: number;
  /** At least [rows, d_in]. */
  readonly xbar: Float32Array<ArrayBuffer>;
  readonly rows: number;
  /** What row 0 of `xbar` is called in an error. */
  readonly firstRow: number;
  readonly budget: number | undefined;
  readonly room: RoomArrays;
  /** Rows that the room has already: the piece comes below them. */
  readonly held: number;
}

/** Codes of the piece, in the room; both arrays are the pool's again. */
export interface PieceReply extends EncoderState {
  readonly xbar: Float32Array<ArrayBuffer>;
  readonly room: RoomArrays;
  readonly nearTies: number;
}

/** A share of a call on a memory that all threads see: share.ts. */
export interface ShareRequest {
  readonly sae: number;
  readonly cuts: readonly number[];
  /** As in `Call`. */
  readonly pieces: number;
  readonly firstRow: number;
  readonly budget: number | undefined;
  readonly room: RoomArrays;
  /** As in `Call`. */
  readonly z: Float32Array | null;
  /** Whether the screen is packed. */
  readonly screened: boolean;
}

export interface ShareReply extends EncoderState {
  readonly room: RoomArrays;
  readonly chunks: number[];
  readonly nearTies: number;
  readonly failure: { readonly chunk: number; readonly error: PlainError } | null;
}

/** Where a worker's encoder is, if not in a memory of its own. */
export interface SharedHome {
  readonly home: Home;
  readonly control: Pointer;
  readonly rows: { readonly at: Pointer; readonly length: number };
}

export type Request =
  | { readonly type: 'load'; readonly job: number; readonly sae: number; readonly weights: EncoderWeights; readonly kind: KernelModule; readonly shared: SharedHome | null }
  | ({ readonly type: 'piece'; readonly job: number } & PieceRequest)
  | ({ readonly type: 'share'; readonly job: number } & ShareRequest)
  | { readonly type: 'abort'; readonly job: number }
  | { readonly type: 'unload'; readonly sae: number };

export type Reply =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly error: PlainError }
  /** `result`: EncoderState of load, PieceReply, ShareReply. */
  | { readonly type: 'done'; readonly job: number; readonly result: EncoderState | PieceReply | ShareReply }
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
