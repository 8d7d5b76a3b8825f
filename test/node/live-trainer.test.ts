/** A live run in this thread: its requests, and that what is rewound to is what a straight run had, bit for bit. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../engine/errors.js';
import type { GeneratorSpec } from '../../engine/generate/generators.js';
import { EventBuffer, stepOf } from '../../engine/train/live-events.js';
import { LiveHistory } from '../../engine/train/live-history.js';
import { fromPlain, toPlain, type LiveEvent } from '../../engine/train/live-messages.js';
import { createLiveTrainer, type LiveTrainer, type LiveTrainerOptions } from '../../engine/train/live.js';
import type { StepMetrics } from '../../engine/train/events.js';

const SPEC = { kind: 'superposition', d: 12, features: 24, p_high: 0.3, p_low: 0.02, seed: 5 } as const satisfies GeneratorSpec;
const RECIPE = { arch: 'topk', d_sae: 32, k: 4, steps: 400, batch: 32, lr: 2e-3, seed: 3, log_every: 1, density_window: 320, dead_after: 640, warmup: 0, decay: 0, checkpoints: 'log:6' } as const;

const open = (more: Partial<LiveTrainerOptions> = {}): Promise<LiveTrainer> => createLiveTrainer({ recipe: RECIPE, data: { kind: 'generator', spec: SPEC }, backend: 'wasm', worker: false, ...more });

/** All that a run says, in order. */
function listen(live: LiveTrainer): LiveEvent[] {
  const events: LiveEvent[] = [];
  live.addEventListener('events', (event) => events.push(...event.events));
  return events;
}
const metricsOf = (events: readonly LiveEvent[]): StepMetrics[] => events.flatMap((event) => (event.type === 'metrics' ? [event.metrics] : []));
const until = async (what: string, condition: () => boolean): Promise<void> => {
  const end = performance.now() + 20_000;
  while (!condition()) {
    assert.ok(performance.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

describe('live trainer, in this thread', { timeout: 120_000 }, () => {
  it('steps, starts, pauses and ends', async () => {
    const live = await open();
    const events = listen(live);
    assert.equal(live.state, 'paused');
    assert.equal(live.inWorker, false);
    assert.equal(live.recipe.d_sae, 32);
    await live.step(3);
    assert.deepEqual([live.state, live.status.step, live.status.tokens], ['paused', 3, 96]);
    await live.start();
    await until('some steps', () => live.status.step > 20);
    await live.pause();
    const at = live.status.step;
    assert.equal(live.state, 'paused');
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(live.status.step, at, 'a run that is paused rests');
    await live.start();
    await until('the end', () => live.state === 'ended');
    await until('the last event', () => events.some(({ type }) => type === 'end'));
    assert.equal(live.status.step, 400);
    assert.deepEqual(metricsOf(events).map(({ step }) => step), Array.from({ length: 400 }, (_, i) => i + 1), 'every figure, once, in order');
    assert.deepEqual(events.filter(({ type }) => type === 'end'), [{ type: 'end', step: 400, reason: 'steps' }]);
    assert.equal(events.reduce((sum, event) => sum + (event.type === 'densities' ? event.window.rows : 0), 0), 400 * 32, 'windows may be told together, but no row is lost');
    await assert.rejects(live.start(), (error) => error instanceof UsageError && /ended at step 400/.test(error.message) && /Rewind/.test(error.hint ?? ''));
    await live.dispose();
    await assert.rejects(live.start(), UsageError);
  });

  it('rewinds to any step, and goes on as a straight run, bit for bit', async () => {
    const straight = await open();
    const expected = listen(straight);
    await straight.step(120);
    const other = await open();
    const events = listen(other);
    await other.step(97);
    // A step whose state was kept, and one that has to be done again from the state before it.
    for (const back of [other.status.checkpoints.at(-2) as number, 41]) {
      await other.rewind(back);
      assert.equal(other.status.step, back);
      assert.equal(other.state, 'paused');
      await other.step(97 - back);
    }
    await other.rewind(41);
    await other.step(79);
    const final = new Map(metricsOf(events).map((metrics) => [metrics.step, metrics]));
    assert.deepEqual([...final.values()].sort((a, b) => a.step - b.step), metricsOf(expected));
    assert.equal(events.filter(({ type }) => type === 'rewound').length, 3);
    const bytes = async (live: LiveTrainer): Promise<Float32Array[]> => {
      // The whole decoder and encoder, as a snapshot tells them.
      await live.watch(Array.from({ length: 32 }, (_, i) => i));
      const heard = listen(live);
      await live.step(1);
      await until('a snapshot', () => heard.some(({ type }) => type === 'snapshot'));
      return heard.flatMap((event) => (event.type === 'snapshot' ? [event.snapshot.encoder, event.snapshot.decoder, event.snapshot.bias] : []));
    };
    assert.deepEqual(await bytes(other), await bytes(straight));
    await assert.rejects(other.rewind(500), /cannot go back to step 500; expected 0 to 121/);
    await straight.dispose();
    await other.dispose();
  });

  it('retunes from the next step on, and does so again when it goes back', async () => {
    const live = await open();
    const events = listen(live);
    await live.step(30);
    await live.retune({ lr: 1e-4 });
    assert.equal(live.recipe.lr, 1e-4);
    await live.step(40);
    const before = metricsOf(events).at(-1) as StepMetrics;
    assert.equal(before.lr, 1e-4);
    // From before the retuning through it.
    await live.rewind(69);
    await live.step(1);
    assert.deepEqual(metricsOf(events).at(-1), before);
    await live.rewind(20);
    assert.equal(live.recipe.lr, 2e-3, 'what was retuned later is undone');
    await assert.rejects(live.retune({ d_sae: 64 }), /d_sae/);
    await assert.rejects(live.retune({ lr: -1 }), /lr/);
    await live.step(1);
    assert.equal(metricsOf(events).at(-1)?.step, 21, 'a refused request leaves the run as it was');
    await live.dispose();
  });

  it('branches: the other run begins at the step with other knobs, this one goes on', async () => {
    const live = await open();
    const events = listen(live);
    await live.step(50);
    const same = await live.branch();
    const other = await live.branch({ k: 8 }, { at: 25 });
    assert.deepEqual([same.status.step, other.status.step, live.status.step], [50, 25, 50]);
    assert.equal(other.recipe.k, 8);
    const told = listen(same);
    const else_ = listen(other);
    await live.step(20);
    await same.step(20);
    await other.step(20);
    assert.deepEqual(metricsOf(told), metricsOf(events).slice(50), 'a branch without changes is the same run');
    assert.equal(metricsOf(else_)[0]?.step, 26);
    assert.ok((metricsOf(else_)[0]?.l0 ?? 0) > 6, 'k = 8');
    await assert.rejects(other.rewind(3), /nothing is kept from before step 3/);
    for (const run of [live, same, other]) await run.dispose();
  });

  it('stops, and can be rewound after that', async () => {
    const live = await open();
    await live.start();
    await until('steps', () => live.status.step > 5);
    await live.stop();
    assert.equal(live.state, 'ended');
    await assert.rejects(live.step(), UsageError);
    await live.rewind(4);
    await live.step(2);
    assert.deepEqual([live.state, live.status.step], ['paused', 6]);
    await live.dispose();
  });

  it('says where it diverged, and goes on from before it', async () => {
    const live = await open({ recipe: { arch: 'standard', d_sae: 32, steps: 400, batch: 32, lr: 1e30, optimizer: 'sgd', clip: null, decoder_norm: 'free', l1: 0.1, log_every: 1, warmup: 0 } });
    const events = listen(live);
    await live.start();
    await until('divergence', () => live.state === 'diverged');
    const diverged = events.find(({ type }) => type === 'diverged');
    assert.ok(diverged?.type === 'diverged' && diverged.step > 1, JSON.stringify(diverged));
    assert.match(diverged.message, new RegExp(`step ${diverged.step}`));
    await assert.rejects(live.start(), /diverged/);
    await live.rewind(0);
    await live.retune({ lr: 1e-3 });
    await live.step(5);
    assert.equal(live.status.step, 5);
    await live.dispose();
  });

  it('tells events to whoever iterates, until it is disposed of', async () => {
    const live = await open();
    const seen: number[] = [];
    const reading = (async () => {
      for await (const event of live) if (event.type === 'metrics') seen.push(event.metrics.step);
    })();
    await live.step(12);
    await until('them', () => seen.length === 12);
    await live.dispose();
    await reading;
    assert.deepEqual(seen, Array.from({ length: 12 }, (_, i) => i + 1));
  });

  it('sends no more batches a second than it is told', async () => {
    const live = await open({ eventsPerSecond: 10, recipe: { ...RECIPE, steps: 100_000 } });
    let batches = 0;
    live.addEventListener('events', () => batches++);
    const started = performance.now();
    await live.start();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const seconds = (performance.now() - started) / 1000;
    const counted = batches;
    await live.pause();
    assert.ok(counted >= 3 && counted <= 10 * seconds + 2, `${counted} batches in ${seconds} s`);
    await live.dispose();
  });

  it('refuses what is wrong, naming it', async () => {
    await assert.rejects(open({ recipe: { ...RECIPE, k: 0 } }), (error) => error instanceof UsageError && /k/.test(error.message));
    await assert.rejects(open({ data: { kind: 'nothing' } as never }), /"kind" is "nothing"; expected held or generator/);
    await assert.rejects(open({ data: { kind: 'held', x: new Float32Array(10), d: 3 } }), /10 values/);
    await assert.rejects(open({ eventsPerSecond: 0 }), /eventsPerSecond is 0/);
    const live = await open();
    await assert.rejects(live.step(0), /step\(0\)/);
    await assert.rejects(live.step(1.5), /step\(1.5\)/);
    await live.dispose();
  });
});

describe('live history', () => {
  const state = (step: number, bytes: number) => ({ step, bytes: new Uint8Array(bytes) });

  it('holds the budget, the first state and the last, and is about even on a log scale', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 120 }), fc.integer({ min: 200, max: 3000 }), (gaps, budget) => {
        const history = new LiveHistory(budget);
        let step = 0;
        history.put(state(0, 100));
        for (const gap of gaps) history.put(state((step += gap), 100));
        const { steps } = history;
        assert.ok(history.bytes <= budget || steps.length === 2, 'budget');
        assert.equal(history.bytes, steps.length * 100);
        assert.deepEqual([steps[0], steps.at(-1)], [0, step]);
        assert.deepEqual(steps, [...new Set(steps)].sort((a, b) => a - b));
      }),
    );
    const history = new LiveHistory(1200);
    for (let step = 0; step <= 4000; step += 10) history.put(state(step, 100));
    const ratios = history.steps.slice(1).map((step, i) => (step + 1) / ((history.steps[i] as number) + 1));
    assert.equal(history.steps.length, 12);
    // Each gap could be halved at most.
    assert.ok(Math.max(...ratios.slice(1, -1)) < 3.5, ratios.join(' '));
  });

  it('finds the state before a step, and forgets what comes after one', () => {
    const history = new LiveHistory(1e6);
    for (const step of [0, 10, 20, 30]) history.put(state(step, 10));
    assert.equal(history.before(25)?.step, 20);
    assert.equal(history.before(30)?.step, 30);
    history.truncate(20);
    assert.deepEqual([history.steps, history.bytes], [[0, 10, 20], 30]);
    history.put(state(10, 10));
    assert.deepEqual(history.steps, [0, 10], 'a state in the place of one of its step undoes what came after');
    assert.equal(new LiveHistory(10).before(5), null);
  });
});

describe('events on their way', () => {
  const metrics = (step: number): LiveEvent => ({ type: 'metrics', metrics: { step } as StepMetrics });
  const densities = (step: number): LiveEvent => ({ type: 'densities', window: { step, rows: 1, counts: Uint32Array.of(step) } });

  it('keeps order, tells densities that wait together, and nothing that was undone', () => {
    const buffer = new EventBuffer();
    for (const event of [metrics(1), densities(1), metrics(2), densities(2), metrics(3), { type: 'rewound', step: 2 } as const, metrics(3)]) buffer.push(event);
    const events = buffer.drain();
    assert.deepEqual(events[2], { type: 'densities', window: { step: 2, rows: 2, counts: Uint32Array.of(3) } });
    assert.deepEqual(events.map((event) => [event.type, stepOf(event)]), [['metrics', 1], ['metrics', 2], ['densities', 2], ['rewound', 2], ['metrics', 3]]);
    assert.equal(buffer.length, 0);
  });

  it('thins metrics that nobody fetches, never the latest, and nothing else', () => {
    const buffer = new EventBuffer();
    buffer.push({ type: 'start', step: 0, scale: 1, backend: 'x' });
    for (let step = 1; step <= 50_000; step++) buffer.push(metrics(step));
    const events = buffer.drain();
    assert.ok(events.length <= 4096 && events.length > 1000);
    assert.equal(events[0]?.type, 'start');
    assert.equal(stepOf(events.at(-1) as LiveEvent), 50_000);
    const steps = events.map(stepOf);
    assert.deepEqual(steps, [...steps].sort((a, b) => a - b));
  });
});

describe('errors between threads', () => {
  it('come back as what they were', () => {
    const back = fromPlain(structuredClone(toPlain(new UsageError('--lr is bad', { hint: 'Use a small one.' }))));
    assert.ok(back instanceof UsageError);
    assert.deepEqual([back.name, back.message, back.hint], ['UsageError', '--lr is bad', 'Use a small one.']);
    const other = fromPlain(toPlain(new RangeError('far')));
    assert.deepEqual([other.name, other.message], ['RangeError', 'far']);
    assert.equal(fromPlain(toPlain(new DOMException('x', 'AbortError'))).name, 'AbortError');
    assert.equal(fromPlain(toPlain('text')).message, 'text');
  });
});
