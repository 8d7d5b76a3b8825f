/**
 * What every training backend is held to, for any runner: figures and gradients of each
 * objective against the float64 oracle within bounds of rounding, updates, a hundred
 * steps, ties, edges, and the contract's promises. A case fails by throwing.
 *
 * Shapes are small: software GPUs run this too.
 */
import { BackendError, NumericError, ShapeError, UsageError } from '../../engine/errors.js';
import { parametersOf, sizeOf, type Objective, type Optimizer } from '../../engine/train/objective.js';
import type { Parameters, StepControls, StepResult, TrainBackend, TrainSession, TrainState } from '../../engine/train/session.js';
import { gaussian, uniform } from './random.js';
import { UNIT, type Nums } from './rounded.js';
import { plainObjective, randomParameters, randomRows, trainCases, type CaseShape, type TrainCase } from './train-cases.js';
import { edgeCases } from './train-edges.js';
import { boundedUpdate } from './train-oracle-bounds.js';
import { arraysOf, emptyMoments, gradientsOf, update, widen, type Gradients } from './train-oracle.js';

export type Test = (name: string, body: () => Promise<void>) => void;

export interface TrainSuiteOptions {
  /** Shapes on which a few objectives of each kind are tested besides: ones, primes, and tiles ± 1. */
  readonly shapes?: readonly CaseShape[];
}

const SHAPES: readonly CaseShape[] = [[1, 1, 1], [2, 3, 5], [31, 16, 33], [33, 5, 65], [5, 17, 127]];
const BASE: CaseShape = [11, 7, 13];

export const ADAM: Optimizer = { kind: 'adam', betas: [0.9, 0.999], eps: 1e-8, momentum: 0, clip: null, removeParallel: false, renormalize: 'never', frozen: [] };
export const SGD: Optimizer = { ...ADAM, kind: 'sgd', momentum: 0.9 };

/** Bounds are to first order, and of one order of summation inside of another: a factor of two covers both. */
const SLACK = 2;
/** Where f32 has no digits left. */
const TINY = 1e-35;

export function near(value: number | null | undefined, expected: number | null, bound: number, what: string): void {
  if (expected === null || !Number.isFinite(expected) ? value === expected : Math.abs((value ?? NaN) - expected) <= bound) return;
  throw new Error(`${what}: ${value}, expected ${expected} within ${bound.toExponential(2)}`);
}

/** Holds arrays against the oracle's, each number within its own bound. */
export function nearAll(actual: ArrayLike<number> | undefined, expected: Nums, what: string): void {
  if (actual?.length !== expected.v.length) throw new Error(`${what}: ${actual?.length} values, expected ${expected.v.length}`);
  expected.v.forEach((value, e) => near(actual[e], value, SLACK * UNIT * expected.e[e]! + TINY, `${what}[${e}]`));
}

export function nearResult(result: StepResult, oracle: Gradients, what: string): void {
  for (const key of ['loss', 'squaredError', 'penalty', 'penaltyNext', 'auxiliary', 'leastActive', 'meanLeastActive', 'gradientNorm'] as const) {
    near(result[key], oracle.result[key], SLACK * UNIT * (oracle.bounds[key] + 2 * Math.abs(oracle.result[key] ?? 0)) + TINY, `${what}: ${key}`);
  }
  near(result.l0, oracle.result.l0, 1e-6 * oracle.result.l0, `${what}: l0`);
  same(result.fired, oracle.result.fired, `${what}: fired`);
}

export function same(actual: ArrayLike<number> | undefined, expected: ArrayLike<number>, what: string): void {
  const [got, wanted] = [Array.from(actual ?? []), Array.from(expected)];
  const at = wanted.findIndex((value, i) => got[i] !== value);
  if (got.length !== wanted.length || at >= 0) throw new Error(`${what}: ${at < 0 ? `${got.length} values, expected ${wanted.length}` : `${got[at]} at ${at}, expected ${wanted[at]}`}`);
}

export function sameParameters(actual: Parameters, expected: Parameters, what: string): void {
  for (const [name, values] of Object.entries(expected)) same(actual[name as keyof Parameters], values, `${what}: ${name}`);
}

/** Starts, runs, disposes. */
export async function within<T>(backend: TrainBackend, objective: Objective, optimizer: Optimizer, state: TrainState, use: (session: TrainSession) => Promise<T>): Promise<T> {
  const session = await backend.start(objective, optimizer, state);
  try {
    return await use(session);
  } finally {
    session.dispose();
  }
}

export async function throws(run: () => Promise<unknown>, kind: new (...args: never[]) => Error, text: string): Promise<void> {
  let thrown: unknown;
  await run().catch((error: unknown) => (thrown = error));
  if (!(thrown instanceof kind) || !thrown.message.includes(text)) throw new Error(`${String(thrown)} was thrown, expected ${kind.name} with ${JSON.stringify(text)}`);
}

/** Figures, gradients and forward of one case, each number within its own bound. */
export async function checkCase(backend: TrainBackend, { name, objective, parameters, x, rows, controls }: TrainCase): Promise<void> {
  const oracle = gradientsOf(objective, parameters, x, rows, controls);
  await within(backend, objective, ADAM, emptyMoments(objective, parameters), async (session) => {
    const { result, gradients } = await session.gradients(x, rows, controls);
    nearResult(result, oracle, name);
    for (const parameter of parametersOf(objective)) nearAll(gradients[parameter], oracle.gradients.get(parameter)!, `${name}: gradient of ${parameter}`);
    const { rowErrors, rowL0, fired } = await session.forward(x, rows, controls);
    same(fired, oracle.result.fired, `${name}: fired of forward`);
    const { f, residuals, shape } = oracle.forward;
    for (let r = 0; r < rows; r++) {
      let [error, bound] = [0, 0];
      for (let e = r * objective.d; e < (r + 1) * objective.d; e++) {
        const [v, e_] = [residuals.at(-1)!.v[e]!, residuals.at(-1)!.e[e]!];
        error += v * v;
        bound += 2 * Math.abs(v) * e_ + (objective.d + 1) * v * v;
      }
      near(rowErrors[r], error, SLACK * UNIT * bound + TINY, `${name}: error of row ${r}`);
      near(rowL0[r], f.v.subarray(r * shape.n, (r + 1) * shape.n).filter((value) => value > 0).length, 0, `${name}: l0 of row ${r}`);
    }
    sameParameters((await session.read()).parameters, parameters, `${name}: after gradients and forward`);
  });
}

/** A state in the middle of training, so that Adam's division is well conditioned. */
function movingState(objective: Objective, seed: number): TrainState {
  const [normal, flat] = [gaussian(seed), uniform(seed + 1)];
  const each = (draw: () => number): Parameters => Object.fromEntries(parametersOf(objective).map((name) => [name, Float32Array.from({ length: sizeOf(objective, name) }, draw)]));
  return { parameters: randomParameters(objective, seed), m: each(() => 0.1 * normal()), v: each(() => 0.05 + flat()) };
}

async function checkUpdate(backend: TrainBackend, { objective, x, rows, controls }: TrainCase, optimizer: Optimizer, what: string): Promise<void> {
  const given = { ...controls, step: 7, lr: 0.01 };
  const state = movingState(objective, 1);
  const oracle = gradientsOf(objective, state.parameters, x, rows, given, { frozen: optimizer.frozen });
  if (oracle.margin < 2) throw new Error(`${what}: a decision is within rounding of another`);
  const bounded = boundedUpdate(objective, optimizer, state, oracle, given);
  const next = update(objective, optimizer, widen(state), arraysOf(oracle), given);
  await within(backend, objective, optimizer, state, async (session) => {
    nearResult(await session.step(x, rows, given), oracle, what);
    const after = await session.read();
    for (const name of parametersOf(objective)) {
      if (optimizer.frozen.includes(name)) {
        same(after.parameters[name], state.parameters[name]!, `${what}: frozen ${name}`);
        continue;
      }
      for (const part of ['parameters', 'm', 'v'] as const) {
        const called = part === 'parameters' ? name : `${part} of ${name}`;
        const wanted = bounded.get(called);
        if (wanted === undefined) continue;
        // The oracle's optimiser and the one with bounds are two programs.
        wanted.v.forEach((value, e) => near(next[part][name]![e], value, 1e-12 * (1 + Math.abs(value)), `the oracles' ${called}[${e}]`));
        nearAll(after[part][name], wanted, `${what}: ${called}`);
      }
    }
  });
}

const OPTIMIZERS: Readonly<Record<string, Optimizer>> = {
  adam: ADAM,
  'adam, other betas and eps': { ...ADAM, betas: [0, 0.9], eps: 1e-3 },
  'adam with all': { ...ADAM, clip: 0.5, removeParallel: true, renormalize: 'always', frozen: ['b_dec'] },
  'adam, clip that does not bite, at most': { ...ADAM, clip: 1e4, renormalize: 'at-most' },
  sgd: { ...SGD, momentum: 0 },
  'sgd with all': { ...SGD, clip: 0.5, removeParallel: true, renormalize: 'at-most', frozen: ['b_enc'] },
  'sgd, frozen decoder keeps its length': { ...SGD, renormalize: 'always', frozen: ['W_dec', 'W_enc'] },
};

/**
 * How far a hundred steps may be from float64, as a share of the way they went. Adam divides
 * a gradient by its own size, so that rounding is not damped: about 1e-7 of a step, a
 * hundred times, and up to ten times that where gradients cancel. Two backends are then
 * within twice this of each other.
 */
export const HUNDRED_STEPS = 1e-4;

async function checkHundred(backend: TrainBackend, { name, objective, parameters, rows, controls }: TrainCase, optimizer: Optimizer): Promise<void> {
  const start = emptyMoments(objective, parameters);
  let wanted = widen(start);
  await within(backend, objective, optimizer, start, async (session) => {
    for (let step = 1; step <= 100; step++) {
      const given: StepControls = { ...controls, step, lr: 2e-3, coefficient: Math.min(1, step / 20) * controls.coefficient };
      const x = randomRows(rows, objective.d, 5000 + step);
      const oracle = gradientsOf(objective, wanted.parameters, x, rows, given, { frozen: optimizer.frozen });
      const { loss } = await session.step(x, rows, given);
      near(loss, oracle.result.loss, 1e-4 * oracle.result.loss, `${name}: loss of step ${step}`);
      wanted = update(objective, optimizer, wanted, arraysOf(oracle), given);
    }
    const { parameters: after } = await session.read();
    for (const parameter of parametersOf(objective)) {
      if (optimizer.frozen.includes(parameter)) continue;
      const [got, expected, first] = [after[parameter]!, wanted.parameters[parameter]!, parameters[parameter]!];
      const way = Math.hypot(...expected.map((value, e) => value - first[e]!));
      const off = Math.hypot(...expected.map((value, e) => value - got[e]!));
      if (!(off <= HUNDRED_STEPS * way)) throw new Error(`${name}: after 100 steps ${parameter} is ${off} from the oracle's, which went ${way}`);
    }
  });
}

/** Runs the suite on the backend that `open` gives; each test by itself through `test`. */
export function trainSuite(open: () => Promise<TrainBackend>, test: Test, { shapes = SHAPES }: TrainSuiteOptions = {}): void {
  let opened: Promise<TrainBackend> | undefined;
  const backend = (): Promise<TrainBackend> => (opened ??= open());
  const cases = trainCases([BASE]);
  const caseOf = (name: string): TrainCase => {
    const found = cases.find((one) => one.name.startsWith(`${name};`));
    if (found === undefined) throw new Error(`there is no case ${name}`);
    return found;
  };

  for (const one of cases) test(`figures and gradients: ${one.name}`, async () => checkCase(await backend(), one));
  for (const shape of shapes) {
    const [rows, d, d_sae] = shape;
    test(`figures and gradients: every selection and auxiliary loss at ${rows} rows, ${d} -> ${d_sae}`, async () => {
      for (const one of trainCases([shape], true)) await checkCase(await backend(), one);
    });
  }
  for (const [what, optimizer] of Object.entries(OPTIMIZERS)) {
    test(`one update: ${what}`, async () => {
      for (const name of ['relu, l1 by decoder norm, mean over dims', 'jumprelu, tanh, pre-activation loss', 'gated, auxiliary decoder attached, l1 by decoder norm']) await checkUpdate(await backend(), caseOf(name), optimizer, `${what}, ${name}`);
    });
  }
  test('a hundred steps against float64', async () => {
    await checkHundred(await backend(), caseOf('relu, l1'), { ...ADAM, removeParallel: true, renormalize: 'always' });
    await checkHundred(await backend(), caseOf('topk, AuxK over the variance'), { ...ADAM, clip: 1 });
    await checkHundred(await backend(), caseOf('batchtopk'), SGD);
    await checkHundred(await backend(), caseOf('jumprelu, l0'), ADAM);
    await checkHundred(await backend(), caseOf('gated, auxiliary decoder detached'), { ...ADAM, frozen: ['b_dec'] });
  });
  for (const { name, run } of edgeCases) test(name, async () => run(await backend()));

  test('the same state and rows give the same bits, also after a round trip of the state', async () => {
    const objective = plainObjective({ selection: { kind: 'topk', byDecoderNorm: false }, d: 12, d_sae: 40, groups: [40] });
    const optimizer = { ...ADAM, clip: 1, renormalize: 'always' } as const;
    const run = async (interrupted: boolean): Promise<TrainState> => {
      let state = emptyMoments(objective, randomParameters(objective, 2));
      for (const steps of interrupted ? [[1, 2, 3], [4, 5, 6]] : [[1, 2, 3, 4, 5, 6]]) {
        state = await within(await backend(), objective, optimizer, state, async (session) => {
          for (const step of steps) await session.step(randomRows(50, 12, step), 50, { step, lr: 1e-3, coefficient: 0, p: 1, pNext: null, k: 4, dead: null });
          return session.read();
        });
      }
      return state;
    };
    const [straight, again, resumed] = [await run(false), await run(false), await run(true)];
    for (const part of ['parameters', 'm', 'v'] as const) {
      sameParameters(again[part], straight[part], `the same once more, ${part}`);
      sameParameters(resumed[part], straight[part], `resumed, ${part}`);
    }
  });
  test('batches may grow and shrink', async () => {
    const one = caseOf('topk, AuxK over the variance');
    const { objective, parameters, controls } = one;
    await within(await backend(), objective, ADAM, emptyMoments(objective, parameters), async (session) => {
      for (const rows of [3, 40, 1, 17]) {
        const x = randomRows(rows, objective.d, rows);
        const oracle = gradientsOf(objective, parameters, x, rows, controls);
        if (oracle.margin < 2) throw new Error(`${rows} rows: a decision is within rounding of another`);
        nearResult((await session.gradients(x, rows, controls)).result, oracle, `${rows} rows`);
      }
    });
  });
  test('a loss or gradient that is not finite leaves the state as it was', async () => {
    const { objective, parameters, controls } = caseOf('relu, l1');
    const start = emptyMoments(objective, parameters);
    await within(await backend(), objective, ADAM, start, async (session) => {
      const x = randomRows(5, objective.d, 1);
      x[9] = 1e30;
      const { loss, gradientNorm } = await session.step(x, 5, controls);
      if (Number.isFinite(loss) && Number.isFinite(gradientNorm)) throw new Error(`of 1e30 the loss is ${loss} and the gradient's norm ${gradientNorm}`);
      const after = await session.read();
      for (const part of ['parameters', 'm', 'v'] as const) sameParameters(after[part], start[part], `after a loss that is not finite, ${part}`);
      x[9] = 0;
      nearResult(await session.step(x, 5, controls), gradientsOf(objective, parameters, x, 5, controls), 'a step after one that was not finite');
    });
  });
  test('read copies; write replaces what it is given', async () => {
    const { objective, parameters } = caseOf('jumprelu, l0');
    const start = movingState(objective, 3);
    await within(await backend(), objective, ADAM, { ...start, parameters }, async (session) => {
      const first = await session.read();
      first.parameters.b_enc!.fill(9);
      sameParameters((await session.read()).parameters, parameters, 'after a change of what was read');
      const b_enc = new Float32Array(objective.d_sae).fill(0.5);
      const W_dec = Float32Array.from({ length: objective.d * objective.d_sae }, (_, e) => e);
      await session.write({ parameters: { b_enc }, v: { W_dec } });
      b_enc.fill(0);
      const after = await session.read();
      sameParameters(after.parameters, { ...parameters, b_enc: new Float32Array(objective.d_sae).fill(0.5) }, 'after write');
      sameParameters(after.v, { ...start.v, W_dec }, 'v after write');
      sameParameters(after.m, start.m, 'm after write');
      await throws(() => session.write({ m: { b_enc: new Float32Array(2) } }), ShapeError, 'm of b_enc has 2 values, expected 13');
    });
  });
  test('what does not fit is refused by name', async () => {
    const { objective, parameters, x, rows, controls } = caseOf('relu, l1');
    const start = emptyMoments(objective, parameters);
    const opened_ = await backend();
    await throws(() => opened_.start({ ...objective, penalty: { kind: 'l0' } }, ADAM, start), UsageError, 'penalty l0');
    await throws(() => opened_.start(objective, { ...ADAM, frozen: ['threshold'] }, start), UsageError, 'frozen names threshold');
    await throws(() => opened_.start(objective, ADAM, { ...start, parameters: { ...parameters, b_dec: new Float32Array(3) } }), ShapeError, 'b_dec has 3 values, expected 7');
    const session = await opened_.start(objective, ADAM, start);
    await throws(() => session.step(x.subarray(1), rows, controls), ShapeError, `x has ${x.length - 1} values`);
    const bad = x.slice();
    bad[objective.d + 2] = NaN;
    await throws(() => session.step(bad, rows, controls), NumericError, 'row 1: NaN');
    await throws(() => session.gradients(x, rows, { ...controls, dead: new Uint8Array(2) }), ShapeError, 'dead has 2 values, expected d_sae, 13');
    sameParameters((await session.read()).parameters, parameters, 'after refusals');
    session.dispose();
    session.dispose();
    await throws(() => session.read(), BackendError, 'disposed');
  });
}
