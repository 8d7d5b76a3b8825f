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

/** Rows in an array: element k of row r is `data[start + r * rowStride + k * stride]`, times `scale[k]` where there is one. */
export interface StridedRows {
  readonly data: Float32Array;
  readonly start: number;
  readonly rowStride: number;
  readonly stride: number;
  readonly scale?: Float32Array | null;
}

/** Packs rows of width d; those that fill up the last panel are zeros. */
export function packPanels(panels: Float64Array, rows: number, d: number, { data, start, rowStride, stride, scale = null }: StridedRows): void {
  const whole = Math.ceil(rows / PANEL) * PANEL;
  panels.fill(0, rows * d - (rows % PANEL) * d, whole * d);
  // The inner loop goes along memory.
  const [outer, inner] = stride <= rowStride ? [rows, d] : [d, rows];
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const [r, k] = stride <= rowStride ? [o, i] : [i, o];
      const value = data[start + r * rowStride + k * stride] as number;
      panels[(r - (r % 4)) * d + k * 4 + (r % 4)] = scale === null ? value : value * (scale[k] as number);
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
  // The literal, not PANEL: V8 would load a module's constant in every round.
  for (let end = atA + d * 4; atA < end; atA += 4, atB += 4) {
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
