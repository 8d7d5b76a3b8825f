/**
 * Where a run starts. Every number is drawn by its own name (engine/random.ts: a hash of the
 * seed, the tensor and the place), so that nothing depends on the order of drawing.
 */
import { uniform } from '../random.js';
import { parametersOf, sizeOf, type Objective, type ParameterName } from './objective.js';
import type { Recipe } from './recipe.js';
import type { Parameters, TrainState } from './session.js';

/** Seeds of the streams that one seed gives: a tensor's draws are not another's. */
export type Stream = 'W_enc' | 'W_dec' | 'resample' | 'spare';
const STREAMS: Readonly<Record<Stream, number>> = { W_enc: 0x45e1, W_dec: 0xd3c0, resample: 0x7e5a, spare: 0x59a7 };

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

/** Decoder rows of length `decoder_init_norm`, [d_sae, d]. */
export function initialDecoder(recipe: Recipe, d: number): Float32Array {
  const { d_sae, decoder_init, decoder_init_norm } = recipe;
  const seed = streamSeed(recipe.seed, 'W_dec');
  const rows = new Float64Array(d_sae * d);
  for (let at = 0; at < rows.length; at++) rows[at] = decoder_init === 'kaiming' ? kaiming(seed, at, d) : normal(seed, at);
  if (decoder_init === 'orthogonal') orthogonalise(rows, d_sae, d);
  for (let i = 0; i < d_sae; i++) setLength(rows.subarray(i * d, (i + 1) * d), decoder_init_norm);
  return Float32Array.from(rows);
}

/** Rows in blocks of d, those of each block orthogonal to each other (modified Gram and Schmidt, twice). */
function orthogonalise(rows: Float64Array, n: number, d: number): void {
  for (let i = 0; i < n; i++) {
    const row = rows.subarray(i * d, (i + 1) * d);
    for (let pass = 0; pass < 2; pass++) {
      for (let j = i - (i % d); j < i; j++) {
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

function initialEncoder(recipe: Recipe, W_dec: Float32Array, d: number): Float32Array {
  const [kind, text = '1'] = recipe.encoder_init.split(':');
  const scale = Number(text);
  if (kind === 'decoder') return W_dec.map((value) => value * scale);
  const seed = streamSeed(recipe.seed, 'W_enc');
  return Float32Array.from({ length: W_dec.length }, (_, at) => scale * (kind === 'kaiming' ? kaiming(seed, at, d) : normal(seed, at)));
}

/** @param b_dec [d] where it starts, in the scale that is trained in */
export function initialState(recipe: Recipe, objective: Objective, b_dec: Float32Array): TrainState {
  const { d } = objective;
  const W_dec = initialDecoder(recipe, d);
  const values: Partial<Record<ParameterName, Float32Array>> = { W_dec, W_enc: initialEncoder(recipe, W_dec, d), b_dec };
  const arrays = (fill: (name: ParameterName) => Float32Array): Parameters => Object.fromEntries(parametersOf(objective).map((name) => [name, fill(name)]));
  const zeros = (name: ParameterName): Float32Array => new Float32Array(sizeOf(objective, name));
  return {
    parameters: arrays((name) => values[name] ?? (name === 'threshold' ? zeros(name).fill(recipe.threshold_init) : zeros(name))),
    m: arrays(zeros),
    v: arrays(zeros),
  };
}
