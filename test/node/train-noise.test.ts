/** Noise, deflation and biases at the start: against what they are in closed form, and bit for bit when a run is resumed. */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../engine/errors.js';
import type { StateValue } from '../../engine/run/accumulator.js';
import { decodeState, encodeState } from '../../engine/state.js';
import { directionsOf, directionText, projected } from '../../engine/train/encoder-hooks.js';
import type { TrainEvent } from '../../engine/train/events.js';
import { heldData } from '../../engine/train/held-data.js';
import { streamSeed } from '../../engine/train/init.js';
import type { Recipe } from '../../engine/train/recipe.js';
import { optimizerOf, resolveRecipe } from '../../engine/train/resolve-recipe.js';
import { learningRate } from '../../engine/train/schedule.js';
import { Trainer } from '../../engine/train/trainer.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { gaussian } from '../shared/random.js';

const d = 8;
const draw = gaussian(23);
const held = Float32Array.from({ length: 512 * d }, (_, at) => draw() * (1 + (at % d) / 4) + (at % d === 2 ? 3 : 0.5));
const data = heldData({ x: held, d, seed: 4 });
const backend = await createWasmTrainBackend();
after(() => backend.dispose());
const recipe = (more: Record<string, unknown> = {}): Recipe => resolveRecipe({ arch: 'standard', d_sae: 48, steps: 40, batch: 32, warmup: 5, l1: 0.3, b_dec: 'zero', log_every: 4, checkpoints: 'last', ...more }, { d });
const bytes = (state: StateValue): Uint8Array => encodeState(state);

async function steps(trainer: Trainer, count: number): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for (let at = 0; at < count; at++) events.push(...(await trainer.advance()));
  return events;
}
const mean = Float64Array.from({ length: d }, (_, c) => held.reduce((sum, value, at) => (at % d === c ? sum + value : sum), 0) / 512);
const dotOf = (a: ArrayLike<number>, at: number, u: ArrayLike<number>): number => Array.from(u).reduce((sum, value, c) => sum + value * a[at + c]!, 0);

test('noise: one step moves W_enc and b_enc by lr noise N(0, 1) beyond what the step does, and nothing else', async () => {
  const [sigma, wide] = [0.5, 4096];
  const more = { d_sae: wide, warmup: 0, lr: 0.01, log_every: 1 };
  const [plain, noisy] = await Promise.all([recipe(more), recipe({ ...more, noise: sigma })].map((chosen) => Trainer.create({ recipe: chosen, data, backend })));
  await steps(plain!, 1);
  await steps(noisy!, 1);
  const [a, b] = [await plain!.session.read(), await noisy!.session.read()];
  for (const name of ['W_dec', 'b_dec'] as const) assert.deepEqual(b.parameters[name], a.parameters[name]);
  assert.deepEqual([b.m, b.v], [a.m, a.v]);
  const sd = 0.01 * sigma;
  for (const name of ['W_enc', 'b_enc'] as const) {
    const z = Float64Array.from(a.parameters[name]!, (value, at) => (b.parameters[name]![at]! - value) / sd);
    const n = z.length;
    const moment = (k: number): number => z.reduce((sum, value) => sum + value ** k, 0) / n;
    // Standard errors of the first four moments of N(0, 1) are sqrt of 1, 2, 15, 96 over n; 4.5 of them, and what f32 rounds.
    for (const [k, wanted, variance] of [[1, 0, 1], [2, 1, 2], [3, 0, 15], [4, 3, 96]] as const) {
      assert.ok(Math.abs(moment(k) - wanted) < 4.5 * Math.sqrt(variance / n) + 1e-4, `${name}: moment ${k} is ${moment(k)}`);
    }
    // Neighbours, and the same places of the next step, are independent.
    const lagged = z.subarray(1).reduce((sum, value, at) => sum + value * z[at]!, 0) / (n - 1);
    assert.ok(Math.abs(lagged) < 4.5 / Math.sqrt(n), `${name}: lag 1 has correlation ${lagged}`);
  }
  plain!.dispose();
  noisy!.dispose();
});

test('noise alone is a random walk: after t steps its variance is t, times (lr noise)^2', async () => {
  // Adam with l1 0, and rows of zeros: no gradient reaches a feature that never fires.
  const zeros = heldData({ x: new Float32Array(64 * d), d, seed: 1 });
  const chosen = recipe({ d_sae: 4096, l1: 0, noise: 2, lr: 1e-3, warmup: 4, optimizer: 'sgd', lr_schedule: 'cosine' });
  const trainer = await Trainer.create({ recipe: chosen, data: zeros, backend });
  const quiet = Float32Array.from({ length: 4096 }, () => -100);
  await trainer.session.write({ parameters: { b_enc: quiet } });
  const before = (await trainer.session.read()).parameters.W_enc!;
  await steps(trainer, 20);
  const moved = (await trainer.session.read()).parameters.W_enc!.map((value, at) => value - before[at]!);
  let wanted = 0;
  for (let step = 1; step <= 20; step++) wanted += (2 * learningRate(chosen, step, null)) ** 2;
  const variance = moved.reduce((sum, value) => sum + value * value, 0) / moved.length;
  assert.ok(Math.abs(variance / wanted - 1) < 4.5 * Math.sqrt(2 / moved.length), `${variance / wanted} of the variance`);
  trainer.dispose();
});

test('noise revives a feature on the edge of the data, which without it stays dead', async () => {
  const alive = async (noise: number): Promise<number> => {
    const chosen = recipe({ noise, lr: 0.01, warmup: 0, steps: 200, dead_after: 1e9 });
    const trainer = await Trainer.create({ recipe: chosen, data, backend });
    // w = -mu, so that 0 > z for almost all rows, and a bias just below what it takes.
    const { W_enc } = (await trainer.session.read()).parameters;
    const w = W_enc!.map((_, at) => -mean[at % d]! / 3);
    await trainer.session.write({ parameters: { W_enc: w, b_enc: new Float32Array(48).fill(-8) } });
    const fired = new Set<number>();
    for (let step = 0; step < 200; step++) {
      await trainer.advance();
      const { counts } = await trainer.snapshot(Array.from({ length: 48 }, (_, i) => i));
      counts.forEach((count, i) => void (count > 0 && fired.add(i)));
    }
    trainer.dispose();
    return fired.size;
  };
  assert.equal(await alive(0), 0);
  assert.ok((await alive(30)) > 24);
});

for (const [name, more] of [
  ['adam', {}],
  ['adam that clips', { clip: 0.5 }],
  ['sgd', { optimizer: 'sgd', momentum: 0.8 }],
] as const) {
  test(`deflation under ${name}: W_enc is that of gradients whose part along the directions was taken out`, async () => {
    const u = Float64Array.from({ length: d }, (_, c) => c - 2.5);
    const v = Float64Array.from({ length: d }, (_, c) => (c % 3) + 0.25);
    const chosen = recipe({ ...more, deflate: directionText(u, v), lr: 0.01, d_sae: 24 });
    const directions = directionsOf(chosen.deflate, d, null);
    const optimizer = optimizerOf(chosen);
    const trainer = await Trainer.create({ recipe: chosen, data, backend });
    const start = await trainer.session.read();
    // The oracle: the session's own gradients, projected, and the optimiser written out in f64.
    const n = 24 * d;
    const [w, m, s] = [Float64Array.from(start.parameters.W_enc!), new Float64Array(n), new Float64Array(n)];
    const project = (row: Float64Array): void => directions.forEach((one) => { const along = dotOf(row, 0, one); for (let c = 0; c < d; c++) row[c] = row[c]! - along * one[c]!; });
    for (let step = 1; step <= 12; step++) {
      const x = await data.batch(step - 1, chosen.batch);
      const lr = learningRate(chosen, step, null);
      const controls = { step, lr, coefficient: chosen.l1, p: 1, pNext: null, k: 0, dead: null };
      const { gradients, result } = await trainer.session.gradients(x, chosen.batch, controls);
      const clip = optimizer.clip === null ? 1 : Math.min(1, optimizer.clip / (result.gradientNorm + 1e-6));
      for (let at = 0; at < n; at += d) {
        const g = Float64Array.from(gradients.W_enc!.subarray(at, at + d), (value) => value * clip);
        project(g);
        const row = w.subarray(at, at + d);
        for (let c = 0; c < d; c++) {
          if (optimizer.kind === 'sgd') {
            m[at + c] = optimizer.momentum * m[at + c]! + g[c]!;
            row[c] = row[c]! - lr * m[at + c]!;
          } else {
            m[at + c] = 0.9 * m[at + c]! + 0.1 * g[c]!;
            s[at + c] = 0.999 * s[at + c]! + 0.001 * g[c]! ** 2;
            row[c] = row[c]! - (lr * (m[at + c]! / (1 - 0.9 ** step))) / (Math.sqrt(s[at + c]! / (1 - 0.999 ** step)) + optimizer.eps);
          }
        }
        project(row);
      }
      await trainer.advance();
      const now = await trainer.session.read();
      for (let at = 0; at < n; at++) {
        assert.ok(Math.abs(now.parameters.W_enc![at]! - w[at]!) < 2e-5, `step ${step}, place ${at}: ${now.parameters.W_enc![at]}, expected ${w[at]}`);
        assert.ok(Math.abs(now.m.W_enc![at]! - m[at]!) < 1e-5 * (1 + Math.abs(m[at]!)));
      }
      for (let at = 0; at < n; at += d) for (const one of directions) assert.ok(Math.abs(dotOf(now.parameters.W_enc!, at, one)) < 1e-6 * (Math.hypot(...now.parameters.W_enc!.subarray(at, at + d)) + 1e-3));
    }
    trainer.dispose();
  });
}

test('deflate mean keeps mu - b_dec out, through noise and resampling as well', async () => {
  for (const more of [{}, { noise: 5 }, { resample: 'anthropic', resample_at: [10], resample_window: 5, resample_rows: 64 }, { apply_b_dec_to_input: false, b_dec: 'mean' }, { normalize: 'expected_average_only_in' }]) {
    const trainer = await Trainer.create({ recipe: recipe({ ...more, deflate: 'mean', steps: 20 }), data, backend });
    if ('resample' in more) await trainer.session.write({ parameters: { b_enc: Float32Array.from({ length: 48 }, (_, i) => (i < 8 ? -1000 : 0)) } });
    const length = Math.hypot(...mean);
    const checkAll = async (): Promise<void> => {
      const { W_enc } = (await trainer.session.read()).parameters;
      for (let at = 0; at < W_enc!.length; at += d) assert.ok(Math.abs(dotOf(W_enc!, at, mean)) / length < 1e-6 * Math.hypot(...W_enc!.subarray(at, at + d)) + 1e-9);
    };
    await checkAll();
    await steps(trainer, 20);
    await checkAll();
    if ('resample' in more) assert.equal(trainer.resamplings.length, 1);
    trainer.dispose();
  }
});

test('with noise and deflation, a run that is saved and restored is bit for bit the uninterrupted one', async () => {
  const chosen = recipe({ noise: 3, deflate: 'mean', b_enc_init: 'uniform', resample: 'nanda', resample_at: [12, 24], resample_window: 8, resample_below: 0.45, resample_spare: 0.5 });
  const whole = await Trainer.create({ recipe: chosen, data, backend });
  const events = await steps(whole, 40);
  const end = bytes(await whole.save());
  assert.ok(whole.resamplings.some(({ features, spared }) => features.length > 0 && spared.length > 0));
  for (const at of [0, 7, 12, 30]) {
    const first = await Trainer.create({ recipe: chosen, data, backend });
    const before = await steps(first, at);
    const second = await Trainer.restore({ saved: decodeState(bytes(await first.save())), data, backend });
    assert.deepEqual([...before, ...(await steps(second, 40 - at))], events);
    assert.deepEqual(bytes(await second.save()), end);
    first.dispose();
    second.dispose();
  }
  await assert.rejects(whole.retune({ deflate: 'none' }), (error) => error instanceof UsageError && error.message.startsWith('deflate is "none"'));
  whole.dispose();
});

test('a state of before these knobs goes on as it did', async () => {
  const trainer = await Trainer.create({ recipe: recipe(), data, backend });
  await steps(trainer, 3);
  const { resamplings, directions, recipe: json, ...old } = (await trainer.save()) as unknown as Record<string, StateValue> & { recipe: string };
  assert.deepEqual([resamplings, directions], [[], []]);
  const { noise, deflate, b_enc_init, ...knobs } = JSON.parse(json) as Recipe;
  assert.deepEqual([noise, deflate, b_enc_init], [0, 'none', 'zero']);
  const again = await Trainer.restore({ saved: { ...old, recipe: JSON.stringify(knobs) }, data, backend });
  await steps(trainer, 5);
  await steps(again, 5);
  assert.deepEqual(bytes((await again.session.read()) as unknown as StateValue), bytes((await trainer.session.read()) as unknown as StateValue));
  trainer.dispose();
  again.dispose();
});

test('b_enc at the start is 0 or uniform within 1 / sqrt(d)', async () => {
  const zero = await Trainer.create({ recipe: recipe(), data, backend });
  assert.ok((await zero.session.read()).parameters.b_enc!.every((value) => value === 0));
  const trainer = await Trainer.create({ recipe: recipe({ b_enc_init: 'uniform', d_sae: 8192 }), data, backend });
  const { b_enc, W_enc } = (await trainer.session.read()).parameters;
  const sorted = Float64Array.from(b_enc!, (value) => (value * Math.sqrt(d) + 1) / 2).sort();
  // Kolmogorov and Smirnov's distance from the uniform law: above 1.95 / sqrt(n) once in a thousand.
  const distance = Math.max(...sorted.map((value, at) => Math.max(Math.abs(value - at / 8192), Math.abs(value - (at + 1) / 8192))));
  assert.ok(distance < 1.95 / Math.sqrt(8192), `${distance}`);
  assert.notEqual(W_enc![0], b_enc![0]);
  assert.notEqual(streamSeed(0, 'b_enc'), streamSeed(0, 'b_gate'));
  zero.dispose();
  trainer.dispose();
});

test('a projection is one: orthogonal, idempotent, and nothing else changes', () => {
  fc.assert(
    fc.property(fc.array(fc.float({ min: -10, max: 10, noNaN: true }), { minLength: 12, maxLength: 12 }), fc.array(fc.float({ min: -3, max: 3, noNaN: true }), { minLength: 8, maxLength: 8 }), (values, raw) => {
      const [first, second] = [raw.slice(0, 4), raw.slice(4)];
      let directions;
      try {
        directions = directionsOf(directionText(first, second), 4, null);
      } catch (error) {
        return error instanceof UsageError;
      }
      assert.ok(Math.abs(dotOf(directions[0]!, 0, directions[1]!)) < 1e-9);
      const rows = Float32Array.from(values);
      const once = projected(rows, 4, directions);
      const twice = projected(once, 4, directions);
      for (let at = 0; at < 12; at += 4) {
        for (const u of directions) assert.ok(Math.abs(dotOf(once, at, u)) < 1e-5);
        for (let c = 0; c < 4; c++) {
          assert.ok(Math.abs(twice[at + c]! - once[at + c]!) < 1e-5);
          const back = once[at + c]! + directions.reduce((sum, u) => sum + dotOf(rows, at, u) * u[c]!, 0);
          assert.ok(Math.abs(back - rows[at + c]!) < 1e-4);
        }
      }
      return true;
    }),
  );
});

test('what cannot be deflated is refused by its name', () => {
  const refused = (more: Record<string, unknown>, pattern: RegExp): void => void assert.throws(() => recipe(more), (error) => error instanceof UsageError && pattern.test(error.message));
  refused({ deflate: '1,2' }, /deflate: a direction has 2 numbers, expected the width of the activations, 8/);
  refused({ deflate: '0,0,0,0,0,0,0,0' }, /length 0/);
  refused({ deflate: '1,0,0,0,0,0,0,0;2,0,0,0,0,0,0,0' }, /direction 2 depends/);
  refused({ deflate: 'top-pc' }, /deflate is "top-pc", expected for example/);
  refused({ deflate: 'mean', b_dec: 'mean' }, /deflate is mean, and b_dec starts there/);
  refused({ noise: -1 }, /noise is -1/);
  refused({ b_enc_init: 'normal' }, /b_enc_init is "normal"/);
});
