/**
 * How much a direction fires on rows, smoothed so that it has a gradient, in logarithms so that
 * it still has one where next to nothing fires. With z = w . x~ + b and u = z / tau:
 *
 *   activation   F = tau mean softplus(u)    -> E relu(z) as tau -> 0
 *   rate         F = mean sigmoid(u)         -> P(z > 0)
 *
 * Both are mean exp(u) where every u is far below 0; log F = max u + log mean exp(u - max u) has
 * no underflow there, and as tau falls its minimiser goes to the hyperplane of the widest
 * margin, where one separates. d log F / dw = sum_r g_r x~_r with weights g that sum to
 * 1 / tau or less; rows whose part is below 1e-17 of the whole are left out.
 */
import type { Pace } from '../pace.js';
import { preactivations, weightedSum, type FrameRows } from './frame-rows.js';
import type { HyperplaneObjective } from './hyperplane-report.js';

/** Below this no row is near firing: softplus(u) and sigmoid(u) are exp(u) to every digit kept. */
const FAR = -36;
const NEGLIGIBLE = 1e-17;

export interface SmoothFiring {
  /** log F */
  readonly value: number;
  /** [d] d log F / dw */
  readonly gradient: Float64Array;
}

/** Scratch space for a frame, reused between evaluations. */
export class FiringEvaluator {
  readonly frame: FrameRows;
  readonly #z: Float64Array;
  readonly #g: Float64Array;
  readonly #pace: Pace;

  constructor(frame: FrameRows, pace: Pace) {
    this.frame = frame;
    this.#z = new Float64Array(frame.rows);
    this.#g = new Float64Array(frame.rows);
    this.#pace = pace;
  }

  /** log F and its gradient at w, for a smoothing of tau > 0. */
  async smooth(w: Float64Array, b: number, tau: number, objective: HyperplaneObjective): Promise<SmoothFiring> {
    const { frame } = this;
    const [z, g] = [this.#z, this.#g];
    await preactivations(frame, w, b, z, this.#pace);
    const { weights, total, rows } = frame;
    let most = -Infinity;
    for (let r = 0; r < rows; r++) if (z[r]! > most && (weights === null || weights[r]! > 0)) most = z[r]!;
    most /= tau;
    const far = most < FAR;
    let sum = 0;
    let slopes = 0;
    for (let r = 0; r < rows; r++) {
      const u = z[r]! / tau;
      const weight = weights === null ? 1 : weights[r]!;
      let part: number;
      let slope: number;
      if (far) part = slope = Math.exp(u - most);
      else {
        // exp(-|u|) is all that either function needs, and never overflows.
        const e = Math.exp(u < 0 ? u : -u);
        const sigmoid = u < 0 ? e / (1 + e) : 1 / (1 + e);
        if (objective === 'activation') {
          part = Math.log1p(e) + (u > 0 ? u : 0);
          slope = sigmoid;
        } else {
          part = sigmoid;
          slope = e / ((1 + e) * (1 + e));
        }
      }
      sum += weight * part;
      g[r] = weight * slope;
      slopes += g[r]!;
    }
    const least = NEGLIGIBLE * slopes;
    const scale = 1 / (sum * tau);
    for (let r = 0; r < rows; r++) g[r] = g[r]! < least ? 0 : g[r]! * scale;
    const gradient = new Float64Array(frame.d);
    await weightedSum(frame, g, gradient, this.#pace);
    return { value: (far ? most : 0) + Math.log(sum / total) + (objective === 'activation' ? Math.log(tau) : 0), gradient };
  }

  /** What fires at w, exactly: weight of rows with z > 0 and with z = 0, mean of relu(z). */
  async exact(w: Float64Array, b: number): Promise<{ readonly probability: number; readonly boundary: number; readonly activation: number; readonly firing: number }> {
    const { frame } = this;
    const z = this.#z;
    await preactivations(frame, w, b, z, this.#pace);
    let [fires, boundary, sum, firing] = [0, 0, 0, 0];
    for (let r = 0; r < frame.rows; r++) {
      const weight = frame.weights === null ? 1 : frame.weights[r]!;
      if (z[r]! > 0) {
        fires += weight;
        sum += weight * z[r]!;
        if (weight > 0) firing++;
      } else if (z[r] === 0) boundary += weight;
    }
    return { probability: fires / frame.total, boundary: boundary / frame.total, activation: sum / frame.total, firing };
  }

  /** z of every row at the last direction that was looked at. */
  get z(): Float64Array {
    return this.#z;
  }
}
