/** How far the directions of a dictionary are from orthogonal. */
import { PANEL } from '../dot-tiles.js';
import { unitPanels, visitCosines } from './cosines.js';

export interface Coherence {
  /** Mean |cos| over pairs of different rows; about sqrt(2 / (pi d)) for random directions. */
  readonly mean: number;
  /** The largest |cos| of two rows. */
  readonly max: number;
  /** Mean over rows of the largest |cos| with another (rho_mm). */
  readonly meanMax: number;
}

/**
 * Coherence of the rows of W [n, d], whatever their lengths; n^2 d / 2 multiply-adds.
 * Rows of zeros count with cosines of 0. All figures are 0 for fewer than two rows.
 * @throws ShapeError, NumericError
 */
export function coherence(W: Float32Array | Float64Array, n: number, d: number): Coherence {
  const rows = unitPanels(W, n, d, 'coherence');
  const largest = new Float64Array(n);
  let sum = 0;
  for (let panel = 0; panel < n; panel += PANEL) {
    visitCosines(rows, rows, panel, panel + 1, panel, (i, j, cosine) => {
      if (j <= i) return;
      // Rounding may carry a cosine past 1.
      const size = Math.min(1, Math.abs(cosine));
      sum += size;
      if (size > largest[i]!) largest[i] = size;
      if (size > largest[j]!) largest[j] = size;
    });
  }
  if (n < 2) return { mean: 0, max: 0, meanMax: 0 };
  return { mean: sum / ((n * (n - 1)) / 2), max: largest.reduce((a, b) => Math.max(a, b), 0), meanMax: largest.reduce((a, b) => a + b, 0) / n };
}
