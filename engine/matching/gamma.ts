/** gamma = ||mean|| / ||sigma||, ||sigma||^2 the trace of the covariance: how far from the origin data lie in units of their spread. */
import { ShapeError, UsageError } from '../errors.js';
import { VectorMoments } from '../sketches/vector-moments.js';
import type { TrainData } from '../train/data.js';

export interface Gamma {
  readonly gamma: number;
  /** [d] */
  readonly mean: Float64Array;
  /** Sum over dimensions of the variance (population). */
  readonly trace: number;
  readonly rows: number;
}

/**
 * gamma of rows [rows, d], or of training data (its `scan`). The mean's own noise lifts
 * gamma^2 by about 1 / rows.
 * @param options.rows how many rows to look at: all where data end, 16,384 where they do not
 * @throws UsageError where there are no rows
 */
export async function gammaOf(data: TrainData | { readonly x: Float32Array; readonly d: number }, options: { readonly rows?: number | undefined; readonly signal?: AbortSignal | undefined } = {}): Promise<Gamma> {
  const moments = new VectorMoments(data.d, false);
  if ('x' in data) {
    const rows = data.x.length / data.d;
    if (!Number.isInteger(rows)) throw new ShapeError(`gammaOf: ${data.x.length} numbers are not rows of ${data.d}`);
    moments.add(data.x, Math.min(rows, options.rows ?? rows), null);
  } else {
    const limit = options.rows ?? (data.rows === null ? 16384 : undefined);
    await data.scan((x, rows) => moments.add(x, rows, null), { size: 1024, limit, signal: options.signal });
  }
  if (moments.n === 0) throw new UsageError('gammaOf: there are no rows');
  let [square, trace] = [0, 0];
  for (let c = 0; c < data.d; c++) {
    square += moments.mean[c]! ** 2;
    trace += moments.variance(c);
  }
  return { gamma: Math.sqrt(square / trace), mean: moments.mean, trace, rows: moments.n };
}
