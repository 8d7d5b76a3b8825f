/** One feature's logits over the vocabulary, boiled down: median, extremes, histogram. */

/** Tokens that are listed at each end. */
export const LISTED = 10;
export const HISTOGRAM_BINS = 50;

export interface LogitList {
  readonly ids: number[];
  readonly values: number[];
}

/** Everything shifted so that the median is 0. */
export interface LogitSummary {
  readonly top: LogitList;
  readonly bottom: LogitList;
  readonly low: number;
  readonly high: number;
  /** [50] */
  readonly counts: Uint32Array;
}

/**
 * Summarises one row of logits.
 * @param logits [vocabulary], shifted in place
 * @param scratch room for as many
 */
export function describe(logits: Float64Array, scratch: Float64Array): LogitSummary {
  scratch.set(logits);
  const shift = median(scratch);
  for (let v = 0; v < logits.length; v++) logits[v] = (logits[v] as number) - shift;
  const top = extremes(logits, 1);
  const bottom = extremes(logits, -1);
  const low = bottom.values[0] as number;
  const high = top.values[0] as number;
  // numpy.histogram's rule for a range of no width.
  const [from, to] = low === high ? [low - 0.5, high + 0.5] : [low, high];
  const counts = new Uint32Array(HISTOGRAM_BINS);
  const scale = HISTOGRAM_BINS / (to - from);
  for (const value of logits) {
    const bin = Math.min(HISTOGRAM_BINS - 1, Math.floor((value - from) * scale));
    counts[bin] = (counts[bin] as number) + 1;
  }
  return { top, bottom, low: from, high: to, counts };
}

/** The largest (sign 1) or smallest (sign -1) values with their ids; ties go to the lowest id. */
function extremes(logits: Float64Array, sign: 1 | -1): LogitList {
  const ids: number[] = [];
  const values: number[] = [];
  let worst = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const value = logits[id] as number;
    if (ids.length === LISTED && !(sign * value > worst)) continue;
    let at = ids.length;
    while (at > 0 && sign * value > sign * (values[at - 1] as number)) at--;
    ids.splice(at, 0, id);
    values.splice(at, 0, value);
    if (ids.length > LISTED) {
      ids.pop();
      values.pop();
    }
    if (ids.length === LISTED) worst = sign * (values[LISTED - 1] as number);
  }
  return { ids, values };
}

/** The median, the mean of the two middle values of an even number; reorders its argument. Hoare's selection. */
export function median(values: Float64Array): number {
  const n = values.length;
  const upper = n >> 1;
  select(values, upper);
  const high = values[upper] as number;
  if (n % 2 === 1) return high;
  let low = -Infinity;
  for (let i = 0; i < upper; i++) low = Math.max(low, values[i] as number);
  // Not (low + high) / 2, which could overflow and rounds differently for equal values.
  return low + (high - low) / 2;
}

/** Afterwards values[k] is the k-th smallest, and none before it is larger. */
function select(values: Float64Array, k: number): void {
  let left = 0;
  let right = values.length - 1;
  while (left < right) {
    const a = values[left] as number;
    const b = values[(left + right) >> 1] as number;
    const c = values[right] as number;
    const pivot = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
    let i = left;
    let j = right;
    while (i <= j) {
      while ((values[i] as number) < pivot) i++;
      while ((values[j] as number) > pivot) j--;
      if (i > j) break;
      const swapped = values[i] as number;
      values[i++] = values[j] as number;
      values[j--] = swapped;
    }
    if (k <= j) right = j;
    else if (k >= i) left = i;
    else return;
  }
}
