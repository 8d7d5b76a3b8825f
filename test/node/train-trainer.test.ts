/** The trainer on a real session: resuming, branching, resampling, divergence, and the SAE that comes out. */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { UsageError } from '../../engine/errors.js';
import type { StateValue } from '../../engine/run/accumulator.js';
import { prepareInput } from '../../engine/prepare.js';
import { decodeState, encodeState } from '../../engine/state.js';
import type { TrainEvent } from '../../engine/train/events.js';
import { heldData } from '../../engine/train/held-data.js';
import { ARCHITECTURES } from '../../engine/train/knobs.js';
import type { Recipe } from '../../engine/train/recipe.js';
import { isRanked, resolveRecipe } from '../../engine/train/resolve-recipe.js';
import { runTrainer } from '../../engine/train/run-trainer.js';
import { Trainer } from '../../engine/train/trainer.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { gaussian } from '../shared/random.js';

const d = 8;
const draw = gaussian(11);
const held = Float32Array.from({ length: 512 * d }, (_, at) => draw() * (1 + (at % d)) + 0.5);
const data = heldData({ x: held, d, seed: 4 });
const backend = await createWasmTrainBackend();
after(() => backend.dispose());

const knobs = (arch: string): Record<string, unknown> => ({ arch, d_sae: 24, steps: 40, batch: 32, warmup: 5, log_every: 4, density_window: 100, dead_after: 96, normalize: 'expected_average_only_in', checkpoints: 'last', ...(isRanked(arch as never) ? { k: 3, auxk: 0.03 } : { l1: arch === 'jumprelu' ? 0.05 : 0.5 }) });
const recipe = (arch: string, more: Record<string, unknown> = {}): Recipe => resolveRecipe({ ...knobs(arch), ...more }, { d });
const bytes = (state: StateValue): Uint8Array => encodeState(state);

async function steps(trainer: Trainer, count: number): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for (let at = 0; at < count; at++) events.push(...(await trainer.advance()));
  return events;
}

/** A new trainer; where features are to be resampled, the first eight are dead. */
async function begin(chosen: Recipe, from = data): Promise<Trainer> {
  const trainer = await Trainer.create({ recipe: chosen, data: from, backend });
  if (chosen.resample !== 'none') await trainer.session.write({ parameters: { b_enc: Float32Array.from({ length: chosen.d_sae }, (_, i) => (i < 8 ? -1000 : 0)) } });
  return trainer;
}

for (const [name, chosen] of [
  ...ARCHITECTURES.map((arch) => [arch, recipe(arch, arch === 'p-anneal' ? { p_anneal_from: 8, p_anneal_changes: 6 } : {})] as const),
  ['anthropic resampling', recipe('standard', { resample: 'anthropic', resample_at: [10, 30], resample_window: 6, resample_rows: 128, resample_warmup: 4, resample_spare: 0.3 })] as const,
]) {
  test(`${name}: saved as bytes and restored at any step, a run is bit for bit the uninterrupted one`, async () => {
    const whole = await begin(chosen);
    const events = await steps(whole, 40);
    if (chosen.resample !== 'none') assert.ok(events.some((event) => event.type === 'resampled' && event.features.length > 0 && event.spared.length > 0));
    const end = bytes(await whole.save());
    for (const at of [0, 9, 10, 27]) {
      const first = await begin(chosen);
      const before = await steps(first, at);
      const saved = await first.save();
      const copy = bytes(saved);
      await steps(first, 3);
      assert.deepEqual(bytes(saved), copy, 'a saved state changed as its trainer went on');
      first.dispose();
      const second = await Trainer.restore({ saved: decodeState(copy), data, backend });
      assert.equal(second.step, at);
      assert.deepEqual([...before, ...(await steps(second, 40 - at))], events);
      assert.deepEqual(bytes(await second.save()), end);
      second.dispose();
    }
    whole.dispose();
  });

  test(`${name}: the SAE reads raw activations and reconstructs as the session does`, async () => {
    const trainer = await Trainer.create({ recipe: chosen, data, backend });
    await steps(trainer, 20);
    const sae = await trainer.sae({ name: 'test', source: 'test' });
    const rows = 64;
    const x = await data.batch(0, rows);
    const scaled = x.map((value) => value * trainer.scale);
    const k = chosen.k ?? 1;
    const { rowErrors, rowL0 } = await trainer.session.forward(scaled, rows, { k });
    const inference = await createWasmBackend({ threads: 1 });
    try {
      const loaded = await inference.load(sae);
      const { xbar } = prepareInput(sae, x, rows);
      const codes = await loaded.encode(xbar, rows);
      const xhat = await loaded.decode(codes);
      const total = rowL0.reduce((sum, value) => sum + value, 0);
      const active = codes.offsets[rows]!;
      // A threshold is the average of batches; the others select exactly what training does.
      if (sae.architecture === 'jumprelu' && chosen.arch !== 'jumprelu') assert.ok(active > 0.6 * total && active < 1.6 * total, `${active} active, ${total} in training`);
      else {
        assert.equal(active, total);
        for (let r = 0; r < rows; r++) {
          let error = 0;
          for (let c = 0; c < d; c++) error += (xhat[r * d + c]! - x[r * d + c]!) ** 2;
          const wanted = rowErrors[r]! / trainer.scale ** 2;
          assert.ok(Math.abs(error - wanted) <= 1e-4 * (wanted + 1), `row ${r}: ${error}, in training ${wanted}`);
        }
      }
    } finally {
      await inference.dispose();
      trainer.dispose();
    }
  });
}

test('rows times the scale are sqrt(d) long on average; b_dec starts at the mean of those', async () => {
  const trainer = await Trainer.create({ recipe: recipe('standard', { b_dec: 'mean', freeze_b_dec: true }), data, backend });
  let norms = 0;
  for (let r = 0; r < 512; r++) norms += Math.hypot(...held.subarray(r * d, (r + 1) * d)) / 512;
  assert.ok(Math.abs(trainer.scale * norms - Math.sqrt(d)) < 1e-9);
  await steps(trainer, 10);
  const { b_dec } = await trainer.sae({ name: 'test', source: 'test' });
  for (let c = 0; c < d; c++) {
    let mean = 0;
    for (let r = 0; r < 512; r++) mean += held[r * d + c]! / 512;
    assert.ok(Math.abs(b_dec[c]! - mean) < 1e-6);
  }
  trainer.dispose();
});

test('a branch with the same recipe is the same run; with another it is not; what has the shape cannot change', async () => {
  const first = await Trainer.create({ recipe: recipe('standard'), data, backend });
  await steps(first, 10);
  const saved = await first.save();
  const same = await Trainer.restore({ saved, data, backend, recipe: recipe('standard') });
  const other = await Trainer.restore({ saved, data, backend, recipe: recipe('standard', { l1: 2 }) });
  for (const trainer of [first, same, other]) await steps(trainer, 10);
  assert.deepEqual(bytes(await same.save()), bytes(await first.save()));
  const sparser = await other.session.read();
  assert.notDeepEqual(sparser.parameters.W_enc, (await first.session.read()).parameters.W_enc);
  await first.retune({ lr: 1e-5, decoder_norm: 'free' });
  assert.equal(first.recipe.lr, 1e-5);
  await steps(first, 1);
  await assert.rejects(first.retune({ d_sae: 32 }), (error) => error instanceof UsageError && error.message.startsWith('d_sae is 32'));
  await assert.rejects(Trainer.restore({ saved, data, backend, recipe: recipe('gated') }), UsageError);
  for (const trainer of [first, same, other]) trainer.dispose();
});

test('a run that diverges says at which step, keeps its weights, and goes no further', async () => {
  const trainer = await Trainer.create({ recipe: recipe('standard', { lr: 1e37, optimizer: 'sgd', warmup: 0, decoder_norm: 'free' }), data, backend });
  const events: TrainEvent[] = [];
  const ended = await runTrainer(trainer, { onEvent: (event) => void events.push(event) });
  assert.equal(ended.type, 'diverged');
  assert.equal(ended.step, trainer.step + 1);
  assert.ok('message' in ended && ended.message.includes(`step ${ended.step}`) && /loss|gradient/.test(ended.message));
  assert.deepEqual(events.at(-1), ended);
  await assert.rejects(trainer.advance(), UsageError);
  trainer.dispose();
});

test('resampling tells what it did: features that never fired, but for the cohort, and its rate warms up again', async () => {
  const chosen = recipe('standard', { steps: 30, resample: 'anthropic', resample_at: [20], resample_window: 10, resample_rows: 64, resample_warmup: 5, resample_spare: 0.5, log_every: 1 });
  const trainer = await begin(chosen);
  const fired = new Set<number>();
  await steps(trainer, 10);
  await trainer.snapshot([]);
  const before = await steps(trainer, 9);
  assert.equal(before.filter(({ type }) => type === 'resampled').length, 0);
  const { counts, rows } = await trainer.snapshot(Array.from({ length: 24 }, (_, i) => i));
  assert.equal(rows, 9 * 32);
  counts.forEach((count, i) => count > 0 && fired.add(i));
  const event = (await trainer.advance()).find(({ type }) => type === 'resampled');
  assert.ok(event?.type === 'resampled');
  assert.ok(event.features.length > 0 && event.spared.length > 0, 'the test has nothing to look at');
  assert.ok([...event.features, ...event.spared].every((i) => !fired.has(i)));
  const rates = (await steps(trainer, 6)).flatMap((one) => (one.type === 'metrics' ? [one.metrics.lr] : []));
  assert.deepEqual(rates.map((rate) => Math.round((5 * rate) / chosen.lr)), [1, 2, 3, 4, 5, 5]);
  trainer.dispose();
});

test('an abort while rows are read for resampling puts it off, and changes nothing', async () => {
  const chosen = recipe('standard', { resample: 'anthropic', resample_at: [20], resample_window: 10, resample_rows: 64 });
  const whole = await begin(chosen);
  await steps(whole, 22);
  const control = new AbortController();
  let armed = false;
  const stopping = { ...data, batch: async (step: number, size: number, signal?: AbortSignal) => {
    if (armed && step === 20) control.abort();
    signal?.throwIfAborted();
    return data.batch(step, size, signal);
  } };
  const first = await begin(chosen, stopping);
  await steps(first, 19);
  armed = true;
  const events = await first.advance(control.signal);
  assert.ok(control.signal.aborted && events.every(({ type }) => type !== 'resampled'));
  const second = await Trainer.restore({ saved: await first.save(), data, backend });
  assert.ok((await steps(second, 2)).some(({ type }) => type === 'resampled'));
  assert.deepEqual(bytes(await second.save()), bytes(await whole.save()));
  for (const trainer of [whole, first, second]) trainer.dispose();
});

test('the loop: events in order, checkpoints where they are due, and again where one was cut off', async () => {
  const chosen = recipe('standard', { checkpoints: '0,10,40' });
  const trainer = await Trainer.create({ recipe: chosen, data, backend });
  const events: TrainEvent[] = [];
  const control = new AbortController();
  const stopped = await runTrainer(trainer, {
    signal: control.signal,
    onEvent: (event) => void events.push(event),
    evaluate: (running, signal) => {
      if (running.step === 10) control.abort();
      signal?.throwIfAborted();
      return Promise.resolve(null as never);
    },
  });
  assert.deepEqual(stopped, { type: 'end', step: 10, reason: 'stopped' });
  const again = await Trainer.restore({ saved: await trainer.save(), data, backend });
  const ended = await runTrainer(again, { onEvent: (event) => void events.push(event) });
  assert.deepEqual(ended, { type: 'end', step: 40, reason: 'steps' });
  assert.deepEqual(events.flatMap((event) => (event.type === 'checkpoint' ? [event.step] : [])), [0, 10, 40]);
  const metrics = events.flatMap((event) => (event.type === 'metrics' ? [event.metrics.step] : []));
  assert.deepEqual(metrics, [1, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40]);
  const windows = events.flatMap((event) => (event.type === 'densities' ? [event.window.rows] : []));
  assert.deepEqual(windows, Array<number>(10).fill(128));
  trainer.dispose();
  again.dispose();
});

test('it stops early when the loss no longer falls', async () => {
  const trainer = await Trainer.create({ recipe: recipe('standard', { lr: 1e-12, early_stop: 5, early_stop_ratio: 0.5 }), data, backend });
  const ended = await runTrainer(trainer, { onEvent: () => undefined });
  assert.deepEqual(ended, { type: 'end', step: 10, reason: 'early-stop' });
  assert.equal(trainer.checkpointed, 10);
  trainer.dispose();
});
