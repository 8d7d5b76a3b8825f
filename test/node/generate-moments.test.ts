/** Generated rows against the closed forms of their laws: means, covariances, tails, gamma. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ShapeError } from '../../engine/errors.js';
import { generate, generatedData } from '../../engine/generate/generate.js';
import type { GeneratorSpec } from '../../engine/generate/generators.js';
import { normalCdf, normalQuantile } from '../../engine/generate/normal.js';
import { RowRandom } from '../../engine/generate/row-random.js';
import { coherence } from '../../engine/matching/coherence.js';
import { gammaOf } from '../../engine/matching/gamma.js';
import { near, rateError } from '../support/intervals.js';

interface Found {
  readonly rows: number;
  readonly mean: Float64Array;
  readonly covariance: Float64Array;
}

/** Mean and covariance (population) of generated rows, two plain passes. */
function momentsOf(spec: GeneratorSpec, rows: number): Found & { readonly x: Float32Array; readonly d: number } {
  const { x, d } = generate(spec, rows);
  const mean = new Float64Array(d);
  for (let i = 0; i < x.length; i++) mean[i % d] = mean[i % d]! + x[i]! / rows;
  const covariance = new Float64Array(d * d);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < d; i++) for (let j = 0; j < d; j++) covariance[i * d + j] = covariance[i * d + j]! + ((x[r * d + i]! - mean[i]!) * (x[r * d + j]! - mean[j]!)) / rows;
  }
  return { x, d, rows, mean, covariance };
}

/** @param kurtosis E z^4 of a standardised coordinate, from which the error of variances comes */
function matches({ rows, d, mean, covariance }: Found & { readonly d: number }, expected: { mean: Float64Array; covariance: Float64Array | null }, kurtosis = 3): void {
  assert.ok(expected.covariance !== null);
  const sigma = expected.covariance;
  const family = d + d * d;
  for (let i = 0; i < d; i++) {
    near(mean[i]!, expected.mean[i]!, Math.sqrt(sigma[i * d + i]! / rows), `mean ${i}`, family);
    for (let j = 0; j < d; j++) {
      const spread = sigma[i * d + i]! * sigma[j * d + j]!;
      // Var of a product of two coordinates: at most sqrt(E a^4 E b^4) - cov^2.
      near(covariance[i * d + j]!, sigma[i * d + j]!, Math.sqrt((kurtosis * spread - sigma[i * d + j]! ** 2) / rows), `covariance ${i}, ${j}`, family);
    }
  }
}

describe('the numbers that rows are drawn from', () => {
  it('normal, exponential and gamma have their moments', () => {
    const n = 200_000;
    const random = new RowRandom(7, 0);
    const moments = (draw: () => number): number[] => {
      const sums = [0, 0, 0, 0];
      for (let i = 0; i < n; i++) {
        random.seek(i);
        draw();
        const value = draw();
        for (let k = 0; k < 4; k++) sums[k] = sums[k]! + value ** (k + 1) / n;
      }
      return sums;
    };
    const normal = moments(() => random.normal());
    [0, 1, 0, 3].forEach((expected, k) => near(normal[k]!, expected, Math.sqrt([1, 2, 15, 96][k]! / n), `normal moment ${k + 1}`, 4));
    const exponential = moments(() => random.exponential());
    // E X^k = k!, Var X^k = (2 k)! - (k!)^2
    near(exponential[0]!, 1, Math.sqrt(1 / n), 'exponential mean', 2);
    near(exponential[1]!, 2, Math.sqrt(20 / n), 'exponential second moment', 2);
    for (const shape of [0.4, 1, 2.5, 12]) {
      const found = moments(() => random.gamma(shape));
      near(found[0]!, shape, Math.sqrt(shape / n), `gamma(${shape}) mean`, 2);
      const second = shape * (shape + 1);
      near(found[1]!, second, Math.sqrt((second * (shape + 2) * (shape + 3) - second ** 2) / n), `gamma(${shape}) second moment`, 2);
    }
  });

  it('rows of a seed, streams of a seed and seeds are unrelated', () => {
    const n = 50_000;
    const draw = (seed: number, stream: number) => {
      const random = new RowRandom(seed, stream);
      return (row: number): number => random.seek(row).uniform() - 0.5;
    };
    const reference = draw(3, 0);
    for (const [name, other, step] of [['the next row', reference, 1], ['held out', draw(3, 1), 0], ['the next seed', draw(4, 0), 0]] as const) {
      let sum = 0;
      for (let i = 0; i < n; i++) {
        const own = reference(i);
        sum += own * other(i + step);
      }
      near(sum / n, 0, 1 / 12 / Math.sqrt(n), name, 3);
    }
    const random = new RowRandom(0, 0);
    assert.notEqual(random.seek(1).uniform(), random.seek(1 + 2 ** 32).uniform(), 'rows beyond 2^32 are others');
    for (let i = 0; i < 10_000; i++) {
      const u = random.seek(i).open();
      assert.ok(u > 0 && u < 1);
    }
  });

  it('the normal distribution function and its inverse', () => {
    // scipy.stats.norm.cdf
    for (const [x, p] of [[0, 0.5], [-1, 0.15865525393145707], [1.96, 0.9750021048517795], [-2.9, 0.0018658133003840378], [-3, 0.0013498980316300933], [-5, 2.866515718791933e-7], [-10, 7.61985302416047e-24]] as const) {
      assert.ok(Math.abs(normalCdf(x) / p - 1) < 1e-11, `Phi(${x}) = ${normalCdf(x)}`);
    }
    for (const p of [1e-12, 1e-6, 5e-4, 0.02, 0.3, 0.5, 0.7, 0.999]) assert.ok(Math.abs(normalCdf(normalQuantile(p)) / p - 1) < 1e-10, `${p}`);
    assert.deepEqual([normalQuantile(0), normalQuantile(1), normalCdf(-50), normalCdf(50)], [-Infinity, Infinity, 0, 1]);
  });
});

describe('gaussian', () => {
  const d = 6;
  const root = [[2, 0, 0, 0, 0, 0], [0.5, 1, 0, 0, 0, 0], [0, -1, 1, 0, 0, 0], [0, 0, 0.3, 0.5, 0, 0], [1, 1, 1, 1, 0.1, 0], [0, 0, 0, 0, 0, 3]];
  const matrix = root.map((a) => root.map((b) => a.reduce((sum, value, c) => sum + value * b[c]!, 0)));

  it('has the mean and covariance that it was given', () => {
    const mean = [1, -2, 3, 0, 0.5, 10];
    const found = momentsOf({ kind: 'gaussian', d, covariance: matrix, mean, seed: 1 }, 40_000);
    matches(found, { mean: Float64Array.from(mean), covariance: Float64Array.from(matrix.flat()) });
    const own = generatedData({ kind: 'gaussian', d, covariance: matrix, mean }).moments!;
    own.covariance!.forEach((value, at) => assert.ok(Math.abs(value - matrix.flat()[at]!) < 1e-12));
  });

  it('has the eigenvalues, the gamma and the scale that it was given', () => {
    for (const basis of ['random', 'axes'] as const) {
      const spec = { kind: 'gaussian', d, spectrum: [9, 4, 1, 0.25, 0.01, 0], gamma: 2, sd: 3, basis, seed: 5 } as const;
      const { mean, covariance } = generatedData(spec).moments!;
      const trace = Array.from({ length: d }, (_, i) => covariance![i * d + i]!).reduce((a, b) => a + b);
      assert.ok(Math.abs(trace - 9 * 14.26) < 1e-9);
      assert.ok(Math.abs(Math.hypot(...mean) / Math.sqrt(trace) - 2) < 1e-12);
      // tr(C^2) is the sum of the squares of the eigenvalues.
      assert.ok(Math.abs(covariance!.reduce((sum, value) => sum + value * value, 0) - 81 * (81 + 16 + 1 + 0.0625 + 0.0001)) < 1e-7);
      matches(momentsOf(spec, 20_000), { mean, covariance });
    }
    const { covariance } = generatedData({ kind: 'gaussian', d, decay: 1, basis: 'axes' }).moments!;
    assert.ok(Math.abs(covariance![0]! / covariance![5 * d + 5]! - 6) < 1e-12);
    matches(momentsOf({ kind: 'gaussian', d }, 20_000), { mean: new Float64Array(d), covariance: Float64Array.from({ length: d * d }, (_, at) => (at % (d + 1) === 0 ? 1 : 0)) });
  });

  it('takes a singular covariance, and refuses one that is none', () => {
    const singular = [[1, 1, 0], [1, 1, 0], [0, 0, 2]];
    const { x } = generate({ kind: 'gaussian', d: 3, covariance: singular }, 100);
    for (let r = 0; r < 100; r++) assert.equal(x[3 * r], x[3 * r + 1]);
    assert.throws(() => generate({ kind: 'gaussian', d: 2, covariance: [[1, 2], [2, 1]] }, 1), (error: Error) => error instanceof ShapeError && /pivot 1/.test(error.message));
    assert.throws(() => generate({ kind: 'gaussian', d: 2, covariance: [[0, 1], [1, 1]] }, 1), ShapeError);
  });
});

describe('orthant and heavy tails', () => {
  it('nothing is negative, and moments are those of the laws', () => {
    for (const [law, kurtosis] of [['half-normal', 3.87], ['exponential', 9]] as const) {
      const found = momentsOf({ kind: 'orthant', d: 4, law, scale: 2, seed: 2 }, 40_000);
      assert.ok(found.x.every((value) => value >= 0));
      matches(found, generatedData({ kind: 'orthant', d: 4, law, scale: 2 }).moments!, kurtosis);
    }
    const { mean, covariance } = generatedData({ kind: 'orthant', d: 2, scale: 2 }).moments!;
    assert.deepEqual([mean[1], covariance![0], covariance![1]], [2 * Math.sqrt(2 / Math.PI), 4 * (1 - 2 / Math.PI), 0]);
  });

  it("Student's t has its covariance and its tail", () => {
    const nu = 9;
    // E t^4 / (E t^2)^2 = 3 (nu - 2) / (nu - 4)
    const spec = { kind: 'heavy-tails', d: 4, nu, decay: 1, gamma: 1, seed: 3 } as const;
    matches(momentsOf(spec, 40_000), generatedData(spec).moments!, (3 * (nu - 2)) / (nu - 4));
    // P(|t_1| > 31.82) = 0.02 and P(|t_1| > 1) = 1/2; nu 1 has no moments at all.
    for (const elliptical of [true, false]) {
      const cauchy = generate({ kind: 'heavy-tails', d: 1, nu: 1, elliptical, seed: 4 }, 50_000);
      assert.equal(cauchy.moments, null);
      const beyond = (limit: number): number => cauchy.x.reduce((sum, value) => sum + (Math.abs(value) > limit ? 1 : 0), 0) / 50_000;
      near(beyond(1), 0.5, rateError(0.5, 50_000), 'quartiles', 2);
      near(beyond(31.82051595), 0.02, rateError(0.02, 50_000), 'tail', 2);
    }
    assert.equal(generatedData({ kind: 'heavy-tails', d: 1, nu: 1.5 }).moments!.covariance, null);
  });

  it("Laplace's law has variance 1 and the tail exp(-sqrt(2) t), elliptical or not", () => {
    for (const elliptical of [true, false]) {
      const spec = { kind: 'heavy-tails', law: 'laplace', d: 3, elliptical, seed: 6 } as const;
      const found = momentsOf(spec, 40_000);
      matches(found, generatedData(spec).moments!, 6);
      const beyond = found.x.reduce((sum, value, at) => sum + (at % 3 === 0 && Math.abs(value) > 2 ? 1 : 0), 0) / 40_000;
      const p = Math.exp(-2 * Math.SQRT2);
      near(beyond, p, rateError(p, 40_000), 'tail');
      // Squares of two coordinates go together where the row shares its width: E a^2 b^2 = E W^2 = 2, else 1.
      let product = 0;
      for (let r = 0; r < 40_000; r++) product += (found.x[3 * r]! ** 2 * found.x[3 * r + 1]! ** 2) / 40_000;
      // E a^4 b^4 = (E W^4) 9 = 216, or (6)^2 = 36.
      near(product, elliptical ? 2 : 1, Math.sqrt((elliptical ? 212 : 35) / 40_000), `elliptical ${elliptical}`);
    }
  });
});

describe('spiked superposition', () => {
  /** gamma by the module's formula from a dictionary. */
  function closedForm(D: Float32Array, n: number, d: number, k: number, low: number, high: number): number {
    const total = new Float64Array(d);
    for (let i = 0; i < D.length; i++) total[i % d] = total[i % d]! + D[i]!;
    const length = total.reduce((sum, value) => sum + value * value, 0);
    const m = (low + high) / 2;
    const s = (low * low + low * high + high * high) / 3;
    const mean = ((k / n) * m) ** 2 * length;
    const square = (k / n) * s * n + ((k * (k - 1)) / (n * (n - 1))) * m * m * (length - n);
    return Math.sqrt(mean / (square - mean));
  }

  it('has the published coherence and gamma at each rho', async () => {
    // Mean |cos| over all n^2 entries with the diagonal 0, as published; their draws and ours differ by chance.
    const published = [[0, 0.04988, 0], [0.3, 0.3003, 2.5], [0.5, 0.5002, 3.7], [0.7, 0.7001, 5.4], [0.9, 0.8995, 8.9]] as const;
    for (const [rho, cosine, gamma] of published) {
      const data = generatedData({ kind: 'spiked', d: 256, rho, seed: 1 });
      const { directions, features: n } = data.truth!;
      const { mean } = coherence(directions, n, 256);
      // The spike's own cosines with the atoms, N(0, 1 / d) each, are what differs from seed to seed.
      const spread = 2 * Math.sqrt(rho * (1 - rho) / 256 / n) + 2e-4;
      assert.ok(Math.abs((mean * (n - 1)) / n - cosine) < 4 * spread, `rho ${rho}: ${mean}`);
      const expected = closedForm(directions, n, 256, 16, 1, 3);
      const found = await gammaOf(data, { rows: 20_000 });
      assert.ok(Math.abs(found.gamma / expected - 1) < (rho === 0 ? 0.15 : 0.02), `rho ${rho}: ${found.gamma}, in closed form ${expected}`);
      if (gamma > 0) assert.ok(Math.abs(expected - gamma) < 0.12, `rho ${rho}: gamma ${expected}`);
      const own = data.moments!.mean;
      let off = 0;
      for (let c = 0; c < 256; c++) off += (found.mean[c]! - own[c]!) ** 2;
      // E ||mean found - mean||^2 = trace / N, of 256 terms or so; along the spike one term may be most of it.
      assert.ok(off < (16 * found.trace) / found.rows, `mean off by ${Math.sqrt(off)}`);
    }
  });

  it('has exactly k features on, each as often as any other, with magnitudes U(low, high)', () => {
    const [n, k, rows] = [40, 7, 20_000];
    const { codes, truth } = generate({ kind: 'spiked', d: 8, features: n, active: k, low: 2, high: 5, seed: 9 }, rows);
    const counts = new Float64Array(n);
    let [sum, square] = [0, 0];
    for (let r = 0; r < rows; r++) {
      assert.equal(codes!.offsets[r + 1]! - codes!.offsets[r]!, k);
      for (let at = codes!.offsets[r]! + 1; at < codes!.offsets[r + 1]!; at++) assert.ok(codes!.features[at]! > codes!.features[at - 1]!, 'distinct and ascending');
    }
    codes!.features.forEach((feature, at) => {
      counts[feature] = counts[feature]! + 1;
      const value = codes!.values[at]!;
      assert.ok(value >= 2 && value < 5);
      sum += value;
      square += value * value;
    });
    counts.forEach((count, i) => near(count / rows, k / n, rateError(k / n, rows), `rate of ${i}`, n));
    assert.deepEqual([...truth!.probabilities!], new Array(n).fill(k / n));
    const total = rows * k;
    near(sum / total, 3.5, Math.sqrt(0.75 / total), 'mean magnitude', 2);
    near(square / total, 13, Math.sqrt((2 ** 5 * (2.5 ** 5 - 1) / 15 - 169) / total), 'mean square', 2);
    // Every feature at once is a case of its own.
    assert.deepEqual([...generate({ kind: 'spiked', d: 2, features: 5, active: 5 }, 3).codes!.features], [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
  });

  it('signs and noise', () => {
    const { codes } = generate({ kind: 'spiked', d: 16, signed: true, seed: 2 }, 2000);
    const negative = codes!.values.filter((value) => value < 0).length;
    near(negative / codes!.values.length, 0.5, rateError(0.5, codes!.values.length), 'negative');
    const still = generate({ kind: 'spiked', d: 16, seed: 2 }, 2000);
    const noisy = generate({ kind: 'spiked', d: 16, seed: 2, noise: 0.5 }, 2000);
    let square = 0;
    for (let i = 0; i < still.x.length; i++) square += (noisy.x[i]! - still.x[i]!) ** 2 / still.x.length;
    near(square, 0.25, 0.25 * Math.sqrt(2 / still.x.length), 'noise');
  });
});
