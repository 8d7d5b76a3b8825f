/**
 * Two experiments on how features die, done to the encoder around a session's step through its
 * state, so that they need no kernels: each costs a copy of the state out of the session and of
 * the encoder back, and sums over n d numbers in one thread.
 *
 *   noise     after a step of rate lr, every number of W_enc and b_enc (and b_gate) gets
 *             noise lr N(0, 1). Unlike a minibatch's, this noise is isotropic and does not vanish on a
 *             feature that does not fire: it can bring dead features back. Draws have the
 *             names (seed, step, place).
 *   deflate   W_enc stays orthogonal to given directions U (orthonormal rows), and learns from
 *             gradients without their part along them (the remove_rare_dir of Nanda's
 *             1L-Sparse-Autoencoder): do features die along another hyperplane then?
 *
 * A session knows nothing of U, so its update of W_enc is replaced. With P = I - U^T U, g the gradient of
 * a row (after clipping) and first moments that were orthogonal to U before the step,
 * b1 m + (1 - b1) P g = P (b1 m + (1 - b1) g): the projected first moments, exactly. g itself is
 * (m' - b1 m) / (1 - b1), from which P g and its second moments follow. Adam divides by coordinate, which
 * leaves the subspace again, so the new row is projected as well.
 *
 * In f64, stored in f32: |w . u| stays below an ulp of ||w|| times sqrt(d).
 */
import { UsageError } from '../errors.js';
import { hash32 } from '../random.js';
import { normal, streamSeed } from './init.js';
import type { Optimizer } from './objective.js';
import type { Recipe } from './recipe.js';
import type { Parameters, StepControls, TrainState } from './session.js';

/** Orthonormal rows of length d. */
export type Directions = readonly Float64Array[];

/** What `deflate` takes for a direction, or for several: numbers that JSON and a flag can carry, every digit of them. */
export function directionText(...directions: readonly ArrayLike<number>[]): string {
  return directions.map((direction) => Array.from(direction, String).join(',')).join(';');
}

/**
 * The directions of a recipe.
 * @param centre [d] mu - b_dec of the data (mu where the encoder does not see b_dec), for `mean`
 * @throws UsageError where a direction is zero, not finite, of another length, or depends on those before
 */
export function directionsOf(deflate: string, d: number, centre: ArrayLike<number> | null): Directions {
  if (deflate === 'none') return [];
  const given = deflate === 'mean' ? [Float64Array.from(centre ?? [])] : deflate.split(';').map((text) => Float64Array.from(text.split(','), Number));
  const directions: Float64Array[] = [];
  for (const [at, raw] of given.entries()) {
    const called = deflate === 'mean' ? 'mean' : given.length === 1 ? 'a direction' : `direction ${at + 1}`;
    if (raw.length !== d) throw new UsageError(`deflate: ${called} has ${raw.length} numbers, expected the width of the activations, ${d}`);
    const length = Math.hypot(...raw);
    if (!(length > 0) || !Number.isFinite(length)) throw new UsageError(`deflate: ${called} has the length ${length}`, deflate === 'mean' ? { hint: 'The mean of the data and b_dec are the same: there is no direction between them.' } : {});
    const row = raw.map((value) => value / length);
    for (let pass = 0; pass < 2; pass++) removeFrom(row, 0, directions);
    const left = Math.hypot(...row);
    if (left < 1e-6) throw new UsageError(`deflate: ${called} depends on those before it`);
    directions.push(row.map((value) => value / left));
  }
  return directions;
}

/** Takes the parts along orthonormal directions out of row `at` .. `at + d - 1`. */
function removeFrom(rows: Float64Array, at: number, directions: Directions): void {
  for (const u of directions) {
    let along = 0;
    for (let c = 0; c < u.length; c++) along += rows[at + c]! * u[c]!;
    for (let c = 0; c < u.length; c++) rows[at + c] = rows[at + c]! - along * u[c]!;
  }
}

/** [n, d] rows without their parts along the directions. */
export function projected(W_enc: Float32Array, d: number, directions: Directions): Float32Array {
  const rows = Float64Array.from(W_enc);
  for (let at = 0; at < rows.length; at += d) removeFrom(rows, at, directions);
  return Float32Array.from(rows);
}

/** The state with W_enc orthogonal to the directions, and its first moments as well. */
export function deflatedState(state: TrainState, d: number, directions: Directions): TrainState {
  if (directions.length === 0) return state;
  const without = (arrays: Parameters): Parameters => ({ ...arrays, W_enc: projected(arrays.W_enc!, d, directions) });
  return { parameters: without(state.parameters), m: without(state.m), v: state.v };
}

/**
 * W_enc and its moments after a step in which its gradient had no part along the directions.
 * @param before as the step found it, its W_enc and first moments orthogonal to them
 * @param after as the session left it
 */
export function deflatedUpdate(before: TrainState, after: TrainState, directions: Directions, optimizer: Optimizer, { lr, step }: Pick<StepControls, 'lr' | 'step'>): { readonly W_enc: Float32Array; readonly m: Float32Array; readonly v: Float32Array } {
  const d = directions[0]!.length;
  const adam = optimizer.kind === 'adam';
  const [beta1, beta2] = optimizer.betas;
  const [w0, m0, v0] = [before.parameters.W_enc!, before.m.W_enc!, before.v.W_enc!];
  const m1 = after.m.W_enc!;
  const [W_enc, m, v] = [new Float32Array(w0.length), new Float32Array(w0.length), v0.slice()];
  const [first, second] = [1 - beta1 ** step, 1 - beta2 ** step];
  const gradient = new Float64Array(d);
  const moment = new Float64Array(d);
  const row = new Float64Array(d);
  for (let at = 0; at < w0.length; at += d) {
    for (let c = 0; c < d; c++) {
      moment[c] = m1[at + c]!;
      gradient[c] = adam ? (m1[at + c]! - beta1 * m0[at + c]!) / (1 - beta1) : 0;
    }
    removeFrom(moment, 0, directions);
    if (adam) removeFrom(gradient, 0, directions);
    for (let c = 0; c < d; c++) {
      if (adam) {
        // Not from the session's own second moments less g^2: where P g is small, that cancels.
        const squares = beta2 * v0[at + c]! + (1 - beta2) * gradient[c]! ** 2;
        v[at + c] = squares;
        row[c] = w0[at + c]! - (lr * (moment[c]! / first)) / (Math.sqrt(squares / second) + optimizer.eps);
      } else row[c] = w0[at + c]! - lr * moment[c]!;
    }
    removeFrom(row, 0, directions);
    W_enc.set(row, at);
    m.set(moment, at);
  }
  return { W_enc, m, v };
}

/** Parameters that `noise` moves. */
const NOISY = ['W_enc', 'b_enc', 'b_gate'] as const;

/** Adds N(0, sd^2) to every number of the encoder; draws are of the recipe's seed and the step. */
export function noisyEncoder(parameters: Parameters, recipe: Pick<Recipe, 'seed'>, step: number, sd: number): Parameters {
  const seed = hash32(streamSeed(recipe.seed, 'noise'), step % 2 ** 32, Math.floor(step / 2 ** 32));
  const moved: Record<string, Float32Array> = {};
  let place = 0;
  for (const name of NOISY) {
    const values = parameters[name];
    if (values === undefined) continue;
    moved[name] = values.map((value) => value + sd * normal(seed, place++));
  }
  return moved;
}
