/** The rare features' direction and its nulls: planted directions, Gaussian closed forms, survival curves, and the plugin. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { RareDirectionsReport } from '../../engine/dying/anatomy-reports.js';
import { collapseFit, countingVariance } from '../../engine/dying/collapse-fit.js';
import { liveNulls, ownCosine, proposeDirections, randomCosine, scoreDirections, valuesAlong } from '../../engine/dying/direction-nulls.js';
import { featureGroups } from '../../engine/dying/feature-rows.js';
import { leastHyperplane } from '../../engine/dying/gaussian-hyperplane.js';
import { Pace } from '../../engine/pace.js';
import type { Accumulator } from '../../engine/run/accumulator.js';
import { rareDirections } from '../../plugins/builtin/rare-directions/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { makeSae } from '../shared/oracle.js';
import { gaussian, uniform } from '../shared/random.js';
import { batchOf, contextFor, makeStream } from '../support/analysis-stream.js';

const pace = (): Pace => new Pace(undefined);
const near = (value: number | null | undefined, expected: number, tolerance: number, what: string): void => assert.ok(value !== null && value !== undefined && Math.abs(value - expected) <= tolerance, `${what}: ${value}, expected ${expected} ± ${tolerance}`);

/** Rows delta u + sigma N(0, I), u = e_0. */
function planted(n: number, d: number, delta: number, sigma: number, seed: number): Float32Array {
  const next = gaussian(seed);
  return Float32Array.from({ length: n * d }, (_, at) => (at % d === 0 ? delta : 0) + sigma * next());
}

const indices = (from: number, to: number): Uint32Array => Uint32Array.from({ length: to - from }, (_, i) => from + i);

describe('directions of rare features', () => {
  it('a planted direction: own cosine δ / √(δ² + σ² d) within its interval, and above live features', async () => {
    const [d, n] = [32, 300];
    for (const sigma of [0.05, 0.15]) {
      const encoder = planted(n, d, 1, sigma, 4);
      encoder.set(planted(n / 2, d, 0, 1, 5), (n / 2) * d);
      const nulls = await liveNulls(encoder, planted(n, d, 0, 1, 6), { rare: indices(0, n / 2), live: indices(n / 2, n) }, { d_in: d, d_out: d }, 1, pace());
      const expected = 1 / Math.sqrt(1 + sigma ** 2 * d);
      near(nulls.own_cosine.value, expected, 0.01, 'own cosine');
      assert.ok(nulls.own_cosine.low! < nulls.own_cosine.value! && nulls.own_cosine.value! < nulls.own_cosine.high!);
      assert.equal(nulls.live_own_cosine.p_above, 0.01);
      assert.equal(nulls.live_encoder_share.p_above, 0.05);
      // Decoder rows share nothing, in either group.
      assert.ok(nulls.live_decoder_share.p_above! > 0.05 || nulls.live_decoder_share.high! - nulls.live_decoder_share.low! < 0.01);
      // A group's own mean has a part of each: 1 / sqrt(n) for unrelated columns.
      near(nulls.live_own_cosine.median, 1 / Math.sqrt(n / 4), 0.03, 'live');
    }
  });

  it('what is proposed are the closed forms, and each is scored 1 where it is the truth', async () => {
    const d = 5;
    const mean = [1, -0.5, 0.3, 0, 0.2];
    const covariance = Float64Array.from({ length: d * d }, (_, at) => (Math.floor(at / d) === at % d ? 1 + (at % d) : 0.2));
    const data = { d, mean, covariance };
    for (const b of [-1, 0, 0.4]) {
      const proposals = await proposeDirections(data, b);
      const truth = leastHyperplane(data, b, 'activation');
      assert.deepEqual([...proposals.closedForm!.w], [...truth.w]);
      for (const { name, direction } of proposals.directions) {
        const encoder = new Float32Array(4 * d);
        for (let i = 0; i < 4; i++) encoder.set(direction.map((value) => (i + 1) * value), i * d);
        const scored = await scoreDirections(proposals, encoder, indices(0, 4), d, 1, pace());
        const own = scored.find((one) => one.name === name)!;
        near(own.cosine.value, 1, 1e-6, name);
        near(own.cosine.low, 1, 1e-6, name);
        near(own.features!.q25, 1, 1e-6, name);
        assert.deepEqual(scored.map((one) => one.name), ['closed_form', 'inverse_covariance', 'minus_mean', 'top_component', 'random']);
      }
    }
    // At b = 0 the rate's closed form is -Sigma^-1 mu.
    const { directions } = await proposeDirections(data, null);
    const inverse = directions.find(({ name }) => name === 'inverse_covariance')!.direction;
    const rate = leastHyperplane(data, 0, 'rate').w;
    near(inverse.reduce((sum, value, c) => sum + value * rate[c]!, 0) / Math.hypot(...inverse), 1, 1e-12, 'inverse covariance');
    assert.ok(!directions.some(({ name }) => name === 'closed_form'));
    // Nothing to say of data that lie in a plane, or whose mean is the origin.
    const flat = await proposeDirections({ d, mean, covariance: new Float64Array(d * d) }, 0);
    assert.deepEqual([flat.closedForm, flat.caveats.length], [null, 2]);
  });

  it('chance: quantiles of |cos| against draws', () => {
    const next = gaussian(3);
    for (const d of [2, 3, 24]) {
      const drawn = Float64Array.from({ length: 20_000 }, () => {
        const v = Array.from({ length: d }, next);
        return Math.abs(v[0]!) / Math.hypot(...v);
      }).sort();
      const { value, low, high } = randomCosine(d);
      near(value, drawn[10_000]!, 0.02, `median, d ${d}`);
      near(low, drawn[500]!, 0.01, `low, d ${d}`);
      near(high, drawn[19_500]!, 0.02, `high, d ${d}`);
    }
    assert.equal(randomCosine(1).value, 1);
  });

  it('groups: rare is below the edge and fired', () => {
    const { rare, live, dead } = featureGroups([0, 1, 9, 10, 50], 100, 0.1);
    assert.deepEqual([[...dead], [...rare], [...live]], [[0], [1, 2], [3, 4]]);
    assert.ok(Number.isNaN(ownCosine(new Float32Array(4), [], 2)));
  });
});

describe('the collapse plot', () => {
  const [rows, d] = [20_000, 6];
  const next = gaussian(9);
  const x = Float32Array.from({ length: rows * d }, (_, at) => (at % d === 0 ? 1.5 : 0) + (1 + (at % d)) * next());
  const counted = (w: readonly number[], b: number): number => {
    let count = 0;
    for (let r = 0; r < rows; r++) count += Number(w.reduce((sum, value, c) => sum + value * x[r * d + c]!, b) > 0);
    return count;
  };

  it('features of one direction lie on its survival curve exactly, whatever their lengths', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(1e6), async (seed) => {
      const draw = uniform(seed);
      const u = [-0.6, 0.8, 0, 0, 0, 0];
      const features = Array.from({ length: 12 }, () => ({ length: Math.fround(0.2 + draw()), offset: 2 + 4 * draw() }));
      const values = await valuesAlong(x, rows, Float64Array.from(u, (value) => 7 * value), pace());
      const fit = await collapseFit({ direction: 'rbar', values, offsets: features.map(({ offset }) => offset), counts: features.map(({ length, offset }) => counted(u.map((value) => length * value), -length * offset)), tokens: rows, seed, pace: pace() });
      near(fit.rms.value, 0, 2e-3, 'rms');
      near(fit.bias, 0, 2e-3, 'bias');
      near(fit.rank_correlation.value, 1, 1e-2, 'rank correlation');
      assert.ok(fit.shuffled.low! > 10 * fit.rms.value! && fit.shuffled.p_below! < 0.01);
    }), { numRuns: 5 });
  });

  it('features of directions of their own do not, and their null says so', async () => {
    const draw = gaussian(11);
    const features = Array.from({ length: 30 }, () => {
      const w = Array.from({ length: d }, draw);
      const length = Math.hypot(...w);
      const sd = Math.hypot(...w.map((value, c) => value * (1 + c)));
      // Each at two or three of its own standard deviations.
      const offset = ((2 + 0.5 * Math.abs(draw())) * sd + 1.5 * w[0]!) / length;
      return { w, length, offset };
    });
    const counts = features.map(({ w, length, offset }) => counted(w, -length * offset));
    const values = await valuesAlong(x, rows, Float64Array.of(-1, 0, 0, 0, 0, 0), pace());
    const fit = await collapseFit({ direction: 'rbar', values, offsets: features.map(({ offset }) => offset), counts, tokens: rows, seed: 1, pace: pace() });
    assert.ok(fit.rms.value! > 0.8 && fit.rms.value! > 5 * fit.counting_rms!, `${fit.rms.value}`);
    assert.ok(fit.rank_correlation.low! < 0.5);
  });

  it('a sample of the rows predicts to within counting', async () => {
    const u = Float64Array.of(1, 0, 0, 0, 0, 0);
    const sample = 5000;
    const values = await valuesAlong(x.subarray(0, sample * d), sample, u, pace());
    const offsets = Array.from({ length: 15 }, (_, i) => 2.5 + 0.1 * i);
    const fit = await collapseFit({ direction: 'rbar', values, offsets, counts: offsets.map((offset) => counted([...u], -offset)), tokens: rows, seed: 1, pace: pace() });
    assert.ok(fit.rms.value! < 0.1, `${fit.rms.value}`);
    assert.ok(fit.counting_rms! > 0 && fit.counting_rms! < 0.05);
  });

  it('knows what counting alone leaves', () => {
    const draw = uniform(5);
    for (const mean of [0.3, 2, 20]) {
      let sum = 0;
      const draws = 40_000;
      for (let i = 0; i < draws; i++) {
        let [k, product] = [0, draw()];
        for (; product > Math.exp(-mean); product *= draw()) k++;
        sum += Math.log10((k + 0.5) / (mean + 0.5)) ** 2 / draws;
      }
      near(countingVariance(mean), sum, 0.04 * sum, `mean ${mean}`);
    }
    near(countingVariance(499.9) / countingVariance(500.1), 1, 0.01, 'where the approximation begins');
  });

  it('says nothing of no features', async () => {
    const fit = await collapseFit({ direction: 'rbar', values: Float64Array.of(1, 2), offsets: [], counts: [], tokens: 2, seed: 1, pace: pace() });
    assert.deepEqual([fit.rms.value, fit.bias, fit.counting_rms, fit.shuffled.replicates], [null, null, null, 0]);
  });
});

it('sae/rare-directions: features on -mu, their curve, and the b_dec that they were born under', async () => {
  const [d, d_sae] = [6, 40];
  const stream = makeStream({ contexts: 60, positions: 20, d, d_sae, seed: 6, ignored: 0 });
  const rows = stream.x.length / d;
  const base = makeSae({ architecture: 'standard', d_in: d, d_sae, seed: 3 });
  const b_dec = Float32Array.from({ length: d }, () => 0.5);
  const next = gaussian(8);
  // The data's mean is 2 in each dimension: 0 .. 19 point away from it.
  const W_enc = Float32Array.from({ length: d * d_sae }, (_, at) => (at % d_sae < 20 ? -1 + 0.03 * next() : next()));
  const column = (i: number): number[] => Array.from({ length: d }, (_, c) => W_enc[c * d_sae + i]!);
  const b_enc = Float32Array.from({ length: d_sae }, (_, i) => (i < 20 ? 4 + 0.15 * i : 12));
  const sae = { ...base, W_enc, b_enc, b_dec };
  const fires = (r: number, i: number): boolean => column(i).reduce((sum, w, c) => sum + w * (stream.x[r * d + c]! - b_dec[c]!), b_enc[i]!) > 0;
  const counts = Float64Array.from({ length: d_sae }, (_, i) => Array.from({ length: rows }, (__, r) => Number(fires(r, i))).reduce((a, b) => a + b, 0));
  const checkpoints = [0, 10, 20].map((step) => ({ step }));
  // b_dec began at 0 and went past the mean in one dimension.
  const run = { record: { checkpoints }, sae: (step: number) => Promise.resolve({ ...sae, b_dec: b_dec.map((value, c) => (step === 0 ? 0 : step === 10 && c === 0 ? 9 : value)) }) } as never;
  const ctx = contextFor(rareDirections as never, stream, {
    sae,
    run,
    settings: { edge: 0.2 },
    rows: () => Promise.resolve({ x: stream.x, rows, d, total: rows, whole: true, tokens: null, index: Float64Array.from({ length: rows }, (_, r) => r) }),
    results: { 'sae/density': { features: [{ name: 'count', type: 'u64', data: counts, description: '' }], summary: { tokens: rows } } },
  });
  const create = async (): Promise<Accumulator> => (await rareDirections.load()).create(ctx as never);
  const [whole, first, second] = await Promise.all([create(), create(), create()]);
  await whole.update(batchOf(stream, 0, 60));
  await first.update(batchOf(stream, 0, 25));
  await second.update(batchOf(stream, 25, 60));
  first.merge(second.save());
  const [result, merged] = [await whole.finish(), await first.finish()];
  checkResult('sae/rare-directions', result, d_sae, { columns: new Set(), tables: new Set() });
  const report = result.summary as unknown as RareDirectionsReport;
  assert.equal(report.rare.features, counts.filter((count) => count > 0 && count < 0.2 * rows).length);
  const scored = Object.fromEntries(report.proposed.map(({ name, cosine }) => [name, cosine]));
  near(scored.minus_mean!.value, 0.99, 0.02, '-mu');
  near(scored.minus_mean!.value, report.rare.offset_cosine!, 1e-9, 'the same as rareDirections');
  assert.ok(scored.minus_mean!.low! > scored.random!.high!);
  assert.ok(report.own_cosine.value! > 0.95 && report.live_own_cosine.high! < 0.9);
  const rbar = report.collapse.find(({ direction }) => direction === 'rbar')!;
  assert.ok(rbar.rms.value! < rbar.shuffled.low!, `${rbar.rms.value}`);
  assert.deepEqual(report.fossil!.steps, [0, 10, 20]);
  assert.ok(report.fossil!.cosines[1]! < report.fossil!.cosines[0]!);
  near(report.fossil!.last, report.rare.offset_cosine!, 1e-6, 'b_dec as it is');
  const other = merged.summary as unknown as RareDirectionsReport;
  report.proposed.forEach(({ cosine }, at) => near(other.proposed[at]!.cosine.value, cosine.value!, 1e-6, 'merged'));
  near(other.b, report.b!, 0, 'b');
});
