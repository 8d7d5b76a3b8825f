/**
 * All features of one SAE at one step, as the views of dying take them: what the weights say
 * and how often each feature fired on given rows. With w = W_enc[:, i] and d = W_dec[i]:
 *
 *   effective bias     b_enc - w . b_dec where b_dec is subtracted from the input, else b_enc
 *   D/E                w . d, and its cosine; NaN where d_in differs from d_out or a row is zero
 *   direction cosine   cos(w, w*) with the direction of least firing; NaN without one
 *
 * A gated SAE's w and b_enc are its magnitudes', exp(r_mag[i]) W_enc[:, i] and b_mag[i], as in
 * the columns of features.parquet. Sums in f64, over f32 weights as they are stored: of an SAE
 * that normalises its input they speak of the normalised x.
 */
import { ShapeError } from '../errors.js';
import { Pace } from '../pace.js';
import type { Sae } from '../sae.js';
import { heldWeights, weightsOf } from '../weight-source.js';
import type { DyingFrame } from './record.js';

export interface FrameOptions {
  readonly step: number;
  readonly tokens?: number | null | undefined;
  /** Rows that `counts` is over. */
  readonly rows: number;
  /** [d_sae] firings; copied. */
  readonly counts: ArrayLike<number>;
  /** [d_in] the direction of least firing. */
  readonly direction?: ArrayLike<number> | null | undefined;
}

/** Numbers of a block of latents: some ms of sums. */
const BLOCK = 2 ** 20;

/**
 * The frame of an SAE that is in memory, without a pause: d_in d_sae multiply-adds.
 * @throws ShapeError where counts or direction have another length; UsageError where the matrices are not held
 */
export function frameOf(sae: Sae, options: FrameOptions): DyingFrame {
  const build = new FrameBuilder(sae, options);
  const source = heldWeights(sae);
  const most = build.blockSize;
  for (let first = 0; first < sae.d_sae; first += most) {
    const count = Math.min(most, sae.d_sae - first);
    build.add(first, count, source.encoderColumns(first, count) as Float32Array, source.decoderRows(first, count) as Float32Array);
  }
  return build.finish();
}

/** The same of any SAE, also one whose matrices are read a piece at a time; lets events in. */
export async function readFrame(sae: Sae, options: FrameOptions & { readonly signal?: AbortSignal | undefined }): Promise<DyingFrame> {
  const { signal } = options;
  const build = new FrameBuilder(sae, options);
  const source = weightsOf(sae);
  const most = build.blockSize;
  const pace = new Pace(signal);
  for (let first = 0; first < sae.d_sae; first += most) {
    const count = Math.min(most, sae.d_sae - first);
    const decoder = await source.decoderRows(first, count, signal);
    // A copy: the source may use its array again for the encoder's.
    const kept = sae.weights ? decoder.slice() : decoder;
    build.add(first, count, await source.encoderColumns(first, count, signal), kept);
    if (pace.isDue) await pace.pause();
  }
  return build.finish();
}

/** Rows w_i of some features, [features, d_in] f32; a gated SAE's as above. */
export async function encoderRowsOf(sae: Sae, features: ArrayLike<number>, signal?: AbortSignal): Promise<Float32Array> {
  const { d_in } = sae;
  const source = weightsOf(sae);
  const rows = new Float32Array(features.length * d_in);
  for (let at = 0; at < features.length; at++) {
    const feature = features[at]!;
    const scale = Math.exp(sae.gate?.r_mag[feature] ?? 0);
    const column = await source.encoderColumns(feature, 1, signal);
    for (let c = 0; c < d_in; c++) rows[at * d_in + c] = column[c]! * scale;
  }
  return rows;
}

/**
 * Where some features begin to fire: w . x + offset > 0 for raw x. The effective bias, less a
 * jumprelu's threshold (at least 0); of a gated SAE the lower of its magnitude's and its gate's,
 * both in the magnitude's scale. topk has no such boundary: there it is the effective bias.
 */
export function firingOffsets(sae: Sae, frame: Pick<DyingFrame, 'effective_bias'>, features: ArrayLike<number>): Float32Array {
  const { gate, threshold, b_enc } = sae;
  return Float32Array.from({ length: features.length }, (_, at) => {
    const i = features[at]!;
    const bias = frame.effective_bias[i]!;
    if (gate) return bias + Math.min(0, Math.exp(gate.r_mag[i]!) * gate.b_gate[i]! - b_enc[i]!);
    return bias - Math.max(0, threshold?.[i] ?? 0);
  });
}

class FrameBuilder {
  readonly #sae: Sae;
  readonly #direction: Float64Array | null;
  readonly #frame: DyingFrame;
  readonly blockSize: number;

  constructor(sae: Sae, { step, tokens = null, rows, counts, direction }: FrameOptions) {
    const { d_in, d_sae, d_out, b_enc, b_dec } = sae;
    if (counts.length !== d_sae) throw new ShapeError(`a frame of ${d_sae} features was given ${counts.length} counts`);
    if (direction && direction.length !== d_in) throw new ShapeError(`a frame of an SAE of width ${d_in} was given a direction of ${direction.length} numbers`);
    const own = (): Float32Array => new Float32Array(d_sae);
    this.#sae = sae;
    this.#direction = direction ? unitOf(direction) : null;
    this.#frame = { step, tokens, rows, counts: Float64Array.from(counts), bias: b_enc.slice(), effective_bias: own(), encoder_norm: own(), de: own(), de_cosine: own(), direction_cosine: own(), b_dec: b_dec.slice() };
    this.blockSize = Math.max(1, Math.floor(BLOCK / Math.max(d_in, d_out)));
  }

  /** Latents first .. first + count - 1. @param columns [d_in, count] of W_enc @param rows [count, d_out] of W_dec */
  add(first: number, count: number, columns: Float32Array, rows: Float32Array): void {
    const { d_in, d_out, b_enc, b_dec, gate, applyBDecToInput } = this.#sae;
    const oneSpace = d_in === d_out;
    const direction = this.#direction;
    const frame = this.#frame;
    for (let r = 0; r < count; r++) {
      const i = first + r;
      let [squares, shift, de, along, decoder] = [0, 0, 0, 0, 0];
      for (let o = 0; o < d_out; o++) decoder += rows[r * d_out + o]! ** 2;
      for (let c = 0; c < d_in; c++) {
        const w = columns[c * count + r]!;
        squares += w * w;
        if (direction !== null) along += w * direction[c]!;
        if (!oneSpace) continue;
        shift += w * b_dec[c]!;
        de += w * rows[r * d_out + c]!;
      }
      const scale = gate ? Math.exp(gate.r_mag[i]!) : 1;
      const norm = Math.sqrt(squares);
      const norms = norm * Math.sqrt(decoder);
      frame.effective_bias[i] = b_enc[i]! - (applyBDecToInput && oneSpace ? scale * shift : 0);
      frame.encoder_norm[i] = scale * norm;
      frame.de[i] = oneSpace ? scale * de : NaN;
      frame.de_cosine[i] = oneSpace && norms > 0 ? clamp(de / norms) : NaN;
      frame.direction_cosine[i] = direction !== null && norm > 0 ? clamp(along / norm) : NaN;
    }
  }

  finish(): DyingFrame {
    return this.#frame;
  }
}

/** @throws ShapeError where it is zero or not finite */
export function unitOf(vector: ArrayLike<number>): Float64Array {
  const unit = Float64Array.from(vector);
  let squares = 0;
  for (const value of unit) squares += value * value;
  const norm = Math.sqrt(squares);
  if (!(norm > 0) || !Number.isFinite(norm)) throw new ShapeError(`a direction of ${vector.length} numbers has the length ${norm}`);
  return unit.map((value) => value / norm);
}

/** Rounding must not leave [-1, 1]. */
function clamp(value: number): number {
  return Math.max(-1, Math.min(1, value));
}

/** [d_in] mean of w_i over some features; null of none. */
export async function meanColumn(sae: Sae, features: ArrayLike<number>, signal?: AbortSignal): Promise<Float64Array | null> {
  if (features.length === 0) return null;
  const { d_in } = sae;
  const mean = new Float64Array(d_in);
  for (let first = 0; first < features.length; first += 1024) {
    const some = Array.from(features).slice(first, first + 1024);
    const rows = await encoderRowsOf(sae, some, signal);
    for (let r = 0; r < some.length; r++) for (let c = 0; c < d_in; c++) mean[c] = mean[c]! + rows[r * d_in + c]! / features.length;
  }
  return mean;
}
