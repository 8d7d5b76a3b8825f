/** Tukey's depth: exact in the plane against counting, Grunbaum's 1/e, and the profile psi against closed forms. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { frameRows, rowMoments } from '../../engine/dying/frame-rows.js';
import { leastHyperplane } from '../../engine/dying/gaussian-hyperplane.js';
import { profileReport } from '../../engine/dying/hyperplane-profile.js';
import { depthInPlane, profileAt, rateProfile, shareAbove, tukeyDepth } from '../../engine/dying/tukey-depth.js';
import { gaussian, uniform } from '../shared/random.js';

const rowsOf = (m: number, d: number, value: (c: number, r: number) => number): Float32Array => Float32Array.from({ length: m * d }, (_, at) => value(at % d, Math.floor(at / d)));

/** Least weight of a closed half-plane whose boundary meets no row: every angle between two critical ones, with cross products. */
function counted(x: Float32Array): number {
  const m = x.length / 2;
  const angles: number[] = [];
  for (let r = 0; r < m; r++) if (x[2 * r] !== 0 || x[2 * r + 1] !== 0) for (const side of [0.5, -0.5]) angles.push(Math.atan2(x[2 * r + 1]!, x[2 * r]!) + side * Math.PI);
  const sorted = angles.map((a) => ((a % (2 * Math.PI)) + 2 * Math.PI) % (2 * Math.PI)).sort((a, b) => a - b);
  if (sorted.length === 0) return 1;
  let least = m;
  for (let i = 0; i < sorted.length; i++) {
    const next = i + 1 < sorted.length ? sorted[i + 1]! : sorted[0]! + 2 * Math.PI;
    if (next - sorted[i]! < 1e-9) continue;
    const angle = (sorted[i]! + next) / 2;
    let count = 0;
    for (let r = 0; r < m; r++) if (Math.cos(angle) * x[2 * r]! + Math.sin(angle) * x[2 * r + 1]! >= 0) count++;
    least = Math.min(least, count);
  }
  return least / m;
}

describe('Tukey depth', () => {
  it('in the plane is the least count over all angles, with ties, opposite rows and rows at the origin', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 1, max: 40 }), fc.boolean(), fc.constantFrom(0, 0.7), async (seed, m, grid, shift) => {
        const next = gaussian(seed);
        const x = rowsOf(m, 2, () => (grid ? Math.round(next() + shift) : next() + shift));
        const { depth, w, exact } = await tukeyDepth(frameRows(x, 2));
        assert.equal(exact, true);
        assert.ok(Math.abs(depth - counted(x)) < 1e-12, `${depth}, counted ${counted(x)}`);
        let at = 0;
        for (let r = 0; r < m; r++) if (w[0]! * x[2 * r]! + w[1]! * x[2 * r + 1]! >= 0) at++;
        assert.ok(Math.abs(at / m - depth) < 1e-12, 'the direction has the depth');
      }),
      { numRuns: 400 },
    );
  });

  it('takes weights, and only the plane', () => {
    const x = Float32Array.of(1, 0, -1, 0.1, -1, -0.1);
    const { depth } = depthInPlane(frameRows(x, 2, { weights: Float64Array.of(1, 10, 10) }));
    assert.ok(Math.abs(depth - 1 / 21) < 1e-12);
    assert.throws(() => depthInPlane(frameRows(new Float32Array(6), 3)), /expected 2/);
  });

  it('the bound by minimisation is near the exact one', async () => {
    const next = gaussian(4);
    for (const shift of [0.2, 0.6, 1.2]) {
      const x = rowsOf(3000, 2, (c) => next() * (1 + c) + shift);
      const exact = depthInPlane(frameRows(x, 2)).depth;
      // The same rows in three dimensions, the third without spread: no plane to be exact in.
      const wide = rowsOf(3000, 3, (c, r) => (c === 2 ? 0 : x[2 * r + c]!));
      const found = await tukeyDepth(frameRows(wide, 3));
      assert.ok(found.depth >= exact - 1e-12 && found.depth <= exact * 1.1 + 2 / 3000, `${found.depth}, exact ${exact}`);
    }
  });

  it('at the mean: one half of a round Gaussian, 0.369 to 0.379 of Exp^6, 1/e at least', async () => {
    const next = gaussian(5);
    const flat = uniform(6);
    const m = 30_000;
    const round = frameRows(rowsOf(m, 4, () => next()), 4);
    const half = await tukeyDepth(round, { random: 2, directions: 40 });
    assert.ok(half.depth > 0.48 && half.depth <= 0.505, `${half.depth}`);
    const exp = frameRows(rowsOf(m, 6, () => -Math.log(1 - flat())), 6, { origin: new Float64Array(6).fill(1) });
    const { depth } = await tukeyDepth(exp, { random: 3, directions: 100 });
    // 1/e of the axes themselves; of m rows, sqrt(d / m) or so less.
    assert.ok(depth > 0.358 && depth < 0.379, `${depth}`);
    // At the corner of the orthant nothing is on one side.
    const corner = await tukeyDepth(frameRows(exp.x, 6), { random: 1, directions: 10 });
    assert.equal(corner.depth, 0);
    assert.equal(corner.exact, true);
  });
});

describe('the profile psi', () => {
  it('is that of a Gaussian in closed form, falls, and no feature lies below it', async () => {
    const next = gaussian(7);
    const d = 3;
    const m = 40_000;
    const frame = frameRows(rowsOf(m, d, (c) => next() * (0.7 + c / 3) + 0.5), d);
    const moments = await rowMoments(frame);
    const beta = [0, 0.3, 0.6, 1];
    const profile = await rateProfile(frame, beta, { moments });
    for (const [i, b] of beta.entries()) {
      const { probability } = leastHyperplane(moments, -b, 'rate');
      const error = 4 * Math.sqrt(probability / m) + 0.03 * probability;
      assert.ok(Math.abs(profile.psi[i]! - probability) < error, `beta ${b}: ${profile.psi[i]}, expected ${probability} +- ${error}`);
      if (i > 0) assert.ok(profile.psi[i]! <= profile.psi[i - 1]!);
    }
    assert.equal(profileAt(profile, 0.3), profile.psi[1]);
    const w = Float32Array.from({ length: 20 * d }, () => next());
    const b = Array.from({ length: 20 }, () => -Math.abs(next()));
    const { report } = await profileReport(frame, moments, [], { features: Array.from({ length: 20 }, (_, i) => i), w, b }, { seed: 0, signal: undefined });
    assert.equal(report.points.length, 20);
    assert.equal(report.below, 0);
    for (const { feature, beta: at, probability, psi } of report.points) {
      assert.ok(probability >= psi);
      let fires = 0;
      for (let r = 0; r < m; r++) {
        let z = b[feature]!;
        for (let c = 0; c < d; c++) z += w[feature * d + c]! * frame.x[r * d + c]!;
        if (z > 0) fires++;
      }
      assert.ok(Math.abs(probability - fires / m) < 1.5 / m && at >= 0);
    }
  });

  it('a share above a value is strict', () => {
    assert.equal(shareAbove([1, 2, 2, 3], 2), 0.25);
    assert.equal(shareAbove([1, 2, 2, 3], 1.9), 0.75);
    assert.equal(shareAbove([1, 2, 2, 3], 3), 0);
  });
});
