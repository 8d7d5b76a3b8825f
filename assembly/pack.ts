/**
 * Packing: rows and weights in the order in which the inner loop of gemm.ts
 * reads them, so that it only ever walks forward.
 *
 *   weights  panels of 8 features:  w[panel][d_in][8]
 *   rows     quads of 4 rows:       x[quad][d_in][4], missing rows 0
 */
import { BAD_INPUT, FLAGS, FLOOR, HELD, ROW_SHIFT, TIES, TOLERANCE } from './rows';

/**
 * Packs one input dimension of the encoder into every panel.
 *
 * @param row [panels * 8] f32, W_enc[d, :] padded with 0
 * @param w the panels; `d` the dimension, of `d_in`
 */
export function packWeights(row: usize, panels: u32, d: u32, d_in: u32, w: usize): void {
  let to = w + (<usize>d << 5);
  const stride = <usize>d_in << 5;
  for (let p: u32 = 0; p < panels; p++) {
    v128.store(to, v128.load(row));
    v128.store(to, v128.load(row, 16), 16);
    row += 32;
    to += stride;
  }
}

/**
 * Packs a chunk of rows and begins their records: tol_r = perNorm ||x|| + constant,
 * and a flag on each row with a value that is not finite.
 *
 * @param x [rows, d_in] f32
 * @param out [ceil(rows / 4)][d_in][4] f32
 * @param state a record (rows.ts) for each row, the missing ones of the last quad included
 */
export function packRows(x: usize, rows: u32, d_in: u32, out: usize, state: usize, perNorm: f64, constant: f64): void {
  const padded = (rows + 3) & ~3;
  for (let r: u32 = 0; r < padded; r++) {
    const from = x + ((<usize>r * d_in) << 2);
    const to = out + ((<usize>(r >> 2) * d_in) << 4) + (<usize>(r & 3) << 2);
    // A square of an f32 cannot overflow an f64: the sum is finite exactly when the row is.
    let squares: f64 = 0;
    for (let d: usize = 0; d < <usize>d_in; d++) {
      const value: f32 = r < rows ? load<f32>(from + (d << 2)) : 0;
      squares += <f64>value * <f64>value;
      store<f32>(to + (d << 4), value);
    }
    const record = state + (<usize>r << ROW_SHIFT);
    const tolerance = <f32>(perNorm * Math.sqrt(squares) + constant);
    store<f32>(record, tolerance, TOLERANCE);
    store<f32>(record, -tolerance, FLOOR);
    store<u32>(record, 0, HELD);
    store<u32>(record, 0, TIES);
    store<u32>(record, isFinite(squares) ? 0 : BAD_INPUT, FLAGS);
  }
}
