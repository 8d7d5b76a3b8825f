/**
 * What a live trainer and its thread say to each other. Every message of the page
 * has a number, and its answer has the same; events come unasked, some twenty
 * times a second, and are acknowledged, so that a page that does not keep up is
 * not buried. Large arrays travel by transfer.
 */
import { BackendError, FormatError, NumericError, SaekitError, ShapeError, UsageError, isAbort } from '../errors.js';
import type { DataPlane, DataPlaneOptions } from '../dying/data-plane.js';
import type { GeneratorSpec } from '../generate/generators.js';
import type { TrainEvent } from './events.js';
import type { Recipe } from './recipe.js';

/** Raised when an older page or worker would misread a message. */
export const LIVE_PROTOCOL = 2;

/** The name that tells a worker that it is to train. */
export const LIVE_WORKER_NAME = 'saekit-live-trainer';

/** What is trained on. */
export type LiveData =
  /** [rows, d] f32 raw activations. They are copied to the worker, or handed over (and detached here) with `transfer`. */
  | { readonly kind: 'held'; readonly x: Float32Array; readonly d: number; readonly transfer?: boolean }
  | { readonly kind: 'generator'; readonly spec: GeneratorSpec }
  /** Activations in a .npy or .safetensors file: fetched where they are trained on. */
  | { readonly kind: 'file'; readonly src: string };

/** Knobs that a person set. */
export type RecipePatch = Partial<Recipe>;

/** `failed`: something threw, which `failure` says; `ended`: the last step, an early stop, or a person's. */
export type LiveState = 'paused' | 'running' | 'ended' | 'diverged' | 'failed';

/** Where a live run stands. */
export interface LiveStatus {
  readonly state: LiveState;
  /** Steps done. */
  readonly step: number;
  readonly tokens: number;
  /** The complete recipe, with what was retuned. */
  readonly recipe: Recipe;
  /** Width of a row. */
  readonly d: number;
  /** Raw rows times this are what is trained on. */
  readonly scale: number;
  readonly backend: string;
  /** Steps whose states are kept, ascending; `rewind` reaches every step up to `step`, and these at once. */
  readonly checkpoints: readonly number[];
  /** Bytes that they take. */
  readonly bytes: number;
}

/** What a live run tells: the trainer's events, and what a person did to it. */
export type LiveEvent =
  | TrainEvent
  /** Everything after `step` is undone. */
  | { readonly type: 'rewound'; readonly step: number }
  | { readonly type: 'retuned'; readonly step: number; readonly patch: RecipePatch };

/** What it takes to open a run. */
export interface LiveSetup {
  readonly recipe: RecipePatch;
  readonly data: LiveData;
  readonly backend: 'auto' | 'webgpu' | 'wasm';
  readonly watch: readonly number[];
  /** Least ms between two batches of events. */
  readonly interval: number;
  /** Bytes for states that `rewind` goes back to. */
  readonly budget: number;
  /** Rows over which checkpoints are evaluated; 0 for none. */
  readonly evaluateRows: number;
  /** Of the order of held rows: a branch keeps it, whatever its recipe says. */
  readonly dataSeed: number;
  /** A branch: the state that it begins from (engine/state.ts); `recipe` is what it changes. */
  readonly saved: Uint8Array<ArrayBuffer> | null;
}

/** A state to branch from, and the data that the branch trains on. */
export interface LiveSaved {
  readonly step: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly data: LiveData;
  readonly dataSeed: number;
}

/** What a request gives beside the status. */
export interface LiveAnswer {
  readonly saved: LiveSaved | null;
  readonly plane: DataPlane | null;
}

export type LiveRequest =
  | { readonly type: 'open'; readonly version: number; readonly setup: LiveSetup }
  | { readonly type: 'start' | 'pause' | 'stop' | 'close' }
  | { readonly type: 'step'; readonly steps: number }
  | { readonly type: 'rewind'; readonly step: number }
  | { readonly type: 'retune'; readonly patch: RecipePatch }
  | { readonly type: 'watch'; readonly features: readonly number[] }
  /** The state at `at`, by default as it is. */
  | { readonly type: 'save'; readonly at: number | null }
  /** The direction of least firing of the data. */
  | { readonly type: 'plane'; readonly options: DataPlaneOptions };

/** From the page. */
export type LiveCall = { readonly job: number; readonly request: LiveRequest } | { readonly type: 'ack' };

/** To the page. */
export type LiveReply =
  | { readonly type: 'ready'; readonly version: number }
  | ({ readonly type: 'done'; readonly job: number; readonly status: LiveStatus } & LiveAnswer)
  | { readonly type: 'error'; readonly job: number; readonly error: PlainError }
  | { readonly type: 'events'; readonly events: readonly LiveEvent[]; readonly status: LiveStatus }
  | { readonly type: 'notice'; readonly text: string }
  /** The run came to grief between two requests. */
  | { readonly type: 'failure'; readonly error: PlainError; readonly status: LiveStatus };

/** An error as a message carries it. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly hint: string | undefined;
}

export function toPlain(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), hint: undefined };
  return { name: isAbort(error) ? 'AbortError' : error.name, message: error.message, hint: error instanceof SaekitError ? error.hint : undefined };
}

const CLASSES: Readonly<Record<string, typeof SaekitError>> = { BackendError, FormatError, NumericError, SaekitError, ShapeError, UsageError };

/** The error again, of its own class where that is one of saekit's. */
export function fromPlain({ name, message, hint }: PlainError): Error {
  if (name === 'AbortError') return new DOMException(message, 'AbortError');
  const known = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined;
  if (known !== undefined) return new known(message, { hint });
  return Object.assign(new Error(message), { name });
}

/** Buffers that events may hand over: each event has arrays of its own. */
export function buffersOf(events: readonly LiveEvent[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const event of events) {
    const arrays =
      event.type === 'densities' ? [event.window.counts]
      : event.type === 'snapshot' ? [event.snapshot.encoder, event.snapshot.decoder, event.snapshot.bias, event.snapshot.b_dec, event.snapshot.counts]
      : event.type === 'checkpoint' && event.evaluation !== null ? [event.evaluation.counts]
      : [];
    for (const { buffer } of arrays) if (buffer instanceof ArrayBuffer) buffers.add(buffer);
  }
  return [...buffers];
}
