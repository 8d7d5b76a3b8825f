/** A live run in a worker of a page: its requests, its bits, what is left of it, and what it costs the page. */
import { assert } from '@esm-bundle/chai';
import { UsageError } from '../../engine/errors.js';
import type { StepMetrics } from '../../engine/train/events.js';
import { createLiveTrainer, type LiveEvent, type LiveTrainer, type LiveTrainerOptions } from '../../engine/train/live.js';
import { until } from '../support/dashboard.js';

const SPEC = { kind: 'superposition', d: 12, features: 24, p_high: 0.3, p_low: 0.02, seed: 5 } as const;
const RECIPE = { arch: 'topk', d_sae: 32, k: 4, steps: 100_000, batch: 32, lr: 2e-3, seed: 3, log_every: 1, density_window: 320, warmup: 0, decay: 0 } as const;

/** Workers that were started and not ended, by what the page does with the class. */
const running = new Set<Worker>();
const Native = globalThis.Worker;
class CountedWorker extends Native {
  constructor(...given: ConstructorParameters<typeof Worker>) {
    super(...given);
    running.add(this);
  }
  override terminate(): void {
    running.delete(this);
    super.terminate();
  }
}

describe('live trainer, in a worker', () => {
  const opened: LiveTrainer[] = [];
  before(() => {
    globalThis.Worker = CountedWorker;
  });
  after(() => {
    globalThis.Worker = Native;
  });
  afterEach(async () => {
    for (const live of opened.splice(0)) await live.dispose();
  });
  const open = async (more: Partial<LiveTrainerOptions> = {}): Promise<{ live: LiveTrainer; events: LiveEvent[] }> => {
    const live = await createLiveTrainer({ recipe: RECIPE, data: { kind: 'generator', spec: SPEC }, backend: 'wasm', ...more });
    opened.push(live);
    const events: LiveEvent[] = [];
    live.addEventListener('events', (event) => events.push(...event.events));
    return { live, events };
  };
  const metricsOf = (events: readonly LiveEvent[]): StepMetrics[] => events.flatMap((event) => (event.type === 'metrics' ? [event.metrics] : []));
  const refused = async (promise: Promise<unknown>): Promise<Error> => {
    try {
      await promise;
    } catch (error) {
      return error as Error;
    }
    throw new Error('it was not refused');
  };

  it('starts, pauses, steps and stops', async () => {
    const { live, events } = await open();
    assert.isTrue(live.inWorker);
    await live.start();
    await until('steps', () => live.status.step > 10);
    await live.pause();
    const at = live.status.step;
    assert.equal(live.state, 'paused');
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(live.status.step, at);
    await live.step(5);
    assert.equal(live.status.step, at + 5);
    assert.deepEqual(metricsOf(events).map(({ step }) => step), Array.from({ length: at + 5 }, (_, i) => i + 1));
    await live.stop();
    assert.equal(live.state, 'ended');
    assert.deepEqual(events.at(-1), { type: 'end', step: at + 5, reason: 'stopped' });
  });

  it('rewinds to what a straight run had, bit for bit, in a worker as in the page', async () => {
    const { live, events } = await open();
    await live.step(60);
    await live.rewind(37);
    assert.equal(live.status.step, 37);
    await live.step(43);
    const final = new Map(metricsOf(events).map((metrics) => [metrics.step, metrics]));
    const straight = await open({ worker: false });
    assert.isFalse(straight.live.inWorker);
    await straight.live.step(80);
    assert.deepEqual([...final.values()].sort((a, b) => a.step - b.step), metricsOf(straight.events));
  });

  it('branches from a step of held rows, in a second worker', async () => {
    const x = Float32Array.from({ length: 64 * 12 }, (_, i) => Math.sin(i * 1.7) + Math.cos(i * 0.3));
    const { live, events } = await open({ data: { kind: 'held', x, d: 12, transfer: true } });
    assert.equal(x.length, 0, 'the rows were handed over');
    await live.step(30);
    const branch = await live.branch({ k: 6 }, { at: 20 });
    opened.push(branch);
    assert.deepEqual([running.size, branch.status.step, branch.recipe.k], [2, 20, 6]);
    const same = await live.branch({}, { at: 20 });
    opened.push(same);
    const told: LiveEvent[] = [];
    same.addEventListener('events', (event) => told.push(...event.events));
    await same.step(10);
    assert.deepEqual(metricsOf(told), metricsOf(events).slice(20));
    await live.step(2);
    assert.equal(live.status.step, 32);
  });

  it('carries errors over as what they are', async () => {
    const error = await refused(createLiveTrainer({ recipe: { ...RECIPE, k: -1 }, data: { kind: 'generator', spec: SPEC }, backend: 'wasm' }));
    assert.instanceOf(error, UsageError);
    assert.include(error.message, 'k');
    const { live } = await open();
    await live.step(1);
    const far = await refused(live.rewind(9));
    assert.instanceOf(far, UsageError);
    assert.include(far.message, 'expected 0 to 1');
    await live.step(1);
    assert.equal(live.status.step, 2, 'a refused request harms nothing');
  });

  it('trains here where no worker can be started, and says so', async () => {
    const { live } = await open({ worker: '/no-such-worker.js' });
    assert.isFalse(live.inWorker);
    assert.include(live.notices.join(' '), 'training in this thread');
    await live.step(3);
    assert.equal(live.status.step, 3);
  });

  it('leaves no worker behind after 200 steps', async () => {
    assert.equal(running.size, 0, 'the tests before this one');
    const { live } = await open();
    await live.step(200);
    assert.equal(running.size, 1);
    let disposed = 0;
    live.addEventListener('disposed', () => disposed++);
    await live.dispose();
    await live.dispose();
    assert.deepEqual([running.size, disposed], [0, 1]);
    assert.match((await refused(live.step())).message, /disposed/);
    // A worker whose opening fails is ended as well.
    await refused(createLiveTrainer({ recipe: { ...RECIPE, lr: -1 }, data: { kind: 'generator', spec: SPEC }, backend: 'wasm' }));
    assert.equal(running.size, 0);
  });

  it('gives the page no task of 50 ms, and at most some twenty batches a second', async () => {
    const { live } = await open({ recipe: { ...RECIPE, d_sae: 128, batch: 128, density_window: 128 } });
    await live.step(2);
    let batches = 0;
    live.addEventListener('events', () => batches++);
    const tasks: number[] = [];
    const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)));
    observer.observe({ entryTypes: ['longtask'] });
    const started = performance.now();
    await live.start();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const seconds = (performance.now() - started) / 1000;
    const counted = batches;
    await live.pause();
    observer.disconnect();
    assert.deepEqual(tasks, []);
    assert.isAtLeast(counted, 5);
    assert.isAtMost(counted, 20 * seconds + 2);
    assert.isAbove(live.status.step, 20);
  });
});
