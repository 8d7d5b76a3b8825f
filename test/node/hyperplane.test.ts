/** The hyperplane that a useless feature converges on, for Gaussian data: against scipy, against closed forms, and by its own optimality. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { cholesky, choleskySolve } from '../../engine/dying/cholesky.js';
import { leastHyperplane, orthogonalHyperplanes, type GaussianData } from '../../engine/dying/gaussian-hyperplane.js';
import { logUpperTail, mills, millsDeficit, phi, upperTail } from '../../engine/dying/normal.js';
import { gaussian } from '../shared/random.js';

const near = (value: number, expected: number, tolerance: number, what = ''): void => assert.ok(Math.abs(value - expected) <= tolerance, `${what} ${value}, expected ${expected} ± ${tolerance}`);
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, c) => sum + value * b[c]!, 0);

test('the tail of the normal distribution: the digits of mpmath', () => {
  for (const [t, ratio, log, deficit, upper] of [
    [-35, 2.5378158176690398e+266, 0, 8.882355361841639e+267, 1],
    [-5, 672621.6367228793, -2.866516129637636e-07, 3363109.1836143965, 0.9999997133484281],
    [-2, 18.10024771112615, -0.023012909328963486, 37.2004954222523, 0.9772498680518208],
    [-1, 3.4770518117036944, -0.17275377902344988, 4.477051811703695, 0.8413447460685429],
    [0, 1.2533141373155003, -0.6931471805599453, 1, 0.5],
    [0.5, 0.8763644564536923, -1.1759117615936185, 0.5618177717731538, 0.3085375387259869],
    [1.9999, 0.4213849559764444, -3.7829470165573444, 0.15727222654270884, 0.022755531584767185],
    [2, 0.4213692292880545, -3.783184333682032, 0.15726154142389104, 0.02275013194817921],
    [3, 0.3045902987101033, -6.607726221510349, 0.08622910386969011, 0.0013498980316300946],
    [5, 0.19280810471531576, -15.064998393988725, 0.03595947642342118, 2.866515718791939e-07],
    [10, 0.09902859647173193, -53.23128515051247, 0.009714035282680786, 7.619853024160525e-24],
    [30, 0.03329641907249721, -454.3212439563432, 0.0011074278250835985, 4.906713927148187e-198],
    [100, 0.009999000299850106, -5005.524208694205, 9.997001498950944e-05, 0],
  ] as const) {
    near(mills(t) / ratio, 1, 2e-14, `mills(${t})`);
    near(logUpperTail(t), log, 4e-15 * Math.max(1, Math.abs(log)), `log Q(${t})`);
    near(millsDeficit(t) / deficit, 1, 3e-14, `deficit(${t})`);
    near(upperTail(t), upper, 2e-14 * upper, `Q(${t})`);
  }
});

/** d 6, with a mean and a covariance that anybody can write down. */
const d = 6;
const example: GaussianData = {
  d,
  mean: Array.from({ length: d }, (_, i) => Math.sin(i + 1) * 1.2 + 0.3),
  covariance: Float64Array.from({ length: d * d }, (_, at) => {
    const [i, j] = [Math.floor(at / d), at % d];
    return 0.5 ** Math.abs(i - j) * Math.sqrt((1 + i / 3) * (1 + j / 3));
  }),
};

test('least rate and least activation: scipy minimises to the same w and kappa', () => {
  for (const [minimise, b, kappa, w] of [
    ['rate', 0, 1.7139508048167313, [-0.688435, -0.5641207, -0.050561, 0.3033887, 0.2996545, -0.1530726]],
    ['rate', -0.3, 1.9552010342986073, [-0.7193113, -0.5342604, -0.0232065, 0.2936969, 0.2896913, -0.1626029]],
    ['rate', -1, 2.5383298395368232, [-0.8879939, -0.2445651, -0.0423046, 0.2530786, 0.2462515, -0.1586712]],
    ['rate', -3, 4.783831988318123, [-0.8249819, 0.4444689, -0.2817209, 0.1835835, 0.0731087, -0.0586331]],
    ['rate', 0.5, 1.3177982569989841, [-0.6545981, -0.5920738, -0.0947258, 0.3079918, 0.3164642, -0.1302627]],
    ['activation', 0, 1.708784533689289, [-0.7488613, -0.5009036, -0.0073306, 0.2836174, 0.2827702, -0.1668857]],
    ['activation', -0.3, 1.9479392614479776, [-0.8068358, -0.4190533, -0.0014054, 0.2674774, 0.2712038, -0.1682638]],
    ['activation', -1, 2.5212995938132363, [-0.9331772, 0.0180111, -0.1326715, 0.2369419, 0.1949155, -0.1308461]],
    ['activation', -3, 4.78301120276263, [-0.817019, 0.4582842, -0.2862823, 0.1809678, 0.0682068, -0.0556458]],
    ['activation', 0.5, 1.3128820303212776, [-0.6959339, -0.5572925, -0.0428431, 0.3012925, 0.2968698, -0.1560661]],
  ] as const) {
    const found = leastHyperplane(example, b, minimise);
    assert.ok(dot(found.w, w) > 0.9999999, `${minimise} ${b}: cosine ${dot(found.w, w)}`);
    near(found.kappa, kappa, 1e-5, `${minimise} ${b}`);
    near(found.probability, upperTail(kappa), 1e-5 * upperTail(kappa) * 10);
    assert.equal(found.limit, false);
    // w ~ -(Sigma + nu I)^-1 mu with nu = b s / kappa for the rate, (p b - G) s / phi(kappa) for the activation.
    const image = Float64Array.from({ length: d }, (_, a) => dot(example.covariance.subarray(a * d, (a + 1) * d), found.w));
    const s = Math.sqrt(dot(image, found.w));
    near(found.nu, minimise === 'rate' ? (b * s) / found.kappa : ((found.probability * b - found.activation) * s) / phi(found.kappa), 1e-7, `nu, ${minimise} ${b}`);
    near(found.activation, s * (phi(found.kappa) - found.kappa * found.probability), 1e-12);
    const ridge = image.map((value, c) => value + found.nu * found.w[c]!);
    near(dot(ridge, example.mean) / Math.sqrt(dot(ridge, ridge) * dot(example.mean, example.mean)), -1, 1e-9, '(Sigma + nu I) w is along -mu');
  }
});

test('b = 0 is -Sigma^-1 mu with kappa the Mahalanobis distance; far biases give -mu and the direction of least variance', () => {
  const { w, kappa, nu } = leastHyperplane(example, 0, 'rate');
  const inverse = choleskySolve(cholesky(example.covariance, d)!, d, example.mean);
  near(dot(w, inverse) / Math.sqrt(dot(inverse, inverse)), -1, 1e-12);
  near(kappa, Math.sqrt(dot(inverse, example.mean)), 1e-12);
  near(nu, 0, 1e-12);
  const norm = Math.sqrt(dot(example.mean, example.mean));
  const ridge = leastHyperplane(example, 1e6, 'activation');
  near(dot(ridge.w, example.mean) / norm, -1, 1e-6);
  near(leastHyperplane(example, 0.999 * norm, 'rate').kappa, 0, 0.01);
  const far = leastHyperplane(example, -1e5, 'rate');
  const image = Float64Array.from({ length: d }, (_, a) => dot(example.covariance.subarray(a * d, (a + 1) * d), far.w));
  const least = dot(image, far.w);
  for (let c = 0; c < d; c++) near(image[c]!, least * far.w[c]!, 1e-3, 'an eigenvector');
});

test('orthogonal hyperplanes: kappa_2^2 = m_1 - m_2^2 / m_3, and none is left where Sigma is the identity', () => {
  const found = orthogonalHyperplanes(example, 4);
  for (const [at, kappa] of [1.7139508048167313, 0.46831376171413647, 0.23792181069083287, 0.12256327687927289].entries()) near(found[at]!.kappa, kappa, 1e-9);
  for (const [at, { w }] of found.entries()) {
    near(dot(w, w), 1, 1e-12);
    for (const { w: other } of found.slice(0, at)) near(dot(w, other), 0, 1e-12);
  }
  const round = { d: 3, mean: [1, 2, 3], covariance: Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1) };
  assert.equal(orthogonalHyperplanes(round, 3).length, 1);
});

test('no direction nearby is better, whatever the data', () =>
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 0, max: 1e6 }), fc.double({ min: -4, max: 2, noNaN: true }), fc.constantFrom('rate' as const, 'activation' as const), (size, seed, b, minimise) => {
      const draw = gaussian(seed);
      const a = Float64Array.from({ length: size * size }, draw);
      const covariance = Float64Array.from({ length: size * size }, (_, at) => dot(a.subarray(Math.floor(at / size) * size, Math.floor(at / size) * size + size), a.subarray((at % size) * size, (at % size) * size + size)) + (Math.floor(at / size) === at % size ? 0.1 : 0));
      const mean = Float64Array.from({ length: size }, () => 1.5 * draw());
      if (minimise === 'rate' && b >= 0.95 * Math.sqrt(dot(mean, mean))) return;
      const data = { d: size, mean, covariance };
      const objective = (w: Float64Array): number => {
        const s = Math.sqrt(Array.from({ length: size }, (_, i) => w[i]! * dot(covariance.subarray(i * size, (i + 1) * size), w)).reduce((x, y) => x + y, 0));
        const kappa = -(dot(w, mean) + b) / s;
        return minimise === 'rate' ? -kappa : Math.log(s) + Math.log(phi(kappa)) + Math.log(millsDeficit(kappa));
      };
      const { w } = leastHyperplane(data, b, minimise);
      const best = objective(w);
      if (!Number.isFinite(best)) return;
      for (let attempt = 0; attempt < 40; attempt++) {
        const step = 10 ** (-1 - (attempt % 4));
        const other = w.map((value) => value + step * draw());
        const length = Math.sqrt(dot(other, other));
        assert.ok(objective(other.map((value) => value / length)) >= best - 1e-9 * Math.max(1, Math.abs(best)), `${minimise} d ${size} b ${b}`);
      }
    }),
    { numRuns: 200, seed: 1 },
  ));

test('what has no answer is refused', () => {
  const flat = { d: 2, mean: [1, 0], covariance: Float64Array.of(1, 0, 0, 0) };
  assert.throws(() => leastHyperplane(flat, 0, 'rate'), /covariance is singular/);
  assert.throws(() => leastHyperplane({ ...flat, covariance: Float64Array.of(1, 0, 0, 1) }, 1, 'rate'), /less than \|\|mean\|\| = 1/);
  assert.throws(() => leastHyperplane({ d: 2, mean: [0, 0], covariance: Float64Array.of(1, 0, 0, 1) }, 0, 'rate'), /the mean is 0/);
  assert.throws(() => leastHyperplane({ ...flat, mean: [1] }, 0, 'rate'), /mean has 1 values/);
  // The hard case: nothing of the mean in the direction of least variance.
  assert.equal(leastHyperplane({ d: 2, mean: [1, 0], covariance: Float64Array.of(2, 0, 0, 1) }, -50, 'rate').limit, true);
});
