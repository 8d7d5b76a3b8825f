/**
 * How far Adam moves a parameter whose gradient is zero on most steps, as the gradient of a
 * rare feature's bias is. With q the share of steps on which the feature fires at all and
 * gradients of one size on those, the mean movement of a step is lr A(q), whatever the size:
 *
 *   q near 1            A = 1        every step moves by lr
 *   1 - b2 << q << 1    A = sqrt(q)  m is q g on average, sqrt(v) is sqrt(q) g
 *   q << 1 - b2         A = K q      firings are alone: each moves the parameter by K lr in all,
 *
 *   K = sum_t m_t / sqrt(v_t) = (1 - b1) / sqrt(1 - b2) / (1 - b1 / sqrt(b2))
 *
 * (Kingma and Ba's update without bias correction, eps = 0). The last two meet at q = 1 / K^2.
 * The mean over the stationary law of (m, v) has an exact form, since
 * 1 / sqrt(v) = 2 / sqrt(pi) int_0^inf exp(-s^2 v) ds and firings are independent:
 *
 *   A(q) = 2 / sqrt(pi) int ds  exp(sum_j log E e^{-x_j g^2})  sum_k (1 - b1) b1^k E[g e^{-x_k g^2}] / E[e^{-x_k g^2}],
 *   x_j = s^2 (1 - b2) b2^j,   E[...] = 1 - q + q e^{-x} and q e^{-x} for g of 0 or 1
 *
 * `expectedAdamStep` computes it; `adamStep` is a smooth form of the regimes that stays within
 * 1.5 % of it for beta2 from 0.95 on.
 */
import { UsageError } from '../errors.js';

/** Adam's constants that matter here; 0 <= beta1 < sqrt(beta2), 0 < beta2 < 1. */
export interface AdamConstants {
  readonly beta1: number;
  readonly beta2: number;
}

/** K: what a lone firing moves a parameter by in all, in units of lr. @throws UsageError where the sum diverges */
export function adamGain({ beta1, beta2 }: AdamConstants): number {
  check({ beta1, beta2 });
  return (1 - beta1) / Math.sqrt(1 - beta2) / (1 - beta1 / Math.sqrt(beta2));
}

/**
 * The same with eps in the denominator, m / (sqrt(v) + eps), for a gradient of size `ratio` times eps:
 * K for a large ratio, and `ratio` itself for a small one, where Adam is SGD with rate lr / eps.
 */
export function adamGainWithEps({ beta1, beta2 }: AdamConstants, ratio: number): number {
  check({ beta1, beta2 });
  let sum = 0;
  let m = 1 - beta1;
  let root = Math.sqrt(1 - beta2);
  const decay = Math.sqrt(beta2);
  for (let k = 0; k < 1e6 && m > 0; k++) {
    const term = (m * ratio) / (root * ratio + 1);
    sum += term;
    // What is left is less than term / (1 - beta1 / sqrt(beta2)).
    if (term <= 1e-17 * sum) break;
    m *= beta1;
    root *= decay;
  }
  return sum;
}

/** q at which sqrt(q) and K q meet: 1 / K^2. */
export function adamCrossover(constants: AdamConstants): number {
  return adamGain(constants) ** -2;
}

/** Densities at which a useless feature's rate changes: between the first and second regime, 1 / B, and the second and third, (1 - beta2) / B. */
export function adamKnees(batch: number, beta2: number): { readonly batch: number; readonly memory: number } {
  return { batch: 1 / batch, memory: (1 - beta2) / batch };
}

/** Share of steps with at least one firing among `batch` rows: 1 - (1 - p)^batch. */
export function stepsWithFiring(p: number, batch: number): number {
  return p >= 1 ? 1 : -Math.expm1(batch * Math.log1p(-p));
}

/**
 * q for gradients that are the number of firings among `batch` rows: (E g)^2 / E g^2 = B p / (1 - p + B p),
 * which is q itself for g of 0 or 1, and what sqrt(q) = E m / sqrt(E v) needs of any g. Like the share of
 * steps with a firing it is B p for few and 1 for many; where there are a few a batch it is smaller,
 * since v also holds the spread of the counts.
 */
export function countedShare(p: number, batch: number): number {
  return (batch * p) / (1 - p + batch * p);
}

/** Sharpness of the passage from sqrt(q) to K q. */
const SHARPNESS = 2.35;

/** A(q) as a smooth form of its regimes: sqrt(q) (1 + (K sqrt(q))^-a)^(-1/a), and 1 at q = 1. */
export function adamStep(q: number, constants: AdamConstants): number {
  if (q <= 0) return 0;
  const root = Math.sqrt(Math.min(1, q));
  const reach = adamGain(constants) * root;
  return root * (1 + reach ** -SHARPNESS) ** (-1 / SHARPNESS);
}

/** Least x of the integral, in units of 1 - beta2, below which the integrand is its limit. */
const LEAST = 1e-9;

/**
 * A(q) exactly, by the trapezoidal rule in log x on the lattice x beta2^j, on which both sums are
 * recursions: milliseconds for beta2 = 0.999, in proportion to 1 / (1 - beta2).
 */
export function expectedAdamStep(q: number, { beta1, beta2 }: AdamConstants): number {
  check({ beta1, beta2 });
  if (!(q > 0)) return 0;
  if (q >= 1) return 1;
  const spacing = -Math.log(beta2);
  const first = LEAST * (1 - beta2);
  // Below the lattice: log E is -q x, summed over j.
  let product = (-q * first) / (1 - beta2);
  let inner = q;
  // int_0^first sqrt(x) d log x = 2 sqrt(first), in cells; then the rule's first point, which has half a cell.
  let sum = (2 * q * Math.sqrt(first)) / spacing;
  const start = Math.log(first);
  for (let i = 0; ; i++) {
    const x = Math.exp(start + i * spacing);
    const fired = q * Math.exp(-x);
    const generating = 1 - q + fired;
    if (i > 0) {
      product += Math.log(generating);
      inner = ((1 - beta1) * fired) / generating + beta1 * inner;
    }
    const term = Math.exp(product) * inner * Math.sqrt(x);
    sum += i === 0 ? term * 0.5 : term;
    if (x > 1 && term <= 1e-14 * sum) break;
  }
  // 2 / sqrt(pi) ds = 1 / sqrt(pi (1 - beta2)) sqrt(x) d log x
  return (sum * spacing) / Math.sqrt(Math.PI * (1 - beta2));
}

function check({ beta1, beta2 }: AdamConstants): void {
  if (!(beta1 >= 0 && beta2 > 0 && beta2 < 1 && beta1 < Math.sqrt(beta2))) throw new UsageError(`Adam with beta1 ${beta1}, beta2 ${beta2}: a lone firing's movement is finite for 0 <= beta1 < sqrt(beta2) < 1`);
}
