/** Intervals of a density against values from the literature, exact sums and simulation-free coverage. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { betaQuantile, classOf, clopperPearson, densityInterval, logGamma, regularizedBeta, ruleOfThree, wilsonInterval, zeroCountBound } from '../../engine/statistics.js';

const close = (got: number, expected: number, relative: number): void => assert.ok(Math.abs(got - expected) <= relative * Math.abs(expected), `${got}, expected ${expected}`);

/** log n! by adding. */
const logFactorials = [0];
for (let n = 1; n <= 2000; n++) logFactorials.push(logFactorials[n - 1]! + Math.log(n));

/** P(X = k) for a binomial, from the factorials. */
const binomial = (k: number, n: number, p: number): number => Math.exp(logFactorials[n]! - logFactorials[k]! - logFactorials[n - k]! + k * Math.log(p) + (n - k) * Math.log1p(-p));

describe('Wilson interval', () => {
  it('gives published values: Newcombe (1998), table I', () => {
    for (const [count, trials, low, high] of [[81, 263, 0.2553, 0.3662], [15, 148, 0.0624, 0.1605], [0, 20, 0, 0.1611], [1, 29, 0.0061, 0.1718]] as const) {
      const interval = wilsonInterval(count, trials);
      assert.ok(Math.abs(interval.low - low) < 5e-5 && Math.abs(interval.high - high) < 5e-5, JSON.stringify(interval));
    }
  });

  it('holds exactly the densities that the score test does not reject', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.double({ min: 0, max: 1, noNaN: true }), (trials, share) => {
        const count = Math.round(share * trials);
        const { low, high } = wilsonInterval(count, trials);
        assert.ok(low >= 0 && low <= count / trials && high >= count / trials && high <= 1);
        for (const edge of [low, high]) {
          if (edge === 0 || edge === 1) continue;
          close(Math.abs(count / trials - edge) / Math.sqrt((edge * (1 - edge)) / trials), 1.959963984540054, 1e-5);
        }
      }),
    );
  });
});

describe('a count of 0', () => {
  it('has the exact bound and the rule of three just above it', () => {
    for (const trials of [10, 1000, 406_395, 1e12]) {
      const bound = zeroCountBound(trials);
      close(trials * Math.log1p(-bound), Math.log(0.05), 1e-12);
      assert.ok(bound < 3 / trials);
      if (trials >= 1000) close(bound, 3 / trials, 0.004);
    }
    assert.equal(ruleOfThree(2), 1);
    assert.deepEqual(densityInterval(0, 300), { low: 0, high: 0.01 });
    assert.deepEqual(densityInterval(3, 300), wilsonInterval(3, 300));
  });
});

describe('Clopper-Pearson interval', () => {
  it('has tails of alpha / 2, by adding binomial probabilities', () => {
    for (const [count, trials] of [[1, 10], [5, 40], [19, 20], [3, 2000], [700, 2000]] as const) {
      const { low, high } = clopperPearson(count, trials);
      let above = 0;
      let below = 0;
      for (let k = 0; k <= trials; k++) {
        if (k >= count) above += binomial(k, trials, low);
        if (k <= count) below += binomial(k, trials, high);
      }
      close(above, 0.025, 1e-9);
      close(below, 0.025, 1e-9);
    }
  });

  it('is [0, 1 - (alpha/2)^(1/N)] for a count of 0, and its mirror', () => {
    const { low, high } = clopperPearson(0, 50);
    assert.equal(low, 0);
    close(high, 1 - 0.025 ** (1 / 50), 1e-12);
    const mirror = clopperPearson(50, 50);
    assert.equal(mirror.high, 1);
    close(mirror.low, 0.025 ** (1 / 50), 1e-12);
  });

  it('resolves one firing in a billion tokens', () => {
    const { low, high } = clopperPearson(1, 1e9);
    // Poisson limits: -log(0.975), and the solution of exp(-x)(1 + x) = 0.025.
    close(low, 0.02531780798e-9, 1e-6);
    close(high, 5.57164339e-9, 1e-6);
  });
});

describe('incomplete beta', () => {
  it('knows closed forms', () => {
    for (const x of [1e-12, 0.1, 0.5, 0.9]) {
      close(regularizedBeta(x, 1, 1), x, 1e-13);
      close(regularizedBeta(x, 3, 1), x ** 3, 1e-12);
      close(regularizedBeta(x, 1, 4), -Math.expm1(4 * Math.log1p(-x)), 1e-12);
      close(regularizedBeta(x, 0.5, 0.5), (2 / Math.PI) * Math.asin(Math.sqrt(x)), 1e-12);
    }
  });

  it('is symmetric, ascending, and undone by its quantile', () => {
    // Below 1, the distribution has a pole at an end, and doubles near 1 are too far apart for it.
    const parameter = fc.double({ min: 1, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(parameter, parameter, fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true }), (a, b, p) => {
        const x = betaQuantile(p, a, b);
        assert.ok(Math.abs(regularizedBeta(x, a, b) - p) < 1e-8);
        // Nearer to an end, 1 - x is not x mirrored.
        if (Math.min(x, 1 - x) > 1e-4) assert.ok(Math.abs(regularizedBeta(x, a, b) + regularizedBeta(1 - x, b, a) - 1) < 1e-8);
      }),
    );
  });

  it('rests on log Gamma', () => {
    for (const n of [1, 2, 5, 17, 100, 2000]) assert.ok(Math.abs(logGamma(n + 1) - logFactorials[n]!) <= 1e-13 * Math.max(1, logFactorials[n]!));
    close(logGamma(0.5), Math.log(Math.PI) / 2, 1e-14);
  });
});

describe('classes', () => {
  it('have the edges of the pack', () => {
    assert.equal(classOf(0, 1e9), 'dead');
    assert.equal(classOf(999, 1e9), 'ultralow');
    assert.equal(classOf(1000, 1e9), 'rare');
    assert.equal(classOf(99_999, 1e9), 'rare');
    assert.equal(classOf(100_000, 1e9), 'live');
    assert.equal(classOf(100_000_000, 1e9), 'live');
    assert.equal(classOf(100_000_001, 1e9), 'dense');
  });
});
