/** Matching metrics: the assignment against brute force and its own duals, the rest against closed forms. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NumericError, ShapeError, UsageError } from '../../engine/errors.js';
import { generatedData } from '../../engine/generate/generate.js';
import { coherence } from '../../engine/matching/coherence.js';
import { deadRecovery } from '../../engine/matching/dead-recovery.js';
import { FiringScores, type FiringRows } from '../../engine/matching/firing-scores.js';
import { gammaOf } from '../../engine/matching/gamma.js';
import { hungarian } from '../../engine/matching/hungarian.js';
import { matchDictionaries } from '../../engine/matching/match-dictionaries.js';
import { gaussian } from '../shared/random.js';

/** The least total over all ways to pair every row of the shorter side, tried one by one. */
function bruteForce(cost: ArrayLike<number>, n: number, m: number): number {
  const at = (i: number, j: number): number => (n <= m ? cost[i * m + j]! : cost[j * m + i]!);
  const [short, long] = [Math.min(n, m), Math.max(n, m)];
  const go = (i: number, taken: number): number => {
    if (i === short) return 0;
    let best = Infinity;
    for (let j = 0; j < long; j++) if ((taken & (1 << j)) === 0) best = Math.min(best, at(i, j) + go(i + 1, taken | (1 << j)));
    return best;
  };
  return go(0, 0);
}

/** An assignment is valid and optimal: its duals are feasible and reach its total. */
function proveOptimal(cost: Float64Array, n: number, m: number): void {
  const { columnOf, rowOf, u, v, total } = hungarian(cost, n, m);
  let size = 0;
  for (const value of cost) size = Math.max(size, Math.abs(value));
  const tolerance = 1e-12 * (n + m) * (1 + size);
  let [sum, pairs] = [0, 0];
  for (let i = 0; i < n; i++) {
    const j = columnOf[i]!;
    if (j >= 0) {
      assert.equal(rowOf[j], i);
      sum += cost[i * m + j]!;
      pairs++;
      assert.ok(Math.abs(cost[i * m + j]! - u[i]! - v[j]!) <= tolerance, `pair ${i}, ${j} is tight`);
    }
    for (let c = 0; c < m; c++) assert.ok(u[i]! + v[c]! <= cost[i * m + c]! + tolerance, `dual of ${i}, ${c} is feasible`);
  }
  assert.equal(pairs, Math.min(n, m));
  assert.ok(Math.abs(sum - total) <= tolerance);
  const dual = u.reduce((a, b) => a + b, 0) + v.reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(dual - total) <= tolerance, `duality: ${dual} and ${total}`);
  const [free, other] = n <= m ? [v, rowOf] : [u, columnOf];
  free.forEach((value, j) => assert.ok(other[j] === -1 ? value === 0 : value <= tolerance));
}

const shapes = fc.tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 7 }));

describe('hungarian', () => {
  it('finds the least total: brute force up to 7 by 7, with and without ties', () => {
    for (const entry of [fc.double({ min: -5, max: 5, noNaN: true }), fc.integer({ min: 0, max: 2 }).map(Number)]) {
      fc.assert(fc.property(shapes.chain(([n, m]) => fc.tuple(fc.constant(n), fc.constant(m), fc.array(entry, { minLength: n * m, maxLength: n * m }))), ([n, m, values]) => {
        const cost = Float64Array.from(values);
        proveOptimal(cost, n, m);
        assert.ok(Math.abs(hungarian(cost, n, m).total - bruteForce(cost, n, m)) < 1e-9);
      }));
    }
  });

  it('proves itself by its duals on larger, rectangular and degenerate problems', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 1000 }), fc.nat(), (n, m, levels, seed) => {
      const next = gaussian(seed);
      proveOptimal(Float64Array.from({ length: n * m }, () => Math.round(levels * next()) / levels), n, m);
    }), { numRuns: 60 });
    proveOptimal(new Float64Array(400), 20, 20);
  });

  it('does not depend on constants that rows and columns share, nor on the order of rows', () => {
    const next = gaussian(4);
    const [n, m] = [12, 17];
    const cost = Float64Array.from({ length: n * m }, next);
    const shifted = cost.map((value, at) => value + Math.floor(at / m) * 3);
    assert.deepEqual(hungarian(shifted, n, m).columnOf, hungarian(cost, n, m).columnOf);
    const reversed = Float64Array.from(cost, (_, at) => cost[(n - 1 - Math.floor(at / m)) * m + (at % m)]!);
    assert.deepEqual(hungarian(reversed, n, m).columnOf, hungarian(cost, n, m).columnOf.slice().reverse());
    const transposed = Float64Array.from(cost, (_, at) => cost[(at % n) * m + Math.floor(at / n)]!);
    assert.deepEqual(hungarian(transposed, m, n).rowOf, hungarian(cost, n, m).columnOf);
  });

  it('refuses what is no cost matrix', () => {
    assert.throws(() => hungarian(new Float64Array(5), 2, 3), ShapeError);
    assert.throws(() => hungarian(Float64Array.of(1, 2, NaN, 4), 2, 2), (error: Error) => error instanceof NumericError && /row 1 and column 0/.test(error.message));
    assert.throws(() => hungarian(Float64Array.of(1, Infinity), 1, 2), NumericError);
  });
});

/** [n, d] directions of a seed. */
const directions = (n: number, d: number, seed: number): Float32Array => Float32Array.from({ length: n * d }, gaussian(seed));
const truthOf = (data: Float32Array, d: number): { features: number; d: number; directions: Float32Array } => ({ features: data.length / d, d, directions: data });

describe('matchDictionaries', () => {
  it('a permuted and scaled dictionary is recovered, whatever the permutation', async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 12 }), fc.nat(), async (n, seed) => {
      const d = 6 + n;
      const known = directions(n, d, seed);
      const order = Array.from({ length: n }, (_, i) => (i * 5 + seed) % n).filter((value, at, all) => all.indexOf(value) === at);
      for (let i = 0; i < n; i++) if (!order.includes(i)) order.push(i);
      const decoder = Float32Array.from({ length: n * d }, (_, at) => (1 + Math.floor(at / d)) * known[order[Math.floor(at / d)]! * d + (at % d)]!);
      const match = await matchDictionaries(decoder, truthOf(known, d));
      for (const name of ['mcc', 'mmcs', 'latentMmcs', 'uniqueness', 'precision', 'recall', 'f1'] as const) assert.ok(Math.abs(match[name] - 1) < 1e-6, `${name} ${match[name]}`);
      assert.deepEqual(match.pairs.map(({ feature }) => feature), order);
      assert.deepEqual([...match.nearest], order);
    }), { numRuns: 40 });
  });

  it('a known rotation gives its cosine', async () => {
    // Each latent is its axis turned by an angle of its own towards an axis that no feature has.
    const angles = [0, 0.2, 0.5, 1.1];
    const d = 8;
    const decoder = new Float32Array(4 * d);
    const known = new Float32Array(4 * d);
    angles.forEach((angle, i) => {
      known[i * d + i] = 2;
      decoder[i * d + i] = Math.cos(angle);
      decoder[i * d + 4 + i] = Math.sin(angle);
    });
    const match = await matchDictionaries(decoder, truthOf(known, d), { threshold: 0.9 });
    const expected = angles.reduce((sum, angle) => sum + Math.cos(angle), 0) / 4;
    assert.ok(Math.abs(match.mcc - expected) < 1e-7);
    assert.ok(Math.abs(match.mmcs - expected) < 1e-7);
    assert.deepEqual([match.precision, match.recall, match.f1, match.uniqueness], [0.5, 0.5, 0.5, 1], 'cos 0.5 is 0.878');
    match.pairs.forEach(({ cosine }, i) => assert.ok(Math.abs(cosine - Math.cos(angles[i]!)) < 1e-7));
  });

  it('tells a sign: mcc takes |cos|, mmcs and `signed` take cos', async () => {
    const known = Float32Array.of(1, 0, 0, 1);
    const match = await matchDictionaries(Float32Array.of(-1, 0, 0, 1), truthOf(known, 2));
    assert.deepEqual([match.mcc, match.mmcs, match.pairs[0]!.cosine, match.recall], [1, 0.5, -1, 1]);
    const two = Float32Array.of(-1, 0, 0.6, 0.8);
    assert.deepEqual((await matchDictionaries(two, truthOf(known.slice(0, 2), 2))).pairs, [{ latent: 0, feature: 0, cosine: -1 }]);
    const { pairs } = await matchDictionaries(two, truthOf(known.slice(0, 2), 2), { signed: true });
    assert.deepEqual(pairs.map(({ latent, cosine }) => [latent, Math.round(1e6 * cosine)]), [[1, 600_000]]);
  });

  it('with more latents than features, and fewer', async () => {
    const known = Float32Array.of(1, 0, 0, 0, 1, 0);
    // Two latents on the first feature, one on the second, one on none.
    const decoder = Float32Array.of(1, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1);
    const match = await matchDictionaries(decoder, truthOf(known, 3));
    assert.deepEqual([match.mcc, match.precision, match.recall, match.mmcs, match.latentMmcs], [1, 0.5, 1, 1, 0.75]);
    assert.equal(match.f1, (2 * 0.5 * 1) / 1.5);
    // The latent on none has no nearest but the first of equals.
    assert.deepEqual([...match.nearest], [0, 0, 1, 0]);
    assert.equal(match.uniqueness, 0.5);
    const fewer = await matchDictionaries(known.slice(3), truthOf(decoder, 3));
    assert.deepEqual([fewer.pairs.length, fewer.mcc, fewer.recall], [1, 1, 0.25]);
  });

  it('dead rows match with cosine 0, and wrong input is named', async () => {
    const match = await matchDictionaries(new Float32Array(4), truthOf(Float32Array.of(1, 0, 0, 1), 2));
    assert.deepEqual([match.mcc, match.mmcs], [0, 0]);
    await assert.rejects(matchDictionaries(new Float32Array(5), truthOf(new Float32Array(4), 2)), ShapeError);
    await assert.rejects(matchDictionaries(new Float32Array(0), truthOf(new Float32Array(4), 2)), UsageError);
    await assert.rejects(matchDictionaries(Float32Array.of(1, NaN), truthOf(new Float32Array(4), 2)), (error: Error) => error instanceof NumericError && /decoder, row 0/.test(error.message));
    await assert.rejects(matchDictionaries(new Float32Array(2), truthOf(new Float32Array(4), 2), { signal: AbortSignal.abort() }), { name: 'AbortError' });
  });
});

describe('coherence, gamma and recovery', () => {
  it('coherence of axes is 0, of a repeated row 1, and of a known angle its cosine', () => {
    assert.deepEqual(coherence(Float32Array.of(2, 0, 0, 3), 2, 2), { mean: 0, max: 0, meanMax: 0 });
    assert.deepEqual(coherence(Float32Array.of(1, 0), 1, 2), { mean: 0, max: 0, meanMax: 0 });
    const three = coherence(Float64Array.of(1, 0, 0, 5, -Math.cos(0.3), Math.sin(0.3)), 3, 2);
    assert.ok(Math.abs(three.max - Math.cos(0.3)) < 1e-12);
    assert.ok(Math.abs(three.mean - (Math.cos(0.3) + Math.sin(0.3)) / 3) < 1e-12);
    assert.ok(Math.abs(three.meanMax - (2 * Math.cos(0.3) + Math.sin(0.3)) / 3) < 1e-12);
  });

  it('coherence agrees with plain loops for any shape', () => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 11 }), fc.integer({ min: 1, max: 9 }), fc.nat(), (n, d, seed) => {
      const W = directions(n, d, seed);
      const norm = (i: number): number => Math.hypot(...W.subarray(i * d, (i + 1) * d));
      const largest = new Array<number>(n).fill(0);
      let sum = 0;
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          if (i === j) continue;
          let dot = 0;
          for (let c = 0; c < d; c++) dot += W[i * d + c]! * W[j * d + c]!;
          const size = Math.abs(dot) / (norm(i) * norm(j));
          sum += size;
          largest[i] = Math.max(largest[i]!, size);
        }
      }
      const found = coherence(W, n, d);
      assert.ok(Math.abs(found.mean - sum / (n * (n - 1))) < 1e-12);
      assert.ok(Math.abs(found.max - Math.max(...largest)) < 1e-12);
      assert.ok(Math.abs(found.meanMax - largest.reduce((a, b) => a + b) / n) < 1e-12);
    }), { numRuns: 60 });
  });

  it('gamma of rows and of endless data', async () => {
    // Mean (3, 4), variances 1 and 4: gamma = 5 / sqrt(5).
    const x = Float32Array.of(2, 2, 4, 6, 2, 6, 4, 2);
    const found = await gammaOf({ x, d: 2 });
    assert.ok(Math.abs(found.gamma - 5 / Math.sqrt(5)) < 1e-12);
    assert.deepEqual([[...found.mean], found.trace, found.rows], [[3, 4], 5, 4]);
    const data = generatedData({ kind: 'gaussian', d: 16, gamma: 2.5, decay: 1, seed: 3 });
    const estimated = await gammaOf(data);
    assert.equal(estimated.rows, 16384);
    assert.ok(Math.abs(estimated.gamma - 2.5) < 0.05, `${estimated.gamma}`);
    await assert.rejects(gammaOf({ x: new Float32Array(0), d: 2 }), UsageError);
    await assert.rejects(gammaOf({ x: new Float32Array(3), d: 2 }), ShapeError);
  });

  it('dead recovery', () => {
    assert.deepEqual(deadRecovery([0, 0, 3, 0], [0, 5, 0, 1]), { dead: 3, recovered: 2, share: 2 / 3 });
    assert.equal(deadRecovery([1], [0]).share, null);
    assert.throws(() => deadRecovery([1], []), ShapeError);
  });
});

describe('firing scores', () => {
  /** Codes from a dense table. */
  const sparse = (table: readonly (readonly number[])[]): FiringRows => {
    const offsets = [0];
    const [features, values]: [number[], number[]] = [[], []];
    for (const row of table) {
      row.forEach((value, i) => value !== 0 && (features.push(i), values.push(value)));
      offsets.push(features.length);
    }
    return { rows: table.length, offsets: Uint32Array.from(offsets), features: Uint32Array.from(features), values: Float32Array.from(values) };
  };

  it('a worked example: precision, recall and F1 of each latent', () => {
    // Latent 0 follows feature 1 but misses once; latent 1 fires too often; latent 2 never.
    const scores = new FiringScores(Int32Array.of(1, 0, 0), 2);
    scores.add(sparse([[1, 1, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]]), sparse([[0, 2], [1, 1], [0, 1], [0, -3]]));
    const { precisions, recalls, f1s, precision, f1, rows } = scores.finish();
    assert.equal(rows, 4);
    assert.deepEqual([...precisions], [1, 1 / 3, 0]);
    assert.deepEqual([...recalls], [2 / 3, 1, 0]);
    [...f1s].forEach((value, i) => assert.ok(Math.abs(value - [0.8, 0.5, 0][i]!) < 1e-15));
    assert.ok(Math.abs(precision - 4 / 9) < 1e-15 && Math.abs(f1 - 1.3 / 3) < 1e-15);
    assert.throws(() => scores.add(sparse([[1]]), sparse([])), ShapeError);
  });

  it('agrees with counting in dense tables, however rows are cut', () => {
    const cell = fc.constantFrom(0, 0, 0, 1, 2.5);
    fc.assert(fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 12 }), fc.infiniteStream(cell), fc.nat(), (n, m, rows, stream, cut) => {
      const table = (width: number): number[][] => Array.from({ length: rows }, () => Array.from({ length: width }, () => stream.next().value as number));
      const [latents, truth] = [table(n), table(m)];
      const nearest = Int32Array.from({ length: n }, (_, i) => (i * 3 + 1) % m);
      const scores = new FiringScores(nearest, m);
      const first = cut % (rows + 1);
      scores.add(sparse(latents.slice(0, first)), sparse(truth.slice(0, first)));
      scores.add(sparse(latents.slice(first)), sparse(truth.slice(first)));
      const found = scores.finish();
      for (let i = 0; i < n; i++) {
        const fires = latents.map((row) => row[i]! > 0);
        const on = truth.map((row) => row[nearest[i]!]! > 0);
        const count = (test: (r: number) => boolean): number => fires.filter((_, r) => test(r)).length;
        const both = count((r) => fires[r]! && on[r]!);
        const [p, q] = [both / Math.max(1, count((r) => fires[r]!)), both / Math.max(1, count((r) => on[r]!))];
        assert.deepEqual([found.precisions[i], found.recalls[i]], [p, q]);
        assert.ok(Math.abs(found.f1s[i]! - (both === 0 ? 0 : (2 * p * q) / (p + q))) < 1e-15);
      }
    }));
  });
});
