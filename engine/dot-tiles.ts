/**
 * Dot products of many rows with many rows, in f64, for analyses of weights.
 *
 * Rows are packed in panels of four, interleaved along the shared dimension:
 * panel[k * 4 + r] is element k of row r. A 4 x 4 tile of products then runs over
 * two panels front to back with its 16 sums in registers. Each sum adds its
 * products in the order of k, one rounding each, as a plain loop would: the
 * result is the plain loop's, bit for bit.
 */

/** Rows of a panel. */
export const PANEL = 4;

/** Room for `rows` rows of width d in whole panels. */
export function panelBuffer(rows: number, d: number): Float64Array {
  return new Float64Array(Math.ceil(rows / PANEL) * PANEL * d);
}

/**
 * Packs rows; those that fill up the last panel are zeros.
 * @param element the k-th element of the r-th row to pack
 */
export function packPanels(panels: Float64Array, rows: number, d: number, element: (r: number, k: number) => number): void {
  const whole = Math.ceil(rows / PANEL) * PANEL;
  for (let first = 0; first < whole; first += PANEL) {
    for (let k = 0; k < d; k++) {
      const at = first * d + k * PANEL;
      for (let r = 0; r < PANEL; r++) panels[at + r] = first + r < rows ? element(first + r, k) : 0;
    }
  }
}

/**
 * sums[i * 4 + j] = row i of panel a . row j of panel b.
 * @param atA, atB where the panels begin: panel number * 4 * d
 */
export function dotTile(a: Float64Array, atA: number, b: Float64Array, atB: number, d: number, sums: Float64Array): void {
  let s00 = 0, s01 = 0, s02 = 0, s03 = 0; // prettier-ignore
  let s10 = 0, s11 = 0, s12 = 0, s13 = 0; // prettier-ignore
  let s20 = 0, s21 = 0, s22 = 0, s23 = 0; // prettier-ignore
  let s30 = 0, s31 = 0, s32 = 0, s33 = 0; // prettier-ignore
  for (let end = atA + d * PANEL; atA < end; atA += PANEL, atB += PANEL) {
    const b0 = b[atB] as number;
    const b1 = b[atB + 1] as number;
    const b2 = b[atB + 2] as number;
    const b3 = b[atB + 3] as number;
    const a0 = a[atA] as number;
    s00 += a0 * b0;
    s01 += a0 * b1;
    s02 += a0 * b2;
    s03 += a0 * b3;
    const a1 = a[atA + 1] as number;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s12 += a1 * b2;
    s13 += a1 * b3;
    const a2 = a[atA + 2] as number;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s22 += a2 * b2;
    s23 += a2 * b3;
    const a3 = a[atA + 3] as number;
    s30 += a3 * b0;
    s31 += a3 * b1;
    s32 += a3 * b2;
    s33 += a3 * b3;
  }
  sums[0] = s00;
  sums[1] = s01;
  sums[2] = s02;
  sums[3] = s03;
  sums[4] = s10;
  sums[5] = s11;
  sums[6] = s12;
  sums[7] = s13;
  sums[8] = s20;
  sums[9] = s21;
  sums[10] = s22;
  sums[11] = s23;
  sums[12] = s30;
  sums[13] = s31;
  sums[14] = s32;
  sums[15] = s33;
}
