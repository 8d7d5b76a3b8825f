/** The log histogram: bins, edges, quantiles, merging. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { binEdge, BINS, binOf, LogHistograms, quantile } from '../../engine/sketches/log-histogram.js';
import { ShapeError } from '../../engine/errors.js';
import { gaussian } from '../shared/random.js';

const positive = fc.float({ min: 2 ** -149, noNaN: true, noDefaultInfinity: true });

/** One feature's histogram of these values. */
function of(values: readonly number[]): LogHistograms {
  const histograms = new LogHistograms(1);
  for (const value of values) histograms.add(0, value);
  return histograms;
}

describe('log histogram', () => {
  it('puts every positive f32 between the edges of its bin', () => {
    fc.assert(
      fc.property(positive, (value) => {
        const bin = binOf(value);
        assert.ok(bin >= 0 && bin < BINS);
        assert.ok(binEdge(bin) <= value && value < (bin + 1 === BINS ? Infinity : binEdge(bin + 1)));
      }),
    );
  });

  it('has 16 equal bins an octave, whose centres are within 1/32', () => {
    for (let bin = 16; bin < BINS - 1; bin++) {
      const [low, high] = [binEdge(bin), binEdge(bin + 1)];
      const octave = 2 ** Math.floor(Math.log2(low));
      assert.equal(high - low, octave / 16);
      assert.ok((high - low) / 2 <= low / 32);
    }
    assert.equal(binEdge(binOf(1)), 1);
    assert.equal(binOf(2) - binOf(1), 16);
    assert.equal(binEdge(binOf(1) + 8), 1.5);
  });

  it('counts exactly, trimmed at both ends', () => {
    fc.assert(
      fc.property(fc.array(positive, { maxLength: 60 }), (values) => {
        const { first, counts } = of(values).trimmed(0);
        if (values.length === 0) return assert.equal(first, null);
        const bins = values.map(binOf);
        assert.equal(first, Math.min(...bins));
        assert.equal(counts.length, Math.max(...bins) - Math.min(...bins) + 1);
        counts.forEach((count, i) => assert.equal(count, bins.filter((bin) => bin === first! + i).length));
      }),
    );
  });

  it('stays exact past 2^32', () => {
    const histograms = new LogHistograms(1);
    const bin = binOf(1);
    histograms.merge({ first: Int32Array.of(bin), lengths: Uint32Array.of(1), counts: Float64Array.of(2 ** 40) });
    histograms.add(0, 1);
    assert.equal(histograms.total(0), 2 ** 40 + 1);
  });

  it('gives quantiles in the bin of the order statistic, ascending, at most the maximum', () => {
    fc.assert(
      fc.property(fc.array(positive, { minLength: 1, maxLength: 80 }), (values) => {
        const sorted = [...values].sort((a, b) => a - b);
        const max = sorted.at(-1)!;
        const trimmed = of(values).trimmed(0);
        let before = 0;
        for (const q of [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) {
          const found = quantile(trimmed, q, max)!;
          const exact = sorted[Math.ceil(q * values.length - 1e-12) - 1]!;
          const bin = binOf(exact);
          assert.ok(found >= binEdge(bin) && found <= Math.min(max, binEdge(bin + 1)), `q ${q}: ${found}, ${exact}`);
          assert.ok(found >= before && found <= max);
          if (exact >= 2 ** -126) assert.ok(Math.abs(found - exact) <= exact / 16);
          before = found;
        }
      }),
    );
  });

  it('finds the quantiles of a lognormal sample to a few parts in a thousand', () => {
    const next = gaussian(11);
    const values = Float32Array.from({ length: 100_000 }, () => Math.exp(next()));
    const trimmed = of([...values]).trimmed(0);
    const sorted = values.slice().sort();
    for (const q of [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) {
      const exact = sorted[Math.round(q * values.length) - 1]!;
      assert.ok(Math.abs(quantile(trimmed, q)! / exact - 1) < 0.004, `q ${q}`);
    }
  });

  it('puts one value alone at the centre of its bin', () => {
    assert.equal(quantile(of([1.02]).trimmed(0), 0.5), 1 + 1 / 32);
    assert.equal(quantile(of([]).trimmed(0), 0.5), null);
  });

  it('does not depend on order, splits and merges', () => {
    const entry = fc.record({ feature: fc.integer({ min: 0, max: 3 }), value: positive, shard: fc.integer({ min: 0, max: 2 }) });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 80 }), (entries) => {
        const whole = new LogHistograms(4);
        const shards = [0, 1, 2].map(() => new LogHistograms(4));
        for (const { feature, value } of entries) whole.add(feature, value);
        for (const { feature, value, shard } of [...entries].reverse()) shards[shard]!.add(feature, value);
        const merged = new LogHistograms(4);
        for (const shard of shards.reverse()) merged.merge(shard.save());
        assert.deepEqual(merged.save(), whole.save());
      }),
    );
  });

  it('refuses the state of another shape', () => {
    assert.throws(() => new LogHistograms(2).merge(new LogHistograms(3).save()), ShapeError);
    assert.throws(() => new LogHistograms(2).merge(null), ShapeError);
  });
});
