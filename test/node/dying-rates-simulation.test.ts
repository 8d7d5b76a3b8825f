/** A simulated feature against the laws: exponents under SGD, Adam's regimes and knees, what depends on lambda, what revives, and what has an equilibrium. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { adamKnees } from '../../engine/dying/adam-step.js';
import { densityAt, lawCurve, sgdDensity, type LawRecipe } from '../../engine/dying/density-law.js';
import { simulateDying, stationaryDensity, type Simulated } from '../../engine/dying/dying-simulation.js';
import { marginAt, survivalOf, type KnownTail } from '../../engine/dying/rates-tails.js';
import { cohortSlope } from '../../engine/dying/slope.js';
import { RowRandom } from '../../engine/generate/row-random.js';

const near = (value: number, expected: number, tolerance: number, what = ''): void => assert.ok(Math.abs(value - expected) <= tolerance, `${what} ${value}, expected ${expected} ± ${tolerance}`);
const logSteps = (from: number, to: number, count: number): number[] => Array.from({ length: count }, (_, j) => Math.round(from * (to / from) ** (j / (count - 1))));
const gpd = (xi: number, scale = 1): KnownTail => ({ kind: 'gpd', xi, scale });

/** Least squares of log p on log step, from a step on. */
function fitted({ step, p }: { step: ArrayLike<number>; p: ArrayLike<number> }, from: number, to = Infinity): number {
  const points = Array.from(step as ArrayLike<number>, (t, j) => [Math.log(t), Math.log(p[j]!), t] as const).filter(([, , t]) => t >= from && t <= to);
  const [mx, my] = [0, 1].map((of) => points.reduce((sum, point) => sum + point[of]!, 0) / points.length) as [number, number];
  return points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

/** The geometric mean over features at each step. */
const typical = ({ step, p }: Simulated): { step: Float64Array; p: number[] } => ({ step, p: p.map((all) => Math.exp(all.reduce((sum, value) => sum + Math.log(value), 0) / all.length)) });

const sgd: LawRecipe = { optimizer: 'sgd', lr: 0.1, batch: 64, l1: 1 };

test('exponents under SGD: -1, -0.8, -0.667, -1.333 for xi = 0, 1/4, 1/2, -1/4; about -0.83 for Student with 5, a little below -1 for Gaussian data', async () => {
  for (const [tail, exponent, tolerance] of [[gpd(0), -1, 0.05], [gpd(0.25), -0.8, 0.05], [gpd(0.5), -2 / 3, 0.05], [gpd(-0.25), -4 / 3, 0.05], [{ kind: 'student', nu: 5 }, -0.83, 0.05], [{ kind: 'normal' }, -1.09, 0.08]] as const) {
    const survival = survivalOf(tail);
    const run = await simulateDying({ recipe: sgd, survival, margins: [marginAt(survival, 0.1)], record: logSteps(10, 2e5, 30), expected: true });
    near(fitted(typical(run), 5e3), exponent, tolerance, JSON.stringify(tail));
    if (tail.kind === 'gpd') run.step.forEach((step, j) => near(run.p[j]![0]! / sgdDensity(step, 0.1, 0.1, tail.xi), 1, 0.02, `step ${step}`));
  }
});

test('batches instead of means: the same exponents, found from counts on held-out rows', async () => {
  for (const [xi, exponent] of [[0, -1], [0.5, -2 / 3], [-0.25, -4 / 3]] as const) {
    const survival = survivalOf(gpd(xi));
    const n = 40;
    const record = logSteps(1e3, 6e4, 12);
    const run = await simulateDying({ recipe: sgd, survival, margins: Array<number>(n).fill(marginAt(survival, 0.1)), record, seed: 3 });
    for (let i = 0; i < n; i++) for (let j = 1; j < record.length; j++) assert.ok(run.p[j]![i]! <= run.p[j - 1]![i]!, 'noise of batches never brings a useless feature back');
    const random = new RowRandom(8, 1).seek(0);
    const rows = 1e6;
    const counts = run.p.map((all) => all.map((p) => Math.max(0, Math.round(rows * p + Math.sqrt(rows * p) * random.normal()))));
    const { pooled } = await cohortSlope({ steps: record, rows: record.map(() => rows), counts, features: Array.from({ length: n }, (_, i) => i) });
    near(pooled.value!, exponent, 0.05, `xi ${xi}`);
    assert.ok(pooled.high! < 0);
  }
});

const adam: LawRecipe = { optimizer: 'adam', lr: 1e-4, batch: 64, beta1: 0.9, beta2: 0.99, l1: 1 };

test("Adam's regimes, run: exponential to 1 / B, steeper than t^-1 between the knees, t^-1 below (1 - beta2) / B; the law is within 3 % all the way", async () => {
  const survival = survivalOf(gpd(0));
  const record = logSteps(1e3, 1e6, 31);
  const run = typical(await simulateDying({ recipe: adam, survival, margins: Array<number>(6).fill(marginAt(survival, 0.5)), record, seed: 3 }));
  const law = lawCurve({ recipe: adam, tail: { xi: 0, scale: 1 }, start: { step: 0, p: 0.5 }, until: 1e6 });
  run.step.forEach((step, j) => near(run.p[j]! / densityAt(law, step), 1, 0.03, `step ${step}`));
  // An e-fold takes scale / lr steps until the features fire on less than every batch.
  near(run.p[record.findIndex((step) => step >= 5000)]! / (0.5 * Math.exp(-record.find((step) => step >= 5000)! / 1e4)), 1, 0.03);
  const knees = adamKnees(64, 0.99);
  assert.ok(run.p[0]! > knees.batch && run.p[30]! < knees.memory);
  const between = fitted(run, record[run.p.findIndex((p) => p < knees.batch)]!, record[run.p.findIndex((p) => p < 2 * knees.memory)]!);
  assert.ok(between < -1.7, `between the knees ${between}`);
});

test('the knees move with the batch: the late density is in proportion to 1 / B', async () => {
  const survival = survivalOf(gpd(0));
  const late = async (batch: number): Promise<number> => typical(await simulateDying({ recipe: { ...adam, lr: 1e-3, batch }, survival, margins: Array<number>(8).fill(marginAt(survival, 0.01)), record: [3e5], seed: 5 })).p[0]!;
  near((await late(16)) / (await late(128)), 8, 0.8);
});

test('lambda: under Adam the same trajectory to the last digits, under SGD another rate', async () => {
  const survival = survivalOf(gpd(0));
  const at = (recipe: LawRecipe, l1: number): Promise<Simulated> => simulateDying({ recipe: { ...recipe, l1 }, survival, margins: [1, 1.5, 2], record: logSteps(100, 2e4, 8), seed: 2 });
  const [small, large] = [await at({ ...adam, lr: 1e-3 }, 0.01), await at({ ...adam, lr: 1e-3 }, 1)];
  small.margin.forEach((all, j) => all.forEach((c, i) => near(c, large.margin[j]![i]!, 1e-9)));
  assert.ok(large.p[7]![0]! < 0.05 * large.p[0]![0]!);
  const [slow, fast] = [typical(await at(sgd, 0.01)), typical(await at(sgd, 1))];
  near(slow.p[7]! / fast.p[7]!, 100, 20, 'p is in proportion to 1 / lambda at late times');
  // With eps far above the gradient Adam is SGD with rate lr / eps.
  const eps = 1e3;
  const held = typical(await simulateDying({ recipe: { ...adam, lr: 0.1 * eps, eps }, survival, margins: [1, 1, 1, 1, 1, 1, 1, 1], record: [1e4], seed: 4 }));
  near(held.p[0]! / sgdDensity(1e4, Math.exp(-1), 0.1, 0), 1, 0.15);
});

test('isotropic noise revives: a stationary density, in closed form, and a slope of 0; the noise of batches has none', async () => {
  const survival = survivalOf(gpd(0));
  const bounds = [0, 8] as const;
  const features = 60;
  const record = Array.from({ length: 16 }, (_, j) => 10_000 + 4000 * j);
  const options = { recipe: { ...sgd, batch: 32 }, survival, record, bounds, seed: 1 };
  const margins = Array.from({ length: features }, (_, i) => (8 * (i + 0.5)) / features);
  const noisy = await simulateDying({ ...options, margins, isotropic: 0.1 });
  const means = noisy.p.map((all) => all.reduce((sum, value) => sum + value, 0) / features);
  const mean = means.reduce((sum, value) => sum + value, 0) / means.length;
  const error = Math.sqrt(means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / means.length / (means.length - 1));
  const expected = stationaryDensity({ survival, drift: 0.1, isotropic: 0.1, bounds });
  assert.ok(Math.abs(mean - expected) < 4 * error + 0.03 * expected, `${mean} ± ${error}, stationary law ${expected}`);
  near(fitted({ step: noisy.step, p: means }, 0), 0, 0.3, 'slope with isotropic noise');
  const revived = noisy.margin[0]!.some((c, i) => noisy.margin[15]![i]! < c - 1);
  assert.ok(revived, 'no feature came back');
  const quiet = await simulateDying({ ...options, margins: Array<number>(features).fill(2) });
  near(fitted(typical(quiet), 0), -1, 0.1, 'slope without');
  await assert.rejects(simulateDying({ ...options, bounds: undefined, margins: [1], isotropic: 0.1 }), /needs bounds/);
});

test('a useful rare feature has an equilibrium: its density stays at its signal\'s, its threshold at lambda / 2', async () => {
  const survival = survivalOf(gpd(0, 0.05));
  const record = logSteps(20, 1e5, 20);
  for (const recipe of [{ ...sgd, lr: 0.05, batch: 256 }, { ...adam, lr: 2e-4, batch: 256 }]) {
    const useful = await simulateDying({ recipe, survival, margins: Array<number>(6).fill(0.1), record, useful: { rate: 1e-3, magnitude: 2 }, seed: 1 });
    const useless = await simulateDying({ recipe, survival, margins: Array<number>(6).fill(0.1), record, seed: 1 });
    near(fitted(typical(useful), 2e4), 0, 0.05, `useful, ${recipe.optimizer}`);
    assert.ok(fitted(typical(useless), 2e4) < -0.7, `useless, ${recipe.optimizer}: ${fitted(typical(useless), 2e4)}`);
    near(useful.p[19]!.reduce((sum, p) => sum + p, 0) / 6 / 1e-3, 1, 0.1);
    assert.ok(useless.p[19]!.every((p) => p < 5e-4));
    if (recipe.optimizer === 'sgd') near(useful.margin[19]!.reduce((sum, c) => sum + c, 0) / 6, 0.5, 0.04, 'shrinkage lambda / 2');
  }
});

test('TopK: no penalty, so no slope; and what never fires is frozen to the bit', async () => {
  const survival = survivalOf(gpd(-0.5, 1));
  const margins = [...Array.from({ length: 40 }, () => 1), 2, 2.5, 3];
  const run = await simulateDying({ recipe: { ...sgd, lr: 2e-3, l1: 0 }, survival, margins, record: logSteps(100, 4e4, 12), gradient_noise: 1, seed: 6 });
  const alive = { step: run.step, p: run.p.map((all) => Math.exp(all.subarray(0, 40).reduce((sum, p) => sum + Math.log(p), 0) / 40)) };
  near(fitted(alive, 100), 0, 0.05, 'slope');
  assert.ok(run.margin[11]!.subarray(0, 40).some((c) => Math.abs(c - 1) > 0.02), 'nothing moved');
  for (const all of run.margin) assert.deepEqual([...all.subarray(40)], [2, 2.5, 3]);
});

test('a run is the same however often it is looked at, and can be stopped', async () => {
  const survival = survivalOf(gpd(0.1));
  const options = { recipe: { ...adam, lr: 1e-3 }, survival, margins: [1, 2], seed: 9 };
  const often = await simulateDying({ ...options, record: [100, 250, 5000] });
  const once = await simulateDying({ ...options, record: [5000] });
  assert.deepEqual(often.margin[2], once.margin[0]);
  await assert.rejects(simulateDying({ ...options, record: [1e9], signal: AbortSignal.timeout(50) }), /TimeoutError|timeout/i);
  await assert.rejects(simulateDying({ ...options, record: [10], expected: true }), /SGD/);
});
