/**
 * The likelihood of a count of firings when the density itself scatters about a curve:
 *
 *   k | u ~ Poisson(e^u),   u ~ N(eta, sigma^2),   eta = log(N p)
 *
 * the Poisson-lognormal law (Aitchison and Ho, Biometrika 76, 1989). A count of 0 says that the
 * density was small, as a censored observation does, and how surely follows from N; a count of
 * 10^5 does not outweigh everything else, since sigma bounds what one frame can say. The law is
 * log-concave in eta (Prekopa), so that fits of eta linear in parameters have one maximum.
 *
 * Poisson for the binomial: for p near 1 it overstates the noise of counting, which is then
 * far below sigma.
 */
import { logGamma } from '../statistics.js';

/** Counts above this are as good as log k ~ N(eta, sigma^2 + 1 / k). */
const LARGEST = 32;
/** Spacing of the tables in eta; Hermite's cubics between leave errors of about 1e-6. */
const SPACING = 0.25;
/** The tables reach as far as fits look: slopes of 10 over some decades of steps. */
const LEAST = -48;
const MOST = 24;

/** Points and weights of the trapezoidal rule for the standardised posterior of u, on [-7, 7]. */
const POINTS = 31;
const REACH = 7;

interface CountTable {
  readonly value: Float64Array;
  readonly slope: Float64Array;
}

export class CountLikelihood {
  readonly sigma: number;
  readonly #tables: (CountTable | undefined)[] = [];

  /** @param sigma sd of log p about the curve, above 0 */
  constructor(sigma: number) {
    this.sigma = sigma;
  }

  /** log P(k | eta), up to what depends on k alone, and its derivative by eta, into out[0] and out[1]. */
  at(k: number, eta: number, out: Float64Array): void {
    if (k > LARGEST) {
      const variance = this.sigma * this.sigma + 1 / k;
      const off = Math.log(k) - eta;
      out[0] = -0.5 * ((off * off) / variance + Math.log(variance));
      out[1] = off / variance;
      return;
    }
    const { value, slope } = this.#table(k);
    const place = (eta - LEAST) / SPACING;
    if (place < 0 || place >= value.length - 1) {
      const { log, slope: exact } = poissonLognormal(k, eta, this.sigma);
      out[0] = log;
      out[1] = exact;
      return;
    }
    const i = Math.floor(place);
    const t = place - i;
    const [a, b] = [value[i]!, value[i + 1]!];
    const [da, db] = [slope[i]! * SPACING, slope[i + 1]! * SPACING];
    const c = 3 * (b - a) - 2 * da - db;
    const e = 2 * (a - b) + da + db;
    out[0] = a + t * (da + t * (c + t * e));
    out[1] = (da + t * (2 * c + 3 * t * e)) / SPACING;
  }

  #table(k: number): CountTable {
    const held = this.#tables[k];
    if (held) return held;
    const count = (MOST - LEAST) / SPACING + 1;
    const table = { value: new Float64Array(count), slope: new Float64Array(count) };
    for (let i = 0; i < count; i++) {
      const { log, slope } = poissonLognormal(k, LEAST + i * SPACING, this.sigma);
      table.value[i] = log;
      table.slope[i] = slope;
    }
    this.#tables[k] = table;
    return table;
  }
}

/**
 * log P(k | eta, sigma) of the Poisson-lognormal law and its derivative by eta, E[k - e^u | k]: the
 * integral over u by the trapezoidal rule about the mode of the integrand, in units of its width there.
 */
export function poissonLognormal(k: number, eta: number, sigma: number): { readonly log: number; readonly slope: number } {
  const precision = 1 / (sigma * sigma);
  // The mode: k - e^u = (u - eta) / sigma^2, by Newton's method from the right, where it cannot overshoot to the left.
  let u = Math.max(eta + sigma * sigma * k, 0);
  if (k > 0) u = Math.min(u, Math.max(eta, Math.log(k)));
  else u = eta;
  for (let i = 0; i < 100; i++) {
    const e = Math.exp(u);
    const step = (k - e - (u - eta) * precision) / (e + precision);
    u += step;
    if (Math.abs(step) < 1e-12 * (1 + Math.abs(u))) break;
  }
  const width = 1 / Math.sqrt(Math.exp(u) + precision);
  const exponent = (at: number): number => k * at - Math.exp(at) - 0.5 * (at - eta) ** 2 * precision;
  const top = exponent(u);
  const spacing = (2 * REACH) / (POINTS - 1);
  let sum = 0;
  let rate = 0;
  for (let i = 0; i < POINTS; i++) {
    const at = u + width * (i * spacing - REACH);
    const weight = Math.exp(exponent(at) - top);
    sum += weight;
    rate += weight * Math.exp(at);
  }
  return { log: top + Math.log((sum * width * spacing) / (sigma * Math.sqrt(2 * Math.PI))) - logGamma(k + 1), slope: k - rate / sum };
}
