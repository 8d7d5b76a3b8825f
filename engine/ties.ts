/**
 * The rounding bound of encode, as data: how far apart two numbers that a backend
 * compares may lie and still be in the other order on another backend. Both count
 * their `nearTies` with it, so that the counts mean the same.
 *
 *   tol_r = perNorm * ||xbar_r|| + constant
 *
 * An f32 pre-activation is off by |fl(x.w + b) - (x.w + b)| <= gamma_n (|x|.|w| + |b|),
 * whatever the order of summation (Higham, Accuracy and Stability of Numerical
 * Algorithms, §3.1), and Cauchy-Schwarz gives the bound e_r that holds for all
 * features. A threshold is exact, so tol_r = e_r; topk compares two rounded numbers,
 * so tol_r = 2 e_r. A gated feature fires where the smaller of its gate and its
 * magnitude is above 0: e_r is taken over both, with 2 roundings more for exp(r_mag).
 * batchtopk compares like topk. Where two backends then decide differently, at least one of
 * them finds the two numbers nearer than tol_r: their distances on the two
 * backends add up to at most the sum of the errors, 2 e_r and 4 e_r.
 */
import type { Sae } from './sae.js';

export interface TieTolerance {
  /** c gamma_n * max_i ||W_enc[:,i]||, c = 2 for topk, else 1 */
  readonly perNorm: number;
  /** c gamma_n * max_i |b_enc[i]| */
  readonly constant: number;
}

/** gamma_n = n u / (1 - n u) for f32, u = 2^-24. */
export function gamma(n: number): number {
  const nu = n * 2 ** -24;
  return nu / (1 - nu);
}

/** ||W_dec[i]|| for every feature, [d_sae], in f64. */
export function decoderNorms(sae: Pick<Sae, 'd_sae' | 'd_out' | 'W_dec'>): Float64Array {
  const norms = new Float64Array(sae.d_sae);
  for (let i = 0; i < sae.d_sae; i++) {
    let sum = 0;
    for (const w of sae.W_dec.subarray(i * sae.d_out, (i + 1) * sae.d_out)) sum += w * w;
    norms[i] = Math.sqrt(sum);
  }
  return norms;
}

/** Adds a row of W_enc to its columns' squared norms, [d_sae]. */
export function addColumnSquares(squares: Float64Array, row: Float32Array): void {
  for (let i = 0; i < squares.length; i++) {
    const w = row[i] ?? 0;
    squares[i] = (squares[i] ?? 0) + w * w;
  }
}

/** ||W_enc[:,i]||^2 for every feature, [d_sae], in f64. */
function columnSquares({ d_in, d_sae, W_enc }: Sae): Float64Array {
  const squares = new Float64Array(d_sae);
  for (let d = 0; d < d_in; d++) addColumnSquares(squares, W_enc.subarray(d * d_sae, (d + 1) * d_sae));
  return squares;
}

/**
 * The two factors of tol_r for an SAE (see `SparseCodes.nearTies`).
 *
 * @param squares, scale where they are known already: the columns' squared norms, and the decoder's
 *   norms for an SAE that rescales by them
 */
export function tieTolerance(sae: Sae, squares: Float64Array = columnSquares(sae), scale: Float64Array | null = sae.rescaleActsByDecoderNorm ? decoderNorms(sae) : null): TieTolerance {
  const { d_in, d_sae } = sae;
  let norm = 0;
  let bias = 0;
  const gate = sae.architecture === 'gated' ? (sae.gate ?? null) : null;
  for (let i = 0; i < d_sae; i++) {
    const s = (scale?.[i] ?? 1) * (gate === null ? 1 : Math.max(1, Math.exp(gate.r_mag[i] ?? 0)));
    norm = Math.max(norm, Math.sqrt(squares[i] ?? 0) * s);
    bias = Math.max(bias, Math.abs(sae.b_enc[i] ?? 0) * (scale?.[i] ?? 1), Math.abs(gate?.b_gate[i] ?? 0));
  }
  const compared = sae.architecture === 'topk' || sae.architecture === 'batchtopk';
  const g = (compared ? 2 : 1) * gamma(d_in + (scale === null && gate === null ? 1 : 3));
  return { perNorm: g * norm, constant: g * bias };
}
