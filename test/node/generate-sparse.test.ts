/** Sparse worlds: who fires, how often and together with whom, against exact probabilities. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { generate, generatedData, type Generated } from '../../engine/generate/generate.js';
import { resolveGenerator, type GeneratorSpec } from '../../engine/generate/generators.js';
import { Copula } from '../../engine/generate/copula.js';
import { FiringSampler } from '../../engine/generate/firing.js';
import { normalCdf } from '../../engine/generate/normal.js';
import { RowRandom } from '../../engine/generate/row-random.js';
import { zipfRates } from '../../engine/generate/superposition.js';
import { itemBoundary, itemTable, type TasksSpec } from '../../engine/generate/tasks.js';
import { plantTrees, rates } from '../../engine/generate/trees.js';
import { coherence } from '../../engine/matching/coherence.js';
import { gammaOf } from '../../engine/matching/gamma.js';
import { near, rateError } from '../support/intervals.js';

/** [n] how often each feature is on. */
function ratesOf({ codes, rows }: Generated): Float64Array {
  const counts = new Float64Array(codes!.n);
  for (const feature of codes!.features) counts[feature] = counts[feature]! + 1 / rows;
  return counts;
}

/** Every row's rates against the truth's. */
function ratesHold(spec: GeneratorSpec, rows: number): Generated {
  const data = generate(spec, rows);
  const truth = data.truth!.probabilities!;
  ratesOf(data).forEach((rate, i) => near(rate, truth[i]!, rateError(truth[i]!, rows), `rate of ${i}`, truth.length));
  return data;
}

/** The features that are on in a row. */
const rowOf = ({ codes }: Generated, r: number): Uint32Array => codes!.features.subarray(codes!.offsets[r], codes!.offsets[r + 1]);

describe('FiringSampler', () => {
  it('fires each feature at its own rate, independently, from 1 down to 1e-6', () => {
    const probabilities = [1, 0, 0.6, 0.125, 0.12, 0.05, 0.05, 0.011, 0.003, 0.0004, 0.00039, 1e-6, 0.3, 0.02];
    const sampler = new FiringSampler(probabilities.map((_, i) => 100 + i), probabilities);
    const random = new RowRandom(11, 0);
    const [rows, out] = [100_000, new Int32Array(20)];
    const counts = new Float64Array(14);
    let both = 0;
    for (let r = 0; r < rows; r++) {
      const end = sampler.draw(random.seek(r), out, 2);
      const on = new Set(out.subarray(2, end));
      assert.equal(on.size, end - 2, 'nobody twice');
      for (const i of on) counts[i - 100] = counts[i - 100]! + 1 / rows;
      // Neighbours in one bucket.
      if (on.has(105) && on.has(106)) both++;
    }
    probabilities.forEach((p, i) => near(counts[i]!, p, p === 1 || p === 0 ? 0 : rateError(p, rows), `rate of ${i}`, 14));
    near(both / rows, 0.0025, rateError(0.0025, rows), 'two together');
  });
});

describe('superposition', () => {
  it("rates follow Zipf's law, or the list, or are all one", () => {
    const zipf = zipfRates(4, 0.5, 0.1, 0.4);
    assert.ok(Math.abs(zipf[0]! - 0.4) < 1e-15 && Math.abs(zipf[3]! - 0.1) < 1e-15);
    assert.ok(Math.abs(zipf[1]! - (0.1 + 0.3 * (Math.SQRT1_2 - 0.5) / 0.5)) < 1e-15);
    ratesHold({ kind: 'superposition', d: 4, features: 200, zipf: 1, p_high: 0.5, p_low: 1e-3 }, 20_000);
    ratesHold({ kind: 'superposition', d: 4, features: 3, probabilities: [0.9, 0.01, 0] }, 20_000);
    ratesHold({ kind: 'superposition', d: 4, features: 100, zipf: 0, p_high: 0.03 }, 20_000);
  });

  it('magnitudes have their means, their spread, and are off below 0', () => {
    const rows = 20_000;
    for (const magnitude of ['normal', 'uniform'] as const) {
      const data = generate({ kind: 'superposition', d: 3, features: 3, zipf: 0, p_high: 0.5, magnitude, magnitude_mean: 5, magnitude_mean_last: 3, magnitude_sd: 0.5, seed: 4 }, rows);
      const sums = [0, 1, 2].map(() => [0, 0, 0]);
      data.codes!.features.forEach((feature, at) => [1, data.codes!.values[at]!, data.codes!.values[at]! ** 2].forEach((value, k) => (sums[feature]![k] = sums[feature]![k]! + value)));
      sums.forEach(([count, sum, square], i) => {
        const mean = sum! / count!;
        near(mean, 5 - i, 0.5 / Math.sqrt(count!), `${magnitude} mean of ${i}`, 6);
        near(square! / count! - mean ** 2, 0.25, 0.25 * Math.sqrt(2 / count!), `${magnitude} variance of ${i}`, 6);
      });
      // Half of what a wide law draws is off: rates count that in.
      ratesHold({ kind: 'superposition', d: 3, features: 5, zipf: 0, p_high: 0.5, magnitude, magnitude_mean: 0.1, magnitude_sd: 2 }, rows);
    }
  });

  it('a child is on only where its parent is, one of siblings at most where they exclude each other, at exact rates', () => {
    for (const [exclusive, compensate] of [[false, true], [true, true], [false, false], [true, false]] as const) {
      // A wide law of magnitudes, so that parents that draw below 0 count as off.
      const spec = { kind: 'superposition', d: 6, features: 50, zipf: 0.5, p_high: 0.5, p_low: 0.05, roots: 3, branching: 3, depth: 2, exclusive, compensate, magnitude_mean: 1, magnitude_sd: 0.6, seed: 8 } as const;
      const data = ratesHold(spec, 30_000);
      const parents = data.truth!.parents!;
      assert.deepEqual([...parents.subarray(0, 14)], [-1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3]);
      assert.equal(parents.filter((parent) => parent >= 0).length, 9 + 27);
      let family = 0;
      for (let r = 0; r < data.rows; r++) {
        const on = new Set(rowOf(data, r));
        const seen = new Set<number>();
        for (const i of on) {
          const parent = parents[i]!;
          if (parent < 0) continue;
          assert.ok(on.has(parent), `row ${r}: ${i} without its parent`);
          if (seen.has(parent)) family++;
          seen.add(parent);
        }
      }
      assert.equal(family > 0, !exclusive);
    }
  });

  it('compensated children come near the rates that were asked for, where there is room', () => {
    const asked = zipfRates(40, 0.5, 0.02, 0.4);
    const free = { roots: 4, branching: 2, depth: 1, compensate: true };
    const active = new Float64Array(40).fill(1);
    rates(plantTrees(asked, { ...free, exclusive: false }), active, false).forEach((rate, i) => assert.ok(Math.abs(rate / asked[i]! - 1) < 1e-12));
    // Two siblings of p each under a parent of P: q (1 - q / 2) P with q = (p / P) (1 + p / P).
    const two = Float64Array.of(0.4, 0.1, 0.1);
    const q = 0.25 * 1.25;
    const exact = rates(plantTrees(two, { roots: 1, branching: 2, depth: 1, exclusive: true, compensate: true }), active, true);
    assert.ok(Math.abs(exact[1]! - 0.4 * q * (1 - q / 2)) < 1e-15);
  });

  it("scaled children are multiplied by their parent's magnitude over its mean, all the way down", () => {
    const spec = { kind: 'superposition', d: 4, features: 4, zipf: 0, p_high: 0.9, compensate: false, roots: 1, branching: 1, depth: 3, magnitude: 'uniform', magnitude_mean: 4, magnitude_mean_last: 1, magnitude_sd: 0.5, seed: 21 } as const;
    const plain = generate(spec, 500).codes!;
    const scaled = generate({ ...spec, scale_children: true }, 500).codes!;
    assert.deepEqual(scaled.features, plain.features, 'the same numbers are drawn');
    for (let r = 0; r < 500; r++) {
      let factor = 1;
      for (let at = plain.offsets[r]!; at < plain.offsets[r + 1]!; at++) {
        assert.ok(Math.abs(scaled.values[at]! / (plain.values[at]! * factor) - 1) < 1e-6);
        factor = scaled.values[at]! / (4 - plain.features[at]!);
      }
    }
  });

  it('correlated features keep their rates, and go together as the copula says', () => {
    const n = 24;
    const rows = 40_000;
    const spec = { kind: 'superposition', d: 4, features: n, zipf: 0, p_high: 0.1, correlation: 0.4, correlation_rank: 4, seed: 6, magnitude_sd: 0 } as const;
    const data = ratesHold(spec, rows);
    const copula = new Copula(6, new Float64Array(n).fill(0.1), Int32Array.from({ length: n }, (_, i) => i), 4, 0.4);
    const together = new Float64Array(n * n);
    for (let r = 0; r < rows; r++) for (const i of rowOf(data, r)) for (const j of rowOf(data, r)) together[i * n + j] = together[i * n + j]! + 1 / rows;
    let [least, largest] = [1, 0];
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) {
        const correlation = copula.correlation(i, j);
        const p = bothAbove(-1.2815515655446004, correlation);
        near(together[i * n + j]!, p, rateError(p, rows), `${i} and ${j}`, (n * (n - 1)) / 2);
        least = Math.min(least, p);
        largest = Math.max(largest, p);
      }
    }
    assert.ok(least < 0.004 && largest > 0.025, 'pairs differ, from 0.01 when independent');
  });

  it('SynthSAEBench-16k has the L0 of about 34 that is published, and directions as coherent', () => {
    // Exact without the copula, which moves no root's rate.
    const plain = generatedData({ kind: 'superposition', preset: 'synthsaebench-16k', correlation: 0, d: 8 });
    const l0 = plain.truth!.probabilities!.reduce((sum, p) => sum + p, 0);
    assert.ok(Math.abs(l0 - 34) < 1, `${l0}`);
    const correlated = generate({ kind: 'superposition', preset: 'synthsaebench-16k', d: 8 }, 2000);
    assert.equal(correlated.truth!.probabilities, null, 'not in closed form');
    assert.ok(Math.abs(correlated.codes!.features.length / 2000 - 34) < 1.5);
    const parents = correlated.truth!.parents!;
    assert.equal(parents.filter((parent) => parent >= 0).length, 128 * (4 + 16 + 64));
  });

  it('groups lie in subspaces, dense directions are always on with either sign, orthogonal ones are', () => {
    const d = 12;
    const data = generate({ kind: 'superposition', d, features: 30, groups: 2, group_size: 8, group_rank: 2, dense: 3, dense_sd: 2, zipf: 0, p_high: 0.1, seed: 5 }, 5000);
    const { directions, probabilities, features } = data.truth!;
    assert.equal(features, 33);
    for (const first of [14, 22]) {
      // Rank 2: the Gram determinant of any three of the group is 0, and of two it is not.
      const dot = (i: number, j: number): number => directions.subarray((first + i) * d, (first + i + 1) * d).reduce((sum, value, c) => sum + value * directions[(first + j) * d + c]!, 0);
      const [a, b, c] = [dot(0, 1), dot(0, 2), dot(1, 2)];
      assert.ok(Math.abs(1 + 2 * a * b * c - a * a - b * b - c * c) < 1e-6);
      assert.ok(1 - a * a > 1e-4);
    }
    assert.deepEqual([...probabilities!.subarray(30)], [1, 1, 1]);
    let [positive, square, count] = [0, 0, 0];
    data.codes!.features.forEach((feature, at) => {
      if (feature < 30) return assert.ok(data.codes!.values[at]! > 0);
      count++;
      if (data.codes!.values[at]! > 0) positive++;
      square += data.codes!.values[at]! ** 2;
    });
    assert.equal(count, 15_000);
    near(positive / count, 0.5, rateError(0.5, count), 'signs');
    near(square / count, 4, 4 * Math.sqrt(2 / count), 'variance');
    assert.ok(coherence(generatedData({ kind: 'superposition', d, features: 12, orthogonal: true }).truth!.directions, 12, d).max < 1e-6);
    assert.ok(Math.abs(Math.hypot(...generatedData({ kind: 'superposition', d, bias: 2.5 }).truth!.offset) - 2.5) < 1e-12);
  });
});

describe('planted features', () => {
  it('rare ones fire at their rates and leave the rest of the rows alone', () => {
    const base = { kind: 'superposition', features: 50, seed: 2 } as const;
    const spec = { kind: 'rare', d: 16, seed: 2, probabilities: [0.01, 1e-3, 1e-4], copies: 10, base } as const;
    const rows = 100_000;
    const data = ratesHold(spec, rows);
    const alone = generate({ d: 16, ...base }, rows);
    assert.deepEqual([...data.truth!.probabilities!.subarray(50)], [0.01, 1e-3, 1e-4].flatMap((p) => new Array<number>(10).fill(p * normalCdf(5))));
    let differ = 0;
    for (let r = 0; r < rows; r++) {
      const planted = rowOf(data, r).some((feature) => feature >= 50);
      const same = data.x.subarray(r * 16, (r + 1) * 16).every((value, c) => value === alone.x[r * 16 + c]);
      assert.equal(same, !planted);
      if (planted) differ++;
    }
    near(differ / rows, 0.1 + 0.01 + 0.001, rateError(0.105, rows) + 0.006 / 3.89, 'rows with a rare feature');
    // One in a million: Poisson of mean 10.
    const rarest = generate({ kind: 'rare', d: 2, probabilities: [1e-6], copies: 100, base: { kind: 'superposition', features: 1, p_high: 1e-3, p_low: 0 } }, 100_000);
    const count = rarest.codes!.features.filter((feature) => feature > 0).length;
    assert.ok(count >= 1 && count <= 26, `${count} firings, 10 expected`);
  });

  it('a group shares its direction, nested or not', () => {
    const spec = { kind: 'shared-direction', d: 40, group: 12, alignment: 0.8, p_high: 0.2, p_low: 0.01, base: { kind: 'gaussian' }, magnitude_sd: 0, seed: 3 } as const;
    const rows = 20_000;
    for (const nested of [true, false]) {
      const data = ratesHold({ ...spec, nested }, rows);
      const { directions, shared, probabilities } = data.truth!;
      for (let i = 0; i < 12; i++) {
        const cosine = directions.subarray(i * 40, (i + 1) * 40).reduce((sum, value, c) => sum + value * shared![c]!, 0);
        assert.ok(Math.abs(cosine - 0.8) < 1e-6);
      }
      assert.ok(Math.abs(probabilities![0]! - 0.2) < 1e-12 && Math.abs(probabilities![11]! - 0.01) < 1e-12);
      assert.ok(Math.abs(probabilities![1]! / probabilities![0]! - probabilities![6]! / probabilities![5]!) < 1e-12, 'equal ratios');
      let [sum, square, gaps] = [0, 0, 0];
      for (let r = 0; r < rows; r++) {
        const on = rowOf(data, r);
        sum += on.length / rows;
        square += on.length ** 2 / rows;
        // Nested: who is on is a beginning of the list.
        on.forEach((feature, at) => (gaps += feature === at ? 0 : 1));
      }
      assert.equal(gaps === 0, nested);
      const fano = (square - sum * sum) / sum;
      if (nested) assert.ok(fano > 4, `Fano factor ${fano}`);
      else near(fano, 1 - probabilities!.reduce((a, p) => a + p * p, 0) / probabilities!.reduce((a, p) => a + p, 0), Math.sqrt(2 / rows) * 1.5, 'Fano factor');
    }
  });
});

describe('shifted', () => {
  it('reaches the gamma that is asked for, and changes nothing else', async () => {
    for (const [base, direction] of [[{ kind: 'gaussian', decay: 1 }, 'random'], [{ kind: 'spiked', rho: 0.3 }, 'mean'], [{ kind: 'spiked', rho: 0 }, 'random'], [{ kind: 'orthant' }, 'mean']] as const) {
      for (const gamma of [1.5, 6]) {
        const spec = { kind: 'shifted', d: 32, gamma, direction, base, seed: 4 } as const;
        const data = generatedData(spec);
        const found = await gammaOf(data);
        assert.ok(Math.abs(found.gamma / gamma - 1) < 0.03, `${base.kind}: ${found.gamma}`);
        const own = generate({ d: 32, seed: 4, ...base }, 64).x;
        const shifted = generate(spec, 64).x;
        for (let i = 32; i < own.length; i++) assert.ok(Math.abs(shifted[i]! - own[i]! - (shifted[i % 32]! - own[i % 32]!)) < 2e-5, 'one vector for all rows');
      }
    }
    assert.throws(() => generatedData({ kind: 'shifted', d: 4, gamma: 1, direction: 'mean', base: { kind: 'gaussian' } }), /mean of 0/);
    assert.throws(() => generatedData({ kind: 'shifted', d: 64, gamma: 0.5, base: { kind: 'spiked', rho: 0.9 } }), /already has a larger gamma/);
    // Down to no mean at all.
    const centred = await gammaOf(generatedData({ kind: 'shifted', d: 16, gamma: 0, direction: 'mean', base: { kind: 'orthant' } }));
    assert.ok(centred.gamma < 0.02);
  });
});

describe('tasks', () => {
  const spec = resolveGenerator({ kind: 'tasks', d: 64, tasks: 5, attributes: 6, items: 9, active: 2, seed: 7 }) as TasksSpec;

  it('rows are items of distinct tasks, at exact rates', () => {
    const data = ratesHold(spec, 30_000);
    const tables = Array.from({ length: 5 }, (_, task) => itemTable(spec, task));
    const items = tables.map((table) => new Set(Array.from({ length: 9 }, (_, j) => [...table.subarray(j * 6, j * 6 + 6)].map(Math.fround).join())));
    for (let r = 0; r < 300; r++) {
      const row = new Float32Array(30);
      rowOf(data, r).forEach((feature, at) => (row[feature] = data.codes!.values[data.codes!.offsets[r]! + at]!));
      const shown = [0, 1, 2, 3, 4].filter((task) => row.subarray(task * 6, task * 6 + 6).some((value) => value > 0));
      assert.ok(shown.length <= 2);
      for (const task of shown) assert.ok(items[task]!.has([...row.subarray(task * 6, task * 6 + 6)].join()), `row ${r}: no item of task ${task}`);
    }
    const { directions } = data.truth!;
    assert.ok(coherence(directions.slice(0, 6 * 64), 6, 64).max < 1e-6, "a task's attributes are orthonormal");
  });

  it('items win from the published boundary on', () => {
    // science: A 50, N 1000 gave 963.05, 925.37, 767.01 and 503.75 for another draw of the items.
    const large = resolveGenerator({ kind: 'tasks', d: 64, tasks: 1, attributes: 50, items: 1000 }) as TasksSpec;
    for (const [lambda, b] of [[0.05, 963.05], [0.1, 925.37], [0.3, 767.01], [0.6, 503.75]] as const) {
      assert.ok(Math.abs(itemBoundary(large, 0, lambda) / b - 1) < 0.01, `${lambda}: ${itemBoundary(large, 0, lambda)}`);
    }
    // One attribute of weight 1 in the only item: attributes and the item are one and the same.
    const one = { ...large, attributes: 1, items: 1, density: 1, low: 1, high: 1 + 1e-12 };
    assert.ok(Math.abs(itemBoundary(one, 0, 0.2) - 1) < 1e-9);
  });
});

/** P(a > -t, b > -t) of two standard normal numbers of a given correlation: Plackett's integral over the correlation, by Simpson's rule. */
function bothAbove(t: number, correlation: number): number {
  const steps = 400;
  let sum = 0;
  for (let k = 0; k <= steps; k++) {
    const r = (correlation * k) / steps;
    const density = Math.exp((-t * t) / (1 + r)) / (2 * Math.PI * Math.sqrt(1 - r * r));
    sum += density * (k === 0 || k === steps ? 1 : k % 2 === 1 ? 4 : 2);
  }
  return normalCdf(t) ** 2 + (sum * correlation) / steps / 3;
}
