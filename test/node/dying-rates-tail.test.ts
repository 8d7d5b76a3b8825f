/** Tail fits: each law against scipy's maximum likelihood and profile intervals, and the warning of extrapolation: Pareto's law is right for Laplace and Student, and wrong for Gaussian data. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { millsDeficit, upperTailQuantile } from '../../engine/dying/normal.js';
import { DROP_95 } from '../../engine/dying/rates-profile.js';
import { marginAt, survivalOf } from '../../engine/dying/rates-tails.js';
import { fitTail, localTailIndex } from '../../engine/dying/tail-fit.js';
import { crossing, fitGpd, fitNormal, fitWeibull, gpdXiInterval } from '../../engine/dying/tail-laws.js';
import { Pace } from '../../engine/pace.js';
import { RowRandom } from '../../engine/generate/row-random.js';

const near = (value: number, expected: number, tolerance: number, what = ''): void => assert.ok(Math.abs(value - expected) <= tolerance, `${what} ${value}, expected ${expected} ± ${tolerance}`);

/** Eighty excesses that anybody can write down, descending. */
const y = Float64Array.from({ length: 80 }, (_, i) => -Math.log((i + 0.5) / 80) * (1 + 0.3 * Math.sin(i))).sort().reverse();

test('the three laws: scipy finds the same parameters, likelihoods, and intervals', async () => {
  const pace = new Pace(undefined);
  const whole = { y, censored: 0, cut: 0 };
  const gpd = fitGpd(whole);
  near(gpd.parameters.xi!, 0.0546125042725949, 1e-5);
  near(gpd.parameters.scale!, 0.955674932497498, 1e-5);
  near(gpd.logLikelihood, -80.74200490613532, 1e-8);
  const { low, high } = await gpdXiInterval(whole, gpd, DROP_95, pace);
  near(low!, -0.1466121941566781, 1e-4);
  near(high!, 0.35921664792320024, 1e-4);
  near(gpd.logSurvival(8), -6.893878699419212, 1e-4);
  near((await crossing((r) => gpd.profile(8, r), gpd.logSurvival(8), -0.01, gpd.logLikelihood - DROP_95, pace))!, -4.222470201894359, 1e-4);
  near((await crossing((r) => gpd.profile(8, r), gpd.logSurvival(8), -60, gpd.logLikelihood - DROP_95, pace))!, -22.816122609285873, 1e-3);
  const weibull = fitWeibull(whole, 2);
  near(weibull.parameters.beta!, 0.8105205128103643, 1e-5);
  near(weibull.parameters.scale!, 0.6099238078754654, 1e-5);
  near(weibull.logLikelihood, -80.72400952903077, 1e-8);
  near(weibull.logSurvival(8), -7.032344292417862, 1e-4);
  const normal = fitNormal(whole, Math.log(0.01), 2);
  near(normal.parameters.sd!, 3.053964152237439, 1e-5);
  near(normal.logLikelihood, -81.68685017397843, 1e-8);
  near(normal.logSurvival(8), -10.180622868455348, 1e-4);
  const censored = fitGpd({ y: y.slice(20), censored: 20, cut: y[19]! });
  near(censored.parameters.xi!, 0.059436034069266175, 1e-5);
  near(censored.parameters.scale!, 0.9510808679698676, 1e-5);
  near(censored.logLikelihood, -58.908991166732854, 1e-8);
  for (const law of [gpd, weibull, normal]) near(law.profile(8, law.logSurvival(8)), law.logLikelihood, 1e-6, law.model);
});

/** N values of a law at the quantiles (i + 1/2) / N: its sample without the luck of the draw. */
const quantiles = (n: number, quantile: (p: number) => number): Float64Array => Float64Array.from({ length: n }, (_, i) => quantile((i + 0.5) / n));
const LAWS = {
  laplace: { quantile: (p: number): number => (p < 0.5 ? -Math.log(2 * p) : Math.log(2 * (1 - p))), at: Math.log(0.5 / 1e-7) },
  // (Below the tail anything that ascends will do.)
  student: { quantile: (p: number): number => (p < 0.98 ? p - 0.5 : marginAt(survivalOf({ kind: 'student', nu: 5 }), 1 - p)), at: 39.341819616899585 },
  gaussian: { quantile: (p: number): number => upperTailQuantile(Math.log(p)), at: 5.199337582187471 },
};

test('a rate of 1e-7 from the top 1 %: Pareto does for Laplace and Student, and is orders of magnitude low for Gaussian data, which Weibull and the normal law are not', async () => {
  const rates = new Map<string, Awaited<ReturnType<typeof fitTail>>>();
  for (const [name, { quantile, at }] of Object.entries(LAWS)) rates.set(name, await fitTail(quantiles(50_000, quantile), { level: at, share: 0.01 }));
  const rate = (name: string, model: string): number => rates.get(name)!.models.find((fit) => fit.model === model)!.probability!.value!;
  for (const name of ['laplace', 'student']) near(Math.log10(rate(name, 'gpd')), -7, 0.6, name);
  // (On quantiles; a random sample may be out by more.)
  assert.ok(rate('gaussian', 'gpd') < 2e-8, `Pareto says ${rate('gaussian', 'gpd')}`);
  const further = await fitTail(quantiles(50_000, LAWS.gaussian.quantile), { level: upperTailQuantile(Math.log(1e-12)), share: 0.01 });
  assert.deepEqual(further.models.map(({ model, probability }) => [model, probability!.value! > 1e-15]), [['gpd', false], ['weibull', true], ['normal', true]]);
  near(Math.log10(rate('gaussian', 'weibull')), -7, 0.5, 'weibull');
  near(Math.log10(rate('gaussian', 'normal')), -7, 0.2, 'normal');
  assert.equal(rates.get('gaussian')!.preferred, 'normal');
  assert.ok(rates.get('gaussian')!.warnings.some((text) => /lighter than exponential/.test(text)), rates.get('gaussian')!.warnings.join(' '));
  assert.ok(!rates.get('laplace')!.warnings.some((text) => /lighter/.test(text)));
  for (const [name, { envelope, warnings, observed }] of rates) {
    assert.ok(envelope!.low! < 1e-7 && envelope!.high! > 1e-7, `${name}: ${JSON.stringify(envelope)}`);
    assert.ok(warnings.some((text) => /extrapolation/.test(text)));
    assert.equal(observed!.value, 0);
    assert.ok(observed!.high! > 1e-7);
  }
});

test('intervals of an extrapolated rate cover it', async () => {
  let covered = 0;
  const runs = 12;
  for (let run = 0; run < runs; run++) {
    const random = new RowRandom(run, 7).seek(0);
    const { models } = await fitTail(Float64Array.from({ length: 8000 }, () => (random.uniform() < 0.5 ? -1 : 1) * random.exponential()), { level: Math.log(0.5 / 1e-6), share: 0.02, most: 160 });
    const { low, high } = models.find(({ model }) => model === 'gpd')!.probability!;
    if (low! <= 1e-6 && (high === null || high >= 1e-6)) covered++;
  }
  assert.ok(covered >= 0.75 * runs, `${covered} of ${runs}`);
});

test('the local tail index: xi of a Pareto sample, and d/dc of 1 / hazard of the normal law, about -0.13', async () => {
  for (const xi of [-0.25, 0, 0.5]) {
    const survival = survivalOf({ kind: 'gpd', xi, scale: 2 });
    const found = await localTailIndex(quantiles(20_000, (p) => (p > 0.12 ? 1 - p : marginAt(survival, p))), 0.1, 1e-3);
    near(found.xi.value!, xi, 0.01, `xi ${xi}`);
    // The scale at density 0.1 is scale p^-xi.
    near(found.scale, 2 * 0.1 ** -xi, 0.05);
    assert.ok(found.xi.low! < xi && found.xi.high! > xi);
  }
  const normal = await localTailIndex(quantiles(60_000, LAWS.gaussian.quantile), 1e-2, 1e-4);
  const [from, to] = [1e-2, 1e-4].map((p) => -millsDeficit(upperTailQuantile(Math.log(p)))) as [number, number];
  assert.ok(normal.xi.value! > from - 0.02 && normal.xi.value! < to + 0.02, `${normal.xi.value} between ${from} and ${to}`);
});

test('survival functions and margins are each other\'s inverse', () => {
  fc.assert(fc.property(fc.double({ min: -0.9, max: 2, noNaN: true }), fc.double({ min: 1e-8, max: 0.4, noNaN: true }), (xi, p) => {
    const survival = survivalOf({ kind: 'gpd', xi, scale: 1.7 });
    near(survival(marginAt(survival, p)) / p, 1, 1e-6);
  }));
  near(survivalOf({ kind: 'student', nu: 5 })(39.341819616899585) / 1e-7, 1, 1e-10);
  near(survivalOf({ kind: 'student', nu: 1 })(-1), 0.75, 1e-12);
  assert.equal(survivalOf({ kind: 'gpd', xi: -0.5, scale: 1 })(2), 0);
});

test('units do not matter, and what cannot be fitted is refused', async () => {
  const random = new RowRandom(3, 7).seek(0);
  const z = Float64Array.from({ length: 5000 }, () => random.normal());
  const [a, b] = [await fitTail(z, { level: 4.5, share: 0.05 }), await fitTail(z.map((value) => 10 * value + 3), { level: 48, share: 0.05 })];
  a.models.forEach((fit, i) => near(Math.log(fit.probability!.value! / b.models[i]!.probability!.value!), 0, 1e-3, fit.model));
  near(a.xi.value!, b.xi.value!, 1e-5);
  const inside = await fitTail(z, { level: 0 });
  assert.deepEqual([inside.models.map(({ probability }) => probability), inside.envelope], [[null, null, null], null]);
  assert.ok(inside.warnings.some((text) => /bulk/.test(text)));
  near(inside.observed!.value!, 0.5, 0.03);
  await assert.rejects(fitTail(z.subarray(0, 200)), /the tail has 2 values/);
  await assert.rejects(fitTail(new Float64Array(5000)), /the tail has 0 values/);
  await assert.rejects(fitTail([...Array<number>(5000).fill(0), NaN]), /not finite/);
});
