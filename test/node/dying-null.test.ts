/** The interpretability null: features of a token are told from half-spaces, half-spaces of permuted data are not. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { InterpretabilityReport } from '../../engine/dying/anatomy-reports.js';
import { familyDirection, tokenPreference, tokenShares, TopRows } from '../../engine/dying/interpretability-null.js';
import { createRandom } from '../../engine/random.js';
import { interpretabilityNull } from '../../plugins/builtin/interpretability-null/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { makeSae } from '../shared/oracle.js';
import { gaussian, uniform } from '../shared/random.js';
import { contextFor } from '../support/analysis-stream.js';

const near = (value: number | null, expected: number, tolerance: number, what: string): void => assert.ok(value !== null && Math.abs(value - expected) <= tolerance, `${what}: ${value}, expected ${expected} ± ${tolerance}`);

describe('the parts', () => {
  it('entropy and enrichment by their formulas', () => {
    const tokens = [1, 1, 2, 3, 3, 3, 3, 3];
    const shares = tokenShares(tokens);
    near(shares.get(3)!, 5 / 8, 1e-12, 'share');
    const one = tokenPreference([0, 1], tokens, shares);
    near(one.entropy, 0, 1e-12, 'entropy');
    near(one.enrichment, Math.log(4), 1e-12, 'enrichment');
    const all = tokenPreference([0, 1, 2, 3, 4, 5, 6, 7], tokens, shares);
    near(all.enrichment, 0, 1e-12, 'of all rows');
    near(all.entropy, -(1 / 4) * Math.log(1 / 4) - (1 / 8) * Math.log(1 / 8) - (5 / 8) * Math.log(5 / 8), 1e-12, 'entropy of all');
  });

  it('a direction of the family keeps its parts along and across', () => {
    const random = createRandom(3);
    const w = Float32Array.of(3, 1, -2, 0.5);
    const unit = Float64Array.of(0.6, 0.8, 0, 0);
    for (let draw = 0; draw < 20; draw++) {
      const u = familyDirection(w, unit, random);
      near(u.reduce((sum, value, c) => sum + value * unit[c]!, 0), 2.6, 1e-12, 'along');
      near(Math.hypot(...u), Math.hypot(...w), 1e-12, 'length');
    }
  });

  it('top rows are those of the largest values, ties to the lowest row', () => {
    const next = uniform(5);
    const values = Array.from({ length: 5000 }, () => Math.floor(300 * next()));
    const top = new TopRows(40);
    values.forEach((value, row) => top.add(row, value));
    assert.deepEqual(top.rows(), Array.from(values.keys()).sort((a, b) => values[b]! - values[a]! || a - b).slice(0, 40));
  });
});

describe('sae/interpretability-null', () => {
  const [rows, d, n] = [6000, 16, 80];
  const normal = gaussian(2);
  const next = uniform(3);
  const vocabulary = 50;
  const tokens = Int32Array.from({ length: rows }, () => Math.floor(vocabulary * next() ** 2));
  const embedding = Float32Array.from({ length: vocabulary * d }, () => 0.6 * normal());
  const rowsOf = (ids: ArrayLike<number>): Float32Array => Float32Array.from({ length: rows * d }, (_, at) => embedding[ids[Math.floor(at / d)]! * d + (at % d)]! + 0.7 * normal());
  const x = rowsOf(tokens);
  const base = makeSae({ architecture: 'standard', d_in: d, d_sae: n, seed: 4 });

  /** Features 0 .. 39 look for a token, the others anywhere; all fire on about 60 rows. */
  async function report(data: Float32Array): Promise<InterpretabilityReport> {
    const W_enc = new Float32Array(d * n);
    const b_enc = new Float32Array(n);
    const counts = new Float64Array(n);
    const draw = gaussian(9);
    for (let i = 0; i < n; i++) {
      const w = Float32Array.from({ length: d }, (_, c) => (i < 40 ? embedding[(5 + i) * d + c]! : draw()));
      w.forEach((value, c) => (W_enc[c * n + i] = value));
      const z = Float64Array.from({ length: rows }, (_, r) => w.reduce((sum, value, c) => sum + value * data[r * d + c]!, 0)).sort();
      b_enc[i] = -z[rows - 61]!;
      counts[i] = i < 40 ? 60 * 100 : 60;
    }
    const ctx = contextFor(interpretabilityNull as never, { positions: 10, d, d_sae: n, tokens }, {
      sae: { ...base, W_enc, b_enc, b_dec: new Float32Array(d) },
      settings: { edge: 0.05 },
      rows: () => Promise.resolve({ x: data, rows, d, total: rows, whole: true, tokens, index: Float64Array.from({ length: rows }, (_, r) => r) }),
      // The first 40 are called live, the others rare.
      results: { 'sae/density': { features: [{ name: 'count', type: 'u64', data: counts, description: '' }], summary: { tokens: rows } } },
    });
    const result = await (await (await interpretabilityNull.load()).create(ctx as never)).finish();
    checkResult('sae/interpretability-null', result, n, { columns: new Set(), tables: new Set() });
    return result.summary as unknown as InterpretabilityReport;
  }

  it('features of a token are above their half-spaces, directions drawn at random are like them', async () => {
    const { rare, live } = await report(x);
    assert.deepEqual([rare.features, rare.compared, live.compared], [40, 40, 40]);
    assert.ok(live.rank.low! > 0.8 && live.above_null.low! > 0.4, `${live.rank.value}, ${live.above_null.value}`);
    assert.ok(live.enrichment!.median > live.null_enrichment!.median && live.entropy!.median < live.null_entropy!.median);
    assert.ok(rare.rank.low! < 0.5 && rare.rank.high! > 0.5, `${rare.rank.low} to ${rare.rank.high}`);
    assert.ok(rare.above_null.low! <= 0.05);
  });

  it('where tokens are permuted nothing is above chance', async () => {
    const permuted = rowsOf(Int32Array.from({ length: rows }, () => Math.floor(vocabulary * next() ** 2)));
    const { rare, live } = await report(permuted);
    for (const group of [rare, live]) {
      assert.ok(Math.abs(group.rank.value! - 0.5) < 0.15, `${group.rank.value}`);
      assert.ok(group.above_null.low! <= 0.05 && group.above_null.value! < 0.2, `${group.above_null.value}`);
    }
  });
});
