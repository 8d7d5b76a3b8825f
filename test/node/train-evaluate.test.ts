/** A checkpoint's figures: an independent run's own numbers, and float64 sums over small SAEs of each kind. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { loadSae } from '../../engine/formats/load-sae.js';
import type { Sae } from '../../engine/sae.js';
import type { TrainData } from '../../engine/train/data.js';
import { classesOf, evaluate } from '../../engine/train/evaluate.js';
import { heldData } from '../../engine/train/held-data.js';
import { openTrainData } from '../../engine/train/open-data.js';
import type { Recipe } from '../../engine/train/recipe.js';
import { makeSae, oracleDecode, oracleEncode, randomRows } from '../shared/oracle.js';

const run = (sae: Sae, data: TrainData) => ({ data, recipe: { d_sae: sae.d_sae } as Recipe, step: 7, sae: () => Promise.resolve(sae) });

test("the reference run's last SAE has the figures that its own code gave", async () => {
  const example = 'examples/stories260k';
  const data = await openTrainData({ model: `${example}/model.onnx`, tokens: `${example}/tokens.npy`, hook: 'blocks.2.hook_resid_post', ignoreTokens: [1], seed: 0 });
  const sae = await loadSae('test/fixtures/stories260k-relu-step12000');
  const figures = await evaluate(run(sae, data));
  assert.deepEqual([figures.step, figures.tokens, figures.classes.dead], [7, 406_395, 45]);
  assert.equal(Number(figures.l0.toFixed(3)), 2.606);
  assert.equal(Number(figures.fvu.toFixed(5)), 0.12456);
  assert.deepEqual([figures.below_1e_5, figures.below_1e_4], [230, 512]);
  // Its counts are of another machine's f32: a pre-activation next to 0 may fall on either side.
  const { counts } = JSON.parse(await readFile('test/fixtures/stories260k-relu-step12000/statistics.json', 'utf8')) as { counts: number[] };
  assert.ok(counts.reduce((sum, count, i) => sum + Math.abs(count - figures.counts[i]!), 0) <= 5, 'counts differ by more than a few firings');
});

for (const architecture of ['standard', 'topk', 'jumprelu', 'gated'] as const) {
  test(`${architecture}: counts, L0, mse and FVU are those of float64`, async () => {
    const [rows, d, d_sae] = [5000, 5, 17];
    const sae = makeSae({ architecture, d_in: d, d_sae, seed: 2 });
    const x = randomRows(rows, d, 8);
    // Far from 0: a variance by way of E x^2 - (E x)^2 in f32 would show.
    for (let at = 0; at < x.length; at += d) x[at] = x[at]! + 300;
    const shifted = { ...sae, b_dec: sae.b_dec.map((value, c) => (c === 0 ? value + 300 : value)) };
    const figures = await evaluate(run(shifted, heldData({ x, d, seed: 0 })));

    const xbar = x.map((value, at) => value - shifted.b_dec[at % d]!);
    const codes = oracleEncode(shifted, xbar, rows);
    const y = oracleDecode(shifted, codes);
    const mean = Array.from({ length: d }, (_, c) => x.reduce((sum, value, at) => (at % d === c ? sum + value / rows : sum), 0));
    let [error, variance] = [0, 0];
    for (let at = 0; at < x.length; at++) {
      error += (y[at]! - x[at]!) ** 2;
      variance += (x[at]! - mean[at % d]!) ** 2;
    }
    const counts = new Float64Array(d_sae);
    for (const feature of codes.features) counts[feature] = counts[feature]! + 1;
    assert.deepEqual(figures.counts, counts);
    assert.equal(figures.l0, codes.features.length / rows);
    assert.ok(Math.abs(figures.mse / (error / rows) - 1) < 1e-4, `mse ${figures.mse}, expected ${error / rows}`);
    assert.ok(Math.abs(figures.fvu / (error / variance) - 1) < 1e-4, `FVU ${figures.fvu}, expected ${error / variance}`);
    assert.equal((await evaluate(run(shifted, heldData({ x, d, seed: 0 })), { rows: 100 })).tokens, 100);
  });
}

test('classes, and what lies below 1e-5 and 1e-4: the dead are counted apart, edges belong to the class above', () => {
  const { classes, below_1e_5, below_1e_4 } = classesOf([0, 1, 9, 10, 99, 100, 999_999, 1_000_000], 1_000_000);
  assert.deepEqual([classes.dead, below_1e_5, below_1e_4], [1, 2, 4]);
  assert.equal(Object.values(classes).reduce((sum, count) => sum + count, 0), 8);
});
