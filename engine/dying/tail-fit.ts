/**
 * The rate of a feature whose threshold lies where few rows or none have been: fits of the upper tail of
 * its pre-activation, extrapolated, with intervals and with what speaks against believing them.
 *
 * Three laws are offered (tail-laws.ts), since the usual one is not safe: a generalised Pareto law
 * fitted to the top 1 % extrapolates well to 1e-7 where the tail is Laplace's or Student's, and for
 * Gaussian data, whose hazard goes on rising, ends the tail at a finite point and is orders of magnitude too low.
 * Weibull's and the normal law do not. The law with the least AIC is preferred; the envelope is over
 * all laws within 6 of it.
 *
 * Intervals: profile likelihood of log P(z > level | z > u), widened in quadrature by the
 * binomial error of P(z > u).
 */
import { ShapeError, UsageError } from '../errors.js';
import { Pace } from '../pace.js';
import { clopperPearson, Z_95 } from '../statistics.js';
import { DROP_95 } from './rates-profile.js';
import type { Estimate, TailModelFit, TailReport } from './rates-reports.js';
import { crossing, fitGpd, fitNormal, fitWeibull, gpdXiInterval, type Excesses, type FittedLaw } from './tail-laws.js';

export interface TailOptions {
  /** Level whose rate is wanted; none: only the tail itself is described. */
  readonly level?: number | undefined;
  /** Share of rows that the tail is; default 0.01. */
  readonly share?: number | undefined;
  /** Exceedances used at most, the largest; default 1000. */
  readonly most?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Exceedances below which no tail is fitted. */
const FEWEST = 30;
/** AIC within which a law is not ruled out. */
const WITHIN = 6;

/**
 * @param z values, in any order, not changed: pre-activations, or -margins
 * @throws UsageError where the tail has fewer than 30 values or all are equal, ShapeError where one is not finite
 */
export async function fitTail(z: ArrayLike<number>, { level, share = 0.01, most = 1000, signal }: TailOptions = {}): Promise<TailReport> {
  const rows = z.length;
  const sorted = Float64Array.from(z).sort().reverse();
  if (!Number.isFinite(sorted[0]) || !Number.isFinite(sorted[rows - 1])) throw new ShapeError('a value of the tail is not finite');
  const { count, threshold, excesses } = excessesAbove(sorted, Math.min(most, Math.floor(share * rows)));
  const pace = new Pace(signal, 20);
  const centre = sorted[rows >> 1]!;
  const laws = [fitGpd(excesses), fitWeibull(excesses, threshold - centre), fitNormal(excesses, Math.log(count / rows), threshold)];
  await pace.pause();
  const gpd = laws[0]!;
  const xi = { value: gpd.parameters.xi!, ...(await gpdXiInterval(excesses, gpd, DROP_95, pace)) };
  await pace.pause();
  const models: TailModelFit[] = [];
  for (const law of laws) {
    models.push({ model: law.model, parameters: law.parameters, log_likelihood: law.logLikelihood, aic: 2 * law.size - 2 * law.logLikelihood, probability: level === undefined ? null : await rateBeyond(law, level - threshold, count, rows, pace) });
    await pace.pause();
  }
  const least = Math.min(...models.map(({ aic }) => aic));
  const admitted = models.filter(({ aic }) => aic <= least + WITHIN);
  const preferred = models.find(({ aic }) => aic === least)!;
  return {
    rows,
    exceedances: count,
    threshold,
    level: level ?? null,
    observed: level === undefined ? null : observedRate(sorted, level),
    xi,
    models,
    preferred: preferred.model,
    envelope: level === undefined ? null : envelopeOf(preferred, admitted),
    warnings: warningsOf({ sorted, level, threshold, xi, models, admitted }),
  };
}

/** The tail above the (most + 1)-th value. */
function excessesAbove(sorted: Float64Array, most: number): { count: number; threshold: number; excesses: Excesses } {
  const threshold = sorted[Math.max(0, Math.min(most, sorted.length - 1))]!;
  let count = most;
  while (count > 0 && !(sorted[count - 1]! > threshold)) count--;
  if (count < FEWEST) throw new UsageError(`the tail has ${count} values, a fit needs ${FEWEST}`, { hint: 'Use more rows, or a larger share of them.' });
  if (!(threshold > sorted[sorted.length >> 1]!)) throw new UsageError('the tail begins at the median: most values are equal, or the share is half of them', { hint: 'Use a smaller share.' });
  return { count, threshold, excesses: { y: sorted.slice(0, count).map((value) => value - threshold), censored: 0, cut: 0 } };
}

function observedRate(sorted: Float64Array, level: number): Estimate {
  let above = 0;
  while (above < sorted.length && sorted[above]! > level) above++;
  return { value: above / sorted.length, ...clopperPearson(above, sorted.length) };
}

/** P(z > u + y): null below the threshold, which the tail says nothing of. */
async function rateBeyond(law: FittedLaw, y: number, count: number, rows: number, pace: Pace): Promise<Estimate | null> {
  if (!(y > 0)) return null;
  const share = count / rows;
  const r = law.logSurvival(y);
  const cut = law.logLikelihood - DROP_95;
  const profile = (at: number): number => law.profile(y, at);
  // A law that ends before the level has probability 0: the interval is sought from the smallest number that it could be.
  const start = Math.max(r, -700);
  const low = Number.isFinite(r) ? await crossing(profile, start, Math.max(-745, 6 * start - 20), cut, pace) : null;
  const high = await crossing(profile, start, -1e-9, cut, pace);
  const counted = (Z_95 * Math.sqrt(1 - share)) / Math.sqrt(count);
  const bound = (at: number | null, sign: 1 | -1): number | null => (at === null ? null : Math.min(1, share * Math.exp(start + sign * Math.hypot(at - start, counted))));
  return { value: share * Math.exp(r), low: bound(low, -1) ?? 0, high: bound(high, 1) };
}

function envelopeOf(preferred: TailModelFit, admitted: readonly TailModelFit[]): Estimate | null {
  if (preferred.probability === null) return null;
  const bounds = admitted.map(({ probability }) => probability!);
  const highs = bounds.map(({ high }) => high);
  return { value: preferred.probability.value, low: Math.min(...bounds.map(({ low }) => low ?? 0)), high: highs.includes(null) ? null : Math.max(...highs.map(Number)) };
}

function warningsOf({ sorted, level, threshold, xi, models, admitted }: { sorted: Float64Array; level: number | undefined; threshold: number; xi: Estimate; models: readonly TailModelFit[]; admitted: readonly TailModelFit[] }): string[] {
  const warnings: string[] = [];
  const rows = sorted.length;
  const of = (name: string): TailModelFit => models.find(({ model }) => model === name)!;
  const beta = of('weibull').parameters.beta!;
  if (xi.high !== null && xi.high < 0) {
    const { xi: at, scale } = of('gpd').parameters as { xi: number; scale: number };
    warnings.push(`The tail is lighter than exponential where it was fitted (xi ${at.toPrecision(2)}, Weibull's beta ${beta.toPrecision(3)}): the Pareto law ends at ${(threshold - scale / at).toPrecision(4)} and is too low beyond the data if the tail is of normal kind; read Weibull's or the normal law.`);
  }
  if (level === undefined) return warnings;
  if (!(level > threshold)) return [...warnings, 'The level is within the bulk of the data: its rate is counted, not fitted.'];
  const rates = admitted.flatMap(({ probability }) => (typeof probability?.value === 'number' ? [probability.value] : []));
  const decades = Math.log10(1 / rows) - Math.log10(Math.max(Math.max(...rates, 0), 1e-300));
  if (level > sorted[0]!) warnings.push(`The level lies beyond the largest of ${rows} values${decades > 1 ? `, ${Math.round(decades)} decades below what so many rows resolve` : ''}: its rate is an extrapolation.`);
  const [least, greatest] = [Math.min(...rates), Math.max(...rates)];
  if (greatest > 10 * least) warnings.push(`Laws that fit about as well differ there by a factor of ${least > 0 ? (greatest / least).toPrecision(2) : 'infinity'}: use the envelope, or sample rows near the level.`);
  return warnings;
}

/**
 * Tail index where the density falls from `from` to `to`: the Pareto law of values between those two
 * quantiles, larger ones censored. It is what the rate law of C5 sees at those densities: 1 / (1 + xi) is the local slope.
 * For Gaussian data it is about -0.13 between 1e-2 and 1e-4, and only reaches 0 at infinity.
 */
export async function localTailIndex(z: ArrayLike<number>, from: number, to: number, signal?: AbortSignal): Promise<{ readonly xi: Estimate; readonly scale: number; readonly values: number }> {
  const sorted = Float64Array.from(z).sort().reverse();
  const outer = Math.floor(to * sorted.length);
  const { count, threshold, excesses } = excessesAbove(sorted, Math.floor(from * sorted.length));
  if (!(count - outer >= FEWEST)) throw new UsageError(`between densities ${from} and ${to} lie ${count - outer} values, a fit needs ${FEWEST}`);
  const part: Excesses = outer > 0 ? { y: excesses.y.slice(outer), censored: outer, cut: sorted[outer - 1]! - threshold } : excesses;
  const law = fitGpd(part);
  return { xi: { value: law.parameters.xi!, ...(await gpdXiInterval(part, law, DROP_95, new Pace(signal, 20))) }, scale: law.parameters.scale!, values: count - outer };
}
