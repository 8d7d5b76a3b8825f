/** The record of a live run and the plane of its data: against direct computation in float64, closed forms, and what must hold of every run. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cohortsOf } from '../../engine/dying/cohorts.js';
import { dataPlane, survivalOf } from '../../engine/dying/data-plane.js';
import { leastHyperplane } from '../../engine/dying/gaussian-hyperplane.js';
import { LiveRecord } from '../../engine/dying/live-record.js';
import type { DyingRecord } from '../../engine/dying/record.js';
import { NumericError, UsageError } from '../../engine/errors.js';
import { generate, generatedData } from '../../engine/generate/generate.js';
import type { GeneratorSpec } from '../../engine/generate/generators.js';
import { heldData } from '../../engine/train/held-data.js';
import { EventBuffer } from '../../engine/train/live-events.js';
import type { LiveEvent } from '../../engine/train/live-messages.js';
import { createLiveTrainer, type LiveTrainer } from '../../engine/train/live.js';
import { resolveRecipe } from '../../engine/train/resolve-recipe.js';

const D = 8;
const N = 24;
const ROWS = 3000;
const SPEC = { kind: 'shifted', d: D, seed: 4, gamma: 2, base: { kind: 'superposition', features: 16, p_high: 0.3, p_low: 0.05 } } as const satisfies GeneratorSpec;
const RECIPE = { arch: 'standard', d_sae: N, l1: 0.2, steps: 300, batch: 32, lr: 3e-3, seed: 1, warmup: 0, b_dec: 'zero', log_every: 7, checkpoints: 'log:9' } as const;

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, c) => sum + value * b[c]!, 0);
const norm = (a: ArrayLike<number>): number => Math.sqrt(dot(a, a));
const near = (value: number, expected: number, tolerance: number, what = ''): void => assert.ok(Math.abs(value - expected) <= tolerance, `${what} ${value}, expected ${expected} ± ${tolerance}`);

interface Run {
  readonly live: LiveTrainer;
  readonly events: LiveEvent[];
  readonly records: LiveRecord;
}

async function open(recipe: object = {}, spec: GeneratorSpec = SPEC): Promise<Run> {
  const live = await createLiveTrainer({ recipe: { ...RECIPE, ...recipe }, data: { kind: 'generator', spec }, backend: 'wasm', worker: false, watch: Array.from({ length: N }, (_, i) => i), evaluateRows: ROWS });
  const plane = await live.plane({ rows: 4000, sampled: 100 });
  const run = { live, events: [] as LiveEvent[], records: new LiveRecord({ name: 'run', recipe: live.recipe, d: D, plane }) };
  live.addEventListener('events', ({ events }) => {
    run.events.push(...events);
    for (const event of events) run.records.add(event);
  });
  return run;
}
const recordOf = ({ records }: Run): DyingRecord => records.record ?? assert.fail('there is no frame');

describe('the record of a live run', { timeout: 120_000 }, () => {
  it('has a frame for each checkpoint, from the first weights on, with the counts of held-out rows', async () => {
    for (const more of [{}, { b_dec: 'mean', normalize: 'expected_average_only_in' }, { apply_b_dec_to_input: false, b_dec: 'geometric-median' }] as const) {
      const run = await open(more);
      await run.live.step(300);
      const record = recordOf(run);
      const steps = run.events.flatMap((event) => (event.type === 'checkpoint' ? [event.step] : []));
      assert.deepEqual(record.frames.map(({ step }) => step), steps);
      assert.equal(steps[0], 0);
      assert.equal(steps.at(-1), 300);
      const { x } = generate(SPEC, ROWS, { heldOut: true });
      const { plane } = record;
      assert.ok(plane !== null);
      assert.deepEqual([...plane.features], Array.from({ length: N }, (_, i) => i));
      for (const [f, frame] of record.frames.entries()) {
        assert.equal(frame.rows, ROWS);
        assert.equal(frame.tokens, frame.step * RECIPE.batch);
        // z = w . x + effective bias, on raw rows, in f64: what is not decided by rounding has to agree.
        for (let i = 0; i < N; i++) {
          const w = plane.encoder[f]!.subarray(i * D, (i + 1) * D);
          let [sure, open] = [0, 0];
          for (let r = 0; r < ROWS; r++) {
            const z = dot(w, x.subarray(r * D, (r + 1) * D)) + plane.offset[f]![i]!;
            if (Math.abs(z) < 2e-5) open++;
            else if (z > 0) sure++;
          }
          assert.ok(frame.counts[i]! >= sure && frame.counts[i]! <= sure + open, `step ${frame.step}, feature ${i}: ${frame.counts[i]} of ${sure} to ${sure + open}`);
          assert.ok(open <= 3, 'rounding decides almost nothing');
        }
      }
      const last = record.frames.at(-1)!;
      assert.ok(last.counts.some((count) => count > 0));
      assert.equal(run.live.recipe.apply_b_dec_to_input, !('apply_b_dec_to_input' in more));
      await run.live.dispose();
    }
  });

  it('has D/E, norms, cosines and biases to the last bit of f32', async () => {
    const run = await open({ b_dec: 'mean' });
    const seen = new Map<number, Extract<LiveEvent, { type: 'snapshot' }>['snapshot']>();
    run.live.addEventListener('events', ({ events }) => {
      for (const event of events) if (event.type === 'snapshot') seen.set(event.snapshot.step, event.snapshot);
    });
    await run.live.step(120);
    const { frames, plane } = recordOf(run);
    assert.ok(plane !== null && frames.length > 5);
    for (const frame of frames) {
      const { encoder, decoder, bias, b_dec } = seen.get(frame.step)!;
      assert.deepEqual(frame.bias, bias);
      assert.deepEqual(frame.b_dec, b_dec);
      assert.ok(b_dec.some((value) => value !== 0));
      for (let i = 0; i < N; i++) {
        const w = encoder.subarray(i * D, (i + 1) * D);
        const v = decoder.subarray(i * D, (i + 1) * D);
        assert.equal(frame.de[i], Math.fround(dot(w, v)));
        assert.equal(frame.encoder_norm[i], Math.fround(norm(w)));
        assert.equal(frame.effective_bias[i], Math.fround(bias[i]! - dot(w, b_dec)));
        near(frame.de_cosine[i]!, dot(w, v) / norm(w) / norm(v), 6e-8);
        near(frame.direction_cosine[i]!, dot(w, plane.direction) / norm(w), 6e-8);
      }
    }
    await run.live.dispose();
  });

  it('forgets what is rewound, and comes to the same frames again', async () => {
    const run = await open({ resample: 'nanda', resample_at: [50, 150], resample_window: 40, resample_below: 0.2, resample_spare: 0.5 });
    await run.live.step(200);
    const before = recordOf(run);
    const resampled = run.events.flatMap((event) => (event.type === 'resampled' ? [event] : []));
    assert.deepEqual(resampled.map(({ step }) => step), [50, 150]);
    const spared = new Set(resampled.flatMap((event) => event.spared));
    const reset = new Set(resampled.flatMap((event) => event.features));
    assert.ok(spared.size > 0 && reset.size > 0);
    assert.deepEqual([...before.cohorts!], [...cohortsOf({ resampled }, N)!.of], 'as of a folder of the same run');
    assert.deepEqual([...before.cohorts!], Array.from({ length: N }, (_, i) => (reset.has(i) ? 1 : spared.has(i) ? 2 : 0)));
    await run.live.rewind(40);
    const back = recordOf(run);
    assert.equal(back.cohorts, null);
    assert.ok(back.frames.every(({ step }) => step <= 40) && back.frames.length < before.frames.length);
    await run.live.step(160);
    assert.deepEqual(recordOf(run), before);
    assert.notEqual(recordOf(run), before);
    await run.live.dispose();
  });

  it('gives a branch its past, and its own future', async () => {
    const run = await open();
    await run.live.step(200);
    const at = run.records.steps.at(-3)!;
    const live = await run.live.branch({ lr: 1e-4 }, { at });
    const records = run.records.branch('branch', live.recipe, at);
    live.addEventListener('events', ({ events }) => events.forEach((event) => records.add(event)));
    await live.step(200 - at);
    const [one, other] = [recordOf(run), records.record!];
    assert.deepEqual(other.frames.map(({ step }) => step), one.frames.map(({ step }) => step));
    const common = one.frames.filter(({ step }) => step <= at).length;
    assert.ok(common < one.frames.length);
    for (const [f, frame] of other.frames.entries()) {
      if (f < common) assert.deepEqual(frame, one.frames[f]);
      else assert.notDeepEqual(frame, one.frames[f]);
    }
    assert.deepEqual([other.name, other.recipe?.lr, one.recipe?.lr], ['branch', 1e-4, 3e-3]);
    await live.dispose();
    await run.live.dispose();
  });

  it('is the same whether or not the data are looked at while it trains', async () => {
    const straight = await open();
    await straight.live.step(300);
    const run = await open();
    await run.live.start();
    const plane = await run.live.plane({ rows: 500, sampled: 9 });
    assert.deepEqual([plane.rows, plane.m, run.live.state], [500, 9, 'running']);
    for (const end = performance.now() + 20_000; run.live.state !== 'ended'; ) {
      assert.ok(performance.now() < end, 'it goes on to its end');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await run.live.stop();
    assert.deepEqual(recordOf(run), recordOf(straight));
    await assert.rejects(run.live.plane({ rows: -1 }), UsageError);
    await run.live.dispose();
    await straight.live.dispose();
  });

  it('never holds more than its frames, keeps the first and the last, and leaves what it gave as it was', () => {
    const recipe = resolveRecipe({ ...RECIPE, d_sae: 3, steps: 1e6 }, { d: 2 });
    const told = (step: number): LiveEvent[] => [
      { type: 'snapshot', snapshot: { step, features: [0, 1, 2], encoder: new Float32Array(6).fill(step), decoder: new Float32Array(6), bias: new Float32Array(3), b_dec: new Float32Array(2), counts: new Uint32Array(3), rows: 1 } },
      { type: 'checkpoint', step, evaluation: { step, tokens: 10, l0: 1, mse: 1, fvu: 1, classes: { dead: 3, ultralow: 0, rare: 0, live: 0, dense: 0 }, below_1e_5: 0, below_1e_4: 0, counts: new Float64Array(3) } },
    ];
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(100_000), { minLength: 1, maxLength: 60 }), fc.integer({ min: 3, max: 12 }), fc.nat(100_000), (chosen, frames, back) => {
        const steps = chosen.sort((a, b) => a - b);
        const records = new LiveRecord({ name: 'x', recipe, d: 2, frames });
        for (const step of steps) {
          for (const event of told(step)) records.add(event);
          assert.ok(records.steps.length <= frames);
          assert.deepEqual([records.steps[0], records.steps.at(-1)], [steps[0], step]);
          assert.deepEqual([...records.steps].sort((a, b) => a - b), records.steps);
        }
        const given = records.record!;
        const copy = [...given.frames];
        records.add({ type: 'rewound', step: back });
        assert.ok(records.steps.every((step) => step <= back));
        assert.deepEqual(given.frames, copy);
        // Zeros have no direction.
        assert.ok(given.frames.every(({ de_cosine, direction_cosine }) => de_cosine.every(Number.isNaN) && direction_cosine.every(Number.isNaN)));
      }),
    );
  });

  it('keeps evenly spaced features where weights are too many, and says which', () => {
    const recipe = resolveRecipe({ ...RECIPE, d_sae: 10 }, { d: 1 });
    const plane = { direction: Float64Array.of(1), complement: Float64Array.of(0), mean: Float64Array.of(0), x: new Float32Array(1), m: 1, index: Float64Array.of(1), rows: 2, gamma: 1, by: 'mean', ridge: 0, survival: survivalOf(Float64Array.of(0, 1)) } as const;
    const records = new LiveRecord({ name: 'x', recipe, d: 1, plane, frames: 4, weightBytes: 4 * 4 * 2 * 3, text: ['a', 'b'] });
    records.add({ type: 'snapshot', snapshot: { step: 1, features: Array.from({ length: 10 }, (_, i) => i), encoder: Float32Array.from({ length: 10 }, (_, i) => i), decoder: new Float32Array(10).fill(1), bias: new Float32Array(10), b_dec: new Float32Array(1), counts: new Uint32Array(10), rows: 1 } });
    records.add({ type: 'checkpoint', step: 1, evaluation: { step: 1, tokens: 10, l0: 1, mse: 1, fvu: 1, classes: { dead: 3, ultralow: 0, rare: 0, live: 0, dense: 0 }, below_1e_5: 0, below_1e_4: 0, counts: new Float64Array(10) } });
    const shown = records.record!.plane!;
    assert.deepEqual([...shown.features], [0, 3, 6]);
    assert.deepEqual([...shown.encoder[0]!], [0, 3, 6]);
    assert.deepEqual(shown.text, ['b']);
    assert.throws(() => new LiveRecord({ name: 'x', recipe, d: 2, plane }), UsageError);
    assert.throws(() => new LiveRecord({ name: 'x', recipe, d: 1, frames: 2 }), UsageError);
  });
});

describe('snapshots on their way to a page', () => {
  const snapshot = (step: number, size = 0): LiveEvent => ({ type: 'snapshot', snapshot: { step, features: [], encoder: new Float32Array(size), decoder: new Float32Array(), bias: new Float32Array(), b_dec: new Float32Array(), counts: new Uint32Array(), rows: 0 } });
  const evaluated = (step: number): LiveEvent => ({ type: 'checkpoint', step, evaluation: { step } as never });

  it('wait with their evaluation; of the others only the latest does', () => {
    const buffer = new EventBuffer();
    for (const event of [snapshot(1), evaluated(1), snapshot(2), { type: 'checkpoint', step: 2, evaluation: null } as const, snapshot(3), snapshot(4), evaluated(4), snapshot(5)]) buffer.push(event);
    assert.deepEqual(buffer.drain().flatMap((event) => (event.type === 'snapshot' ? [event.snapshot.step] : [])), [1, 4, 5]);
    // Eight of 16 MiB: 64 MiB of them, and the latest.
    for (let step = 0; step < 8; step++) for (const event of [snapshot(step, 2 ** 22), evaluated(step)]) buffer.push(event);
    assert.deepEqual(buffer.drain().flatMap((event) => (event.type === 'snapshot' ? [event.snapshot.step] : [])), [3, 4, 5, 6, 7]);
  });
});

describe('the plane of the data', { timeout: 120_000 }, () => {
  const direct = (x: Float32Array, d: number): { mean: number[]; covariance: Float64Array } => {
    const rows = x.length / d;
    const row = (r: number): Float32Array => x.subarray(r * d, (r + 1) * d);
    const mean = Array.from({ length: d }, (_, c) => Array.from({ length: rows }, (_, r) => row(r)[c]!).reduce((sum, value) => sum + value, 0) / rows);
    const covariance = Float64Array.from({ length: d * d }, (_, at) => Array.from({ length: rows }, (_, r) => (row(r)[Math.floor(at / d)]! - mean[Math.floor(at / d)]!) * (row(r)[at % d]! - mean[at % d]!)).reduce((sum, value) => sum + value, 0) / rows);
    return { mean, covariance };
  };

  it('is the closed form of the sample, with the leading direction beside it and the tail of every row', async () => {
    const plane = await dataPlane(generatedData(SPEC), { rows: 2500, sampled: 300 });
    const { x } = generate(SPEC, 2500, { heldOut: true });
    const { mean, covariance } = direct(x, D);
    const { w } = leastHyperplane({ d: D, mean, covariance }, 0, 'rate');
    near(dot(plane.direction, w), 1, 1e-12);
    near(norm(plane.direction), 1, 1e-14);
    near(norm(plane.complement), 1, 1e-14);
    near(dot(plane.direction, plane.complement), 0, 1e-14);
    for (let c = 0; c < D; c++) near(plane.mean[c]!, mean[c]!, 1e-12);
    assert.deepEqual([plane.by, plane.ridge, plane.rows, plane.m], ['mean', 0, 2500, 300]);
    near(plane.gamma, 2, 0.1, 'gamma');
    // No unit vector orthogonal to w has more variance.
    const variance = (v: ArrayLike<number>): number => Array.from({ length: D }, (_, a) => v[a]! * dot(covariance.subarray(a * D, (a + 1) * D), v)).reduce((sum, value) => sum + value, 0);
    const most = variance(plane.complement);
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: D, maxLength: D }), (v) => {
        const along = dot(v, plane.direction);
        const inside = v.map((value, c) => value - along * plane.direction[c]!);
        fc.pre(norm(inside) > 1e-3);
        assert.ok(variance(inside.map((value) => value / norm(inside))) <= most * (1 + 1e-12));
      }),
    );
    // Sampled rows are rows; the curve counts all of them.
    for (const [r, at] of plane.index.entries()) assert.deepEqual(plane.x.subarray(r * D, (r + 1) * D), x.subarray(at * D, (at + 1) * D));
    const along = Array.from({ length: 2500 }, (_, r) => Array.from(plane.direction).reduce((sum, value, c) => sum + value * x[r * D + c]!, 0));
    const { c, p, rows } = plane.survival;
    assert.equal(rows, 2500);
    assert.equal(p.at(-1), 0);
    for (const [at, value] of c.entries()) {
      near(p[at]!, along.filter((one) => one > value + 1e-12).length / 2500, 1 / 2500, `P(> ${value})`);
      assert.ok(at === 0 || (value > c[at - 1]! && p[at]! < p[at - 1]!));
    }
    near(p[c.length - 2]!, 1 / 2500, 1e-12);
  });

  it('takes the direction of least variance where there is no mean', async () => {
    const deviations = [3, 2, 1, 0.5];
    const covariance = deviations.map((value, a) => deviations.map((_, c) => (a === c ? value ** 2 : 0)));
    const plane = await dataPlane(generatedData({ kind: 'gaussian', d: 4, seed: 2, covariance }), { rows: 8000 });
    assert.equal(plane.by, 'variance');
    assert.ok(Math.abs(plane.direction[3]!) > 0.999 && Math.abs(plane.complement[0]!) > 0.995, `${String(plane.direction)} ${String(plane.complement)}`);
    assert.ok(dot(plane.direction, plane.mean) <= 0);
    assert.ok(plane.gamma < 0.05);
  });

  it('helps a singular covariance with the least ridge, and refuses data without variance', async () => {
    // Rows in a plane of three dimensions that does not hold the origin.
    const x = Float32Array.from({ length: 600 }, (_, at) => (at % 3 === 2 ? 2 : Math.sin(at) + 1));
    const plane = await dataPlane(heldData({ x, d: 3, seed: 0 }));
    assert.ok(plane.ridge > 0 && plane.ridge < 1e-6);
    near(plane.direction[2]!, -1, 1e-6, 'away from every row');
    assert.equal(plane.rows, 200);
    await assert.rejects(dataPlane(heldData({ x: new Float32Array(9).fill(1), d: 3, seed: 0 })), NumericError);
    await assert.rejects(dataPlane(heldData({ x: Float32Array.of(1, NaN), d: 1, seed: 0 })), NumericError);
    await assert.rejects(dataPlane(heldData({ x, d: 3, seed: 0 }), { rows: 0 }), UsageError);
  });

  it('draws both tails of the survival curve', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 2000 }), (values) => {
        const { c, p } = survivalOf(Float64Array.from(values));
        for (const [at, value] of c.entries()) assert.equal(p[at], values.filter((one) => one > value).length / values.length);
        assert.deepEqual([c[0], c.at(-1), p.at(-1)], [Math.min(...values), Math.max(...values), 0]);
        assert.ok(c.length <= 260);
      }),
      { numRuns: 50 },
    );
  });
});
