/** Selection by rank, in place, without sorting. */

/** The median, the mean of the two middle values of an even number; reorders its argument. */
export function median(values: Float64Array): number {
  const n = values.length;
  const upper = n >> 1;
  selectRank(values, upper);
  const high = values[upper]!;
  if (n % 2 === 1) return high;
  return between(largest(values, upper), high);
}

/** The mean of two numbers; not (low + high) / 2, which could overflow and rounds differently for equal ones. */
export function between(low: number, high: number): number {
  return low + (high - low) / 2;
}

/** The largest of the first `count` values. */
export function largest(values: Float64Array | Float32Array, count: number): number {
  let most = -Infinity;
  for (let i = 0; i < count; i++) if (values[i]! > most) most = values[i]!;
  return most;
}

/** Afterwards values[k] is the k-th smallest, and none before it is larger. Hoare's selection. */
export function selectRank(values: Float64Array | Float32Array, k: number): void {
  let left = 0;
  let right = values.length - 1;
  while (left < right) {
    const a = values[left]!;
    const b = values[(left + right) >> 1]!;
    const c = values[right]!;
    const pivot = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
    let i = left;
    let j = right;
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i > j) break;
      const swapped = values[i]!;
      values[i++] = values[j]!;
      values[j--] = swapped;
    }
    if (k <= j) right = j;
    else if (k >= i) left = i;
    else return;
  }
}
