/** Survival functions S(c) = P(z > c) whose rate laws are known, for simulations and to draw beside data. */
import { UsageError } from '../errors.js';
import { regularizedBeta } from '../statistics.js';
import { upperTail } from './normal.js';

export type KnownTail =
  /** (1 + xi c / scale)^(-1 / xi) from c = 0: exponential for xi = 0, bounded by -scale / xi for xi < 0. */
  | { readonly kind: 'gpd'; readonly xi: number; readonly scale: number }
  | { readonly kind: 'student'; readonly nu: number }
  | { readonly kind: 'normal' };

export function survivalOf(tail: KnownTail): (c: number) => number {
  if (tail.kind === 'normal') return upperTail;
  if (tail.kind === 'student') {
    const { nu } = tail;
    if (!(nu > 0)) throw new UsageError(`degrees of freedom ${nu}: expected above 0`);
    return (c) => {
      const half = 0.5 * regularizedBeta(nu / (nu + c * c), nu / 2, 0.5);
      return c < 0 ? 1 - half : half;
    };
  }
  const { xi, scale } = tail;
  if (!(scale > 0)) throw new UsageError(`scale ${scale}: expected above 0`);
  return (c) => (c <= 0 ? 1 : Math.exp(-paretoLog(c / scale, xi)));
}

/** -log of a Pareto law's survival at v scales, log(1 + xi v) / xi: v where xi is 0, infinite beyond the end point. */
export function paretoLog(v: number, xi: number): number {
  const grown = xi * v;
  if (grown <= -1) return Infinity;
  return Math.abs(grown) < 1e-8 ? v * (1 - grown / 2) : Math.log1p(grown) / xi;
}

/** The margin at which S is p, by bisection. @throws UsageError where S is not above p at 0 */
export function marginAt(survival: (c: number) => number, p: number): number {
  let [low, high] = [0, 1];
  if (!(survival(low) > p)) throw new UsageError(`no margin from 0 on has density ${p}: at 0 it is ${survival(0)}`);
  while (survival(high) > p && high < 1e300) high *= 2;
  for (let i = 0; i < 200 && high - low > 1e-15 * high; i++) {
    const middle = (low + high) / 2;
    if (survival(middle) > p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
