/**
 * "Dying slows down" as a law: the density p of a feature that nothing rewards, over steps.
 *
 * The feature fires where the data exceed its margin c, p = S(c), and each step pushes the margin
 * out at a speed V(p) that depends on how often it fires, so that dc / dt = V(S(c)):
 *
 *   SGD    V = lr lambda gain p              the L1 term's gradient, on the rows where it fires
 *   Adam   V = lr gain A(q), q = B p / (1 - p + B p)   (adam-step.ts): lambda drops out
 *
 * `gain` is what a unit step of the parameters moves the margin: 1 for the bias alone,
 * 1 + ||mu+||^2 (SGD) or 1 + ||mu+||_1 (Adam) with the encoder, mu+ = E[x~ | fires].
 * For a tail with hazard -d log S / dc = p^xi / scale, a generalised Pareto law with index xi
 * whose scale where p = 1 is `scale` (locally: scale p^-xi at density p),
 *
 *   SGD   dp / dt = -(lr lambda gain / scale) p^(2 + xi)
 *         p(t) = (p0^-(1 + xi) + (1 + xi) lr lambda gain t / scale)^(-1 / (1 + xi))  ~ t^(-1 / (1 + xi))
 *   Adam  exponential decay down to p = 1 / B (xi = 0), then t^(-1 / (1/2 + xi)) to (1 - beta2) / B, then t^(-1 / (1 + xi))
 *
 * Adam's law takes v to have forgotten when the feature fired more often, which holds where p falls little within
 * 1 / (1 - beta2) steps: lr gain / scale << 1 - beta2. A faster fall is slowed down by what v remembers.
 *
 * xi = -1 decays exponentially under SGD, xi < -1 ends in finite time. Everything but SGD's closed form
 * is a quadrature of dt = dc / V, in log p or in c.
 */
import { UsageError } from '../errors.js';
import { adamGain, adamGainWithEps, adamStep, countedShare } from './adam-step.js';

/** A generalised Pareto tail: hazard p^xi / scale at density p. `scale` is in units of the margin. */
export interface TailLaw {
  readonly xi: number;
  readonly scale: number;
}

/** The knobs of a recipe that the law depends on; names and defaults as in a recipe. */
export interface LawRecipe {
  readonly optimizer: 'adam' | 'sgd';
  readonly lr: number;
  readonly batch: number;
  readonly beta1?: number | undefined;
  readonly beta2?: number | undefined;
  /** Default 0. */
  readonly eps?: number | undefined;
  readonly momentum?: number | undefined;
  /** lambda */
  readonly l1: number;
  /** `sum`: lambda counts `batch` times. */
  readonly l1_reduction?: 'mean' | 'sum' | undefined;
}

/** Speed of the margin, in units of the margin a step, at density p. */
export type MarginSpeed = (p: number) => number;

/** Where a curve begins, or a density was measured. */
export interface DensityPoint {
  readonly step: number;
  readonly p: number;
}

/** Densities over steps; both ascend in time. */
export interface DensityCurve {
  readonly step: Float64Array;
  readonly p: Float64Array;
}

/** V(p) of a recipe. @param gain see above; default 1, the bias alone */
export function marginSpeed(recipe: LawRecipe, gain = 1): MarginSpeed {
  const { optimizer, lr, batch, beta1 = 0.9, beta2 = 0.999, eps = 0, momentum = 0, l1, l1_reduction = 'mean' } = recipe;
  const lambda = l1 * (l1_reduction === 'sum' ? batch : 1);
  if (optimizer === 'sgd') return (p) => ((lr * lambda * gain) / (1 - momentum)) * p;
  const constants = { beta1, beta2 };
  const full = adamGain(constants);
  return (p) => {
    if (!(p > 0) || lambda === 0) return 0;
    const q = countedShare(p, batch);
    const speed = lr * gain * adamStep(q, constants);
    if (eps === 0) return speed;
    // The gradient of a step with firings, against eps, where sqrt(v) holds more than one of them.
    const size = lambda * Math.max(p, 1 / batch) * Math.sqrt(Math.max(1, q / (1 - beta2)));
    return (speed * adamGainWithEps(constants, size / eps)) / full;
  };
}

/** SGD's p after t steps from p0, `rate` = lr lambda gain / scale: 0 where xi < -1 and it has ended. */
export function sgdDensity(t: number, p0: number, rate: number, xi: number): number {
  const a = 1 + xi;
  // exp(-log(...) / a), by log1p so that a = 0 is the limit of small a.
  const grown = a * rate * t * p0 ** a;
  if (Math.abs(a) < 1e-12) return p0 * Math.exp(-rate * t);
  return grown <= -1 ? 0 : p0 * Math.exp(-Math.log1p(grown) / a);
}

/** d log p / d log t at late times: -1 / (1 + xi), and -1 / (1/2 + xi) in Adam's middle regime. Null where p falls faster than any power. */
export function lateSlope(xi: number, regime: 'sgd' | 'adam-alone' | 'adam-middle' = 'sgd'): number | null {
  const a = (regime === 'adam-middle' ? 0.5 : 1) + xi;
  return a > 0 ? -1 / a : null;
}

/** Nodes and weights of Gauss and Legendre's rule of order 5 on [-1, 1]. */
const NODES = [0, 0.5384693101056831, -0.5384693101056831, 0.906179845938664, -0.906179845938664] as const;
const WEIGHTS = [0.5688888888888889, 0.47862867049936647, 0.47862867049936647, 0.23692688505618908, 0.23692688505618908] as const;

function integral(f: (x: number) => number, from: number, to: number): number {
  const [middle, half] = [(from + to) / 2, (to - from) / 2];
  let sum = 0;
  for (let i = 0; i < 5; i++) sum += WEIGHTS[i]! * f(middle + half * NODES[i]!);
  return sum * half;
}

const DECADE = Math.LN10;
/** Parts of a decade of p in one panel of the quadrature. */
const PANELS = 16;

/** Steps that it takes from density `from` down to `to`: int scale p^-xi / V(p) d(-log p). Infinite where the margin stands still. */
export function stepsBetween(from: number, to: number, tail: TailLaw, speed: MarginSpeed): number {
  if (!(from > 0 && to > 0 && to <= from)) throw new UsageError(`densities ${from} and ${to}: a law falls, from above to below, and above 0`);
  const [top, bottom] = [Math.log(from), Math.log(to)];
  const panels = Math.max(1, Math.ceil((PANELS * (top - bottom)) / DECADE));
  let steps = 0;
  for (let i = 0; i < panels; i++) steps += integral(pace(tail, speed), bottom + ((top - bottom) * i) / panels, bottom + ((top - bottom) * (i + 1)) / panels);
  return steps;
}

/** dt / d(-log p) at log p = u. */
const pace = ({ xi, scale }: TailLaw, speed: MarginSpeed) => (u: number): number => (scale * Math.exp(-xi * u)) / speed(Math.exp(u));

/** Steps until p has fallen to a tenth. Where the law is t^-1 and the elapsed steps are many, nine times those. */
export function timeToNextDecade(p: number, tail: TailLaw, speed: MarginSpeed): number {
  return stepsBetween(p, p / 10, tail, speed);
}

/** The scale with which the law goes through both points: steps are in proportion to it. */
export function scaleThrough(first: DensityPoint, later: DensityPoint, xi: number, speed: MarginSpeed): number {
  return (later.step - first.step) / stepsBetween(first.p, later.p, { xi, scale: 1 }, speed);
}

export interface LawCurveOptions {
  readonly recipe: LawRecipe;
  readonly tail: TailLaw;
  readonly start: DensityPoint;
  /** Last step of the curve. */
  readonly until: number;
  readonly gain?: number | undefined;
  /** Density at which the curve ends if it comes so far; default 1e-15. */
  readonly least?: number | undefined;
  /** Share of `lr` that a step (1 for the first) has, for warm-up and decay; default 1. Speeds are in proportion to lr. */
  readonly schedule?: ((step: number) => number) | undefined;
}

/** The law of a recipe from a point on, to draw over densities that were measured: 16 points a decade of p, and `until`. */
export function lawCurve(options: LawCurveOptions): DensityCurve {
  const { recipe, tail, start, until, gain = 1, least = 1e-15, schedule } = options;
  if (!(start.p > 0 && start.p <= 1)) throw new UsageError(`a law begins at a density above 0 and up to 1, not ${start.p}`);
  if (schedule !== undefined) return scheduled(options, schedule);
  const speed = marginSpeed(recipe, gain);
  const f = pace(tail, speed);
  const step = [start.step];
  const p = [start.p];
  const panel = DECADE / PANELS;
  let u = Math.log(start.p);
  let t = start.step;
  while (t < until && u > Math.log(least)) {
    const taken = integral(f, u - panel, u);
    if (t + taken >= until) {
      u -= panelUntil(f, u, panel, until - t);
      t = until;
    } else {
      u -= panel;
      t += taken;
    }
    step.push(t);
    p.push(Math.exp(u));
  }
  return { step: Float64Array.from(step), p: Float64Array.from(p) };
}

/** The curve over steps of full lr, at the steps by which so much of lr has been spent. */
function scheduled(options: LawCurveOptions, share: (step: number) => number): DensityCurve {
  const { start, until } = options;
  let spent = 0;
  for (let step = start.step + 1; step <= until; step++) spent += share(step);
  const full = lawCurve({ ...options, start: { step: 0, p: start.p }, until: spent, schedule: undefined });
  let [at, sum, last] = [start.step, 0, 0];
  const step = full.step.map((wanted) => {
    while (sum < wanted && at < until) {
      last = share(++at);
      sum += last;
    }
    // Back within the last step, in proportion.
    return sum > wanted && last > 0 ? at - (sum - wanted) / last : at;
  });
  return { step, p: full.p };
}

/** How far log p falls below u in `steps` steps, at most `panel`. */
function panelUntil(f: (u: number) => number, u: number, panel: number, steps: number): number {
  let [low, high] = [0, panel];
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (integral(f, u - middle, u) < steps) low = middle;
    else high = middle;
  }
  return low;
}

export interface SurvivalCurveOptions {
  /** S(c), falling, 1 at most. */
  readonly survival: (c: number) => number;
  readonly speed: MarginSpeed;
  readonly step: number;
  /** Margin at `step`. */
  readonly margin: number;
  readonly until: number;
}

/** The law for any survival function, e.g. the sample's own: it ends where S is 0, or where log p has fallen by 700. */
export function survivalCurve({ survival, speed, step: from, margin, until }: SurvivalCurveOptions): DensityCurve & { readonly margin: Float64Array } {
  const points: { step: number; p: number; c: number }[] = [{ step: from, p: survival(margin), c: margin }];
  let width = 1e-3 * Math.max(1, Math.abs(margin));
  for (let last = points[0]!; last.step < until && last.p > 1e-300;) {
    // A panel in which p falls by about a seventh.
    let next = last.p;
    for (let tries = 0; tries < 200; tries++) {
      next = survival(last.c + width);
      const fall = next > 0 ? Math.log(last.p / next) : Infinity;
      if (fall > 0.15) width /= 2;
      else if (fall < 0.05 && tries < 100) width *= 1.7;
      else break;
      if (width < 1e-14 * Math.max(1, Math.abs(last.c))) break;
    }
    if (!(next > 0)) {
      points.push({ step: last.step + width / speed(last.p), p: 0, c: last.c + width });
      break;
    }
    const taken = integral((c) => 1 / speed(survival(c)), last.c, last.c + width);
    last = { step: last.step + taken, p: next, c: last.c + width };
    points.push(last);
  }
  return { step: Float64Array.from(points, (point) => point.step), p: Float64Array.from(points, (point) => point.p), margin: Float64Array.from(points, (point) => point.c) };
}

/** p of a curve at a step, by linear interpolation in log p over steps; NaN outside it. */
export function densityAt({ step, p }: DensityCurve, at: number): number {
  const end = step.length - 1;
  if (!(at >= step[0]! && at <= step[end]!)) return NaN;
  let [low, high] = [0, end];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (step[middle]! <= at) low = middle;
    else high = middle;
  }
  if (high === low || p[high]! === 0) return at < step[high]! ? p[low]! : p[high]!;
  const share = (at - step[low]!) / (step[high]! - step[low]!);
  return Math.exp(Math.log(p[low]!) + share * Math.log(p[high]! / p[low]!));
}
