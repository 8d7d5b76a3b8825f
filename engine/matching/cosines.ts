/** Cosines of the rows of two matrices, in f64: panels of rows of length 1, four by four dot products at a time. */
import { dotTile, PANEL, panelBuffer } from '../dot-tiles.js';
import { NumericError, ShapeError } from '../errors.js';

/** Rows brought to length 1, in panels; rows of zeros stay so, and have cosine 0 with everything. */
export interface UnitPanels {
  readonly rows: number;
  readonly d: number;
  readonly panels: Float64Array;
}

/**
 * @param name for messages
 * @throws ShapeError where the data is not [rows, d]; NumericError for a row that is not finite
 */
export function unitPanels(data: Float32Array | Float64Array, rows: number, d: number, name: string): UnitPanels {
  if (data.length !== rows * d) throw new ShapeError(`${name}: ${data.length} numbers are not [${rows}, ${d}]`);
  const panels = panelBuffer(rows, d);
  for (let r = 0; r < rows; r++) {
    let square = 0;
    for (let c = 0; c < d; c++) square += data[r * d + c]! ** 2;
    if (!Number.isFinite(square)) throw new NumericError(`${name}, row ${r}: its length is ${Math.sqrt(square)}`);
    const scale = square === 0 ? 0 : 1 / Math.sqrt(square);
    const at = (r - (r % PANEL)) * d + (r % PANEL);
    for (let c = 0; c < d; c++) panels[at + c * PANEL] = data[r * d + c]! * scale;
  }
  return { rows, d, panels };
}

/** Calls `visit` with every pair of rows, once; rows of `a` in ascending panels, so that pauses can be made between them. */
export function visitCosines(a: UnitPanels, b: UnitPanels, firstA: number, endA: number, firstB: number, visit: (i: number, j: number, cosine: number) => void): void {
  const sums = new Float64Array(PANEL * PANEL);
  const { d } = a;
  for (let i = firstA; i < endA; i += PANEL) {
    for (let j = firstB; j < b.rows; j += PANEL) {
      dotTile(a.panels, i * d, b.panels, j * d, d, sums);
      const [rows, columns] = [Math.min(PANEL, a.rows - i), Math.min(PANEL, b.rows - j)];
      for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) visit(i + r, j + c, sums[r * PANEL + c]!);
    }
  }
}

/** The cosine of row i of `a` and row j of `b`, within [-1, 1]. */
export function cosineOf(a: UnitPanels, i: number, b: UnitPanels, j: number): number {
  let sum = 0;
  const [atA, atB] = [(i - (i % PANEL)) * a.d + (i % PANEL), (j - (j % PANEL)) * b.d + (j % PANEL)];
  for (let c = 0; c < a.d; c++) sum += a.panels[atA + c * PANEL]! * b.panels[atB + c * PANEL]!;
  return Math.max(-1, Math.min(1, sum));
}
