/**
 * The threads that encode with one SAE, and how a call is divided among them.
 * Whichever way it is, each row is encoded by the same steps: the codes do not
 * depend on who did it.
 */
import type { SparseCodes } from '../codes.js';
import type { Encoder } from './encoder.js';
import type { EncoderState, EncoderWeights, ScreenCounts } from './shape.js';

export interface EncodeOptions {
  readonly signal?: AbortSignal | undefined;
  /** batchtopk: entries that the whole call shares; given are those that its selection needs (range.ts). */
  readonly budget?: number | undefined;
}

/** What a team holds, in bytes, and how often it had to ask for more: in the steady state never. */
export interface TeamMemory {
  /** Linear memory that encodes, on all threads together. */
  readonly linear: number;
  /** Rows and codes on their way. */
  readonly pooled: number;
  /** Buffers that were made for those so far. */
  readonly made: number;
}

export interface DenseOptions extends EncodeOptions {
  /** As in `LoadedSae.preactivations`. */
  readonly out?: Float32Array | undefined;
}

export interface Team {
  /** The calling thread's own. */
  readonly encoder: Encoder;
  /** @throws NumericError naming the lowest row that is not finite; the signal's reason when aborted */
  encode(xbar: Float32Array, rows: number, options: EncodeOptions): Promise<SparseCodes>;
  /**
   * Dense pre-activations, [rows, d_sae], in memory that the threads share, or in `out`; null where they share none.
   * @throws NumericError naming the lowest input row that is not finite; the signal's reason when aborted
   */
  preactivations(xbar: Float32Array, rows: number, options: DenseOptions): Promise<Float32Array> | null;
  memory(): TeamMemory;
  /** Bytes of packed weights, on all threads together. */
  weightBytes(): number;
  /** What all threads have screened so far; null where none screens. */
  screen(): ScreenCounts | null;
  /** Once, when no call is on its way and none will follow: what it held may be another's then. */
  dispose(): void;
}

/** What a worker is told that finds the weights packed. */
export function withoutArrays(weights: EncoderWeights): EncoderWeights {
  const none = new Float32Array(0);
  return { ...weights, W_enc: none, b_enc: none, threshold: null, scale: null, gate: weights.gate === null ? null : { scale: none, bias: none } };
}

/** Of several threads. */
export function sumScreens(states: readonly EncoderState[]): ScreenCounts | null {
  const screens = states.flatMap(({ screen }) => screen ?? []);
  if (screens.length === 0) return null;
  return { screened: screens.reduce((sum, { screened }) => sum + screened, 0), computed: screens.reduce((sum, { computed }) => sum + computed, 0) };
}
