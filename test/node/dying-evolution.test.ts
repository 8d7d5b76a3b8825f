/** Cohorts, slopes and modes of planted runs, whose answers are known; and of a real one, against what its folder says. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../engine/errors.js';
import { choosingFrame, cohortMembers, cohortsOf } from '../../engine/dying/cohorts.js';
import { densityMode } from '../../engine/dying/density-mode.js';
import { evolutionOf, medianInterval } from '../../engine/dying/evolution.js';
import type { CohortName, CohortReport, EvolutionReport } from '../../engine/dying/evolution-report.js';
import { compareRuns } from '../../engine/dying/run-comparison.js';
import { readRunFrames, type RunFrames } from '../../engine/dying/run-frames.js';
import { rareDirections } from '../../engine/dying/rare-direction.js';
import type { DyingFrame } from '../../engine/dying/record.js';
import { bytesSource } from '../../engine/io/bytes.js';
import { writeSafetensors } from '../../engine/formats/safetensors.js';
import { plainOps } from '../../engine/ops/ops.js';
import { openRun } from '../../engine/train/run-reader.js';
import { train } from '../../engine/train/train.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { makeSae } from '../shared/oracle.js';
import { gaussian, uniform } from '../shared/random.js';

const [d, n, dying, rows] = [4, 240, 120, 1_000_000];
const STEPS = [0, ...Array.from({ length: 21 }, (_, at) => Math.round(10 ** (at / 5)))].filter((step, at, all) => all.indexOf(step) === at);
const mean = Float64Array.from([2, -1, 0.5, 1]);

/** A Poisson draw for small means, its normal limit for large ones. */
function poisson(expected: number, next: () => number, normal: () => number): number {
  if (expected > 50) return Math.max(0, Math.round(expected + Math.sqrt(expected) * normal()));
  let product = next();
  let count = 0;
  for (const limit = Math.exp(-expected); product > limit; count++) product *= next();
  return count;
}

/**
 * Features 0 .. 119 die as p = min(0.3, a / step) with log10 a spread about -3; 120 .. 239 stay at 0.05. The dying ones' D/E is 0, that of
 * the others 1. b_dec moves from 0 to the mean, and the mean column of the rare ones is -(mu - b_dec) as it was at frame `born`.
 */
function planted(born = 12): RunFrames {
  const [next, normal] = [uniform(3), gaussian(4)];
  const scale = Float64Array.from({ length: n }, () => 10 ** (-3 + 0.3 * normal()));
  const b_dec = (at: number): Float32Array => Float32Array.from(mean, (value, c) => ((value * at) / (2 * STEPS.length)) * (1 + 0.5 * Math.sin(at + c)));
  const column = mean.map((value, c) => b_dec(born)[c]! - value);
  const frames = STEPS.map((step, at): DyingFrame => {
    const own = (value: (i: number) => number): Float32Array => Float32Array.from({ length: n }, (_, i) => value(i));
    return { step, tokens: step * 2048, rows, counts: Float64Array.from({ length: n }, (_, i) => poisson(rows * (i < dying ? Math.min(0.3, scale[i]! / Math.max(1, step)) : 0.05), next, normal)), bias: own(() => 0), effective_bias: own(() => 0), encoder_norm: own(() => 1), de: own((i) => (i < dying ? 0 : 1)), de_cosine: own((i) => (i < dying ? 0 : 1)), direction_cosine: own(() => NaN), b_dec: b_dec(at) };
  });
  const first = makeSae({ architecture: 'standard', d_in: d, d_sae: n, seed: 8 });
  // Every dying feature loses 1 through its bias and 3 through its encoder: the bias has a quarter.
  const squares = mean.reduce((sum, value) => sum + value * value, 0);
  const last = { ...first, b_enc: first.b_enc.map((value, i) => (i < dying ? value - 1 : value)), W_enc: first.W_enc.map((value, at) => (at % n < dying ? value - (3 * mean[Math.floor(at / n)]!) / squares : value)) };
  for (const sae of [first, last]) sae.b_dec.fill(0);
  return { frames, mean, rare_column: STEPS.map((_, at) => (at === 0 ? null : column)), features: new Uint32Array(0), encoder: frames.map(() => new Float32Array(0)), offset: frames.map(() => new Float32Array(0)), first, last };
}

const held = { x: Float32Array.from({ length: 64 * d }, gaussian(2)), rows: 64, d };
const cohort = (report: EvolutionReport, name: CohortName): CohortReport => report.cohorts.find((one) => one.name === name)!;

test('a planted law p ~ 1 / step: slope -1 of the rare cohort, 0 of the live one, the mode a decade down for each decade', async () => {
  const { report, slopes } = await evolutionOf(planted(), { held, recipe: { optimizer: 'adam', batch: 2048, beta2: 0.999, resample: 'none' } });
  assert.deepEqual(report.steps, STEPS);
  const [rare, live] = [cohort(report, 'rare'), cohort(report, 'live')];
  // Chosen by frames before `from`, followed from there.
  assert.ok(report.chosen_step !== null && rare.from === report.chosen_step + 1);
  assert.ok(rare.features >= 20 && live.features === n - dying, `${rare.features} rare, ${live.features} live`);
  assert.ok(rare.slope!.pooled.low! <= -1 && rare.slope!.pooled.high! >= -1 && Math.abs(rare.slope!.pooled.value! + 1) < 0.05, JSON.stringify(rare.slope!.pooled));
  assert.ok(Math.abs(live.slope!.pooled.value!) < 0.01, JSON.stringify(live.slope!.pooled));
  assert.equal(slopes.filter(({ cohort: name }) => name === 'live').length, n - dying);
  const adrift = cohort(report, 'adrift');
  assert.ok(Math.abs(adrift.slope!.pooled.value! + 1) < 0.05);
  assert.deepEqual(report.knees, { batch: 1 / 2048, memory: (1 - 0.999) / 2048 });
  const between = adrift.regimes.find(({ regime }) => regime === 'between')!;
  assert.ok(Math.abs(between.slope!.pooled.value! + 1) < 0.1);
  assert.ok(Math.abs(report.mode!.slope!.value! + 1) < 0.1 && report.mode!.slope!.low! < -1 + 0.1 && report.mode!.slope!.high! > -1 - 0.1, JSON.stringify(report.mode!.slope));
  assert.equal(report.mode!.firing[1]! + report.mode!.silent[1]!, cohort(report, 'final').features);
  // Counts by class are those of the frames.
  assert.deepEqual(report.live, planted().frames.map(({ counts }) => counts.filter((k) => k >= 100).length));
  assert.deepEqual(report.dead, planted().frames.map(({ counts }) => counts.filter((k) => k === 0).length));
  // Kaplan and Meier: without censoring before the last frame, the share that never fell below and stays there.
  const curve = cohort(report, 'never').survival.find(({ below }) => below === 1e-4)!;
  const lastFrame = planted().frames.at(-1)!;
  assert.ok(Math.abs(curve.share.at(-1)! - lastFrame.counts.filter((k) => k >= 100).length / n) < 0.02);
  assert.equal(JSON.stringify(JSON.parse(JSON.stringify(report))), JSON.stringify(report), 'the summary is JSON');
});

test("the fossil record finds the frame whose b_dec the features died at; the bias's share of the fall is what was planted", async () => {
  const born = 9;
  const run = planted(born);
  const { report } = await evolutionOf(run, { held, slopeFeatures: 20 });
  assert.equal(report.fossil!.best_step, STEPS[born]);
  assert.ok(report.fossil!.cosine[born]! > 1 - 1e-9);
  run.frames.forEach(({ b_dec }, at) => assert.ok(Math.abs(report.mean_distance[at]! - Math.hypot(...mean.map((value, c) => value - b_dec[c]!))) < 1e-9));
  const share = report.bias_share!;
  assert.ok(share.features > 30);
  for (const value of [share.share!.q25, share.share!.median, share.share!.q75, share.pooled.value!, share.pooled.low!, share.pooled.high!]) assert.ok(Math.abs(value - 0.25) < 1e-4, `${value}`);
});

test('spared features are followed from the first resampling, reset ones from after the last', async () => {
  const run = planted();
  const record = { resampled: [{ step: 10, features: [0, 1, 2], spared: [3, 4, 5] }, { step: 40, features: Array.from({ length: 60 }, (_, i) => i).filter((i) => i % 6 < 3), spared: Array.from({ length: 60 }, (_, i) => i).filter((i) => i % 6 >= 3) }] };
  const cohorts = cohortsOf(record, n)!;
  assert.deepEqual([cohorts.steps, Array.from(cohorts.of.subarray(0, 6)), cohorts.of[61]], [[10, 40], [1, 1, 1, 2, 2, 2], 0]);
  const { report } = await evolutionOf(run, { held, cohorts, slopeFeatures: 30 });
  const [reset, spared, never] = [cohort(report, 'reset'), cohort(report, 'spared'), cohort(report, 'never')];
  assert.deepEqual([reset.features, spared.features, never.features, reset.from, spared.from], [30, 30, n - 60, 41, 11]);
  assert.ok(spared.slope!.pooled.low! <= -1 + 0.02 && spared.slope!.pooled.high! >= -1 - 0.02, JSON.stringify(spared.slope!.pooled));
  assert.ok(spared.slope!.from >= 11 && reset.slope!.from >= 41);
  assert.equal(cohortsOf({ resampled: [{ step: 5, features: [], spared: [] }] }, 3), null);
  assert.equal(cohortsOf({}, 3), null);
  assert.throws(() => cohortsOf({ resampled: [{ step: 5, features: [3], spared: [] }] }, 3), UsageError);
});

test('who is rare is decided by frames up to the choosing one, and by nothing later', () => {
  const frames = planted().frames;
  const at = choosingFrame(frames, 1e-4);
  const before = cohortMembers(frames, null, 1e-4);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
      const next = uniform(seed);
      const changed = frames.map((frame, j) => (j <= at ? frame : { ...frame, counts: frame.counts.map(() => Math.floor(next() * 500)) }));
      assert.equal(choosingFrame(changed, 1e-4), at);
      const members = cohortMembers(changed, null, 1e-4);
      for (const name of ['rare', 'adrift', 'live'] as const) assert.deepEqual(members.find((one) => one.name === name), before.find((one) => one.name === name));
      assert.equal(['rare', 'adrift', 'live'].reduce((sum, name) => sum + members.find((one) => one.name === name)!.features.length, 0), n);
    }),
    { numRuns: 30 },
  );
  assert.equal(choosingFrame(frames.slice(0, 3), 1e-4), -1);
});

test('the mode of a moving cluster, by its kernel estimate; an eighth of it silent is censored', async () => {
  const normal = gaussian(9);
  const where = [-2, -3, -4, -5];
  const offsets = Float64Array.from({ length: 3000 }, () => 0.25 * normal());
  const frames = where.map((place, at) => ({ step: 10 ** (at + 1), rows: 1e7, counts: Float64Array.from(offsets, (offset) => Math.round(1e7 * 10 ** (place + offset))) }));
  const all = Uint32Array.from({ length: 3000 }, (_, i) => i);
  const report = (await densityMode(frames, all, 1))!;
  report.mode.forEach((mode, at) => assert.ok(Math.abs(mode! - where[at]!) < 0.12, `${mode}, planted at ${where[at]}`));
  assert.ok(Math.abs(report.slope!.value! + 1) < 0.05 && report.slope!.low! < -0.97 && report.slope!.high! > -1.03, JSON.stringify(report.slope));
  const silent = frames.map((frame, at) => (at < 3 ? frame : { ...frame, counts: frame.counts.map((count, i) => (i % 8 === 0 ? 0 : count)) }));
  const censored = (await densityMode(silent, all, 1))!;
  assert.deepEqual([censored.censored, censored.frames, censored.silent[3]], [[false, false, false, true], 3, 375]);
  assert.equal(await densityMode(frames, new Uint32Array(0), 1), null);
});

const root = await mkdtemp(join(tmpdir(), 'saekit-evolution-'));
after(() => rm(root, { recursive: true, force: true }));

test('the interval of a median covers that of the population 95 times of 100, and is none where it reaches the silent ones', () => {
  const normal = gaussian(12);
  for (const size of [25, 120, 575]) {
    const runs = 800;
    let covered = 0;
    for (let run = 0; run < runs; run++) {
      const [low, high] = medianInterval(Float64Array.from({ length: size }, () => 1e6 * 10 ** (-2 + normal())).sort(), 1e9)!;
      if (low <= -5 && -5 <= high) covered++;
    }
    // The ranks are whole numbers, rounded outward: never less than promised, by more than the 800 trials' own error.
    assert.ok(covered / runs > 0.935 && covered / runs < 0.995, `${size}: ${covered} of ${runs}`);
  }
  const counts = Float64Array.from({ length: 100 }, (_, i) => Math.max(0, i - 41));
  assert.equal(medianInterval(counts, 1000), null);
  assert.notEqual(medianInterval(counts.subarray(10), 1000), null);
  assert.equal(medianInterval(Float64Array.of(9, 19, 29), 1000), null);
});

test('a real run: frames count what its own evaluation counted; cohorts are who was replaced; figures agree with the parts', async () => {
  const normal = gaussian(31);
  const [width, count] = [6, 900];
  const x = Float32Array.from({ length: count * width }, (_, at) => normal() + (at % width === 0 ? 2.5 : 0));
  const acts = bytesSource('acts.safetensors', writeSafetensors([{ name: 'x', shape: [count, width], data: x }]));
  const recipe = { arch: 'standard', d_sae: 64, l1: 1.5, batch: 64, steps: 240, lr: 0.01, warmup: 5, b_dec: 'zero', checkpoints: '0,10,30,60,100,150,200,240', resample: 'nanda', resample_at: [100, 150], resample_window: 50, resample_below: 0.02, resample_spare: 0.5 };
  const backend = await createWasmTrainBackend();
  await train({ acts, recipe, out: join(root, 'run'), backend });
  await train({ acts, recipe: { ...recipe, resample: 'none', resample_at: [] }, out: join(root, 'plain'), backend });
  await backend.dispose();
  const run = await openRun(join(root, 'run'));
  const { resampled } = run.record;
  assert.ok(resampled !== undefined && resampled.length === 2 && resampled.some(({ features, spared }) => features.length > 0 && spared.length > 0), JSON.stringify(resampled));
  const rowsHeld = { x, rows: count, d: width };
  const progress: number[] = [];
  const frames = await readRunFrames(run, { held: rowsHeld, ops: plainOps, edge: 0.02, onFrame: (done) => void progress.push(done) });
  assert.deepEqual(frames.frames.map(({ step, tokens }) => [step, tokens]), [0, 10, 30, 60, 100, 150, 200, 240].map((step) => [step, step * 64]));
  assert.deepEqual(progress, [1, 2, 3, 4, 5, 6, 7, 8]);
  // The run evaluated every checkpoint on all its rows, in another order of sums.
  for (const [at, { counts }] of (await run.densities()).entries()) {
    const differing = counts.filter((value, i) => value !== frames.frames[at]!.counts[i]!).length;
    assert.ok(differing <= 1, `step ${frames.frames[at]!.step}: ${differing} counts differ`);
  }
  const { report } = await evolutionOf(frames, { run: run.name, status: run.record.status, recipe: run.record.recipe, cohorts: cohortsOf(run.record, 64), held: rowsHeld, edge: 0.02 });
  const reset = new Set(resampled.flatMap(({ features }) => features));
  assert.equal(cohort(report, 'reset').features, reset.size);
  assert.equal(report.recipe!.resample_spare, 0.5);
  const [figures, plain] = await compareRuns([{ name: 'resampled', run }, { name: 'plain', run: await openRun(join(root, 'plain')) }], { held: rowsHeld, ops: plainOps, edge: 0.02 });
  assert.deepEqual(figures!.evolution, report);
  assert.equal(Object.values(figures!.classes).reduce((sum, value) => sum + value, 0), 64);
  assert.equal(figures!.classes.dead, report.dead.at(-1));
  assert.deepEqual([plain!.name, plain!.evolution.recipe!.resample, plain!.evolution.cohorts.some(({ name }) => name === 'spared')], ['plain', 'none', false]);
  const sae = frames.last;
  const encoder = new Float32Array(64 * width);
  for (let i = 0; i < 64; i++) for (let c = 0; c < width; c++) encoder[i * width + c] = sae.W_enc[c * 64 + i]!;
  assert.deepEqual(figures!.groups, rareDirections({ d: width, encoder, decoder: sae.W_dec, bias: sae.b_enc, b_dec: sae.b_dec, mean: frames.mean, counts: frames.frames.at(-1)!.counts, tokens: count, edge: 0.02 }));
  if (figures!.rare_direction !== null) assert.ok(Math.abs(Math.hypot(...figures!.rare_direction) - 1) < 1e-12);
  const variance = x.reduce((sum, value, at) => sum + (value - frames.mean[at % width]!) ** 2, 0) / count;
  assert.ok(Math.abs(figures!.gamma - report.mean_distance.at(-1)! / Math.sqrt(variance)) < 1e-9);
  assert.equal(figures!.l0, run.record.checkpoints.at(-1)!.l0);
});
