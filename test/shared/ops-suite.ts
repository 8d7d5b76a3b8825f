/** Products with selection on a backend: what plain f64 loops give, to the bit. For browsers and Deno; Node's WASM tests say more. */
import type { Backend } from '../../engine/backend.js';
import { nearestRows, type NearestReport } from '../../engine/ops/nearest.js';
import { rowProducts, type RowProductsReport } from '../../engine/ops/row-products.js';
import { randomRows } from './oracle.js';

/** The same in every value, or an error that says where. */
function assertSame(got: unknown, expected: unknown, path = ''): void {
  if (typeof expected === 'object' && expected !== null) {
    const [a, b] = [Object.keys(got as object), Object.keys(expected)];
    if (a.join() !== b.join()) throw new Error(`${path}: keys ${a.join()}, expected ${b.join()}`);
    for (const key of b) assertSame((got as Record<string, unknown>)[key], (expected as Record<string, unknown>)[key], `${path}.${key}`);
  } else if (!Object.is(got, expected)) throw new Error(`${path} is ${String(got)}, expected ${String(expected)}`);
}

export interface OpsCase {
  readonly name: string;
  run(backend: Pick<Backend, 'load' | 'info'>): Promise<void>;
}

export const opsSuite: readonly OpsCase[] = [
  {
    name: 'nearest rows: random ones, copies, zeros',
    async run(backend) {
      const [rows, d] = [150, 13];
      const random = randomRows(rows, d, 4);
      const data = random.map((value, at) => {
        const row = Math.floor(at / d);
        return row % 10 === 9 ? 0 : row >= 100 ? random[(row % 5) * d + (at % d)]! : value;
      });
      const matrix = { data, rows, d };
      const report: NearestReport = { again: 0, whole: 0 };
      assertSame(await nearestRows(backend, matrix, 6, { report }), await nearestRows(null, matrix, 6));
      if (report.again >= rows) throw new Error('the screen decided nothing');
      await nearestRows(backend, { data: random, rows, d }, 6, { report });
      if (report.again !== 0) throw new Error(`${report.again} random rows were not decided`);
    },
  },
  {
    name: 'row products: random ones, and a coarse grid full of ties',
    async run(backend) {
      const [n, d, columns] = [9, 200, 350];
      for (const scale of [null, randomRows(1, d, 9)]) {
        const report: RowProductsReport = { exact: 0 };
        const rows = { data: randomRows(n, d, 1), rows: n, d };
        const matrix = { data: randomRows(d, columns, 2), d, columns };
        const shape = { listed: 5, bins: 20, scale };
        assertSame(await rowProducts(backend, rows, matrix, { ...shape, report }), await rowProducts(null, rows, matrix, shape));
        if (report.exact > 0.2 * n * columns) throw new Error(`${report.exact} of ${n * columns} products were summed again`);
      }
      const rows = { data: randomRows(n, 4, 1).map(Math.round), rows: n, d: 4 };
      const matrix = { data: randomRows(4, columns, 2).map(Math.round), d: 4, columns };
      assertSame(await rowProducts(backend, rows, matrix, { listed: 5, bins: 20 }), await rowProducts(null, rows, matrix, { listed: 5, bins: 20 }));
    },
  },
];
