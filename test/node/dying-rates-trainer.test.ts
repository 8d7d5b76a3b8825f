/** The real trainer: useful rare features keep their densities while useless ones fall, and what TopK never selects is frozen. */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { cohortSlope, type SlopeInput } from '../../engine/dying/slope.js';
import { generate, generatedData } from '../../engine/generate/generate.js';
import { resolveRecipe } from '../../engine/train/resolve-recipe.js';
import { Trainer } from '../../engine/train/trainer.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';

const backend = await createWasmTrainBackend();
after(() => backend.dispose());

const d = 16;
const d_sae = 40;
const USEFUL = 8;
/** Eight features that fire on 2 % and 1 % of rows, in a cloud that no feature pays for. */
const spec = { kind: 'rare', d, seed: 3, probabilities: [0.02, 0.01], copies: 4, magnitude_mean: 3, base: { kind: 'gaussian', d, seed: 4, sd: 0.2 } } as const;
const data = generatedData(spec);
const truth = data.truth!;
const ROWS = 20_000;
const heldOut = generate(spec, ROWS, { heldOut: true, withoutCodes: true }).x;

/** Firings of each feature on held-out rows, in f64. */
function countsOf({ W_enc, b_enc, b_dec }: { W_enc: Float32Array; b_enc: Float32Array; b_dec: Float32Array }): Float64Array {
  const counts = new Float64Array(d_sae);
  for (let r = 0; r < ROWS; r++) {
    for (let i = 0; i < d_sae; i++) {
      let z = b_enc[i]!;
      for (let c = 0; c < d; c++) z += W_enc[i * d + c]! * (heldOut[r * d + c]! - b_dec[c]!);
      if (z > 0) counts[i] = counts[i]! + 1;
    }
  }
  return counts;
}

async function read(trainer: Trainer): Promise<{ W_enc: Float32Array; W_dec: Float32Array; b_enc: Float32Array; b_dec: Float32Array }> {
  const { parameters } = await trainer.session.read();
  return { W_enc: parameters.W_enc!.slice(), W_dec: parameters.W_dec!.slice(), b_enc: parameters.b_enc!.slice(), b_dec: parameters.b_dec!.slice() };
}

/** The first eight features read and write the planted directions; the others are as they were drawn. */
async function plant(trainer: Trainer): Promise<void> {
  const { W_enc, W_dec, b_enc } = await read(trainer);
  for (let i = 0; i < USEFUL; i++) {
    W_enc.set(truth.directions.subarray(i * d, (i + 1) * d), i * d);
    W_dec.set(truth.directions.subarray(i * d, (i + 1) * d), i * d);
    b_enc[i] = -1;
  }
  await trainer.session.write({ parameters: { W_enc, W_dec, b_enc } });
}

const STEPS = [20, 40, 80, 150, 300, 600, 1000, 1600];

async function run(knobs: Record<string, unknown>, steps: readonly number[] = STEPS): Promise<{ input: SlopeInput & { counts: Float64Array[]; features: number[] }; trainer: Trainer }> {
  const recipe = resolveRecipe({ arch: 'standard', d_sae, l1: 1, batch: 128, steps: 2000, lr: 1e-3, warmup: 0, checkpoints: 'last', ...knobs }, { d });
  const trainer = await Trainer.create({ recipe, data, backend });
  await plant(trainer);
  const counts: Float64Array[] = [];
  for (const step of steps) {
    while (trainer.step < step) await trainer.advance();
    counts.push(countsOf(await read(trainer)));
  }
  return { input: { steps, rows: steps.map(() => ROWS), counts, features: Array.from({ length: d_sae }, (_, i) => i) }, trainer };
}

for (const optimizer of ['adam', 'sgd'] as const) {
  test(`under ${optimizer}, planted features stay at the density of their signal, slope 0; the others fall`, async () => {
    const { input, trainer } = await run({ optimizer, ...(optimizer === 'sgd' ? { lr: 0.02 } : {}) });
    trainer.dispose();
    const last = input.counts[STEPS.length - 1]!;
    for (let i = 0; i < USEFUL; i++) {
      const planted = truth.probabilities![i]!;
      // Directions are not orthogonal: now and then another feature's signal sets one off.
      assert.ok(last[i]! / ROWS > 0.85 * planted && last[i]! / ROWS < 1.6 * planted, `feature ${i} fires on ${last[i]! / ROWS}, its signal is there on ${planted}`);
    }
    const useful = await cohortSlope({ ...input, features: input.features.slice(0, USEFUL), from: 80 });
    assert.ok(Math.abs(useful.pooled.value!) < 0.05 && useful.level + useful.rising + useful.falling === USEFUL, JSON.stringify(useful.pooled));
    const useless = await cohortSlope({ ...input, features: input.features.slice(USEFUL) });
    assert.ok(useless.pooled.high! < -0.5, JSON.stringify(useless.pooled));
    assert.ok(useless.falling > 0.8 * useless.features, `${useless.falling} of ${useless.features} fall`);
    const median = (j: number): number => [...input.counts[j]!.subarray(USEFUL)].sort((a, b) => a - b)[(d_sae - USEFUL) >> 1]!;
    assert.ok(median(STEPS.length - 1) < 0.1 * median(0), `${median(0)} to ${median(STEPS.length - 1)} firings`);
  });
}

test('four times the penalty: under adam useless features fall by as much, while the penalty alone acts on them, and under sgd several times further', async () => {
  const typical = async (optimizer: string, lr: number, l1: number): Promise<number> => {
    const { input, trainer } = await run({ optimizer, lr, l1 }, [300]);
    trainer.dispose();
    return Math.exp(input.counts[0]!.subarray(USEFUL).reduce((sum, count) => sum + Math.log((count + 0.5) / ROWS), 0) / (d_sae - USEFUL));
  };
  const adam = (await typical('adam', 3e-4, 1)) / (await typical('adam', 3e-4, 4));
  const sgd = (await typical('sgd', 0.005, 1)) / (await typical('sgd', 0.005, 4));
  assert.ok(adam > 0.95 && adam < 1.25, `adam ${adam}`);
  assert.ok(sgd > 3.3 && sgd < 5.5, `sgd ${sgd}`);
});

test('TopK: a feature that is never selected keeps its encoder to the bit, and its density', async () => {
  const recipe = resolveRecipe({ arch: 'topk', d_sae, k: 2, auxk: 0, batch: 64, steps: 400, lr: 1e-3, warmup: 0, b_dec: 'zero', freeze_b_dec: true, apply_b_dec_to_input: true, checkpoints: 'last' }, { d });
  const trainer = await Trainer.create({ recipe, data, backend });
  try {
    const start = await read(trainer);
    // Twelve features whose z is too small to be among the two largest, though it is often above 0.
    for (let i = 12; i < 24; i++) for (let c = 0; c < d; c++) start.W_enc[i * d + c] = start.W_enc[i * d + c]! * 1e-3;
    await trainer.session.write({ parameters: { W_enc: start.W_enc } });
    const before = countsOf(start);
    while (!trainer.done) await trainer.advance();
    const end = await read(trainer);
    const counts = countsOf(end);
    let frozen = 0;
    for (let i = 0; i < d_sae; i++) {
      const same = end.W_enc.subarray(i * d, (i + 1) * d).every((value, c) => value === start.W_enc[i * d + c]) && end.b_enc[i] === start.b_enc[i];
      if (same) {
        frozen++;
        assert.equal(counts[i], before[i]);
      } else assert.ok(i < 12 || i >= 24, `feature ${i} was not to be selected, and moved`);
    }
    assert.ok(frozen >= 12 && frozen < d_sae, `${frozen} of ${d_sae} frozen`);
    assert.ok(before.subarray(12, 24).every((count) => count > 0.1 * ROWS), 'their pre-activations are above 0, so that without TopK they would learn');
  } finally {
    trainer.dispose();
  }
});
