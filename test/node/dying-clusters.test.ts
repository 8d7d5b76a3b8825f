/** Clusters: the dip against closed forms and published values, EM against planted mixtures, two clusters that only three axes tell apart, and one that must stay one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterReport } from '../../engine/dying/anatomy-reports.js';
import { clusterFeatures, expectedDead, gammaDraw } from '../../engine/dying/clusters.js';
import { dipStatistic, dipTest } from '../../engine/dying/dip.js';
import { fitMixture } from '../../engine/dying/mixture.js';
import { upperTail } from '../../engine/dying/normal.js';
import { Pace } from '../../engine/pace.js';
import { createRandom } from '../../engine/random.js';
import { clusters } from '../../plugins/builtin/clusters/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { gaussian, uniform } from '../shared/random.js';
import { contextFor } from '../support/analysis-stream.js';

const pace = (): Pace => new Pace(undefined);
const near = (value: number | null, expected: number, tolerance: number, what: string): void => assert.ok(value !== null && Math.abs(value - expected) <= tolerance, `${what}: ${value}, expected ${expected} ± ${tolerance}`);

/** A count with the given log10 density. */
function poisson(mean: number, next: () => number, normal: () => number): number {
  if (mean > 200) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal()));
  let [k, product] = [0, next()];
  for (; product > Math.exp(-mean); product *= next()) k++;
  return k;
}

/** The dip by its definition: over every mode, the least distance of a convex-concave function, by bisection and two sweeps of a tube. */
function dipByTubes(x: readonly number[]): number {
  const n = x.length;
  // A unimodal F within eps of the empirical function: convex below the mode and concave above it; F may pass at each x between the upper value less eps and the lower plus eps.
  const fits = (eps: number): boolean => {
    const low = x.map((_, i) => Math.max(0, (i + 1) / n - eps));
    const high = x.map((_, i) => Math.min(1, i / n + eps));
    // A convex function through the tube of x[from .. to] exists where the greatest convex minorant of the upper ends is above the lower ends.
    const convex = (xs: number[], lows: number[], highs: number[]): boolean => xs.every((at, i) => {
      let value = highs[i]!;
      for (let a = 0; a < i; a++) for (let b = i + 1; b < xs.length; b++) if (xs[b]! > xs[a]!) value = Math.min(value, highs[a]! + ((highs[b]! - highs[a]!) * (at - xs[a]!)) / (xs[b]! - xs[a]!));
      return value >= lows[i]! - 1e-12;
    });
    for (let mode = 0; mode < n; mode++) {
      const left = convex(x.slice(0, mode + 1), low.slice(0, mode + 1), high.slice(0, mode + 1));
      const flip = (values: number[]): number[] => values.map((value) => 1 - value).reverse();
      const right = convex(x.slice(mode).map((value) => -value).reverse(), flip(high.slice(mode)), flip(low.slice(mode)));
      if (left && right) return true;
    }
    return false;
  };
  let [low, high] = [0, 0.5];
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    if (fits(middle)) high = middle;
    else low = middle;
  }
  return high;
}

describe('the dip', () => {
  it('has its closed forms: 1 / 2n of even spacing, 1/4 of two points', () => {
    for (const n of [4, 10, 101]) near(dipStatistic(Float64Array.from({ length: n }, (_, i) => i)), 1 / (2 * n), 1e-12, `even, n ${n}`);
    const two = Float64Array.from({ length: 100 }, (_, i) => (i < 50 ? i * 1e-9 : 1 + i * 1e-9));
    near(dipStatistic(two), 0.25, 0.006, 'two points');
    assert.equal(dipStatistic(Float64Array.of(1, 1, 1, 1, 1)), 0.1);
    assert.equal(dipStatistic(Float64Array.of(1, 2)), 0.25);
  });

  it('is what the definition says, up to the atom that may lie at the mode', () => {
    const next = uniform(3);
    for (let run = 0; run < 25; run++) {
      const n = 6 + Math.floor(10 * next());
      const x = Array.from({ length: n }, () => next() + (next() < 0.5 ? 1.5 : 0)).sort((a, b) => a - b);
      near(dipStatistic(x), dipByTubes(x), 0.5 / n + 1e-9, x.join(' '));
    }
  });

  it('changes neither with scale nor direction', () => {
    const next = gaussian(4);
    const x = Float64Array.from({ length: 200 }, next).sort();
    near(dipStatistic(x.map((value) => 3 * value - 7)), dipStatistic(x), 1e-12, 'scaled');
    near(dipStatistic(x.map((value) => -value).reverse()), dipStatistic(x), 1e-12, 'mirrored');
  });

  it('rejects two modes, and one mode hardly ever', async () => {
    const next = gaussian(5);
    let rejected = 0;
    for (let run = 0; run < 30; run++) if ((await dipTest(Float64Array.from({ length: 150 }, next), { seed: run, replicates: 99, pace: pace() })).p_value < 0.05) rejected++;
    assert.ok(rejected <= 1, `${rejected} of 30`);
    const two = Float64Array.from({ length: 300 }, (_, i) => next() + (i % 2) * 4);
    assert.equal((await dipTest(two, { seed: 1, replicates: 199, pace: pace() })).p_value, 0.005);
  });
});

describe('mixtures', () => {
  it('recover planted components', async () => {
    const next = gaussian(6);
    const points = Float64Array.from({ length: 3000 }, (_, at) => (Math.floor(at / 2) % 3 === 0 ? -3 : 2) + (at % 2 === 0 ? 1 : 0.5) * next());
    const { components, bic } = await fitMixture(points, 2, 2, { seed: 1, pace: pace() });
    const [a, b] = [...components].sort((p, q) => p.centre[0]! - q.centre[0]!) as [(typeof components)[0], (typeof components)[0]];
    near(a.weight, 1 / 3, 0.01, 'weight');
    [-3, -3].forEach((value, c) => near(a.centre[c]!, value, 0.1, 'centre'));
    [2, 2].forEach((value, c) => near(b.centre[c]!, value, 0.1, 'centre'));
    near(Math.sqrt(b.scale[0]! / b.scale[3]!), 2, 0.15, 'scales');
    assert.ok(bic < (await fitMixture(points, 2, 1, { seed: 1, pace: pace() })).bic - 1000);
    await assert.rejects(fitMixture(new Float64Array(100), 2, 1, { seed: 1, pace: pace() }), /no spread/);
  });

  it('draws gammas, and counts who would be dead', () => {
    const random = createRandom(3);
    for (const shape of [1.5, 7]) {
      const draws = Float64Array.from({ length: 20_000 }, () => gammaDraw(shape, random));
      const mean = draws.reduce((a, b) => a + b) / draws.length;
      near(mean, shape, 0.05 * shape, 'mean');
      near(draws.reduce((s, v) => s + (v - mean) ** 2, 0) / draws.length, shape, 0.08 * shape, 'variance');
    }
    // One density of 1 / N: e^-1 of all never fire.
    const point = { weight: 1, centre: Float64Array.of(-5), scale: Float64Array.of(1e-12) };
    near(expectedDead({ components: [point] }, 1000, 1e5), (1000 * Math.exp(-1)) / (1 - Math.exp(-1)), 1e-3, 'expected');
  });
});

/** n features of log10 density, bias and D/E; the second half is the live one. */
function planted(n: number, seed: number, separation: number, correlation: number): { counts: Float64Array; bias: Float64Array; de: Float64Array } {
  const [normal, next] = [gaussian(seed), uniform(seed + 1)];
  const [counts, bias, de] = [new Float64Array(n), new Float64Array(n), new Float64Array(n)];
  // Equal correlation rho below 0: z_c - s mean(z), s = 1 - sqrt((1 + 2 rho) / (1 - rho)), times sqrt(1 - rho).
  const shrink = 1 - Math.sqrt((1 + 2 * correlation) / (1 - correlation));
  for (let i = 0; i < n; i++) {
    const z = [normal(), normal(), normal()];
    const mean = (z[0]! + z[1]! + z[2]!) / 3;
    const at = (c: number): number => Math.sqrt(1 - correlation) * (z[c]! - shrink * mean) + (i < n / 2 ? 0 : separation);
    counts[i] = Math.max(1, poisson(1e7 * 10 ** (-4 + 0.5 * at(0)), next, normal));
    bias[i] = 0.2 * at(1);
    de[i] = 0.3 * at(2);
  }
  return { counts, bias, de };
}

describe('clusters of features', () => {
  it('tells apart along three axes what overlaps along each', async () => {
    const [separation, correlation] = [1.8, -0.35];
    // Bayes errors Q(D / 2), D^2 = 3 separation^2 / (1 + 2 rho) along the three axes together.
    assert.ok(upperTail(separation / 2) > 0.15 && upperTail(Math.sqrt((3 * separation ** 2) / (1 + 2 * correlation)) / 2) < 0.01);
    for (const seed of [1, 20]) {
      const n = 1200;
      const { report, posterior } = await clusterFeatures({ ...planted(n, seed, separation, correlation), tokens: 1e7, edge: 1e-4, seed: 5, pace: pace() });
      assert.equal(report.joint!.split, true);
      const wrong = posterior.filter((value, i) => value > 0.5 !== i < n / 2).length;
      assert.ok(wrong / n < 0.02, `${wrong} of ${n}`);
      near(report.joint!.expected_error, upperTail(Math.sqrt((3 * separation ** 2) / (1 + 2 * correlation)) / 2), 0.01, 'expected error');
      // One axis alone says nothing of two clusters.
      assert.equal(report.density!.split, false);
    }
  });

  it('leaves one cluster whole: normal, skewed, and counted to a few', async () => {
    let split = 0;
    for (let seed = 0; seed < 6; seed++) {
      const [normal, next] = [gaussian(40 + seed), uniform(90 + seed)];
      const n = 600;
      const skew = seed % 2 === 0 ? 0 : 0.8;
      const z = Float64Array.from({ length: n }, () => normal() + skew * Math.log(1 - next()));
      const counts = Float64Array.from(z, (value) => poisson(1e6 * 10 ** (-5.2 + 0.7 * value), next, normal));
      const { report, posterior } = await clusterFeatures({ counts, tokens: 1e6, bias: z.map((value) => value + normal()), de: z.map(() => normal()), edge: 1e-4, seed, pace: pace() });
      split += Number(report.joint!.split) + Number(report.density!.split);
      if (!report.joint!.split && !report.density!.split) assert.ok(posterior.every(Number.isNaN));
    }
    assert.ok(split <= 1, `${split} of 12`);
  });

  it('knows the atom of features that never fired, and when there are too few', async () => {
    const { counts, bias, de } = planted(400, 3, 4, 0);
    for (let i = 0; i < 50; i++) counts[i] = 0;
    const { report, posterior } = await clusterFeatures({ counts, bias, de, tokens: 1e7, edge: 1e-4, seed: 2, pace: pace() });
    assert.deepEqual([report.dead, report.firing], [50, 350]);
    assert.ok(report.expected_dead! < 1, `${report.expected_dead}`);
    assert.ok(posterior.subarray(0, 50).every(Number.isNaN));
    near(report.rare_cluster, 150, 8, 'rare cluster');
    assert.equal(report.density!.split, true);
    assert.ok(report.both! <= report.below_edge && report.both! <= report.rare_cluster!);
    const few = await clusterFeatures({ counts: [0, 1, 2], bias: [0, 0, 0], de: [0, 0, 0], tokens: 10, edge: 0.1, seed: 1, pace: pace() });
    assert.deepEqual([few.report.density, few.report.joint, few.report.rare_cluster, few.report.caveats.length], [null, null, null, 2]);
    const flat = await clusterFeatures({ ...planted(100, 3, 4, 0), de: new Float64Array(100), tokens: 1e7, edge: 1e-4, seed: 1, pace: pace() });
    assert.equal(flat.report.joint, null);
    assert.match(flat.report.caveats[0]!, /no spread/);
  });
});

it('sae/clusters reads counts and weights', async () => {
  const n = 60;
  const next = uniform(3);
  const counts = Float64Array.from({ length: n }, (_, i) => (i < 5 ? 0 : Math.ceil(1000 * next())));
  const ctx = contextFor(clusters as never, { positions: 4, d: 6, d_sae: n, tokens: null }, { results: { 'sae/density': { features: [{ name: 'count', type: 'u64', data: counts, description: '' }], summary: { tokens: 1e5 } } } });
  const result = await (await (await clusters.load()).create(ctx as never)).finish();
  checkResult('sae/clusters', result, n, { columns: new Set(), tables: new Set() });
  const report = result.summary as unknown as ClusterReport;
  assert.deepEqual([report.dead, report.firing, report.joint!.features], [5, 55, 55]);
  await assert.rejects(async () => (await (await clusters.load()).create({ ...ctx, result: () => null } as never)).finish(), /sae\/density/);
});
