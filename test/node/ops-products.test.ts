/**
 * Products with selection: what backends screen in f32 must be what plain f64 loops
 * give, to the bit, ties included; and the screen must do its part.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { productBound, rowNorms, transposed } from '../../engine/ops/matrix.js';
import { nearestRows, type Nearest, type NearestReport } from '../../engine/ops/nearest.js';
import { createOps, plainOps } from '../../engine/ops/ops.js';
import { rowProducts, type RowProductsReport } from '../../engine/ops/row-products.js';
import type { RowSummary } from '../../engine/ops/row-summary.js';
import { BackendError } from '../../engine/errors.js';
import { randomRows } from '../shared/oracle.js';
import { gaussian, uniform } from '../shared/random.js';

const backend = await createWasmBackend();
after(() => backend.dispose());

/** By the definition: every pair, one loop each, sorted. */
function oracleNearest(data: Float32Array, rows: number, d: number, k: number): Nearest {
  const dot = (a: number, b: number): number => {
    let sum = 0;
    for (let c = 0; c < d; c++) sum += data[a * d + c]! * data[b * d + c]!;
    return sum;
  };
  const norms = Array.from({ length: rows }, (_, r) => Math.sqrt(dot(r, r)));
  const lists = norms.map((norm, a) => norms
    .map((other, b) => ({ b, cosine: Math.max(-1, Math.min(1, dot(a, b) / (norm * other))), scale: norm * other }))
    .filter(({ b, scale }) => b !== a && scale !== 0)
    .sort((p, q) => q.cosine - p.cosine || p.b - q.b)
    .slice(0, k)); // prettier-ignore
  return { neighbours: lists.map((list) => Uint32Array.from(list, ({ b }) => b)), cosines: lists.map((list) => Float64Array.from(list, ({ cosine }) => cosine)) };
}

const withZeros = (seed: number, rows: number, d: number, distinct: number, noise: number): Float32Array => {
  const next = uniform(seed);
  const normal = gaussian(seed + 1);
  const base = Array.from({ length: distinct }, () => Array.from({ length: d }, normal));
  return Float32Array.from({ length: rows * d }, (_, at) => {
    const row = Math.floor(at / d);
    if (row % 7 === 6) return 0;
    return base[row % distinct]![at % d]! + noise * (next() - 0.5);
  });
};

describe('nearest rows', () => {
  const matrices = fc.record({ seed: fc.nat(1e6), rows: fc.integer({ min: 2, max: 90 }), d: fc.integer({ min: 1, max: 20 }), distinct: fc.integer({ min: 1, max: 60 }), noise: fc.constantFrom(0, 1e-8, 1e-6, 1e-4, 1), k: fc.integer({ min: 0, max: 12 }) });

  it('are those of plain loops: clusters of rows within rounding of each other, equal rows, zeros', async () => {
    await fc.assert(fc.asyncProperty(matrices, async ({ seed, rows, d, distinct, noise, k }) => {
      const data = withZeros(seed, rows, d, distinct, noise);
      const expected = oracleNearest(data, rows, d, k);
      assert.deepEqual(await nearestRows(backend, { data, rows, d }, k), expected);
      assert.deepEqual(await nearestRows(null, { data, rows, d }, k), expected);
    }), { numRuns: 80 });
  });

  it('are decided by the first list where rows are random, and only there', async () => {
    const [rows, d] = [700, 48];
    const data = randomRows(rows, d, 3);
    const report: NearestReport = { again: -1, whole: -1 };
    let done = 0;
    assert.deepEqual(await nearestRows(backend, { data, rows, d }, 10, { report, onRows: (n) => (done = n) }), await nearestRows(null, { data, rows, d }, 10));
    assert.deepEqual([report, done], [{ again: 0, whole: 0 }, rows]);
    // Nothing is positive between opposite corners but each row itself.
    const simplex = Float32Array.from({ length: 36 }, (_, at) => (Math.floor(at / 6) === at % 6 ? 5 : -1));
    assert.deepEqual(await nearestRows(backend, { data: simplex, rows: 6, d: 6 }, 3, { report }), oracleNearest(simplex, 6, 6, 3));
    assert.equal(report.whole, 6);
  });

  it('take rows of any scale', async () => {
    const data = randomRows(60, 9, 8).map((value, at) => value * 10 ** (((Math.floor(at / 9) * 7) % 61) - 30));
    assert.deepEqual(await nearestRows(backend, { data, rows: 60, d: 9 }, 5), oracleNearest(data, 60, 9, 5));
  });

  it('go by a second, longer list where many rows are undecided', async () => {
    // 24 copies of each row: more than a first list holds, fewer than a second one.
    const [rows, d] = [2400, 128];
    const base = randomRows(100, d, 5);
    const data = Float32Array.from({ length: rows * d }, (_, at) => base[(Math.floor(at / d) % 100) * d + (at % d)]!);
    const report: NearestReport = { again: 0, whole: -1 };
    const few = await nearestRows(backend, { data, rows, d }, 10, { report });
    assert.deepEqual([report.again, report.whole], [rows, 0]);
    for (const row of [0, 1, 1234, rows - 1]) {
      const copies = Array.from({ length: 24 }, (_, copy) => (row % 100) + 100 * copy).filter((other) => other !== row);
      assert.deepEqual(Array.from(few.neighbours[row]!), copies.slice(0, 10));
    }
  });

  it('stop when they are told to', async () => {
    const data = randomRows(3000, 256, 1);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), 20);
    await assert.rejects(nearestRows(backend, { data, rows: 3000, d: 256 }, 10, { signal: controller.signal }), /enough/);
  });
});

describe('row products', () => {
  const shape = { listed: 10, bins: 50 };
  const both = async (rows: Float32Array, n: number, W: Float32Array, d: number, scale: Float32Array | null, listed = 10): Promise<[RowSummary[], RowSummary[]]> => {
    const [a, b] = [{ data: rows, rows: n, d }, { data: W, d, columns: W.length / d }];
    return [await rowProducts(backend, a, b, { ...shape, listed, scale }), await rowProducts(null, a, b, { ...shape, listed, scale })];
  };

  it('are those of plain loops: ties, coarse grids, equal columns, rows of zeros', async () => {
    const cases = fc.record({ seed: fc.nat(1e6), rows: fc.integer({ min: 1, max: 9 }), d: fc.integer({ min: 1, max: 12 }), columns: fc.integer({ min: 1, max: 300 }), kind: fc.constantFrom('random', 'grid', 'equal', 'near', 'outlier'), scaled: fc.boolean(), listed: fc.integer({ min: 1, max: 12 }) });
    await fc.assert(fc.asyncProperty(cases, async ({ seed, rows, d, columns, kind, scaled, listed }) => {
      const next = uniform(seed);
      const normal = gaussian(seed + 1);
      const value = (at: number): number => {
        const column = at % columns;
        if (kind === 'grid') return Math.round(normal());
        if (kind === 'equal') return Math.floor(at / columns) + 1;
        if (kind === 'near') return 1 + Math.floor(3 * next()) * 2 ** -23;
        return normal() * (kind === 'outlier' && column === 3 ? 1e4 : 1);
      };
      const W = Float32Array.from({ length: d * columns }, (_, at) => value(at));
      const a = Float32Array.from({ length: rows * d }, (_, at) => (Math.floor(at / d) % 4 === 3 ? 0 : kind === 'grid' ? Math.round(normal()) : normal()));
      const [got, expected] = await both(a, rows, W, d, scaled ? Float32Array.from({ length: d }, normal) : null, listed);
      assert.deepEqual(got, expected);
    }), { numRuns: 120 });
  });

  it('sum few again', async () => {
    const [n, d, columns] = [24, 96, 3000];
    const report: RowProductsReport = { exact: 0 };
    const rows = { data: randomRows(n, d, 1), rows: n, d };
    const matrix = { data: randomRows(d, columns, 2), d, columns };
    const got = await rowProducts(backend, rows, matrix, { ...shape, report });
    assert.deepEqual(got, await rowProducts(null, rows, matrix, shape));
    assert.ok(report.exact < 0.03 * n * columns, `${report.exact} of ${n * columns}`);
    assert.ok(report.exact >= n * 21);
  });

  it('refuse shapes that do not fit', async () => {
    const rows = { data: new Float32Array(6), rows: 2, d: 3 };
    await assert.rejects(rowProducts(null, rows, { data: new Float32Array(8), d: 4, columns: 2 }, shape), /no product/);
    await assert.rejects(rowProducts(null, rows, { data: new Float32Array(7), d: 3, columns: 2 }, shape), /7 values/);
    await assert.rejects(nearestRows(null, { data: new Float32Array(7), rows: 2, d: 3 }, 1), /7 values/);
  });
});

describe('operations', () => {
  it('fall back to plain loops where the backend fails or f32 overflows, with a notice', async () => {
    const rows = { data: Float32Array.of(3e38, 3e38), rows: 1, d: 2 };
    const matrix = { data: Float32Array.of(3e38, 1, 3e38, 2), d: 2, columns: 2 };
    const notices: string[] = [];
    const notice = (text: string): void => void notices.push(text);
    const onWasm = createOps({ backend: () => backend, plainBelow: 0, notice });
    assert.deepEqual(await onWasm.rowProducts(rows, matrix, { listed: 1, bins: 5 }), await plainOps.rowProducts(rows, matrix, { listed: 1, bins: 5 }));
    assert.match(notices[0]!, /plain JavaScript/);
    const lost = createOps({ backend: () => Promise.reject(new BackendError('gone')), plainBelow: 0, notice });
    assert.deepEqual(await lost.nearestRows({ data: randomRows(5, 3, 1), rows: 5, d: 3 }, 2), await plainOps.nearestRows({ data: randomRows(5, 3, 1), rows: 5, d: 3 }, 2));
    assert.match(notices[1]!, /nearest rows.*gone/);
  });

  it('have a bound that f32 sums in any order keep', () => {
    fc.assert(fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 200 }), (seed, d) => {
      const normal = gaussian(seed);
      const [a, b] = [Float32Array.from({ length: d }, normal), Float32Array.from({ length: d }, normal)];
      let exact = 0;
      let forward = 0;
      let backward = 0;
      for (let i = 0; i < d; i++) {
        exact += a[i]! * b[i]!;
        forward = Math.fround(forward + Math.fround(a[i]! * b[i]!));
        const j = d - 1 - i;
        backward = Math.fround(backward + Math.fround(a[j]! * b[j]!));
      }
      const [p, q] = [rowNorms({ data: a, rows: 1, d })[0]!, rowNorms({ data: b, rows: 1, d })[0]!];
      const bound = productBound(d, p, q, 'wasm');
      assert.ok(Math.abs(forward - exact) <= bound && Math.abs(backward - exact) <= bound && productBound(d, p, q, 'webgpu') > bound);
    }));
  });

  it('transpose', () => {
    const [d, columns] = [45, 70];
    const data = randomRows(d, columns, 1);
    const result = transposed({ data, d, columns });
    for (let k = 0; k < d; k++) for (let c = 0; c < columns; c++) assert.equal(result[c * d + k], data[k * columns + c]);
  });
});
