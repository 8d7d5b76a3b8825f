/**
 * L0 and reconstruction error over the tokens that count, streaming in f64.
 *
 *   mse  = E ||x - xhat||^2                        (sum over dimensions, mean over tokens)
 *   fvu  = E ||x - xhat||^2 / (E ||x||^2 - ||E x||^2)
 *
 * The denominator is kept as the sum of squares about the running mean and
 * merged by Chan, Golub & LeVeque's update, so that nothing cancels for data far
 * from the origin; it is the same quantity. Where it is 0 up to rounding there is
 * no variance to explain and the ratio is null.
 *
 * Other tools' variants go by the same words; variants.ts lists them.
 */
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../../engine/run/accumulator.js';
import { floatArray, savedNumber, stateField } from '../../../engine/sketches/saved.js';
import type { PluginContext } from '../../types.js';
import { batchVariants, SUMS, summarise, type Sums } from './variants.js';

/** A mean of vectors and the sum of squares about it. */
class VectorMoments {
  n = 0;
  squares = 0;
  readonly mean: Float64Array;

  constructor(d: number) {
    this.mean = new Float64Array(d);
  }

  /** Adds n vectors of this mean and sum of squares about it. */
  merge(n: number, mean: ArrayLike<number>, squares: number): void {
    if (n === 0) return;
    const all = this.n + n;
    let distance = 0;
    for (let c = 0; c < this.mean.length; c++) {
      const delta = (mean[c] as number) - (this.mean[c] as number);
      distance += delta * delta;
      this.mean[c] = this.n === 0 ? (mean[c] as number) : (this.mean[c] as number) + delta * (n / all);
    }
    this.squares += squares + distance * ((this.n * n) / all);
    this.n = all;
  }

  save(): StateValue {
    return { n: this.n, squares: this.squares, mean: this.mean.slice() };
  }

  mergeSaved(saved: StateValue): void {
    this.merge(savedNumber(stateField(saved, 'n'), 'n'), floatArray(stateField(saved, 'mean'), 'mean', this.mean.length), savedNumber(stateField(saved, 'squares'), 'squares'));
  }
}

class Reconstruction implements Accumulator {
  /** x and xhat are rows of one space. */
  readonly #comparable: boolean;
  readonly #x: VectorMoments;
  readonly #error: VectorMoments;
  readonly #sums: Sums = Object.fromEntries(SUMS.map((name) => [name, 0])) as Sums;

  constructor({ sae, notice }: PluginContext) {
    this.#comparable = sae.d_in === sae.d_out;
    const d = this.#comparable ? sae.d_in : 0;
    this.#x = new VectorMoments(d);
    this.#error = new VectorMoments(d);
    if (!this.#comparable) notice(`the SAE maps ${sae.d_in} dimensions to ${sae.d_out}: there is no target to compare its output with, only L0 is given`);
  }

  async update(batch: Batch): Promise<void> {
    const sums = this.#sums;
    sums.tokens += batch.countedRows;
    sums.nnz += batch.codes.features.length;
    if (!this.#comparable || batch.countedRows === 0) return;
    const xhat = await batch.reconstruction();
    const d = this.#x.mean.length;
    const { x, counted, countedRows: n } = batch;
    const meanX = new Float64Array(d);
    const meanE = new Float64Array(d);
    for (let row = 0; row < batch.rows; row++) {
      if (counted[row] === 0) continue;
      for (let c = 0, at = row * d; c < d; c++, at++) {
        const value = x[at] as number;
        meanX[c] = (meanX[c] as number) + value;
        meanE[c] = (meanE[c] as number) + (value - (xhat[at] as number));
      }
    }
    for (let c = 0; c < d; c++) {
      meanX[c] = (meanX[c] as number) / n;
      meanE[c] = (meanE[c] as number) / n;
    }
    let spreadX = 0;
    let spreadE = 0;
    let error = 0;
    let legacy = 0;
    let legacyTokens = 0;
    for (let row = 0; row < batch.rows; row++) {
      if (counted[row] === 0) continue;
      let xx = 0, hh = 0, xh = 0, ee = 0, aboutX = 0, aboutE = 0; // prettier-ignore
      for (let c = 0, at = row * d; c < d; c++, at++) {
        const value = x[at] as number;
        const hat = xhat[at] as number;
        const e = value - hat;
        const cx = value - (meanX[c] as number);
        const ce = e - (meanE[c] as number);
        xx += value * value;
        hh += hat * hat;
        xh += value * hat;
        ee += e * e;
        aboutX += cx * cx;
        aboutE += ce * ce;
      }
      error += ee;
      spreadX += aboutX;
      spreadE += aboutE;
      if (aboutX > 0) {
        legacy += 1 - ee / aboutX;
        legacyTokens++;
      }
      tokenSums(sums, xx, hh, xh, ee);
    }
    sums.error += error;
    batchVariants(sums, n, error, spreadX, legacy, legacyTokens);
    this.#x.merge(n, meanX, spreadX);
    this.#error.merge(n, meanE, spreadE);
  }

  save(): StateValue {
    return { sums: { ...this.#sums }, x: this.#x.save(), error: this.#error.save() };
  }

  merge(saved: StateValue): void {
    const sums = stateField(saved, 'sums');
    for (const name of SUMS) this.#sums[name] += savedNumber(stateField(sums, name), name);
    this.#x.mergeSaved(stateField(saved, 'x'));
    this.#error.mergeSaved(stateField(saved, 'error'));
  }

  finish(): AnalysisResult {
    return { summary: summarise(this.#sums, this.#comparable ? { x: this.#x, error: this.#error } : null) };
  }
}

/** Figures of one token. */
function tokenSums(sums: Sums, xx: number, hh: number, xh: number, ee: number): void {
  const normX = Math.sqrt(xx);
  const normHat = Math.sqrt(hh);
  sums.xx += xx;
  sums.hh += hh;
  sums.xh += xh;
  sums.normIn += normX;
  sums.normOut += normHat;
  // SAELens divides by 1 where the norm is below 1e-4.
  sums.normRatio += normHat / (normX < 1e-4 ? 1 : normX);
  if (xx > 0) {
    sums.relativeError += ee / xx;
    sums.relativeTokens++;
    if (hh > 0) {
      sums.cosine += xh / (normX * normHat);
      sums.cosineTokens++;
    }
  }
}

export function create(ctx: PluginContext): Accumulator {
  return new Reconstruction(ctx);
}
