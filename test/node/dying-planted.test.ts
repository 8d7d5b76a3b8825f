/** Useful rare features that were planted: who found them is told by the truth of the generator; their slope is that of the rows that did. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { plantedEvidence } from '../../engine/dying/planted.js';
import { generate } from '../../engine/generate/generate.js';
import { resolveGenerator, type GeneratorSpec } from '../../engine/generate/generators.js';
import { plainOps } from '../../engine/ops/ops.js';
import type { Sae } from '../../engine/sae.js';
import type { RunReader } from '../../engine/train/run-reader.js';
import { makeSae } from '../shared/oracle.js';

const d = 24;
const base = { kind: 'superposition', d, features: 8, p_high: 0.2, p_low: 0.05, orthogonal: true, magnitude_sd: 0 };
const spec = resolveGenerator({ kind: 'rare', d, seed: 3, probabilities: [0.008, 0.004], copies: 4, magnitude_sd: 0, base }) as GeneratorSpec;
const rows = 30_000;
const { x } = generate(spec, rows, { heldOut: true, withoutCodes: true });
const held = { x, rows, d };
const { truth } = generate(spec, 0);
const { directions, probabilities } = truth!;
const rare = Array.from(probabilities!.keys()).filter((t) => probabilities![t]! < 0.01);

/** One feature for each of some planted ones, which fires above a level along its direction; and one that nothing planted resembles. */
function reading(some: readonly number[], level: (at: number) => number): Sae {
  const n = some.length + 1;
  const sae = makeSae({ architecture: 'standard', d_in: d, d_sae: n, seed: 1 });
  sae.b_dec.fill(0);
  sae.b_enc.fill(-1e3);
  sae.W_enc.fill(0);
  some.forEach((t, at) => {
    for (let c = 0; c < d; c++) {
      sae.W_dec[at * d + c] = 2 * directions[t * d + c]!;
      sae.W_enc[c * n + at] = directions[t * d + c]!;
    }
    sae.b_enc[at] = -level(at);
  });
  return sae;
}
const STEPS = [0, 10, 100, 500, 600, 800, 1000];
const runOf = (sae: (step: number) => Sae): Pick<RunReader, 'record' | 'sae'> => ({ record: { checkpoints: STEPS.map((step) => ({ step })) } as unknown as RunReader['record'], sae: (step) => Promise.resolve(sae(step)) });
/** P(direction . x > level) of the rows. */
const share = (t: number, level: number): number => Array.from({ length: rows }, (_, r) => directions.subarray(t * d, (t + 1) * d).reduce((sum, value, c) => sum + value * x[r * d + c]!, 0)).filter((z) => z > level).length / rows;

describe('planted features', () => {
  it('that rest where they are have slope 0, whatever they did in the first half', async () => {
    const some = rare.slice(0, 6);
    const at = (step: number): Sae => reading(some, () => (step < 500 ? -1 : 0.6));
    const found = (await plantedEvidence(spec, runOf(at), at(1000), { held, ops: plainOps }))!;
    assert.deepEqual([found.features, found.found, found.from], [8, 6, 500]);
    assert.equal(found.missed, Math.max(...rare.slice(6).map((t) => probabilities![t]!)));
    assert.ok(Math.abs(found.slope!.value!) < 1e-6, String(found.slope!.value));
    const ratios = some.map((t) => share(t, Math.fround(0.6)) / probabilities![t]!).sort((a, b) => a - b);
    assert.ok(Math.abs(found.ratio! - (ratios[2]! + ratios[3]!) / 2) < 0.02, `${found.ratio}, expected ${(ratios[2]! + ratios[3]!) / 2}`);
  });

  it('that fall have the slope of their densities', async () => {
    const at = (step: number): Sae => reading(rare, () => 0.2 + 0.7 * Math.max(0, (step - 500) / 500));
    const found = (await plantedEvidence(spec, runOf(at), at(1000), { held, ops: plainOps }))!;
    assert.deepEqual([found.found, found.missed], [8, null]);
    const [early, late] = [0.2, 0.9].map((level) => rare.reduce((sum, t) => sum + Math.log(share(t, level)), 0) / rare.length);
    const expected = (late! - early!) / Math.log(2);
    assert.ok(found.slope!.high! < 0 && Math.abs(found.slope!.value! - expected) < 0.35 * Math.abs(expected), `${found.slope!.value}, expected about ${expected}`);
  });

  it('are none where nobody found them, or nothing rare was planted', async () => {
    const nobody = (await plantedEvidence(spec, runOf(() => reading([], () => 0)), reading([], () => 0), { held, ops: plainOps }))!;
    assert.deepEqual([nobody.found, nobody.slope, nobody.ratio], [0, null, null]);
    assert.equal(await plantedEvidence(resolveGenerator({ ...base, seed: 1 }) as GeneratorSpec, runOf(() => reading([], () => 0)), reading([], () => 0), { held, ops: plainOps }), null);
  });
});
