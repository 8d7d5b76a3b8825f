/** Recipes: what is left out, what presets set, what is refused and how it is said. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { UsageError } from '../../engine/errors.js';
import { checkObjective, checkOptimizer } from '../../engine/train/checks.js';
import { ARCHITECTURES, KNOBS, PRESETS } from '../../engine/train/knobs.js';
import { expectation, isRanked, objectiveOf, optimizerOf, resolveRecipe } from '../../engine/train/resolve-recipe.js';

const needed = (arch: string): Record<string, unknown> => ({ arch, d_sae: 32, ...(isRanked(arch as never) ? { k: 4 } : { l1: 0.5 }) });
const refused = (given: Record<string, unknown>, pattern: RegExp): void => {
  assert.throws(() => resolveRecipe(given, { d: 8, where: 'recipe.json' }), (error) => error instanceof UsageError && error.message.startsWith('recipe.json: ') && pattern.test(error.message));
};

test('every architecture resolves to a recipe with every knob, which resolves to itself and which backends take', () => {
  for (const arch of ARCHITECTURES) {
    const recipe = resolveRecipe(needed(arch), { d: 8 });
    assert.deepEqual(Object.keys(recipe).sort(), Object.keys(KNOBS).sort());
    assert.deepEqual(resolveRecipe(JSON.parse(JSON.stringify(recipe)) as never, { d: 8 }), recipe);
    const objective = objectiveOf(recipe, 8);
    checkObjective(objective);
    checkOptimizer(objective, optimizerOf(recipe));
  }
});

test('presets go with the architectures that they are of, and what is given wins', () => {
  for (const preset of PRESETS) {
    for (const arch of ARCHITECTURES) {
      const given = { ...needed(arch), preset, steps: 200_000 };
      const ranked = isRanked(arch);
      if (((preset === 'openai' || preset === 'sparsify') && !ranked) || ((preset === 'towards-monosemanticity' || preset === 'nanda') && ranked)) {
        refused(given, new RegExp(`preset ${preset}`));
        continue;
      }
      if (arch === 'jumprelu' && preset === 'dictionary-learning') refused(given, /target_l0 is missing/);
      const recipe = resolveRecipe({ ...given, target_l0: 8, lr: 0.5 }, { d: 8 });
      assert.equal(recipe.lr, 0.5);
      checkObjective(objectiveOf(recipe, 8));
    }
  }
  const nanda = resolveRecipe({ arch: 'standard', d_sae: 32, preset: 'nanda', steps: 200_000 }, { d: 8 });
  assert.equal(nanda.l1_reduction, 'sum');
  assert.equal(nanda.beta2, 0.99);
  assert.equal(nanda.encoder_init, 'kaiming:0.5');
  assert.equal(resolveRecipe({ arch: 'topk', d_sae: 2 ** 14, preset: 'dictionary-learning', k: 32 }, { d: 8 }).lr, 2e-4);
});

test('what is wrong is refused by its name', () => {
  refused({}, /arch is missing/);
  refused({ arch: 'standard' }, /d_sae is missing/);
  refused({ arch: 'standard', d_sae: 32 }, /l1 is missing/);
  refused({ arch: 'topk', d_sae: 32 }, /k is missing/);
  refused({ ...needed('standard'), learning_rate: 1 }, /no knob "learning_rate"/);
  refused({ ...needed('standard'), constructor: 1 }, /no knob "constructor"/);
  refused({ ...needed('standard'), lr: '1e-3' }, /lr is "1e-3", expected a number above 0/);
  refused({ ...needed('standard'), lr: Infinity }, /lr is/);
  refused({ ...needed('standard'), steps: 1.5 }, /steps is 1.5, expected a whole number/);
  refused({ ...needed('standard'), freeze_b_dec: 1 }, /freeze_b_dec is 1, expected true or false/);
  refused({ ...needed('standard'), b_dec: 'median' }, /b_dec is "median", expected one of zero, mean, geometric-median/);
  refused({ ...needed('standard'), encoder_init: 'kaiming' }, /encoder_init is "kaiming"/);
  refused({ ...needed('standard'), encoder_init: 'kaiming:1-2' }, /encoder_init is "kaiming:1-2"/);
  refused({ ...needed('standard'), k: 4 }, /k is 4, and standard does not select/);
  refused({ ...needed('standard'), groups: [8, 32] }, /groups go with matryoshka/);
  refused({ ...needed('standard'), beta1: 1 }, /beta1/);
  refused({ ...needed('standard'), warmup: 90, decay: 20, steps: 100 }, /warmup and decay are 90 and 20/);
  refused({ ...needed('standard'), checkpoints: '0,200', steps: 100 }, /checkpoints has step 200/);
  refused({ ...needed('standard'), resample: 'anthropic' }, /resample_at has no steps/);
  refused({ ...needed('standard'), resample: 'anthropic', resample_at: [20, 10] }, /resample_at is 20, 10, expected ascending/);
  refused({ ...needed('topk'), l1: 1 }, /l1 is 1, and topk has no penalty/);
  refused({ ...needed('topk'), k: 33 }, /k is 33, more than d_sae/);
  refused({ ...needed('topk'), k: 1.5 }, /k is 1.5, expected a whole number/);
  assert.equal(resolveRecipe({ ...needed('batchtopk'), k: 1.5 }, { d: 8 }).k, 1.5);
  refused({ ...needed('matryoshka'), groups: [8, 16] }, /the last is d_sae, 32/);
  refused({ ...needed('gated'), auxk: 0.1 }, /auxk goes with/);
  refused({ ...needed('gated'), ghost_grads: true }, /ghost_grads goes with/);
  refused({ ...needed('jumprelu'), jumprelu_penalty: 'l0-target' }, /target_l0 is missing/);
  refused({ ...needed('p-anneal'), p_start: 0.5, p_end: 0.8 }, /p_end is 0.8/);
});

test('the guide has every knob, with what it takes and means', async () => {
  const guide = await readFile(new URL('../../docs/training.md', import.meta.url), 'utf8');
  for (const [name, knob] of Object.entries(KNOBS)) {
    const line = guide.split('\n').find((text) => text.startsWith(`| \`${name}\` |`));
    assert.ok(line?.endsWith(`| ${expectation(knob)} | ${knob.text.replaceAll('|', '\\|')} |`), `docs/training.md: ${name} is missing, or not as engine/train/knobs.ts says`);
  }
});
