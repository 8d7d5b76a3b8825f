/** The cost model: fits, predictions and choices by closed forms; a real calibration; its cache. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { benchText, predictions, shortTime } from '../../cli/bench-text.js';
import type { Backend } from '../../engine/backend.js';
import { calibrate, calibrationKey } from '../../engine/calibrate.js';
import { loadCalibration, machineName, saveCalibration } from '../../engine/cost-cache.js';
import { type BackendCalibration, type Calibration, chooseByCost, type CostPoint, costOf, type CostTerms, fitTerms, isCalibration, predict } from '../../engine/cost-model.js';
import { BackendError } from '../../engine/errors.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';

const folder = mkdtempSync(join(tmpdir(), 'saekit-cost-'));
process.env.XDG_CACHE_HOME = folder;
after(() => rmSync(folder, { recursive: true, force: true }));

const SHAPES = [
  [1, 32, 256],
  [256, 256, 2048],
  [512, 16, 4096],
  [1, 512, 2048],
  [1024, 256, 128],
  [32, 256, 1024],
] as const;
const points = (terms: CostTerms): CostPoint[] => SHAPES.map(([rows, d_in, d_sae]) => ({ rows, d_in, d_sae, seconds: costOf({ rows, d_in, d_sae }, terms) }));
const close = (actual: number, expected: number, tolerance = 1e-9): void => assert.ok(Math.abs(actual - expected) <= tolerance * Math.abs(expected), `${actual}, expected ${expected}`);

test('cost: three sums and the higher of two lines', () => {
  const terms = { launch: 1, input: 10, weights: 100, select: 1000, product: 40 };
  assert.equal(costOf({ rows: 2, d_in: 3, d_sae: 5 }, terms), 1 + 10 * 6 + 1000 * 10 + 15 * 100);
  assert.equal(costOf({ rows: 3, d_in: 3, d_sae: 5 }, terms), 1 + 10 * 9 + 1000 * 15 + 15 * 120);
});

test('terms that made the times are found again, whichever are zero', () => {
  const factor = (exponent: number) => fc.oneof({ weight: 1, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.double({ min: 1, max: 9, noNaN: true }).map((value) => value * 10 ** exponent) });
  fc.assert(
    fc.property(fc.record({ launch: factor(-5), input: factor(-9), weights: factor(-11), select: factor(-9), product: factor(-11) }), fc.constantFrom(0, 8, 32, 64), (drawn, tile) => {
      // A tile that one row does not fill makes the weights as dear as up to 64 rows.
      const terms = { ...drawn, weights: drawn.weights === 0 ? 0 : Math.max(drawn.weights, tile * drawn.product) };
      fc.pre(Object.values(terms).some((value) => value > 0) && points(terms).every(({ seconds }) => seconds > 0));
      const { terms: found, error } = fitTerms(points(terms));
      assert.ok(error < 1e-5, `error ${error}`);
      // Shapes that were not measured, within and beyond.
      for (const shape of [{ rows: 100, d_in: 300, d_sae: 3000 }, { rows: 1024, d_in: 768, d_sae: 24_576 }]) close(costOf(shape, found), costOf(shape, terms), 1e-4);
    }),
    { numRuns: 200 },
  );
});

test('no fitted factor is negative, whatever the times, and no single factor fits better', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 1e-6, max: 1, noNaN: true }), { minLength: SHAPES.length, maxLength: SHAPES.length }), (times) => {
      const noisy = SHAPES.map(([rows, d_in, d_sae], at) => ({ rows, d_in, d_sae, seconds: times[at]! }));
      const { terms } = fitTerms(noisy);
      assert.ok(Object.values(terms).every((value) => value >= 0));
      const loss = (candidate: CostTerms): number => noisy.reduce((sum, point) => sum + (costOf(point, candidate) / point.seconds - 1) ** 2, 0);
      // Every model of one factor is among those that were tried.
      for (const name of Object.keys(terms) as (keyof CostTerms)[]) {
        const zero: CostTerms = { launch: 0, input: 0, weights: 0, select: 0, product: 0 };
        const unit = noisy.map((point) => costOf(point, { ...zero, [name]: 1 }) / point.seconds);
        const factor = unit.reduce((sum, value) => sum + value, 0) / unit.reduce((sum, value) => sum + value * value, 0);
        assert.ok(loss(terms) <= loss({ ...zero, [name]: factor }) + 1e-9, name);
      }
    }),
    { numRuns: 200 },
  );
});

test('too few points are refused: five factors would fit anything', () => {
  assert.throws(() => fitTerms(points({ launch: 1, input: 0, weights: 0, select: 0, product: 0 }).slice(1)), RangeError);
});

const NONE: CostTerms = { launch: 0, input: 0, weights: 0, select: 0, product: 0 };
function made(backend: 'wasm' | 'webgpu', terms: Partial<CostTerms>, more: Partial<BackendCalibration> = {}): BackendCalibration {
  const fit = { method: 'dense', terms: { ...NONE, ...terms }, error: 0, points: [], survivorRatio: null } as const;
  return { backend, description: backend, software: false, setUpSeconds: 0, loadSecondsPerWeight: 0, problem: null, fits: [{ ...fit, rule: 'topk' }, { ...fit, rule: 'threshold' }], ...more };
}
const calibrationOf = (...backends: BackendCalibration[]): Calibration => ({ format: 1, key: 'test', seconds: 1, backends });
const shape = (rows: number) => ({ rows, d_in: 100, d_sae: 1000, rule: 'topk' }) as const;

test('a small batch goes to the backend that starts at once, a large one to the one that computes faster', () => {
  const calibration = calibrationOf(made('wasm', { product: 1e-9 }), made('webgpu', { launch: 1e-2, product: 1e-11 }));
  // 1e5 multiply-adds a row: 0.1 ms a row against 10 ms and 1 µs a row; even at 10.1 ms / 0.099 ms = 101.01 rows.
  assert.equal(chooseByCost(shape(101), calibration)?.backend, 'wasm');
  assert.equal(chooseByCost(shape(102), calibration)?.backend, 'webgpu');
  assert.deepEqual(predict(shape(1), calibration).map(({ backend }) => backend), ['wasm', 'webgpu']);
});

test('what starts slowly needs calls to pay off', () => {
  const calibration = calibrationOf(made('wasm', { product: 1e-9 }), made('webgpu', { product: 1e-10 }, { setUpSeconds: 1, loadSecondsPerWeight: 1e-6 }));
  // 10 ms a call against 1 ms a call after 1 s and 0.2 s to load: even at 1.2 / 0.009 = 133.3 calls.
  const few = chooseByCost(shape(100), calibration, { calls: 133 });
  const many = chooseByCost(shape(100), calibration, { calls: 134 });
  assert.deepEqual([few?.backend, few?.instead?.backend, many?.backend, many?.instead?.backend], ['wasm', 'webgpu', 'webgpu', 'wasm']);
  close(many!.total, 1.2 + 134 * 1e-3);
  close(many!.instead!.total, 134 * 1e-2);
});

test('a software GPU is taken only where it is clearly the faster one', () => {
  const software = (product: number) => calibrationOf(made('wasm', { product: 1.25e-9 }), made('webgpu', { product }, { software: true }));
  assert.equal(chooseByCost(shape(100), software(1e-9))?.backend, 'wasm');
  assert.equal(chooseByCost(shape(100), software(0.9e-9))?.backend, 'webgpu');
  assert.equal(chooseByCost(shape(100), software(1e-12), { allow: (way) => !way.software })?.backend, 'wasm');
});

test('nothing measured, nothing chosen; a rule that was not measured has no price', () => {
  assert.equal(chooseByCost(shape(1), calibrationOf()), null);
  const half = made('wasm', { product: 1 });
  assert.deepEqual(predict({ ...shape(1), rule: 'threshold' }, calibrationOf({ ...half, fits: half.fits.filter(({ rule }) => rule === 'topk') })), []);
});

test('a calibration of the WASM backend: within its time, complete, and more work costs more', async () => {
  const backend = await createWasmBackend();
  const machine = await machineName();
  const calibration = await calibrate([backend], { machine });
  await backend.dispose();
  // A second and a half, with room for a machine that does something else.
  assert.ok(calibration.seconds < 6, `${calibration.seconds} s`);
  assert.ok(isCalibration(JSON.parse(JSON.stringify(calibration)), calibrationKey(machine, [backend])));
  const [measured] = calibration.backends;
  assert.equal(measured?.problem, null);
  const kinds = measured.fits.map(({ method, rule }) => `${method} ${rule}`);
  for (const kind of ['dense threshold', 'dense topk']) assert.ok(kinds.includes(kind), kinds.join());
  for (const fit of measured.fits) assert.ok(fit.terms.product > 0 || fit.terms.select > 0, JSON.stringify(fit.terms));
  // More work costs more.
  const [small, large] = [16, 64].map((factor) => chooseByCost({ rows: 256, d_in: 8 * factor, d_sae: 64 * factor, rule: 'topk' }, calibration));
  assert.ok(small!.seconds < large!.seconds);
  assert.match(benchText(calibration, 'written', 100), /^Cost of encode, measured in [\d.]+ m?s and kept\n {2}backend .*\n {2}wasm {5}dense/);
  assert.equal(predictions(calibration).length, 4);
});

test('a backend that does not start in time, or fails, is in the calibration with its reason', async () => {
  const info = { kind: 'webgpu', description: 'slow', software: true, details: {} } as const;
  const slow: Backend = { info, load: () => new Promise(() => undefined), dispose: () => Promise.resolve() };
  const broken: Backend = { info, load: () => Promise.reject(new BackendError('no memory')), dispose: () => Promise.resolve() };
  const { backends } = await calibrate([slow, broken], { machine: 'test', budget: 0.2 });
  assert.deepEqual(backends.map(({ problem, fits, software }) => [problem, fits.length, software]), [
    ['its kernels were still compiling after 0.10 s', 0, true],
    ['no memory', 0, true],
  ]);
  assert.match(benchText(calibrationOf(...backends), 'not kept', 100), /webgpu: slow; not measured: no memory\./);
  await assert.rejects(calibrate([{ ...slow, load: () => Promise.reject(new TypeError('a defect')) }], { machine: 'test' }), TypeError);
});

test('the cache gives back what it was given, and nothing else', async () => {
  const calibration = { ...calibrationOf(made('wasm', { product: 1e-9 })), key: 'cache test' };
  assert.equal(await loadCalibration('cache test'), null);
  assert.equal(await saveCalibration(calibration), true);
  assert.deepEqual(await loadCalibration('cache test'), calibration);
  assert.equal(await loadCalibration('another key'), null);
  const [file, ...rest] = readdirSync(join(folder, 'saekit'));
  assert.deepEqual([rest.length, file!.endsWith('.json')], [0, true]);
  const path = join(folder, 'saekit', file!);
  // Half a file, a file of another key under this name, factors that are none.
  const text = readFileSync(path, 'utf8');
  for (const bad of [text.slice(0, -9), text.replace('cache test', 'cache text'), text.replace('1e-9', '"fast"'), text.replace('1e-9', '-1e-9'), 'null']) {
    writeFileSync(path, bad);
    assert.equal(await loadCalibration('cache test'), null, bad);
  }
});

test('a cache folder that cannot be is no error', async () => {
  writeFileSync(join(folder, 'file'), '');
  process.env.XDG_CACHE_HOME = join(folder, 'file');
  try {
    assert.equal(await saveCalibration(calibrationOf()), false);
    assert.equal(await loadCalibration('test'), null);
  } finally {
    process.env.XDG_CACHE_HOME = folder;
  }
});

test('times for people', () => {
  assert.deepEqual([2.5, 0.0123456, 1.2e-5, 3e-9].map(shortTime), ['2.5 s', '12.3 ms', '12 µs', '3 ns']);
});
