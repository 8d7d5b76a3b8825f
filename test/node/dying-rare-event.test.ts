/** Rates below 1 / N: tails' intervals cover known rates of 1e-7, tilted sampling agrees with closed forms. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { frameRows, rowMoments } from '../../engine/dying/frame-rows.js';
import { upperTail, upperTailQuantile } from '../../engine/dying/normal.js';
import { smoothedLogRate, tailRate, tiltedRate } from '../../engine/dying/rare-event.js';
import { gaussian, uniform } from '../shared/random.js';

const N = 100_000;

describe('the rate by its tail', () => {
  it('covers 1e-7 of Gaussian, Laplace and t5 rows, 100 times beyond what was seen', async () => {
    const t5 = (_u: () => number, g: () => number): number => {
      let chi = 0;
      for (let i = 0; i < 5; i++) chi += g() ** 2;
      return g() / Math.sqrt(chi / 5);
    };
    // t with P(T5 > t) = 1e-7, by its distribution function in closed form.
    const t5Tail = (t: number): number => {
      const a = Math.atan(t / Math.sqrt(5));
      return 0.5 - (a + Math.sin(a) * Math.cos(a) * (1 + (2 / 3) * Math.cos(a) ** 2)) / Math.PI;
    };
    let [low, high] = [1, 200];
    for (let i = 0; i < 80; i++) [low, high] = t5Tail((low + high) / 2) > 1e-7 ? [(low + high) / 2, high] : [low, (low + high) / 2];
    const cases = [
      ['Gaussian', upperTailQuantile(Math.log(1e-7)), (_u: () => number, g: () => number) => g()],
      ['Laplace', -Math.log(2e-7), (u: () => number) => (u() < 0.5 ? -1 : 1) * -Math.log(1 - u())],
      ['t5', low, t5],
    ] as const;
    for (const [name, level, draw] of cases) {
      let covered = 0;
      for (let seed = 1; seed <= 3; seed++) {
        const [u, g] = [uniform(seed), gaussian(seed + 50)];
        const { rate, firing, observed } = await tailRate(name, Float64Array.from({ length: N }, () => draw(u, g) - level));
        assert.ok(firing <= 1 && observed.high! < 1e-4);
        if (rate.low! <= 1e-7 && rate.high! >= 1e-7) covered++;
        // An interval that says nothing would cover, too.
        assert.ok(rate.high! < 1e-4, `${name}: ${JSON.stringify(rate)}`);
      }
      assert.ok(covered >= 2, `${name}: ${covered} of 3`);
    }
  });

  it('is the observed rate where rows fire', async () => {
    const g = gaussian(3);
    const { rate, observed, firing } = await tailRate('seen', Float64Array.from({ length: 50_000 }, () => g() - 2.5));
    assert.ok(firing > 200);
    assert.ok(Math.abs(Math.log(rate.value! / observed.value!)) < 0.15);
  });
});

describe('tilted sampling', () => {
  it('has the smoothed closed form within its interval, at 1e-7 and rarer', async () => {
    const g = gaussian(8);
    const d = 6;
    const frame = frameRows(Float32Array.from({ length: 4000 * d }, (_, at) => g() * (1 + (at % d) / 3) + 0.5), d, { origin: new Float64Array(d).fill(0.2) });
    const moments = await rowMoments(frame);
    const w = Float64Array.from({ length: d }, (_, c) => (c % 2 === 0 ? -1 : 0.5) / Math.sqrt(3.75));
    const mean = w.reduce((sum, value, c) => sum + value * moments.mean[c]!, 0);
    let variance = 0;
    for (let a = 0; a < d; a++) for (let c = 0; c < d; c++) variance += w[a]! * w[c]! * moments.covariance[a * d + c]!;
    const sd = Math.sqrt(variance);
    for (const [sds, h] of [[5.2, 0.3], [5.2, 1], [7, 3]] as const) {
      const b = -mean - sds * sd;
      const z = Float64Array.from({ length: 4000 }, (_, r) => w.reduce((sum, value, c) => sum + value * (frame.x[r * d + c]! - 0.2), b));
      const expected = Math.exp(smoothedLogRate(z, mean + b, sd, h));
      const { probability, low, high, effective, rowWeights, relative_error } = await tiltedRate(frame, { w, b }, { moments, h, seed: 4, draws: 8000 });
      assert.ok(Math.abs(Math.log(probability / expected)) < 4 * relative_error && relative_error < 0.1, `${probability}, expected ${expected}`);
      assert.ok(low < probability && probability < high && effective > 300);
      assert.ok(Math.abs(rowWeights.reduce((a, c) => a + c, 0) - 1) < 1e-9);
      // Rows nearest to the boundary are drawn most.
      assert.equal(rowWeights.indexOf(Math.max(...rowWeights)), z.indexOf(Math.max(...z)));
    }
    // A wide smoothing is the Gaussian of the same moments.
    const b = -mean - 5.2 * sd;
    const wide = await tiltedRate(frame, { w, b }, { moments, h: 30, seed: 5 });
    assert.ok(Math.abs(wide.probability / upperTail(5.2) - 1) < 0.1, `${wide.probability}, expected ${upperTail(5.2)}`);
  });

  it('any event: two half-spaces at once, by independence', async () => {
    const g = gaussian(9);
    const frame = frameRows(Float32Array.from({ length: 3000 * 2 }, () => g()), 2);
    const moments = { d: 2, mean: new Float64Array(2), covariance: Float64Array.of(1, 0, 0, 1) };
    const [w, level] = [Float64Array.of(Math.SQRT1_2, Math.SQRT1_2), 3.2];
    const both = await tiltedRate(frame, { w, b: -level * Math.SQRT2 }, { moments, h: 40, seed: 3, draws: 40_000, event: (x) => x[0]! > level && x[1]! > level });
    const expected = upperTail(level) ** 2;
    assert.ok(Math.abs(Math.log(both.probability / expected)) < 4 * both.relative_error + 0.05 && both.relative_error < 0.1, `${both.probability}, expected ${expected}`);
  });

  it('says what it cannot do', async () => {
    const frame = frameRows(new Float32Array(20), 2);
    await assert.rejects(tiltedRate(frame, { w: Float64Array.of(1, 0), b: -1 }, { moments: await rowMoments(frame) }), /singular/);
  });
});
