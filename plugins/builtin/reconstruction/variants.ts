/**
 * Reconstruction figures under the names of the tools that report them. "FVU"
 * and "explained variance" have many formulas in use, which differ by several
 * per cent on the same reconstruction; each here says which it is.
 *
 * Where a formula needs the mean of a batch, the batch is the run's (its size is
 * given): such a figure depends on it, and the others do not.
 */

export const SUMS = [
  'tokens', 'nnz', 'error', 'xx', 'hh', 'xh', 'normIn', 'normOut', 'normRatio', 'relativeError', 'relativeTokens', 'cosine', 'cosineTokens',
  'batches', 'batchTokens', 'legacy', 'legacyTokens', 'batchFvu', 'batchFvuBatches',
] as const; // prettier-ignore

/** Plain sums over tokens and batches. */
export type Sums = Record<(typeof SUMS)[number], number>;

/** Adds what depends on the batch. */
export function batchVariants(sums: Sums, n: number, error: number, spread: number, legacy: number, legacyTokens: number): void {
  sums.batches++;
  sums.batchTokens += n;
  sums.legacy += legacy;
  sums.legacyTokens += legacyTokens;
  if (spread > 0) {
    sums.batchFvu += error / spread;
    sums.batchFvuBatches++;
  }
}

/** Mean and sum of squares about it. */
interface Spread {
  readonly n: number;
  readonly squares: number;
  readonly mean: Float64Array;
}

/** Below this share of E ||x||^2 a variance is rounding noise of f32 data. */
const NO_VARIANCE = 1e-14;

const ratio = (a: number, b: number): number | null => (b > 0 && Number.isFinite(a / b) ? a / b : null);
const oneMinus = (value: number | null): number | null => (value === null ? null : 1 - value);

/** The summary; `spreads` is null where x and xhat cannot be compared. */
export function summarise(sums: Sums, spreads: { readonly x: Spread; readonly error: Spread } | null): Record<string, unknown> {
  const { tokens } = sums;
  const l0 = ratio(sums.nnz, tokens);
  if (spreads === null || tokens === 0) return { l0, mse: null, fvu: null, explained_variance: null, tokens };
  const { x, error } = spreads;
  const d = x.mean.length;
  const hasVariance = x.squares > NO_VARIANCE * sums.xx;
  const perVariance = (squares: number): number | null => (hasVariance ? ratio(squares, x.squares) : null);
  const fvu = perVariance(sums.error);
  const average = x.mean.reduce((sum, value) => sum + value, 0) / d;
  // Sum over all entries of (x - their common mean)^2.
  let aboutScalar = x.squares;
  for (const value of x.mean) aboutScalar += tokens * (value - average) ** 2;
  const batch_tokens = ratio(sums.batchTokens, sums.batches);
  const variant = (value: number | null, definition: string, batch = false) => ({ value, definition, ...(batch ? { batch_tokens } : {}) });
  return {
    l0,
    mse: sums.error / tokens,
    fvu,
    explained_variance: oneMinus(fvu),
    mse_per_dimension: sums.error / tokens / d,
    tokens,
    variants: {
      explained_variance_saelens_legacy: variant(ratioOrNull(sums.legacy, sums.legacyTokens), 'mean over tokens of 1 - ||e||^2 / ||x - batch mean||^2 (SAELens and SAEBench, legacy)', true),
      explained_variance_dictionary_learning: variant(oneMinus(perVariance(error.squares)), '1 - Var(x - xhat) / Var(x), summed over dimensions: a constant error is not counted (dictionary_learning; here over all tokens, there per batch)'),
      fvu_sparsify: variant(ratioOrNull(sums.batchFvu, sums.batchFvuBatches), 'mean over batches of sum ||e||^2 / sum ||x - batch mean||^2 (sparsify)', true),
      normalized_mse_openai: variant(ratioOrNull(sums.relativeError, sums.relativeTokens), 'mean over tokens of ||e||^2 / ||x||^2: variance about zero (OpenAI sparse_autoencoder, loss.py)'),
      r2_overcomplete: variant(hasVariance ? oneMinus(ratio(sums.error, aboutScalar)) : null, '1 - sum e^2 / sum (x - mean of all entries)^2 (overcomplete)'),
      cosine_similarity: variant(ratioOrNull(sums.cosine, sums.cosineTokens), 'mean over tokens of x . xhat / (||x|| ||xhat||); tokens of norm 0 are left out (SAELens: cossim)'),
      l2_norm_in: variant(sums.normIn / tokens, 'mean over tokens of ||x|| (SAELens)'),
      l2_norm_out: variant(sums.normOut / tokens, 'mean over tokens of ||xhat|| (SAELens)'),
      l2_ratio: variant(sums.normRatio / tokens, 'mean over tokens of ||xhat|| / ||x||, divided by 1 where ||x|| < 1e-4 (SAELens)'),
      relative_reconstruction_bias: variant(sums.xh === 0 ? null : finite(sums.hh / sums.xh), 'E ||xhat||^2 / E [x . xhat] (Gated SAEs, Rajamanoharan et al. 2024, eq. 10; SAELens)'),
    },
  };
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
/** A mean whose sum may be negative. */
const ratioOrNull = (sum: number, count: number): number | null => (count > 0 ? finite(sum / count) : null);
