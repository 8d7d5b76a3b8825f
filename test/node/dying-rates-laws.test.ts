/** The laws of dying: quantiles and Adam's constants to known digits, Adam's step against running Adam, densities against closed forms and step-by-step descent. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { adamCrossover, adamGain, adamGainWithEps, adamKnees, adamStep, countedShare, expectedAdamStep, stepsWithFiring } from '../../engine/dying/adam-step.js';
import { densityAt, lateSlope, lawCurve, marginSpeed, scaleThrough, sgdDensity, stepsBetween, survivalCurve, timeToNextDecade, type LawRecipe } from '../../engine/dying/density-law.js';
import { normalQuantile, upperTail, upperTailQuantile } from '../../engine/dying/normal.js';
import { marginAt, survivalOf } from '../../engine/dying/rates-tails.js';
import { uniform } from '../shared/random.js';

const near = (value: number, expected: number, relative: number, what = ''): void => assert.ok(Math.abs(value - expected) <= relative * Math.abs(expected), `${what} ${value}, expected ${expected} within ${relative}`);

test('normal quantiles: the digits of scipy', () => {
  for (const [p, z] of [[1e-300, -37.0470962993612], [1e-20, -9.262340089798409], [1e-5, -4.264890793922825], [2e-5, -4.10747965458625], [0.01, -2.3263478740408408], [0.3, -0.5244005127080409], [0.6, 0.2533471031357997], [0.975, 1.959963984540054], [0.99999, 4.264890793923841]] as const) near(normalQuantile(p), z, 2e-14, `p ${p}`);
  assert.equal(Math.abs(normalQuantile(0.5)), 0);
  assert.deepEqual([normalQuantile(0), normalQuantile(1)], [-Infinity, Infinity]);
  assert.ok(Number.isNaN(normalQuantile(1.1)) && Number.isNaN(normalQuantile(-1e-9)));
  fc.assert(fc.property(fc.double({ min: -35, max: 8, noNaN: true }), (z) => near(upperTail(upperTailQuantile(Math.log(upperTail(z)))), upperTail(z), 1e-11, `z ${z}`)));
});

test("Adam's constants: a lone firing's gain, its sum step by step, and where the regimes meet", () => {
  near(adamGain({ beta1: 0.9, beta2: 0.999 }), 31.765830136, 1e-10);
  near(adamCrossover({ beta1: 0.9, beta2: 0.999 }), 9.91e-4, 1e-4);
  near(adamGain({ beta1: 0.9, beta2: 0.99 }), 10.474937185, 1e-10);
  near(adamCrossover({ beta1: 0.9, beta2: 0.99 }), 9.114e-3, 1e-4);
  // Of the runs with rare features that were published, by batch and beta2.
  assert.deepEqual(adamKnees(8192, 0.999), { batch: 1 / 8192, memory: (1 - 0.999) / 8192 });
  near(adamKnees(8192, 0.999).memory, 1.2e-7, 0.02);
  near(adamKnees(4096, 0.99).memory, 2.4e-6, 0.02);
  near(adamKnees(4096, 0.99).batch, 2.4e-4, 0.02);
  fc.assert(fc.property(fc.double({ min: 0, max: 0.95, noNaN: true }), fc.double({ min: 0.95, max: 0.9999, noNaN: true }), fc.double({ min: -6, max: 6, noNaN: true }), (beta1, beta2, log) => {
    const ratio = 10 ** log;
    let [m, v, moved] = [1 - beta1, 1 - beta2, 0];
    for (let t = 0; t < 3000; t++) {
      moved += (m * ratio) / (Math.sqrt(v) * ratio + 1);
      m *= beta1;
      v *= beta2;
    }
    near(adamGainWithEps({ beta1, beta2 }, ratio), moved, 1e-10);
    assert.ok(adamGainWithEps({ beta1, beta2 }, ratio) < adamGain({ beta1, beta2 }));
  }), { numRuns: 40 });
  near(adamGainWithEps({ beta1: 0.9, beta2: 0.999 }, 1e-9), 1e-9, 1e-6);
  near(adamGainWithEps({ beta1: 0.9, beta2: 0.999 }, 1e12), adamGain({ beta1: 0.9, beta2: 0.999 }), 1e-9);
  assert.throws(() => adamGain({ beta1: 0.999, beta2: 0.99 }), /beta1 < sqrt\(beta2\)/);
});

test("the mean of Adam's step is what running Adam gives, and the smooth form stays within 1.5 % of it", () => {
  for (const { beta1, beta2, q } of [{ beta1: 0.9, beta2: 0.99, q: 1e-3 }, { beta1: 0.9, beta2: 0.99, q: 0.01 }, { beta1: 0.9, beta2: 0.99, q: 0.1 }, { beta1: 0.9, beta2: 0.99, q: 0.6 }, { beta1: 0.5, beta2: 0.95, q: 0.02 }, { beta1: 0, beta2: 0.99, q: 0.03 }]) {
    const next = uniform(5);
    let [m, v, sum, squares, part] = [0, 0, 0, 0, 0];
    const [parts, length] = [100, 20_000];
    for (let t = -5000; t < parts * length; t++) {
      const g = next() < q ? 1 : 0;
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g;
      if (t < 0) continue;
      part += v > 0 ? m / Math.sqrt(v) / length : 0;
      if ((t + 1) % length === 0) {
        sum += part / parts;
        squares += (part * part) / parts;
        part = 0;
      }
    }
    const error = Math.sqrt((squares - sum * sum) / parts);
    const exact = expectedAdamStep(q, { beta1, beta2 });
    assert.ok(Math.abs(exact - sum) < 4 * error, `q ${q}: ${exact}, running Adam ${sum} ± ${error}`);
  }
  for (const constants of [{ beta1: 0.9, beta2: 0.999 }, { beta1: 0.9, beta2: 0.99 }, { beta1: 0, beta2: 0.99 }, { beta1: 0.9, beta2: 0.95 }]) {
    const gain = adamGain(constants);
    for (let log = -8; log <= 0; log += 0.1) {
      const q = 10 ** log;
      near(adamStep(q, constants), expectedAdamStep(q, constants), 0.015, `q ${q}`);
      // The regimes bound it, and are it away from where they meet.
      assert.ok(expectedAdamStep(q, constants) <= Math.min(Math.sqrt(q), gain * q) * (1 + 1e-9));
    }
    near(expectedAdamStep(1e-9, constants), gain * 1e-9, 1e-4);
    assert.equal(expectedAdamStep(1, constants), 1);
  }
});

test('shares of steps: by the binomial law', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 200 }), fc.double({ min: 1e-9, max: 0.95, noNaN: true }), (batch, p) => {
    near(stepsWithFiring(p, batch), 1 - (1 - p) ** batch, 1e-6 + 1e-15 / (p * batch));
    let [term, first, second] = [(1 - p) ** batch, 0, 0];
    for (let k = 1; k <= batch; k++) {
      term *= ((batch - k + 1) / k) * (p / (1 - p));
      first += k * term;
      second += k * k * term;
    }
    if (first > 0 && Number.isFinite(second)) near(countedShare(p, batch), (first * first) / second, 1e-6);
  }));
});

const sgd: LawRecipe = { optimizer: 'sgd', lr: 0.1, batch: 256, l1: 0.7 };

test('under SGD the law is the closed form, by quadrature in log p, by quadrature in c, and by descent step by step', () => {
  fc.assert(fc.property(fc.double({ min: -0.8, max: 1, noNaN: true }), fc.double({ min: 0.3, max: 3, noNaN: true }), fc.double({ min: 0.02, max: 0.8, noNaN: true }), fc.double({ min: 1, max: 4, noNaN: true }), (xi, scale, p0, gain) => {
    const rate = (0.1 * 0.7 * gain) / scale;
    const curve = lawCurve({ recipe: sgd, tail: { xi, scale }, start: { step: 50, p: p0 }, until: 1e6, gain });
    curve.step.forEach((step, at) => near(curve.p[at]!, sgdDensity(step - 50, p0, rate, xi), 1e-9, `step ${step}`));
    const survival = survivalOf({ kind: 'gpd', xi, scale });
    const other = survivalCurve({ survival, speed: marginSpeed(sgd, gain), step: 50, margin: marginAt(survival, p0), until: 1e5 });
    other.step.forEach((step, at) => {
      if (other.p[at]! > 1e-12) near(other.p[at]!, sgdDensity(step - 50, p0, rate, xi), 1e-5, `step ${step}, in c`);
    });
  }), { numRuns: 30 });
  for (const xi of [-1, -1.5, 0, 0.4]) {
    const [rate, p0] = [1e-3, 0.3];
    // dp/dt = -rate p^(2 + xi) by Heun's method: xi = -1 is exponential, below it p ends.
    let p = p0;
    for (let t = 1; t <= 20_000; t++) {
      const slope = (at: number): number => -rate * Math.max(0, at) ** (2 + xi);
      const ahead = slope(p);
      p = Math.max(0, p + (ahead + slope(p + ahead)) / 2);
      if (t % 500 === 0 && p > 1e-6) near(sgdDensity(t, p0, rate, xi), p, 1e-4, `xi ${xi}, step ${t}`);
    }
  }
  assert.equal(sgdDensity(1e5, 0.3, 1e-3, -1.5), 0);
  near(sgdDensity(1000, 0.3, 1e-3, -1), 0.3 * Math.exp(-1), 1e-12);
  // The sum of the L1 term over the batch is so many times the coefficient.
  near(marginSpeed({ ...sgd, l1_reduction: 'sum' })(0.2), 256 * marginSpeed(sgd)(0.2), 1e-12);
  near(marginSpeed({ ...sgd, momentum: 0.9 })(0.2), 10 * marginSpeed(sgd)(0.2), 1e-12);
});

const slopeOf = (curve: { step: Float64Array; p: Float64Array }, from: number, to: number): number => Math.log(densityAt(curve, to) / densityAt(curve, from)) / Math.log(to / from);

test("Adam's three regimes: exponential to 1 / B, then t^-2, then t^-1, with the knees where B and beta2 put them", () => {
  // (beta2 as close to 1 as it takes for the middle regime to have room.)
  const recipe: LawRecipe = { optimizer: 'adam', lr: 1e-6, batch: 64, beta1: 0.9, beta2: 0.999999, l1: 1 };
  const tail = { xi: 0, scale: 1 };
  const curve = lawCurve({ recipe, tail, start: { step: 0, p: 0.9 }, until: 1e12 });
  const knees = adamKnees(64, 0.999999);
  near(densityAt(curve, 1e6) / 0.9, Math.exp(-1), 0.01, 'an e-fold takes 1 / lr steps');
  const reached = (p: number): number => curve.step[curve.p.findIndex((value) => value <= p)]!;
  const middle = Math.sqrt(knees.batch * knees.memory);
  near(slopeOf(curve, reached(middle * 3), reached(middle / 3)), -2, 0.15, 'middle');
  near(slopeOf(curve, 1e11, 1e12), -1, 0.01, 'late');
  // p = scale / (K lr B t) there.
  near(densityAt(curve, 1e12) * adamGain({ beta1: 0.9, beta2: 0.999999 }) * 1e-6 * 64 * 1e12, 1, 0.02, 'how rare');
  assert.deepEqual([lateSlope(0), lateSlope(0.25), lateSlope(0, 'adam-middle'), lateSlope(-1), lateSlope(-0.5, 'adam-middle')], [-1, -0.8, -2, null, null]);
  // Local speed at the knees: of A = 1, sqrt(q), K q the two that meet agree.
  const speed = marginSpeed(recipe);
  near(speed(0.5) / 1e-6, 1, 0.02);
  near(speed(middle) / 1e-6, Math.sqrt(64 * middle), 0.02);
  const alone = knees.memory / 1e3;
  near(speed(alone) / 1e-6, adamGain({ beta1: 0.9, beta2: 0.999999 }) * 64 * alone, 0.02);
  // The law does not know lambda, but for eps.
  near(marginSpeed({ ...recipe, l1: 1e-4 })(0.01), speed(0.01), 1e-12);
  const withEps = (l1: number): number => marginSpeed({ ...recipe, l1, eps: 1e-8 })(1e-9);
  near(withEps(1), speed(1e-9), 1e-3);
  near(withEps(1e-9) / withEps(1e-10), 10, 1e-3);
  assert.equal(marginSpeed({ ...recipe, l1: 0 })(0.1), 0);
});

test('time to the next decade: nine times the elapsed steps where the law is t^-1, 10^(1 + xi) - 1 in general', () => {
  for (const xi of [-0.25, 0, 0.5]) {
    const tail = { xi, scale: 1 };
    const speed = marginSpeed(sgd);
    const elapsed = stepsBetween(0.5, 1e-6, tail, speed);
    near(timeToNextDecade(1e-6, tail, speed) / elapsed, 10 ** (1 + xi) - 1, 1e-3);
    near(scaleThrough({ step: 7, p: 0.5 }, { step: 7 + elapsed, p: 1e-6 }, xi, speed), 1, 1e-9);
  }
  assert.throws(() => stepsBetween(1e-6, 1e-3, { xi: 0, scale: 1 }, marginSpeed(sgd)), /a law falls/);
});

test('a schedule of lr is time that runs at its pace', () => {
  const [tail, start] = [{ xi: 0.2, scale: 1 }, { step: 5, p: 0.4 }];
  const plain = lawCurve({ recipe: sgd, tail, start, until: 4000 });
  const half = lawCurve({ recipe: sgd, tail, start, until: 7995, schedule: () => 0.5 });
  near(half.p[half.p.length - 1]!, plain.p[plain.p.length - 1]!, 1e-9);
  for (const step of [100, 1000, 3000]) near(densityAt(half, 2 * step - 5), densityAt(plain, step), 5e-3);
  const warmed = lawCurve({ recipe: sgd, tail, start: { step: 0, p: 0.4 }, until: 4000, schedule: (step) => Math.min(1, step / 100) });
  near(densityAt(warmed, 3000), sgdDensity(3000 - 49.5, 0.4, 0.07, 0.2), 5e-3);
  assert.ok(warmed.step.every((step, at) => at === 0 || step >= warmed.step[at - 1]!));
});

test('any survival function: the sample itself ends in an exact death', () => {
  const sorted = Float64Array.from({ length: 500 }, (_, i) => i / 500);
  const survival = (c: number): number => sorted.filter((value) => value > c).length / 500;
  const curve = survivalCurve({ survival, speed: marginSpeed(sgd), step: 0, margin: 0.5, until: 1e9 });
  assert.equal(curve.p[curve.p.length - 1], 0);
  near(curve.margin[curve.margin.length - 1]!, 499 / 500, 1e-3);
  // int dc / (rate S) over the steps of S
  let expected = 0;
  for (let i = 250; i < 499; i++) expected += 1 / 500 / (0.07 * survival(i / 500));
  near(curve.step[curve.step.length - 1]!, expected, 0.02);
});
