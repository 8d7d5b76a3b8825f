/** Co-firing of rare features: nested half-spaces, independent features, brute force, and the plugin on both. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { RareCofiringReport } from '../../engine/dying/anatomy-reports.js';
import { FiringCollector, rowContexts, type GroupFirings } from '../../engine/dying/group-firings.js';
import { cofiringFigures, nestedness, pairCounts, rowTotals } from '../../engine/dying/rare-cofiring.js';
import { bootstrap, nullRange, ranks, spearman } from '../../engine/dying/bootstrap.js';
import { Pace } from '../../engine/pace.js';
import { rareCofiring } from '../../plugins/builtin/rare-cofiring/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { makeSae } from '../shared/oracle.js';
import { gaussian, uniform } from '../shared/random.js';
import { contextFor } from '../support/analysis-stream.js';

const pace = (): Pace => new Pace(undefined);
const near = (value: number | null, expected: number, tolerance: number, what: string): void => assert.ok(value !== null && Math.abs(value - expected) <= tolerance, `${what}: ${value}, expected ${expected} ± ${tolerance}`);

/** fires(row, feature) as firings. */
function firingsOf(rows: number, features: number, fires: (row: number, feature: number) => boolean): GroupFirings {
  const [offsets, members]: [number[], number[]] = [[0], []];
  for (let row = 0; row < rows; row++) {
    for (let feature = 0; feature < features; feature++) if (fires(row, feature)) members.push(feature);
    offsets.push(members.length);
  }
  return { rows, features: Uint32Array.from({ length: features }, (_, i) => i), offsets: Uint32Array.from(offsets), members: Uint32Array.from(members), values: new Float32Array(members.length).fill(1) };
}

const contextsOf = (rows: number, positions: number): ReturnType<typeof rowContexts> => rowContexts(Float64Array.from({ length: rows }, (_, r) => r), positions);

describe('co-firing of rare features', () => {
  it('one direction with offsets: firing sets are nested, and most fire at once', async () => {
    const [rows, features] = [8000, 30];
    const next = gaussian(3);
    const z = Float64Array.from({ length: rows }, next);
    const highest = Float64Array.from(z).sort();
    // Offsets at which 4, 5, .. rows fire.
    const figures = await cofiringFigures(firingsOf(rows, features, (row, i) => z[row]! >= highest[rows - 4 - i]!), contextsOf(rows, 20), { seed: 1, pace: pace() });
    assert.deepEqual([figures.nestedness.value, figures.fully_nested, figures.max_share, figures.pairs], [1, 1, 1, (30 * 29) / 2]);
    assert.equal(figures.nestedness.low, 1);
    assert.ok(figures.fano.value! > 10 && figures.fano.low! > 1, `${figures.fano.value}`);
    assert.equal(figures.fano_null.p_above, 0.01);
    assert.equal(figures.nestedness_null.p_above, 0.01);
    assert.ok(figures.nestedness_null.high! < 0.1);
    assert.ok(z[figures.max_at!]! >= highest[rows - 4]!);
    assert.equal(figures.histogram.reduce((sum, count) => sum + count, 0), rows);
    assert.equal(figures.histogram.reduce((sum, count, k) => sum + k * count, 0), figures.firings);
  });

  it('independent features: Fano of 1 - sum p^2 / sum p, within the null and its own interval', async () => {
    const [rows, features] = [20_000, 40];
    let inside = 0;
    for (let seed = 0; seed < 5; seed++) {
      const next = uniform(10 + seed);
      const p = (i: number): number => 0.001 + i * 1e-4;
      const figures = await cofiringFigures(firingsOf(rows, features, (_, i) => next() < p(i)), contextsOf(rows, 10), { seed, pace: pace(), replicates: 39 });
      const expected = 1 - Array.from({ length: features }, (_, i) => p(i) ** 2).reduce((a, b) => a + b) / Array.from({ length: features }, (_, i) => p(i)).reduce((a, b) => a + b);
      near(figures.fano.value, expected, 0.05, 'fano');
      near(figures.fano_null.median, expected, 0.02, 'median of the null');
      if (figures.fano_null.p_above! > 0.025 && figures.fano.low! < expected && expected < figures.fano.high!) inside++;
    }
    assert.ok(inside >= 4, `${inside} of 5`);
  });

  it('counts pairs as the definition does', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 2, max: 9 }), async (seed, features) => {
      const next = uniform(seed);
      const fired = Array.from({ length: 40 }, () => Array.from({ length: features }, () => next() < 0.3));
      const firings = firingsOf(40, features, (row, i) => fired[row]![i]!);
      const paired = firings.features.filter((i) => fired.some((row) => row[i]!) && (i + seed) % 4 !== 0);
      const together = await pairCounts(firings.offsets, firings.members, 40, paired, features, pace());
      const sizes = Array.from(paired, (i) => fired.filter((row) => row[i]!).length);
      let [sum, full, pairs] = [0, 0, 0];
      paired.forEach((b, to) => paired.subarray(0, to).forEach((a, from) => {
        const both = fired.filter((row) => row[a]! && row[b]!).length;
        assert.equal(together[(to * (to - 1)) / 2 + from], both);
        sum += both / Math.min(sizes[from]!, sizes[to]!);
        full += Number(both === Math.min(sizes[from]!, sizes[to]!));
        pairs++;
      }));
      const found = nestedness(together, sizes);
      assert.deepEqual([found.full, found.pairs], [full, pairs]);
      if (pairs > 0) near(found.mean, sum / pairs, 1e-12, 'mean');
      const totals = fired.map((row) => row.filter(Boolean).length);
      const mean = totals.reduce((a, b) => a + b) / 40;
      if (mean > 0) near(rowTotals(firings).fano, totals.reduce((s, k) => s + (k - mean) ** 2, 0) / 40 / mean, 1e-12, 'fano');
    }), { numRuns: 40 });
  });

  it('is silent where nothing fires', async () => {
    const figures = await cofiringFigures(firingsOf(50, 4, () => false), contextsOf(50, 5), { seed: 1, pace: pace() });
    assert.deepEqual([figures.fano.value, figures.max_share, figures.nestedness.value, figures.fully_nested, figures.pairs, figures.firing], [null, null, null, null, 0, 0]);
    assert.equal(figures.fano_null.replicates, 0);
  });

  it('collects a group from codes, and knows contexts of a sample', () => {
    const collector = new FiringCollector(Uint32Array.of(1, 3), 5);
    collector.add({ rows: 2, d_sae: 5, offsets: Uint32Array.of(0, 2, 4), features: Uint32Array.of(0, 1, 3, 4), values: Float32Array.of(9, 2, 3, 9), nearTies: 0 });
    collector.add({ rows: 1, d_sae: 5, offsets: Uint32Array.of(0, 2), features: Uint32Array.of(1, 3), values: Float32Array.of(4, 5), nearTies: 0 });
    const { rows, offsets, members, values } = collector.finish();
    assert.deepEqual([rows, [...offsets], [...members], [...values]], [3, [0, 1, 2, 4], [0, 1, 0, 1], [2, 3, 4, 5]]);
    assert.deepEqual([...rowContexts([0, 3, 4, 11], 4).of], [0, 0, 1, 2]);
  });
});

describe('intervals', () => {
  it('cover the mean of normal draws about 95 times of 100', async () => {
    const next = gaussian(4);
    let covered = 0;
    for (let run = 0; run < 200; run++) {
      const values = Float64Array.from({ length: 60 }, next);
      const { low, high } = await bootstrap(60, (items) => items.reduce((sum, i) => sum + values[i]!, 0) / items.length, { seed: run, replicates: 400, pace: pace() });
      if (low! < 0 && high! > 0) covered++;
    }
    assert.ok(covered >= 178 && covered <= 198, `${covered} of 200`);
  });

  it('have no bounds of one item, and no value of none', async () => {
    assert.deepEqual(await bootstrap(1, () => 3, { seed: 1, pace: pace() }), { value: 3, low: null, high: null });
    assert.deepEqual(await bootstrap(0, () => 3, { seed: 1, pace: pace() }), { value: null, low: null, high: null });
    assert.deepEqual(nullRange([1, 2, 3], 3), { replicates: 3, median: 2, low: 1.05, high: 2.95, p_above: 0.5, p_below: 1 });
  });

  it('ranks ties at their mean, and correlates ranks', () => {
    assert.deepEqual([...ranks([5, 1, 5, 0])], [2.5, 1, 2.5, 0]);
    assert.equal(spearman([1, 2, 30], [1, 4, 5]), 1);
    assert.equal(spearman([1, 2, 3], [3, 2, 1]), -1);
    assert.ok(Number.isNaN(spearman([1, 1], [1, 2])));
    // scipy.stats.spearmanr
    near(spearman([1, 2, 2, 4, 5], [3, 1, 4, 4, 9]), 0.763157894736842, 1e-12, 'with ties');
  });
});

it('sae/rare-cofiring: a planted direction among features of their own', async () => {
  const [d, n, rows, positions] = [8, 24, 3000, 10];
  const next = gaussian(7);
  const x = Float32Array.from({ length: rows * d }, next);
  // Features 0 .. 11 share a direction, at offsets of their own; the rest have their own.
  const base = makeSae({ architecture: 'standard', d_in: d, d_sae: n, seed: 2 });
  const W_enc = base.W_enc.map((value, at) => (at % n < 12 ? (Math.floor(at / n) === 0 ? 1 : 0) : value));
  const b_enc = Float32Array.from({ length: n }, (_, i) => (i < 12 ? -2.2 - 0.02 * i : -3 * Math.hypot(...Array.from({ length: d }, (__, c) => W_enc[c * n + i]!)) * 0.75));
  const sae = { ...base, W_enc, b_enc, applyBDecToInput: false };
  const z = (r: number, i: number): number => Array.from({ length: d }, (_, c) => x[r * d + c]! * W_enc[c * n + i]!).reduce((a, b) => a + b) + b_enc[i]!;
  const counts = Float64Array.from({ length: n }, (_, i) => Array.from({ length: rows }, (__, r) => z(r, i)).filter((value) => value > 0).length);
  const report = async (group: (i: number) => boolean): Promise<RareCofiringReport> => {
    const ctx = contextFor(rareCofiring as never, { positions, d, d_sae: n, tokens: null }, {
      sae,
      settings: { edge: 0.05 },
      rows: () => Promise.resolve({ x, rows, d, total: rows, whole: true, tokens: null, index: Float64Array.from({ length: rows }, (_, r) => r) }),
      results: { 'sae/density': { features: [{ name: 'count', type: 'u64', data: counts.map((count, i) => (group(i) ? count : rows)), description: '' }], summary: { tokens: rows } } },
    });
    const result = await (await (await rareCofiring.load()).create(ctx as never)).finish();
    checkResult('sae/rare-cofiring', result, n, { columns: new Set(), tables: new Set() });
    return result.summary as unknown as RareCofiringReport;
  };
  const planted = await report((i) => i < 12);
  assert.deepEqual([planted.features, planted.firing, planted.nestedness.value, planted.fully_nested, planted.max_share], [12, 12, 1, 1, 1]);
  assert.ok(planted.fano.low! > 3);
  const others = await report((i) => i >= 12);
  assert.ok(others.fano.value! < 2.5 && others.nestedness.value! < 0.5, `${others.fano.value}, ${others.nestedness.value}`);
  assert.equal(others.firings, counts.slice(12).reduce((a, b) => a + b));
});
