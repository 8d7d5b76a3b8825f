/** Slopes of log density: the count likelihood against scipy, coverage of intervals on counts that were drawn, the null of equilibrium, censoring, and the time until a density is passed. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { CountLikelihood, poissonLognormal } from '../../engine/dying/rates-counts.js';
import { rarityCurve } from '../../engine/dying/rates-survival.js';
import { cohortSlope, type SlopeInput } from '../../engine/dying/slope.js';
import { gaussian, uniform } from '../shared/random.js';

const near = (value: number, expected: number, tolerance: number, what = ''): void => assert.ok(Math.abs(value - expected) <= tolerance, `${what} ${value}, expected ${expected} ± ${tolerance}`);

test('the Poisson-lognormal law: numpy integrates to the same', () => {
  for (const [k, eta, sigma, log, slope] of [
    [0, -3, 0.5, -0.05597187775465273, -0.05553516115119269],
    [0, 2, 0.3, -6.014482810057499, -4.902996577408947],
    [0, 3, 1.5, -3.6188525231240867, -1.3321990296241757],
    [1, -5, 1, -4.529469171814239, 0.9712107259489234],
    [3, 0.5, 0.2, -1.9400650071736134, 1.235137421015102],
    [20, 3, 0.05, -2.4456498039066976, -0.10421704491778883],
    [48, 4.5, 0.4, -5.063225818562309, -3.539491850850638],
    [7, -6, 2, -11.014233402148701, 1.884211013370126],
    [2, 6, 0.3, -62.063861963850535, -28.738284414945657],
  ] as const) {
    const found = poissonLognormal(k, eta, sigma);
    near(found.log, log, 1e-6 * (1 + Math.abs(log)), `log of ${k}, ${eta}, ${sigma}`);
    near(found.slope, slope, 5e-6 * (1 + Math.abs(slope)), `slope of ${k}, ${eta}, ${sigma}`);
  }
});

test('tables of it: between their points, and beyond them', () => {
  const out = new Float64Array(2);
  fc.assert(fc.property(fc.integer({ min: 0, max: 32 }), fc.double({ min: -22, max: 9, noNaN: true }), fc.double({ min: 0.05, max: 2, noNaN: true }), (k, eta, sigma) => {
    new CountLikelihood(sigma).at(k, eta, out);
    const exact = poissonLognormal(k, eta, sigma);
    near(out[0]!, exact.log, 1e-4 * (1 + Math.abs(exact.log)), 'log');
  }), { numRuns: 200 });
  // The derivative is the derivative, for large counts too.
  fc.assert(fc.property(fc.integer({ min: 0, max: 2000 }), fc.double({ min: -10, max: 7, noNaN: true }), fc.double({ min: 0.05, max: 1, noNaN: true }), (k, eta, sigma) => {
    const law = new CountLikelihood(sigma);
    const value = (at: number): number => {
      law.at(k, at, out);
      return out[0]!;
    };
    const difference = (value(eta + 1e-5) - value(eta - 1e-5)) / 2e-5;
    law.at(k, eta, out);
    near(out[1]!, difference, 1e-3 * (1 + Math.abs(difference)));
  }), { numRuns: 200 });
});

/** Poisson counts, by inversion; normal where large. */
function poisson(mean: number, next: () => number, normal: () => number): number {
  if (mean > 300) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal()));
  let [k, term] = [0, Math.exp(-mean)];
  for (let u = next(); u > term && k < 3000; k++) {
    u -= term;
    term *= mean / (k + 1);
  }
  return k;
}

interface Cohort {
  readonly slope: number;
  readonly features: number;
  readonly start: number;
  readonly spread: number;
  readonly scatter: number;
  readonly rows?: number;
  readonly seed: number;
}

function draw({ slope, features, start, spread, scatter, rows = 1e5, seed }: Cohort): SlopeInput {
  const [next, normal] = [uniform(seed), gaussian(seed + 1)];
  const steps = Array.from({ length: 14 }, (_, j) => Math.round(30 * 1.6 ** j));
  const a = Array.from({ length: features }, () => Math.log(start) + spread * normal());
  return {
    steps,
    rows: steps.map(() => rows),
    counts: steps.map((step) => Float64Array.from(a, (value) => poisson(rows * Math.min(1, Math.exp(value + slope * Math.log(step / 30) + scatter * normal())), next, normal))),
    features: Array.from({ length: features }, (_, i) => i),
  };
}

test('slopes of features whose counts sink to nothing: unbiased, with intervals that cover', async () => {
  for (const slope of [0, -0.667, -1, -2]) {
    const input = draw({ slope, features: 100, start: 1e-2, spread: 1.5, scatter: 0.25, seed: 3 });
    const report = await cohortSlope(input);
    const zeros = report.by_feature.reduce((sum, { silent }) => sum + silent, 0);
    if (slope <= -1) assert.ok(zeros > 50, `${zeros} counts of 0`);
    near(report.pooled.value!, slope, 0.03, 'pooled');
    assert.ok(report.pooled.low! <= slope + 0.01 && report.pooled.high! >= slope - 0.01, JSON.stringify(report.pooled));
    near(report.scatter, 0.25, 0.04, 'scatter');
    const covered = report.by_feature.filter(({ slope: own }) => (own.low === null || own.low <= slope) && (own.high === null || own.high >= slope)).length / report.features;
    assert.ok(covered >= 0.89, `${covered} of the intervals cover ${slope}`);
    assert.equal(report.falling + report.level + report.rising, report.features);
    if (slope === 0) assert.ok(report.level >= 0.88 * report.features, `${report.level} level`);
    else assert.ok(report.falling > 0.95 * report.features);
  }
});

test('leaving zeros out would have levelled the slope; the likelihood does not', async () => {
  const input = draw({ slope: -1, features: 100, start: 1e-3, spread: 0.5, scatter: 0.2, rows: 1e4, seed: 9 });
  const report = await cohortSlope(input);
  const naive: number[] = [];
  for (let i = 0; i < 100; i++) {
    const points = input.counts.flatMap((frame, j) => (frame[i]! > 0 ? [[Math.log(input.steps[j]!), Math.log(frame[i]!)] as const] : []));
    if (points.length < 3) continue;
    const [mx, my] = [0, 1].map((of) => points.reduce((sum, point) => sum + point[of]!, 0) / points.length) as [number, number];
    naive.push(points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0));
  }
  const median = naive.sort((a, b) => a - b)[naive.length >> 1]!;
  assert.ok(median > -0.85, `naive ${median}`);
  near(report.pooled.value!, -1, 0.08);
  assert.ok(report.pooled.low! < -1 && report.pooled.high! > -1 - 0.08);
});

test('the interval of the pooled slope covers where features differ in slope: it is over features, not counts', async () => {
  let covered = 0;
  const runs = 14;
  const pooled: number[] = [];
  for (let run = 0; run < runs; run++) {
    const normal = gaussian(100 + run);
    const parts = Array.from({ length: 30 }, (_, i) => draw({ slope: -1 + 0.3 * normal(), features: 1, start: 3e-2, spread: 0, scatter: 0.1, seed: 1000 * run + i }));
    const input: SlopeInput = { ...parts[0]!, counts: parts[0]!.counts.map((_, j) => Float64Array.from(parts, (part) => part.counts[j]![0]!)), features: parts.map((_, i) => i) };
    const report = await cohortSlope(input, { samples: 200, seed: run });
    pooled.push(report.pooled.value!);
    if (report.pooled.low! <= -1 && report.pooled.high! >= -1) covered++;
    assert.ok(report.spread > 0.15 && report.spread < 0.5, `spread ${report.spread}`);
  }
  near(pooled.reduce((sum, value) => sum + value, 0) / runs, -1, 0.05, 'mean of the pooled slopes');
  assert.ok(covered >= 0.85 * runs, `${covered} of ${runs}`);
});

test('what it is invariant under, and what it refuses', async () => {
  const input = draw({ slope: -0.8, features: 12, start: 1e-2, spread: 1, scatter: 0.2, seed: 5 });
  const report = await cohortSlope(input, { seed: 2 });
  // Time in other units.
  const scaled = await cohortSlope({ ...input, steps: Array.from(input.steps, (step) => step * 8) }, { seed: 2 });
  near(scaled.pooled.value!, report.pooled.value!, 1e-6);
  assert.deepEqual(await cohortSlope(input, { seed: 2 }), report);
  // Features that never fire say nothing; frame 0 has no logarithm.
  const silent = await cohortSlope({ steps: [0, ...Array.from(input.steps)], rows: [10, ...Array.from(input.rows)], counts: [new Float64Array(13), ...input.counts.map((frame) => [...Array.from(frame), 0])], features: [...Array.from(input.features), 12] }, { seed: 2 });
  assert.deepEqual([silent.silent, silent.features, silent.pooled], [1, 12, report.pooled]);
  assert.deepEqual((await cohortSlope({ ...input, from: 100, to: 2000 })).frames, Array.from(input.steps).filter((step) => step >= 100 && step <= 2000).length);
  await assert.rejects(cohortSlope({ ...input, from: 5000, to: 9000 }), /at least 3 frames/);
  await assert.rejects(cohortSlope({ ...input, rows: [1] }), /expected as many/);
  const aborted = AbortSignal.abort(new Error('enough'));
  await assert.rejects(cohortSlope(draw({ slope: -1, features: 200, start: 1e-2, spread: 1, scatter: 0.2, seed: 1 }), { signal: aborted }), /enough/);
});

test('time until a density is passed: the product-limit estimate, with entries and censoring', () => {
  // Six features of rows 1000, below 0.01 is fewer than 10 firings. Steps 1 .. 5.
  const counts = [
    [50, 40, 5, 3, 2], // below from step 3
    [50, 40, 30, 5, 4], // below from step 4
    [50, 5, 30, 30, 30], // comes back: censored at 5
    [50, 40, 30, 20, 10], // never: censored
    [5, 4, 3, 2, 1], // never at risk
    [5, 20, 20, 4, 4], // enters at 2, below from step 4
  ];
  const curve = rarityCurve({ steps: [1, 2, 3, 4, 5], rows: Array<number>(5).fill(1000), counts: [0, 1, 2, 3, 4].map((j) => counts.map((row) => row[j]!)), features: [0, 1, 2, 3, 4, 5], below: 0.01 });
  assert.deepEqual([curve.features, curve.events, curve.step], [5, 3, [3, 4]]);
  near(curve.share[0]!, 4 / 5, 1e-12);
  near(curve.share[1]!, (4 / 5) * (2 / 4), 1e-12);
  // Greenwood on log(-log S), by hand.
  const variance = 1 / (5 * 4) + 2 / (4 * 2);
  const spread = Math.exp((1.959963984540054 * Math.sqrt(variance)) / -Math.log(0.4));
  near(curve.low[1]!, 0.4 ** spread, 1e-12);
  near(curve.high[1]!, 0.4 ** (1 / spread), 1e-12);
  assert.throws(() => rarityCurve({ steps: [1], rows: [100], counts: [[1]], features: [0], below: 0.01 }), /cannot tell a density below 0.01/);
  // Without censoring it is the share that is left.
  fc.assert(fc.property(fc.array(fc.integer({ min: 2, max: 6 }), { minLength: 3, maxLength: 20 }), (falls) => {
    const steps = [1, 2, 3, 4, 5, 6];
    const frames = steps.map((step) => falls.map((fall) => (step >= fall ? 0 : 100)));
    const { step, share } = rarityCurve({ steps, rows: steps.map(() => 1000), counts: frames, features: falls.map((_, i) => i), below: 0.01 });
    step.forEach((at, j) => near(share[j]!, falls.filter((fall) => fall > at).length / falls.length, 1e-12));
  }));
});
