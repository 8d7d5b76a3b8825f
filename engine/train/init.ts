/**
 * Where a run starts. Every number is drawn by its own name (engine/random.ts: a hash of the
 * seed, the tensor and the place), so that nothing depends on the order of drawing.
 */
import { Pace } from '../pace.js';
import { uniform } from '../random.js';
import { parametersOf, sizeOf, type Objective, type ParameterName } from './objective.js';
import type { Recipe } from './recipe.js';
import type { Parameters, TrainState } from './session.js';

/** Seeds of the streams that one seed gives: a tensor's draws are not another's. */
export type Stream = 'W_enc' | 'W_dec' | 'b_enc' | 'b_gate' | 'noise' | 'resample' | 'spare';
const STREAMS: Readonly<Record<Stream, number>> = { W_enc: 0x45e1, W_dec: 0xd3c0, b_enc: 0xbe2c, b_gate: 0xb6a7, noise: 0x2015, resample: 0x7e5a, spare: 0x59a7 };

/** The seed of one of a run's streams. */
export function streamSeed(seed: number, stream: Stream): number {
  return (Math.imul(seed, 0x9e3779b1) ^ STREAMS[stream]) >>> 0;
}

/** A standard normal draw: Box and Muller's transform of two uniform ones. */
export function normal(seed: number, at: number): number {
  const u = 1 - uniform(seed, at % 2 ** 32, 2 * Math.floor(at / 2 ** 32));
  return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * uniform(seed, at % 2 ** 32, 2 * Math.floor(at / 2 ** 32) + 1));
}

/** U(-a, a), a = sqrt(6 / d): torch's kaiming_uniform with a gain of sqrt 2. */
export function kaiming(seed: number, at: number, d: number): number {
  return (2 * uniform(seed, at % 2 ** 32, Math.floor(at / 2 ** 32)) - 1) * Math.sqrt(6 / d);
}

/**
 * Features `first` .. `first + count - 1` as they start, rows of W_enc and W_dec, [count, d] each. Orthogonal
 * decoders have orthonormal rows in each block of d features; give whole blocks.
 * @param seed default the recipe's; a feature that starts again takes another
 */
export function initialRows(recipe: Recipe, d: number, first: number, count: number, seed = recipe.seed): { readonly encoder: Float32Array; readonly decoder: Float32Array } {
  const { decoder_init, decoder_init_norm } = recipe;
  const rows = new Float64Array(count * d);
  const start = first * d;
  const decoderSeed = streamSeed(seed, 'W_dec');
  for (let at = 0; at < rows.length; at++) rows[at] = decoder_init === 'kaiming' ? kaiming(decoderSeed, start + at, d) : normal(decoderSeed, start + at);
  if (decoder_init === 'orthogonal') orthogonalise(rows, first, count, d);
  for (let r = 0; r < count; r++) setLength(rows.subarray(r * d, (r + 1) * d), decoder_init_norm);
  const decoder = Float32Array.from(rows);
  const [kind, text = '1'] = recipe.encoder_init.split(':');
  const scale = Number(text);
  if (kind === 'decoder') return { encoder: decoder.map((value) => value * scale), decoder };
  const encoderSeed = streamSeed(seed, 'W_enc');
  const draw = (at: number): number => (kind === 'kaiming' ? kaiming(encoderSeed, at, d) : normal(encoderSeed, at));
  return { encoder: Float32Array.from(rows, (_, at) => scale * draw(start + at)), decoder };
}

/** Rows in blocks of d, those of each block orthogonal to each other (modified Gram and Schmidt, twice). */
function orthogonalise(rows: Float64Array, first: number, count: number, d: number): void {
  for (let i = 0; i < count; i++) {
    const row = rows.subarray(i * d, (i + 1) * d);
    for (let pass = 0; pass < 2; pass++) {
      for (let j = Math.max(0, i - ((first + i) % d)); j < i; j++) {
        const other = rows.subarray(j * d, (j + 1) * d);
        let dot = 0;
        for (let c = 0; c < d; c++) dot += row[c]! * other[c]!;
        for (let c = 0; c < d; c++) row[c] = row[c]! - dot * other[c]!;
      }
      setLength(row, 1);
    }
  }
}

function setLength(row: Float64Array, length: number): void {
  let squares = 0;
  for (const value of row) squares += value * value;
  const factor = squares > 0 ? length / Math.sqrt(squares) : 0;
  for (let c = 0; c < row.length; c++) row[c] = row[c]! * factor;
}

/** Numbers that are drawn between two looks at the clock: a millisecond or two. */
const PIECE = 16_384;

/**
 * The whole first state: weights as the recipe says, thresholds `threshold_init`, b_enc (and b_gate) zeros or
 * U(-1 / sqrt(d), 1 / sqrt(d)) as torch's Linear has them, everything else and all moments 0.
 * @param b_dec [d] where it starts, in the scale that is trained in
 */
export async function initialState(recipe: Recipe, objective: Objective, b_dec: Float32Array, signal?: AbortSignal): Promise<TrainState> {
  const { d, d_sae } = objective;
  const W_enc = new Float32Array(d_sae * d);
  const W_dec = new Float32Array(d_sae * d);
  const pace = new Pace(signal);
  const piece = recipe.decoder_init === 'orthogonal' ? d : Math.max(1, Math.floor(PIECE / d));
  for (let first = 0; first < d_sae; first += piece) {
    const { encoder, decoder } = initialRows(recipe, d, first, Math.min(piece, d_sae - first));
    W_enc.set(encoder, first * d);
    W_dec.set(decoder, first * d);
    if (pace.isDue) await pace.pause();
  }
  const biases = (name: 'b_enc' | 'b_gate'): Float32Array => {
    const seed = streamSeed(recipe.seed, name);
    return Float32Array.from({ length: d_sae }, (_, i) => (2 * uniform(seed, i) - 1) / Math.sqrt(d));
  };
  const values: Partial<Record<ParameterName, Float32Array>> = { W_dec, W_enc, b_dec, ...(recipe.b_enc_init === 'uniform' ? { b_enc: biases('b_enc'), b_gate: biases('b_gate') } : {}) };
  const arrays = (fill: (name: ParameterName) => Float32Array): Parameters => Object.fromEntries(parametersOf(objective).map((name) => [name, fill(name)]));
  const zeros = (name: ParameterName): Float32Array => new Float32Array(sizeOf(objective, name));
  return {
    parameters: arrays((name) => values[name] ?? (name === 'threshold' ? zeros(name).fill(recipe.threshold_init) : zeros(name))),
    m: arrays(zeros),
    v: arrays(zeros),
  };
}
