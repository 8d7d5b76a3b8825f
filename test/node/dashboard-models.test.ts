/** The pure parts of histogram and table: bins, layout, order, filter, the window of rows. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { binDensities, featuresBetween, mainClass } from '../../components/density-histogram/bins.js';
import { barAt, layoutHistogram } from '../../components/density-histogram/layout.js';
import { columnsOf, sortFeatures } from '../../components/feature-table/columns.js';
import { parseFilter } from '../../components/feature-table/filter.js';
import { provenanceOf } from '../../components/pack-view/figures.js';
import { rowWindow, scrollTopFor } from '../../components/feature-table/window.js';
import { CLASS_EDGES, FEATURE_CLASSES, type FeatureClass } from '../../engine/pack/schema.js';
import type { PackSummary } from '../../engine/pack/reader.js';
import { syntheticPack } from '../support/synthetic-pack.js';

/** The rule of the density analysis, restated: dead, ultralow < 1e-6, rare < 1e-4, live, dense > 0.1. */
function classOf(density: number): FeatureClass {
  if (density === 0) return 'dead';
  if (density < CLASS_EDGES.ultralow) return 'ultralow';
  if (density < CLASS_EDGES.rare) return 'rare';
  return density > CLASS_EDGES.dense ? 'dense' : 'live';
}

function summaryOf(density: readonly number[], more: Record<string, readonly number[]> = {}): PackSummary {
  const columns = Object.fromEntries(Object.entries({ density, ...more }).map(([name, values]) => [name, Float64Array.from(values)]));
  return { rows: density.length, classes: density.map(classOf), columns };
}

describe('provenance', () => {
  it('says where the data came from in words, whatever a source wrote', () => {
    const { manifest } = syntheticPack({ features: 4 });
    const model = { kind: 'model', model: { file: 'model.onnx', bytes: 1248693, sha256: 'ab' }, hook: 'blocks.2', tokens: { file: 't.npy', format: 'npy', tensor: null, dtype: 'u16', shape: [3200, 128] }, contexts: 3200, d: 64 };
    const said = (source: Record<string, unknown>): Record<string, string> => Object.fromEntries(provenanceOf({ ...manifest, tables: [], density_floor: 1e-5, created: '', saekit: '', data: { ...manifest.data, source } } as never));
    const words = said(model);
    assert.equal(words['model'], 'model.onnx, 1\u202f248\u202f693 bytes, SHA-256 ab');
    assert.equal(words['hook'], 'blocks.2');
    assert.equal(words['tokens'], 't.npy, u16, [3200, 128]');
    assert.equal(words['contexts'], undefined);
    assert.equal(said({ kind: 'file', activations: { file: 'x.npz', tensor: 'resid' }, tokens: null })['activations'], 'x.npz, tensor resid');
    assert.equal(said({ rows: [1, [2]], note: { of: { deep: true } }, none: undefined })['note'], 'of deep true');
  });
});

describe('density bins', () => {
  it('put every feature into exactly one bar, and none of what cannot be told from zero on the axis', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 5000 }), { minLength: 1, maxLength: 300 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 20 }), (counts, power, perDecade) => {
        const tokens = 5000 * 10 ** (power - 1);
        const density = counts.map((count) => count / tokens);
        const floor = 3 / tokens;
        const { bars, barOf, domain } = binDensities(summaryOf(density), { floor, perDecade });
        const seen = bars.flatMap(({ features }) => features).sort((a, b) => a - b);
        assert.deepEqual(seen, density.map((_, i) => i));
        bars.forEach((bar, i) => {
          for (const feature of bar.features) {
            const value = density[feature] as number;
            assert.equal(barOf[feature], i);
            if (bar.kind === 'dead') assert.equal(value, 0);
            else if (bar.kind === 'unresolved') assert.ok(value > 0 && value < floor);
            else assert.ok(value >= floor && value >= bar.low && (value < bar.high || value === 1), `${value} in [${bar.low}, ${bar.high})`);
          }
          assert.equal(FEATURE_CLASSES.reduce((sum, name) => sum + bar.classes[name], 0), bar.features.length);
        });
        assert.ok(domain[0] < floor);
      }),
    );
  });

  it('have an edge at every class edge, so that a bin below 0.1 holds one class', () => {
    const density = Array.from({ length: 4000 }, (_, i) => 10 ** (-7 + (7 * i) / 3999));
    for (const edge of [1e-6, 1e-5, 1e-4, 1e-3, 0.01]) density.push(edge);
    const { bars } = binDensities(summaryOf(density), { floor: 3e-9 });
    for (const bar of bars.slice(2)) {
      const kinds = FEATURE_CLASSES.filter((name) => bar.classes[name] > 0);
      assert.ok(kinds.length <= 1 || bar.low === 0.1, `${kinds.join()} in [${bar.low}, ${bar.high})`);
      if (kinds.length > 0) assert.equal(mainClass(bar), kinds.at(-1));
    }
    assert.ok(bars.some(({ low }) => low === 1e-4) && bars.some(({ low }) => low === 1e-6));
  });

  it('give the features of a range in order, whichever end comes first', () => {
    const bars = binDensities(summaryOf([0.5, 0.001, 0, 0.5, 1e-9, 0.02]), { floor: 1e-6 });
    assert.deepEqual(featuresBetween(bars, 0, 1), [2, 4]);
    assert.deepEqual(featuresBetween(bars, bars.bars.length - 1, 2), [0, 1, 3, 5]);
    assert.deepEqual(featuresBetween(bars, bars.bars.length - 1, 0), [0, 1, 2, 3, 4, 5]);
  });

  it('stand on any number of tokens, down to none', () => {
    for (const tokens of [0, 1, 2, 3, 4, 1408, 1e12]) {
      const bars = binDensities(summaryOf([0, 1, 0.5]), { floor: tokens === 0 ? 1 : 3 / tokens });
      assert.equal(bars.bars.reduce((sum, { features }) => sum + features.length, 0), 3);
    }
  });
});

describe('histogram layout', () => {
  const density = [...Array.from({ length: 900 }, () => 0), ...Array.from({ length: 400 }, (_, i) => 10 ** (-6 + (5.9 * i) / 400))];
  const bars = binDensities(summaryOf(density), { floor: 7.4e-6 });

  it('keeps every mark inside the element at every width, and none of the axis below the floor', () => {
    for (const width of [0, 200, 320, 641, 1600]) {
      const layout = layoutHistogram(bars, width, 240);
      for (const { bar, segments, column } of layout.bars) {
        for (const { x, y, width: w, height: h } of [...segments, column]) {
          assert.ok(x >= 0 && x + w <= layout.width && y >= layout.plot.y - 1e-9 && h > 0 && y + h <= layout.plot.y + layout.plot.height + 1e-9);
        }
        if (bar.kind === 'bin') assert.ok(column.x >= layout.floor - 1e-9);
        else assert.ok(column.x + column.width < layout.plot.x);
      }
    }
  });

  it('cuts a tower of dead features, and says so, so that the others keep their shape', () => {
    const layout = layoutHistogram(bars, 800, 240);
    assert.equal(layout.bars[0]?.cut, true);
    assert.ok(layout.bars.slice(2).every(({ cut }) => !cut));
    // What is not cut is to scale.
    const tall = layout.bars.slice(2).filter(({ bar }) => bar.features.length > 8);
    const bottom = layout.plot.y + layout.plot.height;
    const unit = tall.map(({ bar, top }) => (bottom - top) / bar.features.length);
    assert.ok(Math.max(...unit) - Math.min(...unit) < 1e-9);
  });

  it('names the bands that have room, and draws no edge below the floor', () => {
    const layout = layoutHistogram(bars, 800, 240);
    assert.deepEqual(layout.bands.map((band) => band.class), ['rare', 'live', 'dense']);
    assert.equal(layout.edges.length, 2);
    assert.deepEqual(layout.xTicks.map(({ label }) => label), ['10⁻⁶', '10⁻⁵', '10⁻⁴', '10⁻³', '10⁻²', '0.1', '1']);
  });

  it('finds the bar under an x, and the nearest one outside', () => {
    const layout = layoutHistogram(bars, 800, 240);
    layout.bars.forEach(({ column }, i) => assert.equal(barAt(layout, column.x + column.width / 2), i));
    assert.equal(barAt(layout, -50), 0);
    assert.equal(barAt(layout, 5000), layout.bars.length - 1);
  });
});

describe('feature table', () => {
  const summary = summaryOf([0.2, 0, 0.001, 0.2, 1e-5], { max: [3, NaN, 1, 7, -0], bias: [0, 1, -1, 2, -2] });

  it('has the columns that the summary has', () => {
    assert.deepEqual(columnsOf(summary).map(({ name }) => name), ['feature', 'class', 'density', 'max', 'bias']);
    assert.deepEqual(columnsOf({ rows: 2, classes: [], columns: {} }).map(({ name }) => name), ['feature']);
  });

  it('sorts, with missing values last both ways and equal ones by index', () => {
    const all = [4, 3, 2, 1, 0];
    assert.deepEqual([...sortFeatures(summary, all, 'density', 'descending')], [0, 3, 2, 4, 1]);
    assert.deepEqual([...sortFeatures(summary, all, 'max', 'ascending')], [4, 2, 0, 3, 1]);
    assert.deepEqual([...sortFeatures(summary, all, 'max', 'descending')], [3, 0, 2, 4, 1]);
    assert.deepEqual([...sortFeatures(summary, all, 'class', 'ascending')], [1, 4, 2, 0, 3]);
  });

  it('sorts as a comparison of every pair says', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.double({ noNaN: false }), fc.constantFrom(0, 1, NaN)), { maxLength: 200 }), fc.constantFrom('ascending' as const, 'descending' as const), (values, direction) => {
        const own = summaryOf(values.map(() => 0.01), { max: values });
        const sorted = sortFeatures(own, [...values.keys()], 'max', direction);
        for (let i = 1; i < sorted.length; i++) {
          const [a, b] = [values[sorted[i - 1] as number] as number, values[sorted[i] as number] as number];
          if (Number.isNaN(a)) assert.ok(Number.isNaN(b));
          else if (!Number.isNaN(b)) assert.ok(direction === 'ascending' ? a <= b : a >= b);
        }
      }),
    );
  });

  it('reads filters, and says what it does not understand', () => {
    const kept = (text: string): number[] => {
      const parsed = parseFilter(text, summary);
      assert.equal(parsed.error, null, text);
      return [0, 1, 2, 3, 4].filter((feature) => parsed.test?.(feature));
    };
    assert.deepEqual(kept(''), [0, 1, 2, 3, 4]);
    assert.deepEqual(kept(' 3, #1 '), [1, 3]);
    assert.deepEqual(kept('dense rare'), [0, 3, 4]);
    assert.deepEqual(kept('dense max > 4'), [3]);
    assert.deepEqual(kept('density ≥ 1e-3 bias<=0'), [0, 2]);
    assert.deepEqual(kept('bias>−1.5 bias<1.5'), [0, 1, 2]);
    assert.deepEqual(kept('max=0'), [4]);
    for (const text of ['99', 'lively', 'max>', 'max>x', 'colour>3', 'constructor>3', '__proto__<1', '<script>']) {
      const parsed = parseFilter(text, summary);
      assert.equal(parsed.test, null, text);
      assert.match(parsed.error ?? '', /[.]$/);
    }
  });

  it('never throws on what is typed', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseFilter(text, summary)));
  });
});

describe('window of rows', () => {
  const HEIGHT = 30;
  it('covers what is seen, at every scroll position of every length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3_000_000 }), fc.integer({ min: 10, max: 2000 }), fc.double({ min: 0, max: 1, noNaN: true }), (rows, view, share) => {
        const { height } = rowWindow(0, view, rows, HEIGHT);
        const scrollTop = share * Math.max(0, height - view);
        const { first, end, top } = rowWindow(scrollTop, view, rows, HEIGHT);
        assert.ok(first >= 0 && end <= rows && first <= end && height <= 12_000_000);
        assert.ok(end - first <= Math.ceil(view / HEIGHT) + 18);
        if (rows * HEIGHT <= view) assert.deepEqual([first, end], [0, rows]);
        else {
          assert.ok(top <= scrollTop + 1e-6, 'begins above the view');
          assert.ok(top + (end - first) * HEIGHT >= scrollTop + view - 1e-6, 'ends below the view');
        }
      }),
    );
  });

  it('scrolls a row into view and no further', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_000_000 }), fc.integer({ min: 60, max: 900 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (rows, view, at, share) => {
        const { height } = rowWindow(0, view, rows, HEIGHT);
        const scrollTop = share * Math.max(0, height - view);
        const row = Math.min(rows - 1, Math.floor(at * rows));
        const next = scrollTopFor(row, scrollTop, view, rows, HEIGHT);
        const { first, end, top } = rowWindow(next, view, rows, HEIGHT);
        assert.ok(row >= first && row < end);
        const rowTop = top + (row - first) * HEIGHT;
        assert.ok(rowTop >= next - 1e-3 && rowTop + HEIGHT <= next + Math.max(view, HEIGHT) + 1e-3);
        if (next !== scrollTop) assert.ok(Math.abs(scrollTopFor(row, next, view, rows, HEIGHT) - next) < 1e-6);
      }),
    );
  });
});
