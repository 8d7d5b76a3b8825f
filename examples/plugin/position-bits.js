/**
 * Kullback–Leibler divergence, in bits, of the positions at which a feature
 * fires from those of all tokens: sum over positions of q log2(q / p). 0 when the
 * feature fires everywhere alike; log2(positions) when at one position only.
 * A plug-in estimate: for n firings over m positions it is too large by about
 * (m - 1) / (2 n ln 2).
 *
 * @param {ArrayLike<number>} firings by position
 * @param {ArrayLike<number>} tokens by position; positive wherever firings is
 * @returns {number | null} null without a firing
 */
export function positionBits(firings, tokens) {
  let fired = 0;
  let all = 0;
  for (let i = 0; i < firings.length; i++) {
    fired += firings[i];
    all += tokens[i];
  }
  if (fired === 0) return null;
  let bits = 0;
  for (let i = 0; i < firings.length; i++) {
    const q = firings[i] / fired;
    if (q > 0) bits += q * Math.log2(q / (tokens[i] / all));
  }
  // Rounding may leave a perfect match a hair below zero.
  return Math.max(0, bits);
}
