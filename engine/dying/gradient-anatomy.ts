/**
 * Of what a feature's gradient is made. For the loss E ||xhat - x||^2 + sum_i lambda_i E f_i of a
 * standard SAE, with r = xhat - x, 1_i = [f_i > 0], x~ the encoder's input (x - b_dec) and rows d_i
 * of unit length or not:
 *
 *   dL/dw_i   = g_L1 + g_rec,   g_L1 = lambda_i E[1_i x~],   g_rec = E[1_i 2 (d_i . r) x~]
 *   dL/db_i   = E[1_i (2 d_i . r + lambda_i)]
 *   dL/dd_i   = 2 E[f_i r], less its part along d_i (the length of d_i is set by the optimiser, or
 *               has a gradient of its own where lambda_i = lambda ||d_i||)
 *   dL/db_dec = 2 E r - sum_i w_i dL/db_i            where b_dec is subtracted from the input
 *
 * Other architectures: a TopK, BatchTopK or JumpReLU row's selection is held fixed, as its
 * straight-through gradient has it, and no penalty reaches w: lambda_i = 0. A gated SAE's w_i are its
 * magnitudes', with the gate held fixed; its L1 acts on the gate and is not in these figures.
 *
 * The sums are O(d_sae d), in f64, rows in the stream's order: how it is cut into batches changes no bit.
 */
import type { SparseCodes } from '../codes.js';
import { ShapeError } from '../errors.js';
import type { Pace } from '../pace.js';
import type { StateValue } from '../run/accumulator.js';
import { floatArray, savedNumber, stateField } from '../sketches/saved.js';
import { cosine, dot } from './feature-rows.js';

/** Half octaves of f from 2^-24 to 2^16; what is beyond goes to the ends. */
const BINS = 80;
const LEAST_OCTAVE = -24;

export interface GradientShape {
  readonly d_in: number;
  readonly d_out: number;
  readonly d_sae: number;
}

/** Rows of a batch: the encoder's input, and what the decoder should give, in the space in which the SAE's loss is. */
export interface GradientRows {
  /** [rows, d_in] */
  readonly input: Float32Array;
  /** [rows, d_out] */
  readonly target: Float32Array | Float64Array;
  readonly codes: SparseCodes;
  /** [rows] 0 where the row is to be left out; null where all count. */
  readonly counted: Uint8Array | null;
}

const ARRAYS = ['counts', 'activation', 'slope', 'fire', 'fireSquares', 'error', 'decoderError', 'input', 'inputSquares', 'residual', 'bins'] as const;

/** Multiply-adds between looks at the clock. */
const SLICE = 2 ** 19;

export class GradientSums {
  readonly shape: GradientShape;
  rows = 0;
  /** [d_sae] sum of 1_i, of f_i, and of 1_i 2 d_i . r */
  readonly counts: Float64Array;
  readonly activation: Float64Array;
  readonly slope: Float64Array;
  /** [d_sae, d_in] sum of 1_i x~, of its squares, and of 1_i 2 (d_i . r) x~ */
  readonly fire: Float64Array;
  readonly fireSquares: Float64Array;
  readonly error: Float64Array;
  /** [d_sae, d_out] sum of f_i r */
  readonly decoderError: Float64Array;
  /** [d_in] sum of x~ and of its squares; [d_out] of r */
  readonly input: Float64Array;
  readonly inputSquares: Float64Array;
  readonly residual: Float64Array;
  /** [d_sae, BINS] firings by size of f_i */
  readonly bins: Float64Array;
  readonly #decoder: Float32Array;
  readonly #b_dec: Float32Array;

  /** @param decoder [d_sae, d_out] @param b_dec [d_out] @throws ShapeError where they have other lengths */
  constructor(shape: GradientShape, decoder: Float32Array, b_dec: Float32Array) {
    const { d_in, d_out, d_sae } = shape;
    if (decoder.length !== d_sae * d_out || b_dec.length !== d_out) throw new ShapeError(`decoder and b_dec have ${decoder.length} and ${b_dec.length} values, expected ${d_sae} x ${d_out} and ${d_out}`);
    this.shape = shape;
    this.#decoder = decoder;
    this.#b_dec = b_dec;
    const zeros = (length: number): Float64Array => new Float64Array(length);
    [this.counts, this.activation, this.slope] = [zeros(d_sae), zeros(d_sae), zeros(d_sae)];
    [this.fire, this.fireSquares, this.error] = [zeros(d_sae * d_in), zeros(d_sae * d_in), zeros(d_sae * d_in)];
    this.decoderError = zeros(d_sae * d_out);
    [this.input, this.inputSquares, this.residual] = [zeros(d_in), zeros(d_in), zeros(d_out)];
    this.bins = zeros(d_sae * BINS);
  }

  /** @throws ShapeError where lengths do not fit */
  async add({ input, target, codes, counted }: GradientRows, pace: Pace): Promise<void> {
    const { d_in, d_out } = this.shape;
    const { rows, offsets } = codes;
    if (input.length !== rows * d_in || target.length !== rows * d_out) throw new ShapeError(`input and target have ${input.length} and ${target.length} values, expected ${rows} rows x ${d_in} and ${d_out}`);
    const r = new Float64Array(d_out);
    let work = 0;
    for (let row = 0; row < rows; row++) {
      if (counted?.[row] === 0) continue;
      this.rows++;
      residualOf(codes, row, this.#decoder, this.#b_dec, target, r);
      for (let c = 0; c < d_in; c++) {
        const value = input[row * d_in + c]!;
        this.input[c] = this.input[c]! + value;
        this.inputSquares[c] = this.inputSquares[c]! + value * value;
      }
      for (let o = 0; o < d_out; o++) this.residual[o] = this.residual[o]! + r[o]!;
      for (let entry = offsets[row]!; entry < offsets[row + 1]!; entry++) this.#firing(codes.features[entry]!, codes.values[entry]!, input, row * d_in, r);
      work += (offsets[row + 1]! - offsets[row]! + 1) * (d_in + d_out);
      if (work > SLICE) {
        work = 0;
        if (pace.isDue) await pace.pause();
      }
    }
  }

  #firing(i: number, f: number, input: Float32Array, at: number, r: Float64Array): void {
    const { d_in, d_out } = this.shape;
    const { counts, activation, slope, fire, fireSquares, error, decoderError, bins } = this;
    const s = 2 * dot(this.#decoder, i * d_out, r, 0, d_out);
    counts[i] = counts[i]! + 1;
    activation[i] = activation[i]! + f;
    slope[i] = slope[i]! + s;
    const bin = i * BINS + Math.max(0, Math.min(BINS - 1, Math.floor(2 * (Math.log2(f) - LEAST_OCTAVE))));
    bins[bin] = bins[bin]! + 1;
    for (let c = 0, to = i * d_in; c < d_in; c++, to++) {
      const value = input[at + c]!;
      fire[to] = fire[to]! + value;
      fireSquares[to] = fireSquares[to]! + value * value;
      error[to] = error[to]! + s * value;
    }
    for (let o = 0, to = i * d_out; o < d_out; o++, to++) decoderError[to] = decoderError[to]! + f * r[o]!;
  }

  save(): StateValue {
    return { rows: this.rows, ...Object.fromEntries(ARRAYS.map((name) => [name, this[name].slice()])) };
  }

  /** Adds what `save` gave. @throws ShapeError when it is the state of something else */
  merge(saved: StateValue): void {
    const arrays = ARRAYS.map((name) => floatArray(stateField(saved, name), name, this[name].length));
    this.rows += savedNumber(stateField(saved, 'rows'), 'rows');
    for (const [which, name] of ARRAYS.entries()) for (let at = 0; at < this[name].length; at++) this[name][at] = this[name][at]! + arrays[which]![at]!;
  }
}

/** r = f W_dec + b_dec - target of a row, into `r`, in f64. */
export function residualOf({ offsets, features, values }: SparseCodes, row: number, decoder: Float32Array, b_dec: Float32Array, target: Float32Array | Float64Array, r: Float64Array): void {
  const d = r.length;
  for (let o = 0; o < d; o++) r[o] = b_dec[o]! - target[row * d + o]!;
  for (let entry = offsets[row]!; entry < offsets[row + 1]!; entry++) {
    const f = values[entry]!;
    for (let o = 0, from = features[entry]! * d; o < d; o++, from++) r[o] = r[o]! + f * decoder[from]!;
  }
}

/** A feature's gradients, of the sums so far. */
export interface FeatureGradients {
  /** [d_in] */
  readonly l1: Float64Array;
  readonly rec: Float64Array;
  /** l1 + rec */
  readonly encoder: Float64Array;
  readonly bias: number;
  /** [d_out] less its part along d_i */
  readonly decoder: Float64Array;
  /** ||l1|| / (||l1|| + ||rec||); NaN where both are 0. */
  readonly share: number;
  readonly cosL1Encoder: number;
  /** NaN where d_in differs from d_out. */
  readonly cosEncoderDecoder: number;
}

/** @param lambda of this feature: lambda, or lambda ||d_i|| */
export function featureGradients(sums: GradientSums, i: number, lambda: number, decoder: Float32Array): FeatureGradients {
  const { d_in, d_out } = sums.shape;
  const n = sums.rows;
  const l1 = sums.fire.slice(i * d_in, (i + 1) * d_in).map((value) => (lambda * value) / n);
  const rec = sums.error.slice(i * d_in, (i + 1) * d_in).map((value) => value / n);
  const encoder = l1.map((value, c) => value + rec[c]!);
  const bias = (sums.slope[i]! + lambda * sums.counts[i]!) / n;
  const along = sums.decoderError.slice(i * d_out, (i + 1) * d_out).map((value) => (2 * value) / n);
  const squares = dot(decoder, i * d_out, decoder, i * d_out, d_out);
  const part = squares > 0 ? dot(along, 0, decoder, i * d_out, d_out) / squares : 0;
  const turned = along.map((value, o) => value - part * decoder[i * d_out + o]!);
  const [a, b] = [Math.sqrt(dot(l1, 0, l1, 0, d_in)), Math.sqrt(dot(rec, 0, rec, 0, d_in))];
  return {
    l1,
    rec,
    encoder,
    bias,
    decoder: turned,
    share: a + b > 0 ? a / (a + b) : NaN,
    cosL1Encoder: cosine(l1, 0, encoder, 0, d_in),
    cosEncoderDecoder: d_in === d_out ? cosine(encoder, 0, turned, 0, d_in) : NaN,
  };
}

/** [d] dL/db_dec. @param encoder [d_sae, d] @param lambda [d_sae] @param subtracted whether the encoder sees x - b_dec */
export function decoderBiasGradient(sums: GradientSums, encoder: Float32Array, lambda: ArrayLike<number>, subtracted: boolean): Float64Array {
  const { d_in, d_sae } = sums.shape;
  const gradient = sums.residual.map((value) => (2 * value) / sums.rows);
  for (let i = 0; subtracted && i < d_sae; i++) {
    const bias = (sums.slope[i]! + lambda[i]! * sums.counts[i]!) / sums.rows;
    if (bias !== 0) for (let c = 0; c < d_in; c++) gradient[c] = gradient[c]! - encoder[i * d_in + c]! * bias;
  }
  return gradient;
}

/**
 * The density of a feature's pre-activation at 0, from above: how often a step that moves z by a
 * little makes the feature flip, per unit of z. From counts F(h) of 0 < f < h, (4 F(h) - F(2h)) / (2 h N):
 * the slope of the density is allowed for, its curvature is not. h is an edge of the histogram near a
 * quarter of the mean activation, or near half of it for fewer than 400 firings, whose noise is larger
 * than what the curvature does. 0 for a feature that never fired, and never below.
 */
export function densityAtZero(sums: GradientSums, i: number): number {
  const count = sums.counts[i]!;
  if (count === 0) return 0;
  const octave = Math.round(2 * (Math.log2(sums.activation[i]! / count / (count < 400 ? 2 : 4)) - LEAST_OCTAVE));
  const edge = Math.max(1, Math.min(BINS - 2, octave));
  let [below, twice] = [0, 0];
  for (let bin = 0; bin < edge + 2; bin++) {
    if (bin < edge) below += sums.bins[i * BINS + bin]!;
    twice += sums.bins[i * BINS + bin]!;
  }
  return Math.max(0, (4 * below - twice) / (2 * 2 ** (LEAST_OCTAVE + edge / 2) * sums.rows));
}
