/**
 * Statistics of timings. Medians, because a machine that does something else for
 * a moment only ever makes a run slower; and the spread of ratios that were taken
 * round by round, because two programs that run beside each other in one round
 * meet the same weather.
 */

/** The p-quantile of some numbers, linear between order statistics (R's type 7); NaN for none. */
export function quantile(values: readonly number[], p: number): number {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * p;
  const below = Math.floor(at);
  const low = sorted[below] ?? NaN;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? NaN;
  return low + (high - low) * (at - below);
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * The spread of a comparison: the interquartile range of peer / subject over the
 * rounds that both ran in, divided by the median of them. 0 for one round.
 */
export function ratioSpread(subject: readonly number[], peer: readonly number[]): number {
  const rounds = Math.min(subject.length, peer.length);
  const ratios = Array.from({ length: rounds }, (_, round) => (peer[round] ?? NaN) / (subject[round] ?? NaN));
  return (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / median(ratios);
}

/**
 * The exponent of a power law y = c x^e through some points: the least-squares
 * slope of ln y over ln x. NaN for fewer than two different x.
 */
export function exponent(x: readonly number[], y: readonly number[]): number {
  const logs = x.map((value, at) => [Math.log(value), Math.log(y[at] ?? NaN)] as const);
  const meanX = logs.reduce((sum, [a]) => sum + a, 0) / logs.length;
  const meanY = logs.reduce((sum, [, b]) => sum + b, 0) / logs.length;
  const covariance = logs.reduce((sum, [a, b]) => sum + (a - meanX) * (b - meanY), 0);
  const variance = logs.reduce((sum, [a]) => sum + (a - meanX) ** 2, 0);
  return covariance / variance;
}

/** Three significant digits, as a number. */
export function rounded(value: number, digits = 3): number {
  return Number(value.toPrecision(digits));
}
