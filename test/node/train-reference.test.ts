/**
 * The recipe of an independent run in numpy, on the embedded model: it lands where that run's three
 * seeds did (final FVU 0.1246 to 0.1288, L0 2.56 to 2.61, below 1e-4 with the dead 554 to 584,
 * cosine 0.93 and 0.94; at step 297 FVU 0.629, L0 20.8). All 12,000 steps, one seed.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { rareDirections } from '../../engine/dying/rare-direction.js';
import { evaluate } from '../../engine/train/evaluate.js';
import type { Evaluation } from '../../engine/train/events.js';
import { openTrainData } from '../../engine/train/open-data.js';
import { resolveRecipe } from '../../engine/train/resolve-recipe.js';
import { runTrainer } from '../../engine/train/run-trainer.js';
import { Trainer } from '../../engine/train/trainer.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';

const example = fileURLToPath(new URL('../../examples/stories260k/', import.meta.url));
const within = (value: number, low: number, high: number, what: string): void => assert.ok(value >= low && value <= high, `${what} is ${value}, expected ${low} to ${high}`);

test('the reference recipe lands where the reference run did', async (t) => {
  const data = await openTrainData({ model: `${example}model.onnx`, tokens: `${example}tokens.npy`, hook: 'blocks.2.hook_resid_post', ignoreTokens: [1], seed: 0 });
  assert.equal(data.rows, 406_395);
  const recipe = resolveRecipe({ arch: 'standard', d_sae: 1024, l1: 2.5, batch: 2048, steps: 12_000, lr: 1e-3, warmup: 100, b_dec: 'zero', encoder_init: 'kaiming:0.5', normalize: 'expected_average_only_in', seed: 0, checkpoints: '297,12000' }, { d: data.d });
  const trainer = await Trainer.create({ recipe, data, backend: await createWasmTrainBackend() });
  // The reference's scale is of f32 sums.
  assert.ok(Math.abs(trainer.scale / 1.12944757938385 - 1) < 1e-6, `scale ${trainer.scale}`);
  const checkpoints: Evaluation[] = [];
  const ended = await runTrainer(trainer, {
    evaluate: (run, signal) => evaluate(run, { signal }),
    onEvent(event) {
      if (event.type === 'checkpoint' && event.evaluation !== null) checkpoints.push(event.evaluation);
    },
  });
  assert.equal(ended.type, 'end');
  const [early, last] = checkpoints as [Evaluation, Evaluation];
  t.diagnostic(`step 297: FVU ${early.fvu}, L0 ${early.l0}; step 12,000: FVU ${last.fvu}, L0 ${last.l0}, ${last.classes.dead} dead, ${last.below_1e_5} below 1e-5, ${last.below_1e_4} below 1e-4`);
  within(early.fvu, 0.6, 0.68, 'FVU at step 297');
  within(early.l0, 18.2, 22.2, 'L0 at step 297');
  within(last.fvu, 0.12456 * 0.95, 0.12456 * 1.05, 'final FVU');
  within(last.l0, 2.606 * 0.95, 2.606 * 1.05, 'final L0');
  within(last.classes.dead + last.below_1e_4, 557 * 0.9, 557 * 1.1, 'features below 1e-4');

  const sae = await trainer.sae({ name: 'reference', source: 'a test' });
  const { d_in: d, d_sae: n } = sae;
  const mean = new Float64Array(d);
  await data.scan((x, rows) => {
    for (let at = 0; at < rows * d; at++) mean[at % d] = mean[at % d]! + x[at]! / 406_395;
  }, { size: 4096 });
  const encoder = Float32Array.from({ length: n * d }, (_, at) => sae.W_enc[(at % d) * n + Math.floor(at / d)]!);
  const { rare, live } = rareDirections({ d, encoder, decoder: sae.W_dec, bias: sae.b_enc, b_dec: sae.b_dec, mean, counts: last.counts, tokens: last.tokens });
  t.diagnostic(`rare: D/E ${JSON.stringify(rare.de)}, cosine with -(mean - b_dec) ${rare.offset_cosine}, own ${rare.own_cosine?.median}; live D/E ${live.de?.median}`);
  within(rare.de!.median, -0.03, 0.03, "the rare features' median D/E");
  within(rare.offset_cosine!, 0.85, 1, 'cos(rare direction, -(mean - b_dec))');
  within(live.de!.median, 0.93, 1.07, "the live features' median D/E");
  trainer.dispose();
});
