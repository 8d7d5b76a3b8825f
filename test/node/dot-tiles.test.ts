/** Tiles of dot products are the plain loop's, bit for bit. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { dotTile, packPanels, PANEL, panelBuffer } from '../../engine/dot-tiles.js';
import { randomRows } from '../shared/oracle.js';

it('packs rows of either layout and multiplies them exactly as a plain loop', () => {
  for (const [rows, columns, d] of [[1, 1, 1], [4, 8, 3], [5, 7, 19], [9, 2, 64]] as const) {
    const a = randomRows(rows, d, 1);
    const b = randomRows(d, columns, 2);
    const scale = randomRows(1, d, 3);
    const [left, right] = [panelBuffer(rows, d).fill(7), panelBuffer(columns, d).fill(7)];
    packPanels(left, rows, d, { data: a, start: 0, rowStride: d, stride: 1, scale });
    packPanels(right, columns, d, { data: b, start: 0, rowStride: 1, stride: columns });
    const sums = new Float64Array(PANEL * PANEL);
    for (let i = 0; i < left.length / d; i += PANEL) {
      for (let j = 0; j < right.length / d; j += PANEL) {
        dotTile(left, i * d, right, j * d, d, sums);
        sums.forEach((sum, at) => {
          const [row, column] = [i + Math.floor(at / PANEL), j + (at % PANEL)];
          let expected = 0;
          for (let k = 0; k < d && row < rows && column < columns; k++) expected += a[row * d + k]! * scale[k]! * b[k * columns + column]!;
          assert.equal(sum, expected);
        });
      }
    }
  }
});
