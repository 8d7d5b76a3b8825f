/**
 * What happens to activations before `encode` and after `decode`: SAELens'
 * input normalisation and the subtraction of b_dec (engine/sae.ts has the whole
 * forward pass). Per row x of d_in values:
 *
 *   none                   x
 *   constant_norm_rescale  x c, c = sqrt(d_in) / ||x||;                out / c
 *   layer_norm             (x - mean) / (sd + 1e-5), sd with ddof 1;   out sd + mean
 *
 * The layer norm's 1e-5 is there on the way in and not on the way out, as in
 * SAELens. Statistics are taken in f64, results stored in f32.
 */
import { NumericError, ShapeError } from './errors.js';
import type { Sae } from './sae.js';

/** Rows that are ready for `LoadedSae.encode`. */
export interface PreparedInput {
  /** [rows, d_in]; the caller's own array where there is nothing to do. */
  readonly xbar: Float32Array;
  /** Undoes the normalisation in place, on [rows, d_out] as `LoadedSae.decode` gave it: afterwards y is xhat. */
  restore(y: Float32Array): void;
}

const LAYER_NORM_EPS = 1e-5;

/**
 * Normalises rows and subtracts b_dec as the SAE's conventions say.
 *
 * @param x [rows, d_in] f32, left as it is
 * @throws ShapeError where lengths do not fit; NumericError for a row of norm 0
 *   under `constant_norm_rescale`. Other values that are not finite pass, for `encode` to name.
 */
export function prepareInput(sae: Sae, x: Float32Array, rows: number): PreparedInput {
  const { d_in } = sae;
  if (x.length !== rows * d_in) throw new ShapeError(`activations have ${x.length} values, expected ${rows} rows x ${d_in} (d_in of the SAE)`);
  const bias = inputBias(sae);
  if (sae.normalizeActivations === 'none') {
    if (bias === null) return { xbar: x, restore: () => undefined };
    const xbar = new Float32Array(x.length);
    for (let at = 0; at < x.length; at += d_in) {
      for (let d = 0; d < d_in; d++) xbar[at + d] = (x[at + d] ?? 0) - (bias[d] ?? 0);
    }
    return { xbar, restore: () => undefined };
  }
  const statistics = sae.normalizeActivations === 'layer_norm' ? meanAndDeviation : zeroAndNorm;
  const xbar = new Float32Array(x.length);
  const shift = new Float64Array(rows);
  const scale = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * d_in, (r + 1) * d_in);
    const { mean, inner, outer } = statistics(row, r);
    shift[r] = mean;
    scale[r] = outer;
    for (let d = 0; d < d_in; d++) xbar[r * d_in + d] = ((row[d] ?? 0) - mean) / inner - (bias?.[d] ?? 0);
  }
  return { xbar, restore: (y) => unscale(sae, y, rows, shift, scale) };
}

/** b_dec where it is to be subtracted and not all zero. */
function inputBias(sae: Sae): Float32Array | null {
  if (!sae.applyBDecToInput) return null;
  if (sae.d_in !== sae.d_out) throw new ShapeError(`apply_b_dec_to_input needs d_in = d_out, the SAE has ${sae.d_in} and ${sae.d_out}`);
  return sae.b_dec.every((b) => b === 0) ? null : sae.b_dec;
}

/** A row's statistics: (x - mean) / inner on the way in, y outer + mean on the way out. */
interface RowStatistics {
  readonly mean: number;
  readonly inner: number;
  readonly outer: number;
}

function zeroAndNorm(row: Float32Array, r: number): RowStatistics {
  let sum = 0;
  for (const value of row) sum += value * value;
  if (sum === 0) {
    throw new NumericError(`activations, row ${r}: all values are 0, and constant_norm_rescale divides by the row's norm`, {
      hint: 'Leave such positions out (--ignore-positions, --ignore-tokens).',
    });
  }
  const norm = Math.sqrt(sum / row.length);
  return { mean: 0, inner: norm, outer: norm };
}

function meanAndDeviation(row: Float32Array): RowStatistics {
  const n = row.length;
  if (n < 2) throw new ShapeError('layer_norm needs d_in of at least 2: the standard deviation is unbiased (ddof 1)');
  let sum = 0;
  for (const value of row) sum += value;
  const mean = sum / n;
  let squares = 0;
  for (const value of row) squares += (value - mean) ** 2;
  const sd = Math.sqrt(squares / (n - 1));
  return { mean, inner: sd + LAYER_NORM_EPS, outer: sd };
}

function unscale(sae: Sae, y: Float32Array, rows: number, shift: Float64Array, scale: Float64Array): void {
  const { d_out } = sae;
  if (y.length !== rows * d_out) throw new ShapeError(`decoded rows have ${y.length} values, expected ${rows} x ${d_out} (d_out of the SAE)`);
  for (let r = 0; r < rows; r++) {
    const mean = shift[r] ?? 0;
    const factor = scale[r] ?? 1;
    for (let at = r * d_out; at < (r + 1) * d_out; at++) y[at] = (y[at] ?? 0) * factor + mean;
  }
}
