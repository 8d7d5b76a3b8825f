/**
 * Which way the penalty alone turns w_i, by optimiser, over the rows where feature i fires:
 *
 *   SGD    -E[x~ | fire]
 *   Adam   -E[x~_j | fire] / sqrt(E[x~_j^2 | fire]), coordinate by coordinate: the gradient over the
 *          root of its mean square, as in long training with beta_2 near 1
 *
 * At a bias large enough that every row fires, these are the moments of all rows. Near death they
 * are those of the last few rows, which have w . x~ > -b by selection: with b <= 0 SGD's direction
 * then has w . direction < 0 whatever the data are, and w is the sum of all steps, not the last.
 * Both ends are given for that reason.
 */
import { ShapeError } from '../errors.js';

export type OptimiserName = 'sgd' | 'adam';

/**
 * The unit direction; zeros where the moments are.
 * @param sum [d] sums of x~ over the rows @param squares [d] of x~^2
 */
export function optimiserDirection(optimiser: OptimiserName, sum: ArrayLike<number>, squares: ArrayLike<number>, rows: number): Float64Array {
  if (sum.length !== squares.length) throw new ShapeError(`${sum.length} sums and ${squares.length} sums of squares`);
  const direction = Float64Array.from(sum, (value, c) => {
    if (optimiser === 'sgd') return -value / rows;
    return squares[c]! > 0 ? -value / Math.sqrt(rows * squares[c]!) : 0;
  });
  let length = 0;
  for (const value of direction) length += value * value;
  return length > 0 ? direction.map((value) => value / Math.sqrt(length)) : new Float64Array(sum.length);
}
