/**
 * Latents as detectors: does a latent fire where the true feature that is nearest to it
 * is on? SynthSAEBench's precision, recall and F1: by latent, then the mean over all of
 * them, with 0 where nothing can be divided, so that a dead latent counts as 0.
 *
 *   precision  both / latent fires      recall  both / feature on      F1  2 P R / (P + R)
 *
 * Counts are exact, and add up over batches.
 */
import { ShapeError } from '../errors.js';

/** Codes in compressed sparse rows: an SAE's (`SparseCodes`), or the true ones. Values above 0 count as on. */
export interface FiringRows {
  readonly rows: number;
  readonly offsets: Uint32Array;
  readonly features: Uint32Array;
  readonly values: Float32Array;
}

export interface FiringSummary {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** [n] by latent. */
  readonly precisions: Float64Array;
  readonly recalls: Float64Array;
  readonly f1s: Float64Array;
  readonly rows: number;
}

export class FiringScores {
  readonly #nearest: Int32Array;
  readonly #both: Float64Array;
  readonly #fires: Float64Array;
  /** By true feature. */
  readonly #on: Float64Array;
  /** The last row in which a true feature was on, counted from 1. */
  readonly #seen: Float64Array;
  #rows = 0;

  /** @param nearest [n] the true feature of each latent: `matchDictionaries(...).nearest` @param features how many true features there are */
  constructor(nearest: Int32Array, features: number) {
    this.#nearest = nearest;
    this.#both = new Float64Array(nearest.length);
    this.#fires = new Float64Array(nearest.length);
    this.#on = new Float64Array(features);
    this.#seen = new Float64Array(features);
  }

  /** Adds rows: the latents' codes and the true ones of the same rows. @throws ShapeError where there are not as many of both */
  add(latents: FiringRows, truth: FiringRows): void {
    if (latents.rows !== truth.rows) throw new ShapeError(`firing scores: ${latents.rows} rows of latents, ${truth.rows} of true codes`);
    for (let r = 0; r < truth.rows; r++) {
      const row = ++this.#rows;
      for (let at = truth.offsets[r]!; at < truth.offsets[r + 1]!; at++) {
        if (truth.values[at]! <= 0) continue;
        const feature = truth.features[at]!;
        this.#on[feature] = this.#on[feature]! + 1;
        this.#seen[feature] = row;
      }
      for (let at = latents.offsets[r]!; at < latents.offsets[r + 1]!; at++) {
        if (latents.values[at]! <= 0) continue;
        const latent = latents.features[at]!;
        this.#fires[latent] = this.#fires[latent]! + 1;
        if (this.#seen[this.#nearest[latent]!] === row) this.#both[latent] = this.#both[latent]! + 1;
      }
    }
  }

  finish(): FiringSummary {
    const ratio = (a: number, b: number): number => (b > 0 ? a / b : 0);
    const precisions = this.#both.map((both, i) => ratio(both, this.#fires[i]!));
    const recalls = this.#both.map((both, i) => ratio(both, this.#on[this.#nearest[i]!]!));
    const f1s = precisions.map((precision, i) => ratio(2 * precision * recalls[i]!, precision + recalls[i]!));
    const mean = (values: Float64Array): number => ratio(values.reduce((a, b) => a + b, 0), values.length);
    return { precision: mean(precisions), recall: mean(recalls), f1: mean(f1s), precisions, recalls, f1s, rows: this.#rows };
  }
}
