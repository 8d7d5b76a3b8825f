/**
 * Hartigan's dip: the least distance, largest over x, between the empirical distribution function
 * and any unimodal one (Hartigan and Hartigan, Annals of Statistics 13, 1985; algorithm AS 217 with
 * the correction of its lower loop). Between 1 / 2n and 1/4. The p-value is that of uniform data,
 * the least favourable unimodal law, by drawing: beyond 2,000 values from sqrt(n) dip, whose law
 * has settled by then.
 */
import type { Pace } from '../pace.js';
import { createRandom } from '../random.js';

/** @param ascending at least one value, ascending */
export function dipStatistic(ascending: ArrayLike<number>): number {
  const n = ascending.length;
  if (n < 4 || ascending[0] === ascending[n - 1]) return 1 / (2 * n);
  // From 1, as published.
  const x = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) x[i + 1] = ascending[i]!;
  const minorant = hull(x, n, 1);
  const majorant = hull(x, n, -1);
  const gcm = new Int32Array(n + 2);
  const lcm = new Int32Array(n + 2);
  let [low, high, dip] = [1, n, 1];
  for (;;) {
    const lastG = chain(minorant, gcm, high, low);
    const lastL = chain(majorant, lcm, low, high);
    let [ig, ih, ix, iv, gap] = [lastG, lastL, lastG - 1, 2, 1];
    if (lastG !== 2 || lastL !== 2) {
      gap = 0;
      do {
        const [g, l] = [gcm[ix]!, lcm[iv]!];
        if (g > l) {
          const before = gcm[ix + 1]!;
          const distance = l - before + 1 - ((x[l]! - x[before]!) * (g - before)) / (x[g]! - x[before]!);
          iv++;
          if (distance >= gap) [gap, ig, ih] = [distance, ix + 1, iv - 1];
        } else {
          const before = lcm[iv - 1]!;
          const distance = ((x[g]! - x[before]!) * (l - before)) / (x[l]! - x[before]!) - (g - before - 1);
          ix--;
          if (distance >= gap) [gap, ig, ih] = [distance, ix + 1, iv];
        }
        ix = Math.max(1, ix);
        iv = Math.min(lastL, iv);
      } while (gcm[ix] !== lcm[iv]);
    }
    if (gap < dip) break;
    for (let j = ig; j < lastG; j++) dip = Math.max(dip, largestGap(x, gcm[j + 1]!, gcm[j]!, 1));
    for (let j = ih; j < lastL; j++) dip = Math.max(dip, largestGap(x, lcm[j]!, lcm[j + 1]!, -1));
    if (low === gcm[ig] && high === lcm[ih]) break;
    [low, high] = [gcm[ig]!, lcm[ih]!];
  }
  return dip / (2 * n);
}

/** Of each point the one that it is joined to in the greatest convex minorant (sign 1, downwards) or least concave majorant (-1, upwards) of all points on its side. */
function hull(x: Float64Array, n: number, sign: 1 | -1): Int32Array {
  const to = new Int32Array(n + 1);
  const end = sign === 1 ? 1 : n;
  to[end] = end;
  for (let j = end + sign; j >= 1 && j <= n; j += sign) {
    let k = j - sign;
    while (k !== end && (x[j]! - x[k]!) * (k - to[k]!) >= (x[k]! - x[to[k]!]!) * (j - k)) k = to[k]!;
    to[j] = k;
  }
  return to;
}

/** The points of a hull from one end to the other, from index 1; how many. */
function chain(to: Int32Array, out: Int32Array, from: number, end: number): number {
  let at = 1;
  out[1] = from;
  while (out[at] !== end) {
    out[at + 1] = to[out[at]!]!;
    at++;
  }
  return at;
}

/** Between two points of a hull, how far the empirical function is from the chord; at least 1. */
function largestGap(x: Float64Array, from: number, to: number, sign: 1 | -1): number {
  let most = 1;
  if (to - from <= 1 || x[to] === x[from]) return most;
  const slope = (to - from) / (x[to]! - x[from]!);
  for (let j = from; j <= to; j++) most = Math.max(most, sign * (j - from - (x[j]! - x[from]!) * slope) + 1);
  return most;
}

const MOST_VALUES = 2000;

export interface DipTest {
  readonly dip: number;
  /** (1 + uniform samples with a dip at least as large) / (1 + replicates) */
  readonly p_value: number;
}

/** @param values any order */
export async function dipTest(values: ArrayLike<number>, { seed, replicates = 499, pace }: { readonly seed: number; readonly replicates?: number; readonly pace: Pace }): Promise<DipTest> {
  const n = values.length;
  const dip = dipStatistic(Float64Array.from(values).sort());
  const drawn = Math.min(n, MOST_VALUES);
  const random = createRandom(seed);
  const uniform = new Float64Array(drawn);
  let above = 0;
  for (let replicate = 0; replicate < replicates; replicate++) {
    // Uniform order statistics, up to scale: sums of exponential spacings.
    let sum = 0;
    for (let i = 0; i < drawn; i++) uniform[i] = sum -= Math.log(1 - random.uniform());
    if (dipStatistic(uniform) * Math.sqrt(drawn) >= dip * Math.sqrt(n)) above++;
    if (pace.isDue) await pace.pause();
  }
  return { dip, p_value: (1 + above) / (1 + replicates) };
}
