/** What the training monitor draws, as figures: axes, lines, heat map, frontier, series. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { layoutFrontier } from '../../components/training-monitor/frontier.js';
import { binWindow, decadesOf, layoutHeat } from '../../components/training-monitor/heat.js';
import { layoutLines, shortCount } from '../../components/training-monitor/lines.js';
import { axisOf, logTicks } from '../../components/training-monitor/scale.js';
import { averaged, mergePairs, rareCounts, RunSeries } from '../../components/training-monitor/series.js';
import { sampled } from '../../components/training-monitor/tables.js';
import type { DensityWindow, StepMetrics } from '../../engine/train/events.js';

const metrics = (step: number, more: Partial<StepMetrics> = {}): StepMetrics => ({ step, tokens: step, loss: 1 / step, mse: 1, fvu: 0.5, l0: 3, penalty: 0, auxiliary: 0, gradient_norm: 1, lr: 1, coefficient: 0, p: null, k: null, dead: 0, threshold: null, ...more });
const window = (step: number, rows: number, counts: readonly number[]): DensityWindow => ({ step, rows, counts: Uint32Array.from(counts) });
const pointsOf = (path: string): [number, number][] => [...path.matchAll(/[ML]([\d.-]+),([\d.-]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);

describe('axes', () => {
  it('map ends to ends, keep order, and tick inside', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 1e-9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 20 }), fc.constantFrom('linear' as const, 'log' as const), (values, kind) => {
        const axis = axisOf(values, { kind, range: [10, 110], count: 5 });
        const sorted = [...values].sort((a, b) => a - b);
        sorted.slice(1).forEach((value, i) => assert.ok(axis.map(value) >= axis.map(sorted[i] as number) - 1e-6));
        for (const value of values) assert.ok(axis.map(value) >= 10 - 1e-6 && axis.map(value) <= 110 + 1e-6);
        assert.ok(axis.ticks.length >= 1);
        for (const { at } of axis.ticks) assert.ok(at >= 10 - 1e-3 && at <= 110 + 1e-3, String(at));
      }),
    );
  });
  it('are linear where nothing is positive, and stand for nothing', () => {
    assert.equal(axisOf([0, -1, NaN], { kind: 'log', range: [0, 1], count: 3 }).kind, 'linear');
    assert.deepEqual(logTicks(0.5, 30, 9), [1, 10]);
    assert.deepEqual(logTicks(0.3, 6, 9), [0.5, 1, 2, 5]);
    assert.deepEqual(logTicks(1e-6, 1e6, 4), [1e-6, 1e-2, 1e2, 1e6]);
    assert.deepEqual([950, 12_000, 1_500_000].map(shortCount), ['950', '12k', '1.5M']);
  });
});

describe('lines', () => {
  it('draw every spike, however many points a pixel has', () => {
    const steps = Array.from({ length: 20_000 }, (_, i) => i + 1);
    const values = steps.map((step) => (step === 12_345 ? 100 : 1 + (step % 7) / 10));
    const { lines, plot } = layoutLines([{ name: 'a', style: 0, steps, values }], { width: 300, height: 150, xKind: 'linear', yKind: 'log' });
    const points = pointsOf(lines[0]?.path ?? '');
    assert.ok(points.length < 5 * plot.width);
    assert.equal(Math.min(...points.map(([, y]) => y)), plot.y, 'the spike');
    assert.ok(points.every(([x], i) => i === 0 || x >= (points[i - 1] as [number, number])[0]));
  });
  it('break where there is no figure', () => {
    const { lines } = layoutLines([{ name: 'a', style: 0, steps: [1, 10, 20, 30], values: [1, NaN, 2, 3] }], { width: 300, height: 150, xKind: 'linear', yKind: 'linear' });
    assert.equal(lines[0]?.path.match(/M/g)?.length, 2);
    assert.equal(layoutLines([], { width: 300, height: 150, xKind: 'log', yKind: 'log' }).lines.length, 0);
  });
});

describe('heat map', () => {
  it('has each feature in one cell, and none below the floor on the axis', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 60 }), (counts) => {
        const one = window(10, 1000, counts);
        const bins = binWindow(one, decadesOf([one]));
        assert.equal(bins.reduce((sum, n) => sum + n, 0), counts.length);
        assert.equal(bins[0], counts.filter((count) => count === 0).length);
        assert.equal(bins[1], counts.filter((count) => count > 0 && count < 3).length);
      }),
    );
  });
  it('places powers of ten on the ticks, the floor where it is, and dead features in their strip', () => {
    const layout = layoutHeat([window(10, 3000, [3000, 3, 0])], { width: 400, height: 200, xKind: 'linear', span: [0, 10] });
    assert.equal(decadesOf([window(1, 3000, [])]), 3);
    assert.equal(layout.yTicks.length, 4);
    const floor = Number(/^M[\d.]+,([\d.]+)/.exec(layout.floor)?.[1]);
    assert.ok(Math.abs(floor - (layout.yTicks[3]?.at ?? 0)) < 0.1, 'the floor of 3000 rows is 1e-3');
    const tops = [...layout.levels.map(({ path }) => path).join('').matchAll(/M[\d.]+,([\d.]+)/g)].map(([, y]) => Number(y));
    assert.ok(Math.abs(Math.min(...tops) - layout.plot.y) < 0.1, 'density 1 at the top');
    assert.ok(tops.includes(layout.strips[1]?.y ?? NaN), 'the dead one in its strip');
    assert.equal(tops.length, 3);
  });
});

describe('frontier', () => {
  it('marks the runs that no other beats', () => {
    const run = (name: string, l0: number, fvu: number) => ({ name, style: 0, points: [{ step: 1, l0: 50, fvu: 1 }, { step: 2, l0, fvu }] });
    const { runs } = layoutFrontier([run('a', 10, 0.1), run('b', 20, 0.05), run('c', 20, 0.2), { name: 'none', style: 0, points: [] }], 300, 200);
    assert.deepEqual(runs.map(({ efficient }) => efficient), [true, true, false, false]);
    assert.equal(runs[3]?.end, null);
  });
});

describe('series of a run', () => {
  it('is bounded, ascends, and has the first and the latest figure', () => {
    for (const total of [1, 2, 1599, 1601, 5000, 50_001]) {
      const series = new RunSeries();
      for (let step = 1; step <= total; step++) series.add({ type: 'metrics', metrics: metrics(step) });
      const steps = series.metrics.map(({ step }) => step);
      assert.deepEqual([steps[0], steps.at(-1)], [1, total]);
      assert.ok(steps.length <= 1602, String(steps.length));
      assert.deepEqual(steps, [...new Set(steps)].sort((a, b) => a - b));
      // Evenly: no gap is more than twice as wide as another, the last apart.
      const gaps = steps.slice(1, -1).map((step, i) => step - (steps[i] as number));
      if (gaps.length > 0) assert.ok(Math.max(...gaps) <= 2 * Math.min(...gaps), `${total}: ${Math.min(...gaps)} to ${Math.max(...gaps)}`);
    }
  });
  it('keeps every firing when windows become fewer', () => {
    const series = new RunSeries();
    for (let step = 1; step <= 1000; step++) series.add({ type: 'densities', window: window(step, 10, [step % 2, 1, 0]) });
    assert.ok(series.windows.length <= 128);
    assert.equal(series.windows.reduce((sum, { rows }) => sum + rows, 0), 10_000);
    assert.equal(series.windows.reduce((sum, { counts }) => sum + (counts[0] ?? 0), 0), 500);
    assert.deepEqual(mergePairs([window(1, 5, [1]), window(2, 6, [2]), window(3, 7, [3])]), [window(2, 11, [3]), window(3, 7, [3])]);
  });
  it('forgets what was rewound, and goes on', () => {
    const series = new RunSeries();
    for (let step = 1; step <= 50; step++) series.add({ type: 'metrics', metrics: metrics(step) });
    series.add({ type: 'diverged', step: 50, message: 'at step 50' });
    series.add({ type: 'rewound', step: 20 });
    series.add({ type: 'metrics', metrics: metrics(21) });
    assert.deepEqual([series.metrics.length, series.last?.step, series.diverged, series.at(20)?.step, series.at(0)], [21, 21, null, 20, null]);
  });
  it('counts who is dead and who is rare, at no less than the floor', () => {
    assert.deepEqual(rareCounts(window(1, 100_000, [0, 0, 5, 9, 10, 100])), { dead: 2, rare: 2, below: 1e-4 });
    assert.deepEqual(rareCounts(window(1, 300, [0, 2, 3])), { dead: 1, rare: 1, below: 0.01 });
  });
  it('averages the figures of batches, and samples rows for tables', () => {
    assert.deepEqual(averaged([metrics(100, { l0: 2, fvu: 0.2 }), metrics(105, { l0: 4, fvu: 0.4 }), metrics(200, { l0: 6, fvu: 0.1 })]).map(({ step, l0 }) => [step, l0]), [[105, 3], [200, 6]]);
    const rows = sampled(Array.from({ length: 1000 }, (_, i) => i), 11);
    assert.deepEqual([rows.length, rows[0], rows.at(-1)], [11, 0, 999]);
  });
});
