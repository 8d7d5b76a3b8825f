/** Which way features died: the ledger's identity, the shares of planted descent, SGD and Adam run on the L1 term alone. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { biasLedger, biasShare, firingMeans, predictedShare, type EncoderFrame } from '../../engine/dying/bias-share.js';
import { gaussian } from '../shared/random.js';

const near = (value: number, expected: number, tolerance: number, what = ''): void => assert.ok(Math.abs(value - expected) <= tolerance, `${what} ${value}, expected ${expected} ± ${tolerance}`);

function frame(n: number, d: number, seed: number, scale = 1): EncoderFrame {
  const normal = gaussian(seed);
  const make = (length: number): Float32Array => Float32Array.from({ length }, () => scale * normal());
  return { encoder: make(n * d), bias: make(n), b_dec: make(d) };
}

test('the three parts add up to the change of the mean pre-activation, exactly', () => {
  fc.assert(fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 9 }), (seed, n, d) => {
    const [before, after] = [frame(n, d, seed), frame(n, d, seed + 1)];
    const normal = gaussian(seed + 2);
    const mean = Float64Array.from({ length: d }, normal);
    const m = ({ encoder, bias, b_dec }: EncoderFrame, i: number): number => mean.reduce((sum, value, c) => sum + encoder[i * d + c]! * (value - b_dec[c]!), bias[i]!);
    for (const { feature: i, change, bias, encoder, b_dec } of biasLedger(before, after, mean, Array.from({ length: n }, (_, at) => at))) {
      near(change, m(after, i) - m(before, i), 1e-12 * d * 50);
      near(bias, after.bias[i]! - before.bias[i]!, 1e-12);
      near(bias + encoder + b_dec, change, 1e-12);
    }
    // With b_dec still, the encoder's part is Dw . mu~, and b_dec has none.
    const still = { ...after, b_dec: before.b_dec };
    for (const { b_dec, encoder, feature: i } of biasLedger(before, still, mean, [0])) {
      assert.equal(Math.abs(b_dec), 0);
      near(encoder, mean.reduce((sum, value, c) => sum + (after.encoder[i * d + c]! - before.encoder[i * d + c]!) * (value - before.b_dec[c]!), 0), 1e-11);
    }
  }));
  assert.throws(() => biasLedger(frame(2, 3, 1), frame(2, 4, 1), [1, 2, 3], [0]), /second frame/);
});

test('means of the rows on which a feature fires', () => {
  const [n, d, rows] = [5, 3, 200];
  const { encoder, bias, b_dec } = frame(n, d, 4);
  bias[4] = -1000;
  const normal = gaussian(9);
  const x = Float32Array.from({ length: rows * d }, normal);
  const found = firingMeans({ encoder, bias, b_dec }, x, rows, [3, 1, 4]);
  for (const [j, i] of [3, 1].entries()) {
    const fired = Array.from({ length: rows }, (_, r) => Array.from({ length: d }, (__, c) => x[r * d + c]! - b_dec[c]!)).filter((row) => row.reduce((sum, value, c) => sum + value * encoder[i * d + c]!, bias[i]!) > 0);
    for (let c = 0; c < d; c++) near(found[j * d + c]!, fired.reduce((sum, row) => sum + row[c]!, 0) / fired.length, 1e-12);
  }
  assert.ok(found.subarray(6).every(Number.isNaN));
});

/** The L1 term alone, in f64: every feature descends E relu(z) over the rows until it fires on a tenth of them. */
function descend(optimizer: 'sgd' | 'adam', x: Float32Array, rows: number, d: number, n: number, lr: number): { before: EncoderFrame; after: EncoderFrame } {
  const normal = gaussian(77);
  const w = Float64Array.from({ length: n * d }, () => 0.05 * normal());
  const b = Float64Array.from({ length: n }, () => 0.05);
  const snapshot = (): EncoderFrame => ({ encoder: Float32Array.from(w), bias: Float32Array.from(b), b_dec: new Float32Array(d) });
  const before = snapshot();
  const gradient = new Float64Array(d + 1);
  for (let i = 0; i < n; i++) {
    const [m, v] = [new Float64Array(d + 1), new Float64Array(d + 1)];
    for (let t = 1; t < 4000; t++) {
      gradient.fill(0);
      for (let r = 0; r < rows; r++) {
        let z = b[i]!;
        for (let c = 0; c < d; c++) z += w[i * d + c]! * x[r * d + c]!;
        if (z <= 0) continue;
        for (let c = 0; c < d; c++) gradient[c] = gradient[c]! + x[r * d + c]! / rows;
        gradient[d] = gradient[d]! + 1 / rows;
      }
      if (gradient[d]! < 0.1) break;
      for (let c = 0; c <= d; c++) {
        m[c] = 0.9 * m[c]! + 0.1 * gradient[c]!;
        v[c] = 0.99 * v[c]! + 0.01 * gradient[c]! ** 2;
        const step = optimizer === 'sgd' ? lr * gradient[c]! : (lr * m[c]!) / (1 - 0.9 ** t) / Math.sqrt(v[c]! / (1 - 0.99 ** t));
        if (c < d) w[i * d + c] = w[i * d + c]! - step;
        else b[i] = b[i]! - step;
      }
    }
  }
  return { before, after: snapshot() };
}

test('features that the L1 term alone kills: shares as predicted, large means by turning, small ones by the bias, SGD and Adam apart', () => {
  const [d, rows, n] = [6, 400, 12];
  const normal = gaussian(5);
  for (const length of [0.3, 3]) {
    const mean = Float64Array.from({ length: d }, (_, c) => (length * (1 + 0.3 * c)) / Math.sqrt(d));
    const x = Float32Array.from({ length: rows * d }, (_, at) => mean[at % d]! + 0.2 * length * normal());
    const sample = Float64Array.from({ length: d }, (_, c) => Array.from({ length: rows }, (__, r) => x[r * d + c]!).reduce((sum, value) => sum + value, 0) / rows);
    for (const optimizer of ['sgd', 'adam'] as const) {
      const { before, after } = descend(optimizer, x, rows, d, n, optimizer === 'sgd' ? 0.002 : 0.0005);
      const features = Array.from({ length: n }, (_, i) => i);
      const firing = firingMeans(before, x, rows, features);
      const report = biasShare(biasLedger(before, after, sample, features), { firing, mean: sample });
      const expected = optimizer === 'sgd' ? report.sgd_along_mean! : report.adam_along_mean!;
      near(report.pooled.value! / expected, 1, 0.12, `${optimizer}, mean ${length}`);
      near(report.share!.median / expected, 1, 0.12);
      assert.ok(report.pooled.low! <= report.pooled.value! && report.pooled.high! >= report.pooled.value!);
      // Along mu+ it is S6's form, the same where the mean is large against the spread.
      near((optimizer === 'sgd' ? report.sgd! : report.adam!) / expected, 1, 0.25);
      if (length === 3) assert.ok(report.pooled.value! < 0.15);
      else assert.ok(report.pooled.value! > 0.4);
    }
  }
  assert.deepEqual(predictedShare([3, -4]), { sgd: 1 / 26, adam: 1 / 8 });
  assert.deepEqual(biasShare([]), { features: 0, share: null, pooled: { value: null, low: null, high: null }, sgd: null, adam: null, sgd_along_mean: null, adam_along_mean: null });
});
