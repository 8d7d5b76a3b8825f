/** The conspiracy test: identities against brute force, a planted pair that reconstructs only together, and features of no use. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { SparseCodes } from '../../engine/codes.js';
import type { ConspiracyReport } from '../../engine/dying/anatomy-reports.js';
import { GroupAblation, RandomAblation } from '../../engine/dying/conspiracy.js';
import { rowContexts } from '../../engine/dying/group-firings.js';
import { Pace } from '../../engine/pace.js';
import { conspiracy } from '../../plugins/builtin/conspiracy/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { makeSae, oracleDecode, oracleEncode } from '../shared/oracle.js';
import { gaussian, uniform } from '../shared/random.js';
import { contextFor, numbersOf } from '../support/analysis-stream.js';

const pace = (): Pace => new Pace(undefined);
const near = (value: number | null, expected: number, tolerance: number, what: string): void => assert.ok(value !== null && Math.abs(value - expected) <= tolerance, `${what}: ${value}, expected ${expected} ± ${tolerance}`);

function codesOf(dense: readonly (readonly number[])[]): SparseCodes {
  const [offsets, features, values]: [number[], number[], number[]] = [[0], [], []];
  for (const row of dense) {
    row.forEach((f, i) => {
      if (f <= 0) return;
      features.push(i);
      values.push(f);
    });
    offsets.push(features.length);
  }
  return { rows: dense.length, d_sae: dense[0]!.length, offsets: Uint32Array.from(offsets), features: Uint32Array.from(features), values: Float32Array.from(values), nearTies: 0 };
}

const all = (rows: number): Float64Array => Float64Array.from({ length: rows }, (_, r) => r);
const square = (v: readonly number[]): number => v.reduce((sum, value) => sum + value * value, 0);

describe('ablation of a group', () => {
  it('is sum of Delta_i and C_ij, and the error without the group, by the definitions', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 0, max: 6 }), async (seed, size) => {
      const [rows, d, n] = [24, 3, 6];
      const [next, normal] = [uniform(seed), gaussian(seed + 1)];
      const dense = Array.from({ length: rows }, () => Array.from({ length: n }, () => (next() < 0.4 ? Math.fround(Math.exp(normal())) : 0)));
      const x = Float32Array.from({ length: rows * d }, normal);
      const decoder = Float32Array.from({ length: n * d }, normal);
      const b_dec = Float32Array.from({ length: d }, normal);
      const group = Uint32Array.from({ length: n }, (_, i) => i).slice(0, size);
      const residual = (row: number, without: (i: number) => boolean): number[] => Array.from({ length: d }, (_, o) => b_dec[o]! - x[row * d + o]! + dense[row]!.reduce((sum, f, i) => sum + (without(i) ? 0 : f * decoder[i * d + o]!), 0));
      const error = (without: (i: number) => boolean): number => Array.from({ length: rows }, (_, row) => square(residual(row, without))).reduce((a, b) => a + b) / rows;
      const ablation = new GroupAblation({ d_sae: n, d_out: d, decoder, b_dec }, group, rowContexts(all(rows), 4));
      const half = rows / 2;
      await ablation.add(codesOf(dense.slice(0, half)), x.subarray(0, half * d), pace());
      await ablation.add(codesOf(dense.slice(half)), x.subarray(half * d), pace());
      const figures = await ablation.figures(1, pace());
      const [none, whole] = [error(() => false), error((i) => group.includes(i))];
      near(figures.mse, none, 1e-9, 'mse');
      near(figures.ablation.value, whole - none, 1e-9, 'ablation');
      const deltas = Array.from(group, (i) => error((j) => j === i) - none);
      deltas.forEach((delta, at) => near(ablation.alone[at]! / rows, delta, 1e-9, 'Delta_i'));
      near(figures.alone.value, deltas.reduce((a, b) => a + b, 0), 1e-9, 'sum of Delta_i');
      const pairs = ablation.pairs()!;
      near(figures.interaction.value, pairs.reduce((sum, { c }) => sum + c, 0), 1e-9, 'sum of C_ij');
      for (const { a, b, rows: together, c } of pairs) {
        const gram = Array.from({ length: d }, (_, o) => decoder[a * d + o]! * decoder[b * d + o]!).reduce((p, q) => p + q);
        near(c, (2 * gram * dense.reduce((sum, row) => sum + row[a]! * row[b]!, 0)) / rows, 1e-9, 'C_ij');
        // What taking both away costs beside each alone.
        near(c, error((i) => i === a || i === b) - error((i) => i === a) - error((i) => i === b) + none, 1e-9, 'C_ij by errors');
        assert.equal(together, dense.filter((row) => row[a]! > 0 && row[b]! > 0).length);
      }
      for (let at = 1; at < pairs.length; at++) assert.ok(Math.abs(pairs[at - 1]!.c) >= Math.abs(pairs[at]!.c));
    }), { numRuns: 40 });
  });

  it('finds a pair whose sum reconstructs and whose members do not', async () => {
    const [rows, d] = [400, 4];
    const next = uniform(2);
    // e_0 is present on every fourth row. d_0 = (1, 1), d_1 = (1, -1): each alone errs as much as it explains.
    const present = Array.from({ length: rows }, () => next() < 0.25);
    const x = Float32Array.from({ length: rows * d }, (_, at) => (at % d === 0 && present[Math.floor(at / d)]! ? 2 : 0));
    const decoder = Float32Array.of(1, 1, 0, 0, 1, -1, 0, 0);
    const ablation = new GroupAblation({ d_sae: 2, d_out: d, decoder, b_dec: new Float32Array(d) }, Uint32Array.of(0, 1), rowContexts(all(rows), 10));
    await ablation.add(codesOf(present.map((there) => (there ? [1, 1] : [0, 0]))), x, pace());
    const p = present.filter(Boolean).length / rows;
    const figures = await ablation.figures(1, pace());
    // r = 0. Delta_i = ||d_i||^2 p = 2 p each, d_0 . d_1 = 0; the group costs ||2 e_0||^2 p.
    near(figures.ablation.value, 4 * p, 1e-12, 'group');
    near(figures.alone.value, 4 * p, 1e-12, 'alone');
    near(figures.interaction.value, 0, 1e-12, 'interaction');
    // An XOR: with r = -(what the pair would give), each alone makes things worse, both together are as good as none.
    const conspirators = Float32Array.of(2, 0, 0, 0, -1, 0, 0, 0);
    const xor = new GroupAblation({ d_sae: 2, d_out: d, decoder: conspirators, b_dec: new Float32Array(d) }, Uint32Array.of(0, 1), rowContexts(all(rows), 10));
    // 2 - 1 = 1 is what is there: without 0 it is -1, without 1 it is 2.
    await xor.add(codesOf(present.map((there) => (there ? [1, 1] : [0, 0]))), x.map((value) => value / 2), pace());
    const found = await xor.figures(1, pace());
    near(found.ablation.value, p, 1e-12, 'group of the pair');
    near(found.alone.value, (4 + 1) * p, 1e-12, 'alone');
    near(found.interaction.value, -4 * p, 1e-12, 'interaction');
    assert.ok(found.interaction.high! < 0);
    // A conspiracy: two parts of one reconstruction along one direction.
    const parts = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0);
    const both = new GroupAblation({ d_sae: 2, d_out: d, decoder: parts, b_dec: new Float32Array(d) }, Uint32Array.of(0, 1), rowContexts(all(rows), 10));
    await both.add(codesOf(present.map((there) => (there ? [1, 1] : [0, 0]))), x, pace());
    const together = await both.figures(1, pace());
    near(together.ablation.value, 4 * p, 1e-12, 'group');
    near(together.alone.value, 2 * p, 1e-12, 'alone');
    near(together.interaction.value, 2 * p, 1e-12, 'interaction');
    assert.ok(together.interaction.low! > 0);
  });

  it('shuffling decoder rows takes coherence away, and keeps what shuffling cannot change', async () => {
    const [rows, d, n] = [300, 40, 20];
    const normal = gaussian(6);
    const next = uniform(7);
    // Pairs (0, 1), (2, 3), .. fire together and share a direction.
    const decoder = new Float32Array(n * d);
    for (let i = 0; i < n; i++) decoder[i * d + Math.floor(i / 2)] = 1;
    const dense = Array.from({ length: rows }, () => {
      const pair = Math.floor((n / 2) * next());
      return Array.from({ length: n }, (_, i) => (Math.floor(i / 2) === pair ? 1 : 0));
    });
    const x = Float32Array.from({ length: rows * d }, normal);
    const ablation = new GroupAblation({ d_sae: n, d_out: d, decoder, b_dec: new Float32Array(d) }, Uint32Array.from({ length: n }, (_, i) => i), rowContexts(all(rows), 10));
    await ablation.add(codesOf(dense), x, pace());
    const figures = await ablation.figures(1, pace());
    near(figures.interaction.value, 2, 1e-12, 'interaction');
    const { interaction } = await ablation.shuffled(200, 3, pace());
    // A row's pair shares a direction by chance with 1 / (n - 1).
    near(interaction.reduce((a, b) => a + b) / 200, 2 / (n - 1), 0.06, 'shuffled');
    assert.ok(Math.max(...interaction) < 1.5);
  });

  it('draws live firings with the chance that it was given', async () => {
    const [rows, d] = [2000, 3];
    const decoder = Float32Array.of(1, 0, 0, 0, 1, 0);
    const dense = Array.from({ length: rows }, (_, r) => [r % 2, 1]);
    const x = Float32Array.from({ length: rows * d }, (_, at) => (at % d === 0 ? Math.floor(at / d) % 2 : at % d === 1 ? 1 : 0));
    const shape = { d_sae: 2, d_out: d, decoder, b_dec: new Float32Array(d) };
    const half = new RandomAblation(shape, Uint32Array.of(0, 1), 0.1, 50, 4);
    for (let first = 0; first < rows; first += 500) await half.add(codesOf(dense.slice(first, first + 500)), x.subarray(first * d, (first + 500) * d), pace());
    // r = 0 and orthogonal rows: each costs its mass.
    half.perMass().forEach((value) => near(value, 1, 1e-9, 'per mass'));
    const whole = new RandomAblation(shape, Uint32Array.of(0, 1), 7, 1, 4);
    await whole.add(codesOf(dense), x, pace());
    near(whole.perMass()[0]!, 1, 1e-12, 'all of them');
    assert.ok(Number.isNaN(new RandomAblation(shape, Uint32Array.of(0), 0, 1, 4).perMass()[0]!));
  });
});

describe('sae/conspiracy', () => {
  it('useless features of a real SAE cost nothing, useful ones their mass', async () => {
    const [d, n, rows] = [6, 10, 2000];
    const normal = gaussian(12);
    const x = Float32Array.from({ length: rows * d }, () => Math.abs(normal()));
    const base = makeSae({ architecture: 'standard', d_in: d, d_sae: n, seed: 9 });
    // Features 0 .. 5 are the coordinates; 6 .. 9 fire rarely, along decoder rows that explain nothing.
    const W_enc = new Float32Array(d * n);
    const W_dec = new Float32Array(n * d);
    for (let i = 0; i < 6; i++) W_enc[i * n + i] = W_dec[i * d + i] = 1;
    for (let i = 6; i < n; i++) {
      W_enc[(i - 6) * n + i] = 1;
      for (let o = 0; o < d; o++) W_dec[i * d + o] = 0.3 * normal();
    }
    const b_enc = Float32Array.from({ length: n }, (_, i) => (i < 6 ? 0 : -2.4));
    const sae = { ...base, W_enc, W_dec, b_enc, b_dec: new Float32Array(d) };
    const codes = oracleEncode(sae, x, rows);
    const counts = new Float64Array(n);
    for (const i of codes.features) counts[i] = counts[i]! + 1;
    const ctx = contextFor(conspiracy as never, { positions: 10, d, d_sae: n, tokens: null }, {
      sae,
      settings: { edge: 0.1 },
      rows: () => Promise.resolve({ x, rows, d, total: rows + 5, whole: false, tokens: null, index: all(rows) }),
      results: { 'sae/density': { features: [{ name: 'count', type: 'u64', data: counts, description: '' }], summary: { tokens: rows } } },
    });
    const result = await (await (await conspiracy.load()).create(ctx as never)).finish();
    checkResult('sae/conspiracy', result, n, { columns: new Set(), tables: new Set() });
    const report = result.summary as unknown as ConspiracyReport;
    assert.deepEqual([report.features, report.firing, report.live.features], [4, 4, 6]);
    const y = oracleDecode(sae, codes);
    near(report.mse, y.reduce((sum, value, at) => sum + (value - x[at]!) ** 2, 0) / rows, 1e-6, 'mse');
    // r is what the useless ones add: without them it is 0.
    near(report.per_mass.value, -1, 0.2, 'rare per mass');
    near(report.ablation.value, -report.mse, 1e-6, 'without them');
    assert.ok(report.ablation.high! < 0);
    near(report.live.per_mass.median, 1, 0.1, 'live per mass');
    assert.equal(report.live.per_mass.p_below, 0.01);
    assert.match(report.caveats[0]!, /2000 of the 2005 rows/);
    const [c, other, feature] = ['c', 'other', 'feature'].map((name) => numbersOf(result, name, 'conspiracy')) as [number[], number[], number[]];
    near(c.reduce((a, b) => a + b, 0), report.interaction.value!, 1e-9, 'pairs');
    feature.forEach((a, at) => assert.ok(a < other[at]!));
  });
});
