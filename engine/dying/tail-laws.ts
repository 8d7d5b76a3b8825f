/**
 * Three laws for the part of a sample above a threshold u, each conditional on z > u, y = z - u:
 *
 *   gpd      S = (1 + xi y / scale)^(-1 / xi)             Pickands 1975; any tail, for u high enough
 *   weibull  S = exp(-((z - o)^beta - (u - o)^beta) / scale^beta)   o the centre of the data
 *   normal   S = Q((z - m) / s) / Q((u - m) / s), with Q((u - m) / s) the share above u
 *
 * each by maximum likelihood reduced to one parameter: Grimshaw's theta = xi / scale (Technometrics 35,
 * 1993) for the first, beta for the second, s for the third. A law is also given as its profile
 * likelihood of r = P(z > level | z > u), which is what an interval of an extrapolated rate needs.
 */
import type { Pace } from '../pace.js';
import { logUpperTail, phi, upperTail, upperTailQuantile } from './normal.js';
import type { TailModel } from './rates-reports.js';
import { paretoLog } from './rates-tails.js';

/** The values above u, less u, descending; those above `cut` known only to be above it. */
export interface Excesses {
  /** [m] z - u, above 0 */
  readonly y: Float64Array;
  /** Values that are only known to lie above `cut`; 0 for none. */
  readonly censored: number;
  /** Where those begin, less u. */
  readonly cut: number;
}

export interface FittedLaw {
  readonly model: TailModel;
  readonly parameters: Readonly<Record<string, number>>;
  /** How many were fitted to the excesses. */
  readonly size: number;
  readonly logLikelihood: number;
  /** log P(z > u + y | z > u) */
  logSurvival(y: number): number;
  /** The largest log likelihood with log P(z > u + y | z > u) = r; -Infinity where no law of the family has it. */
  profile(y: number, r: number): number;
}

const RATIO = (Math.sqrt(5) - 1) / 2;

/** The largest value of f on [low, high], by a scan and then golden section about its best point. */
export function maximise(f: (x: number) => number, low: number, high: number, points = 40): { readonly at: number; readonly value: number } {
  let best = 0;
  let value = -Infinity;
  for (let i = 0; i <= points; i++) {
    const y = f(low + ((high - low) * i) / points);
    if (y > value) [best, value] = [i, y];
  }
  const cell = (high - low) / points;
  let [a, b] = [low + cell * Math.max(0, best - 1), low + cell * Math.min(points, best + 1)];
  let [p, q] = [b - RATIO * (b - a), a + RATIO * (b - a)];
  let [atP, atQ] = [f(p), f(q)];
  for (let i = 0; i < 60 && b - a > 1e-8 * (1 + Math.abs(a)); i++) {
    if (atP > atQ) {
      [b, q, atQ] = [q, p, atP];
      p = b - RATIO * (b - a);
      atP = f(p);
    } else {
      [a, p, atP] = [p, q, atQ];
      q = a + RATIO * (b - a);
      atQ = f(q);
    }
  }
  const at = (a + b) / 2;
  const found = f(at);
  return found > value ? { at, value: found } : { at: low + cell * best, value };
}

/** Log likelihood of a generalised Pareto law, with right-censored values. */
export function gpdLogLikelihood({ y, censored, cut }: Excesses, xi: number, scale: number): number {
  if (!(scale > 0)) return -Infinity;
  let sum = -y.length * Math.log(scale);
  for (const value of y) {
    const log = paretoLog(value / scale, xi);
    sum -= log + xi * log;
  }
  return censored > 0 ? sum - censored * paretoLog(cut / scale, xi) : sum;
}

/** Least xi: below -1 the likelihood has no maximum, and an end point so sharp is no tail's. */
const LEAST_XI = -0.75;
const MOST_XI = 2;

/** The fit, xi in [-0.75, 2]. */
export function fitGpd(excesses: Excesses): FittedLaw {
  const { y, censored, cut } = excesses;
  const m = y.length;
  const top = Math.max(y[0] ?? 0, censored > 0 ? cut : 0);
  /** Of theta = xi / scale: the xi that is best, its scale and the likelihood. */
  const given = (theta: number): { xi: number; scale: number; value: number } => {
    const log = (value: number): number => (Math.abs(theta * value) < 1e-9 ? value * (1 - (theta * value) / 2) : Math.log1p(theta * value) / theta);
    let sum = 0;
    for (const value of y) sum += log(value);
    const scale = (sum + censored * log(cut)) / m;
    const xi = scale * theta;
    return { xi, scale, value: xi >= LEAST_XI && xi <= MOST_XI ? -m * (Math.log(scale) + 1) - theta * sum : -Infinity };
  };
  const thetaOf = (v: number): number => Math.expm1(v) / top;
  const { at, value: logLikelihood } = maximise((v) => given(thetaOf(v)).value, -10, 8, 90);
  const { xi, scale } = given(thetaOf(at));
  return {
    model: 'gpd',
    parameters: { xi, scale },
    size: 2,
    logLikelihood,
    logSurvival: (level) => -paretoLog(level / scale, xi),
    profile: (level, r) => maximise((x) => gpdLogLikelihood(excesses, x, gpdScale(level, r, x)), LEAST_XI, MOST_XI, 44).value,
  };
}

/** The scale with which log S(level) = r. */
function gpdScale(level: number, r: number, xi: number): number {
  return Math.abs(xi * r) < 1e-8 ? level / -r : (xi * level) / Math.expm1(-xi * r);
}

/** 95 % profile interval of xi. */
export async function gpdXiInterval(excesses: Excesses, fitted: FittedLaw, drop: number, pace: Pace): Promise<{ low: number | null; high: number | null }> {
  const profile = (xi: number): number => {
    const scale = fitted.parameters.scale!;
    return maximise((log) => gpdLogLikelihood(excesses, xi, Math.exp(log)), Math.log(scale) - 3, Math.log(scale) + 3, 24).value;
  };
  const at = (end: number): Promise<number | null> => crossing(profile, fitted.parameters.xi!, end, fitted.logLikelihood - drop, pace);
  return { low: await at(LEAST_XI), high: await at(MOST_XI) };
}

/** Where f falls to `value` between its maximum and `end`; null where it stays above. */
export async function crossing(f: (x: number) => number, from: number, end: number, value: number, pace: Pace): Promise<number | null> {
  if (f(end) > value) return null;
  let [inside, outside] = [from, end];
  for (let i = 0; i < 40; i++) {
    const middle = (inside + outside) / 2;
    if (f(middle) > value) inside = middle;
    else outside = middle;
    if (pace.isDue) await pace.pause();
  }
  return (inside + outside) / 2;
}

/** @param above u - o: how far the threshold lies beyond the centre, above 0 */
export function fitWeibull({ y, censored, cut }: Excesses, above: number): FittedLaw {
  const m = y.length;
  const logs = y.reduce((sum, value) => sum + Math.log((above + value) / above), 0);
  /** (u - o + y)^beta - (u - o)^beta, in units of (u - o)^beta. */
  const grown = (value: number, beta: number): number => Math.expm1(beta * Math.log1p(value / above));
  const total = (beta: number): number => {
    let sum = censored > 0 ? censored * grown(cut, beta) : 0;
    for (const value of y) sum += grown(value, beta);
    return sum;
  };
  // Density: beta / above (z / above)^(beta - 1) / A exp(-grown / A), A = (scale / above)^beta; best at A = total / m.
  const given = (beta: number, a: number, sum: number): number => m * Math.log(beta / (above * a)) + (beta - 1) * logs - sum / a;
  const at = (logBeta: number): number => {
    const sum = total(Math.exp(logBeta));
    return given(Math.exp(logBeta), sum / m, sum);
  };
  const { at: logBeta, value: logLikelihood } = maximise(at, Math.log(0.05), Math.log(20), 40);
  const beta = Math.exp(logBeta);
  const a = total(beta) / m;
  return {
    model: 'weibull',
    parameters: { beta, scale: above * a ** (1 / beta) },
    size: 2,
    logLikelihood,
    logSurvival: (level) => -grown(level, beta) / a,
    profile: (level, r) => maximise((log) => {
      const b = Math.exp(log);
      return given(b, grown(level, b) / -r, total(b));
    }, Math.log(0.05), Math.log(20), 60).value,
  };
}

/** @param logShare log of the share of all rows above u @param threshold u */
export function fitNormal({ y, censored, cut }: Excesses, logShare: number, threshold: number): FittedLaw {
  const t = upperTailQuantile(logShare);
  const at = (s: number): number => {
    let sum = -y.length * (Math.log(s) + logShare + 0.9189385332046727);
    for (const value of y) sum -= 0.5 * (t + value / s) ** 2;
    return censored > 0 ? sum + censored * (logUpperTail(t + cut / s) - logShare) : sum;
  };
  const mean = (y.reduce((sum, value) => sum + value, 0) + censored * cut) / Math.max(1, y.length);
  // An excess is on average phi(t) / Q(t) - t standard deviations long.
  const guess = Math.log(mean / Math.max(1e-300, phi(t) / upperTail(t) - t));
  const { at: log, value: logLikelihood } = maximise((x) => at(Math.exp(x)), guess - 3, guess + 3, 40);
  const s = Math.exp(log);
  return {
    model: 'normal',
    parameters: { mean: threshold - t * s, sd: s },
    size: 1,
    logLikelihood,
    logSurvival: (level) => logUpperTail(t + level / s) - logShare,
    profile: (level, r) => {
      const beyond = upperTailQuantile(r + logShare) - t;
      return beyond > 0 ? at(level / beyond) : -Infinity;
    },
  };
}
