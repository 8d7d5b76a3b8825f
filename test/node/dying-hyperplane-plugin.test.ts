/** sae/hyperplane: what it hands in is what a pack can hold, and its figures are those of the rows; shards give the same. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { frameRows, rowMoments } from '../../engine/dying/frame-rows.js';
import { leastHyperplane } from '../../engine/dying/gaussian-hyperplane.js';
import type { HyperplaneReport } from '../../engine/dying/hyperplane-report.js';
import type { AnalysisResult } from '../../engine/run/accumulator.js';
import { RowSample } from '../../engine/sketches/row-sample.js';
import { decodeState, encodeState } from '../../engine/state.js';
import { hyperplane } from '../../plugins/builtin/hyperplane/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { makeSae } from '../shared/oracle.js';
import { batchOf, columnOf, contextFor, makeStream, type TestStream } from '../support/analysis-stream.js';

const shape = { contexts: 40, positions: 32, d_sae: 12, seed: 3, d: 5, ignored: 0.1, density: (i: number) => (i === 0 ? 0 : i < 4 ? 0.005 : 0.3) } as const;
const settings = { rows: 1000, edge: 0.02, sequence: 3, replicates: 2, null_rows: 500, sample: 64 };

async function run(stream: TestStream, shards: number): Promise<{ result: AnalysisResult; report: HyperplaneReport }> {
  const sae = makeSae({ architecture: 'standard', d_in: stream.d, d_sae: stream.d_sae, seed: 5 });
  const sample = new RowSample({ d: stream.d, bytes: 2 ** 24, seed: 1, hasTokens: true });
  const ctx = contextFor(hyperplane as never, stream, { sae, settings, rows: () => Promise.resolve(sample.rows()) });
  const { create } = await hyperplane.load();
  const total = await create(ctx as never);
  for (let shard = 0; shard < shards; shard++) {
    const part = await create(ctx as never);
    for (let context = shard; context < stream.contexts; context += shards) {
      const batch = batchOf(stream, context, context + 1);
      sample.update(batch);
      await part.update(batch);
    }
    total.merge(decodeState(encodeState(part.save())));
  }
  const result = await total.finish();
  return { result, report: result.summary as unknown as HyperplaneReport };
}

describe('sae/hyperplane', () => {
  it('hands in what a pack can hold, with the figures of its rows', async () => {
    const stream = makeStream(shape);
    const { result, report } = await run(stream, 1);
    checkResult('sae/hyperplane', result, stream.d_sae, { columns: new Set(), tables: new Set() });
    const sae = makeSae({ architecture: 'standard', d_in: stream.d, d_sae: stream.d_sae, seed: 5 });

    const kept = Array.from(stream.counted.keys()).filter((r) => stream.counted[r] === 1);
    const x = Float32Array.from(kept.flatMap((r) => Array.from(stream.x.subarray(r * stream.d, (r + 1) * stream.d))));
    const origin = sae.applyBDecToInput ? sae.b_dec : new Float32Array(stream.d);
    assert.equal(report.origin, sae.applyBDecToInput ? 'b_dec' : 'zero');
    assert.equal(report.total, kept.length);
    assert.equal(report.rows, settings.rows);
    const moments = await rowMoments(frameRows(x, stream.d, { origin }));
    assert.ok(Math.abs(report.mean_norm - Math.hypot(...moments.mean)) < 1e-9);

    // w* of the table, on the rows of the sample: z as the table says, and of unit length.
    const names = columnOf(result, 'name', 'hyperplane').data;
    assert.equal(names[0], 'w*');
    assert.equal(names[1], 'complement');
    const directions = columnOf(result, 'direction', 'hyperplane').data as ArrayLike<Float32Array>;
    const w = directions[0]!;
    for (let i = 0; i < names.length; i++) assert.ok(Math.abs(Math.hypot(...directions[i]!) - 1) < 1e-6);
    assert.ok(Math.abs(w.reduce((sum, value, c) => sum + value * directions[1]![c]!, 0)) < 1e-6);
    const rows = columnOf(result, 'row', 'dying_sample').data as ArrayLike<number>;
    const z = columnOf(result, 'z', 'dying_sample').data as ArrayLike<number>;
    const drawn = columnOf(result, 'x', 'dying_sample').data as ArrayLike<Float32Array>;
    const tokens = columnOf(result, 'token', 'dying_sample').data as ArrayLike<number>;
    assert.equal(rows.length, settings.sample);
    for (let i = 0; i < rows.length; i++) {
      const r = rows[i]!;
      assert.deepEqual(Array.from(drawn[i]!), Array.from(stream.x.subarray(r * stream.d, (r + 1) * stream.d)));
      assert.equal(tokens[i], stream.tokens![r]);
      assert.ok(Math.abs(z[i]! - w.reduce((sum, value, c) => sum + value * (drawn[i]![c]! - origin[c]!), 0)) < 1e-4);
    }
    const [zero] = report.solutions;
    assert.equal(zero!.firing, Math.round(zero!.probability.value! * settings.rows));
    assert.equal(zero!.margins.counts.reduce((a, b) => a + b, 0), settings.rows);
    // Every row that fires, while there is room.
    if (zero!.firing <= settings.sample) assert.equal(Array.from(z).filter((value) => value > 0).length, zero!.firing);
    const form = leastHyperplane(moments, 0, 'activation');
    assert.ok(Math.abs(zero!.kappa - form.kappa) < 0.5);

    // The survival curve falls to none.
    const c = Array.from(columnOf(result, 'c', 'survival').data as ArrayLike<number>);
    const p = Array.from(columnOf(result, 'p', 'survival').data as ArrayLike<number>);
    assert.equal(p.at(-1), 0);
    for (let i = 1; i < c.length; i++) assert.ok(c[i]! >= c[i - 1]! && p[i]! <= p[i - 1]!);
    // Rare features: those that fired, below the edge.
    const counts = Array.from({ length: stream.d_sae }, (_, i) => stream.dense.filter((row) => row[i]! > 0).length);
    const rare = counts.filter((count) => count > 0 && count < settings.edge * kept.length).length;
    assert.ok(rare > 0);
    assert.equal(report.rare.features, rare);
    assert.equal(report.profile.points.length, rare);
    assert.deepEqual(report.spectra.map(({ matrix }) => matrix), ['rows', 'centred_rows', 'W_enc', 'W_dec']);
    assert.equal(report.sequence.points.length, settings.sequence);
    assert.equal(report.nulls.nulls[0]!.probability.length, settings.replicates);
  });

  it('is the same from shards', async () => {
    const stream = makeStream({ ...shape, contexts: 24 });
    const [one, three] = [await run(stream, 1), await run(stream, 3)];
    const star = (result: AnalysisResult): Float32Array => (columnOf(result, 'direction', 'hyperplane').data as ArrayLike<Float32Array>)[0]!;
    assert.ok(star(one.result).reduce((sum, value, c) => sum + value * star(three.result)[c]!, 0) > 1 - 1e-6);
    assert.equal(one.report.separation.verdict, three.report.separation.verdict);
    assert.equal(one.report.solutions[0]!.firing, three.report.solutions[0]!.firing);
  });
});
