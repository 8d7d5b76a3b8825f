/**
 * What every training backend is held to: figures and gradients of each objective against
 * float64 finite differences (train-oracle.ts), updates, a hundred steps, and the contract's
 * promises. Runner-neutral.
 */
import type { AuxK, Objective, Optimizer, Penalty, Selection } from '../../engine/train/objective.js';
import { parametersOf, sizeOf } from '../../engine/train/objective.js';
import type { Parameters, StepControls, TrainBackend, TrainState } from '../../engine/train/session.js';
import { Oracle, doubles, oracleState, update, type Doubles } from './train-differences.js';
import { gaussian } from './random.js';

export type Test = (name: string, body: () => Promise<void>) => void;

export const ADAM: Optimizer = { kind: 'adam', betas: [0.9, 0.999], eps: 1e-8, momentum: 0, clip: null, removeParallel: false, renormalize: 'never', frozen: [] };
const SGD: Optimizer = { ...ADAM, kind: 'sgd', momentum: 0.9 };

export function objective(selection: Selection, penalty: Penalty = { kind: 'none' }, rest: Partial<Objective> = {}): Objective {
  const d_sae = rest.d_sae ?? 13;
  return { d: 7, d_sae, applyBDecToInput: true, selection, penalty, mse: 'sum', groups: [d_sae], groupWeights: [1], auxk: null, ghost: false, preActivationCoefficient: 0, ...rest };
}

export const controls = (rest: Partial<StepControls> = {}): StepControls => ({ step: 1, lr: 1e-3, coefficient: 0.3, p: 0.7, pNext: null, k: 3, dead: null, ...rest });

/** Parameters of the size that training meets, the same on every machine. */
export function state(of: Objective, seed: number): TrainState {
  const draw = gaussian(seed);
  const filled = (scale: (name: string) => (at: number) => number): Parameters => Object.fromEntries(parametersOf(of).map((name) => [name, Float32Array.from({ length: sizeOf(of, name) }, (_, at) => scale(name)(at))]));
  const parameters = filled((name) => () => (name === 'threshold' ? 0.15 + 0.05 * draw() : name === 'W_enc' || name === 'W_dec' ? draw() / Math.sqrt(of.d) : 0.1 * draw()));
  const zeros = filled(() => () => 0);
  return { parameters, m: zeros, v: zeros };
}

export function rowsOf(rows: number, d: number, seed: number): Float32Array {
  const draw = gaussian(seed);
  return Float32Array.from({ length: rows * d }, () => draw() + 0.3);
}

const RELU: Selection = { kind: 'relu' };
const TOPK: Selection = { kind: 'topk', byDecoderNorm: false };
const BATCH: Selection = { kind: 'batchtopk', byDecoderNorm: false };
const JUMP = { kind: 'jumprelu', bandwidth: 0.4, oneSided: false, steToInput: false } as const;
const L1: Penalty = { kind: 'l1', byDecoderNorm: false };
const AUXK: AuxK = { k: 3, coefficient: 0.5, relu: true, scaleByDead: false, normalize: 'none', includeBDec: false };
const dead = (n: number, every = 2): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i % every === 1 ? 1 : 0));

interface Case {
  readonly name: string;
  readonly objective: Objective;
  readonly controls?: Partial<StepControls>;
}

/** Every selection, penalty and auxiliary loss, with the combinations that recipes use. */
export const CASES: readonly Case[] = [
  { name: 'relu, no penalty', objective: objective(RELU) },
  { name: 'relu, l1', objective: objective(RELU, L1) },
  { name: 'relu, l1, mean of dims, b_dec in the output alone', objective: objective(RELU, L1, { mse: 'mean', applyBDecToInput: false }) },
  { name: 'relu, l1 by decoder norm', objective: objective(RELU, { kind: 'l1', byDecoderNorm: true }) },
  ...[1, 0.7, 0.3].map((p) => ({ name: `relu, sum f^${p}`, objective: objective(RELU, { kind: 'lp', root: false }), controls: { p, pNext: 0.5 } })),
  ...[1, 0.7].map((p) => ({ name: `relu, (sum f^${p})^(1/${p})`, objective: objective(RELU, { kind: 'lp', root: true }), controls: { p, pNext: 0.5 } })),
  { name: 'relu, ghost gradients', objective: objective(RELU, L1, { ghost: true }), controls: { dead: dead(13) } },
  { name: 'topk', objective: objective(TOPK) },
  { name: 'topk by decoder norm', objective: objective({ kind: 'topk', byDecoderNorm: true }) },
  { name: 'topk, k of all', objective: objective(TOPK), controls: { k: 40 } },
  { name: 'topk, AuxK of Gao', objective: objective(TOPK, { kind: 'none' }, { auxk: { ...AUXK, normalize: 'variance' } }), controls: { dead: dead(13) } },
  { name: 'topk, AuxK of SAELens', objective: objective(TOPK, { kind: 'none' }, { auxk: { ...AUXK, k: 9, relu: false, scaleByDead: true, includeBDec: true } }), controls: { dead: dead(13) } },
  { name: 'batchtopk', objective: objective(BATCH), controls: { k: 2.5 } },
  { name: 'batchtopk by decoder norm, AuxK, ghosts', objective: objective({ kind: 'batchtopk', byDecoderNorm: true }, { kind: 'none' }, { auxk: AUXK, ghost: true }), controls: { dead: dead(13, 3) } },
  { name: 'batchtopk in groups', objective: objective(BATCH, { kind: 'none' }, { groups: [2, 5, 13], groupWeights: [1, 0.5, 2], auxk: AUXK }), controls: { dead: dead(13) } },
  { name: 'topk in groups, mean of dims', objective: objective(TOPK, { kind: 'none' }, { groups: [4, 13], groupWeights: [1, 1], mse: 'mean' }) },
  { name: 'jumprelu, l0', objective: objective(JUMP, { kind: 'l0' }) },
  { name: 'jumprelu, l0, one-sided', objective: objective({ ...JUMP, oneSided: true }, { kind: 'l0' }) },
  { name: 'jumprelu, target l0, to the input', objective: objective({ ...JUMP, steToInput: true }, { kind: 'l0-target', target: 4 }) },
  { name: 'jumprelu, tanh, pre-activation loss', objective: objective(JUMP, { kind: 'tanh', scale: 4 }, { preActivationCoefficient: 0.2 }), controls: { dead: dead(13) } },
  { name: 'jumprelu, l1', objective: objective(JUMP, L1) },
  { name: 'gated, detached', objective: objective({ kind: 'gated', detachAuxDecoder: true }, L1) },
  { name: 'gated, attached, by decoder norm', objective: objective({ kind: 'gated', detachAuxDecoder: false }, { kind: 'l1', byDecoderNorm: true }, { applyBDecToInput: false }) },
];

export function near(value: number, expected: number, bound: number, what: string): void {
  if (!(Math.abs(value - expected) <= bound) && value !== expected) throw new Error(`${what}: ${value}, expected ${expected} ± ${bound}`);
}

/**
 * Sums of n rounded products are within gamma_n of the sum of their sizes; a gradient's
 * terms are sums of such sums. All sizes here are of the order of 1: the largest value of the
 * array stands for the size, and 2e-5 for some 300 roundings.
 */
const RELATIVE = 2e-5;

function compare(actual: Parameters, expected: Doubles, relative: number, what: string): void {
  for (const [name, values] of Object.entries(expected)) {
    const size = Math.max(1e-2, values.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
    const given = actual[name as keyof Parameters];
    if (given?.length !== values.length) throw new Error(`${what}: ${name} has ${given?.length} values, expected ${values.length}`);
    values.forEach((value, at) => near(given[at]!, value, relative * size, `${what}: ${name}[${at}]`));
  }
}

async function checkCase(backend: TrainBackend, { name, objective: of, controls: some = {} }: Case, rows: number, seed: number): Promise<void> {
  const given = controls(some);
  const start = state(of, seed);
  const x = rowsOf(rows, of.d, seed + 1);
  const oracle = new Oracle(of, x, rows, given);
  const p = doubles(start.parameters);
  // Decisions within rounding of going the other way are not this test's.
  const session = await backend.start(of, ADAM, start);
  try {
    const { result, gradients } = await session.gradients(x, rows, given);
    const wanted = oracle.figures(p);
    for (const key of ['loss', 'squaredError', 'penalty', 'auxiliary', 'l0'] as const) near(result[key], wanted[key], RELATIVE * Math.max(1, Math.abs(wanted[key])), `${name}: ${key}`);
    if (result.fired.some((count, i) => count !== wanted.fired[i])) throw new Error(`${name}: fired ${result.fired.join()}, expected ${wanted.fired.join()}`);
    if (wanted.penaltyNext !== null && of.penalty.kind === 'lp') near(result.penaltyNext ?? NaN, wanted.penaltyNext, RELATIVE * Math.max(1, wanted.penaltyNext), `${name}: penaltyNext`);
    if (of.selection.kind === 'topk' || of.selection.kind === 'batchtopk') {
      near(result.leastActive ?? NaN, wanted.leastActive, RELATIVE, `${name}: leastActive`);
      near(result.meanLeastActive ?? NaN, wanted.meanLeastActive, RELATIVE, `${name}: meanLeastActive`);
    } else if (result.leastActive !== null || result.meanLeastActive !== null) throw new Error(`${name}: leastActive is not null`);
    compare(gradients, oracle.gradients(p), RELATIVE, name);
    const forward = await session.forward(x, rows, given);
    wanted.rowErrors.forEach((error, r) => near(forward.rowErrors[r]!, error, RELATIVE * Math.max(1, error), `${name}: row ${r}`));
    if (forward.rowL0.reduce((sum, count) => sum + count, 0) !== wanted.fired.reduce((sum, count) => sum + count, 0)) throw new Error(`${name}: rowL0 does not add up to fired`);
    const after = await session.read();
    compare(after.parameters, p, 0, `${name}: parameters after gradients and forward`);
  } finally {
    session.dispose();
  }
}

async function checkSteps(backend: TrainBackend, of: Objective, optimizer: Optimizer, some: Partial<StepControls>, steps: number, relative: number, what: string): Promise<void> {
  const rows = 9;
  const start = state(of, 5);
  if (optimizer.renormalize !== 'never') {
    const oracle = oracleState(start);
    update(of, { ...SGD, renormalize: 'always' }, oracle, Object.fromEntries(parametersOf(of).map((name) => [name, new Float64Array(sizeOf(of, name))])), { step: 1, lr: 0 });
    start.parameters.W_dec!.set(oracle.parameters.W_dec!);
  }
  const wanted = oracleState(start);
  const session = await backend.start(of, optimizer, start);
  try {
    for (let step = 1; step <= steps; step++) {
      const given = controls({ ...some, step, lr: 3e-3 });
      const x = rowsOf(rows, of.d, 100 + step);
      const gradients = new Oracle(of, x, rows, given).gradients(wanted.parameters);
      await session.step(x, rows, given);
      update(of, optimizer, wanted, gradients, given);
    }
    const after = await session.read();
    for (const part of ['parameters', 'm', 'v'] as const) {
      if (part === 'v' && optimizer.kind === 'sgd') continue;
      const expected = Object.fromEntries(Object.entries(wanted[part]).filter(([name]) => !optimizer.frozen.includes(name as never)));
      compare(after[part], expected, relative, `${what}: ${part}`);
    }
    for (const name of optimizer.frozen) compare({ [name]: after.parameters[name]! }, { [name]: Float64Array.from(start.parameters[name]!) }, 0, `${what}: frozen`);
  } finally {
    session.dispose();
  }
}

/** @param shapes [rows, d, d_sae] on which a few objectives are held against the oracle besides */
export function trainSuite(open: () => Promise<TrainBackend>, test: Test, shapes: readonly (readonly [number, number, number])[] = [[1, 1, 1], [2, 3, 5], [5, 8, 8], [3, 4, 17], [33, 9, 31]]): void {
  let opened: Promise<TrainBackend> | undefined;
  const backend = (): Promise<TrainBackend> => (opened ??= open());
  for (const one of CASES) test(`figures and gradients: ${one.name}`, async () => checkCase(await backend(), one, 11, 3));
  for (const [rows, d, d_sae] of shapes) {
    test(`figures and gradients: ${rows} rows, d ${d}, d_sae ${d_sae}`, async () => {
      for (const selection of [RELU, TOPK, BATCH, JUMP, { kind: 'gated', detachAuxDecoder: true }] as const) {
        const penalty: Penalty = selection.kind === 'jumprelu' ? { kind: 'l0' } : selection.kind === 'relu' || selection.kind === 'gated' ? L1 : { kind: 'none' };
        await checkCase(await backend(), { name: selection.kind, objective: objective(selection, penalty, { d, d_sae, groups: [d_sae] }), controls: { k: 2 } }, rows, 17);
      }
    });
  }
  test('one step of adam and of sgd, with clipping, projection, renormalisation and frozen parameters', async () => {
    const of = objective(RELU, L1);
    await checkSteps(await backend(), of, { ...SGD, momentum: 0 }, {}, 1, 2e-6, 'sgd');
    await checkSteps(await backend(), of, { ...SGD, clip: 0.5, removeParallel: true, renormalize: 'always' }, {}, 3, 5e-6, 'sgd with all');
    await checkSteps(await backend(), of, { ...ADAM, eps: 1e-3, clip: 0.5, removeParallel: true, renormalize: 'always', frozen: ['b_dec'] }, {}, 3, 2e-5, 'adam with all');
    await checkSteps(await backend(), of, { ...ADAM, eps: 1e-3, renormalize: 'at-most', betas: [0, 0.99] }, {}, 3, 2e-5, 'adam, at most');
  });
  test('a hundred steps against float64', async () => {
    // Adam divides by what it measured: where a gradient is rounding noise, so is the direction of its step. A larger eps keeps both sides comparable.
    await checkSteps(await backend(), objective(RELU, L1), { ...ADAM, eps: 1e-3, removeParallel: true, renormalize: 'always' }, {}, 100, 2e-3, 'relu');
    await checkSteps(await backend(), objective(TOPK, { kind: 'none' }, { auxk: AUXK }), { ...ADAM, eps: 1e-3 }, { dead: dead(13) }, 100, 2e-3, 'topk');
  });
  test('ties go to the lowest row, then the lowest feature', async () => {
    for (const selection of [TOPK, BATCH]) {
      const of = objective(selection, { kind: 'none' }, { d: 4, d_sae: 9, groups: [9], applyBDecToInput: false });
      const start = state(of, 1);
      start.parameters.W_enc!.fill(0.25);
      start.parameters.b_enc!.fill(0);
      const session = await (await backend()).start(of, ADAM, start);
      const { fired } = await session.forward(new Float32Array(12).fill(1), 3, { k: 2 });
      session.dispose();
      const wanted = selection === TOPK ? [3, 3, 0, 0, 0, 0, 0, 0, 0] : [1, 1, 1, 1, 1, 1, 0, 0, 0];
      if (fired.join() !== wanted.join()) throw new Error(`${selection.kind}: fired ${fired.join()}, expected ${wanted.join()}`);
    }
  });
  test('the same state and rows give the same bits, also after a round trip of the state', async () => {
    const of = objective(RELU, L1, { d: 12, d_sae: 40, groups: [40] });
    const run = async (again: boolean): Promise<TrainState> => {
      let session = await (await backend()).start(of, ADAM, state(of, 2));
      for (let step = 1; step <= 6; step++) {
        if (again && step === 4) {
          const saved = await session.read();
          session.dispose();
          session = await (await backend()).start(of, ADAM, saved);
        }
        await session.step(rowsOf(50, 12, step), 50, controls({ step }));
      }
      const after = await session.read();
      session.dispose();
      return after;
    };
    const [straight, resumed] = [await run(false), await run(true)];
    for (const part of ['parameters', 'm', 'v'] as const) compare(resumed[part], doubles(straight[part]), 0, part);
  });
  test('a loss that is not finite leaves the parameters as they were', async () => {
    const of = objective(RELU, L1);
    const start = state(of, 4);
    const session = await (await backend()).start(of, ADAM, start);
    const x = rowsOf(5, of.d, 1);
    x[9] = 1e30;
    const { loss, gradientNorm } = await session.step(x, 5, controls());
    if (Number.isFinite(loss) && Number.isFinite(gradientNorm)) throw new Error(`of 1e30 the loss is ${loss} and the gradient's norm ${gradientNorm}`);
    compare((await session.read()).parameters, doubles(start.parameters), 0, 'after a loss that is not finite');
    x[9] = NaN;
    let message = '';
    await session.step(x, 5, controls()).catch((error: Error) => void (message = error.message));
    if (!message.includes('row 1: NaN')) throw new Error(`a NaN says ${JSON.stringify(message)}`);
    await session.step(rowsOf(5, of.d, 1), 5, controls());
    session.dispose();
  });
  test('write replaces what it is given, and refuses what does not fit', async () => {
    const of = objective(RELU, L1);
    const start = state(of, 4);
    const session = await (await backend()).start(of, ADAM, start);
    const b_enc = new Float32Array(13).fill(0.5);
    await session.write({ parameters: { b_enc } });
    const after = await session.read();
    compare(after.parameters, doubles({ ...start.parameters, b_enc }), 0, 'after write');
    let message = '';
    await session.write({ m: { b_enc: new Float32Array(2) } }).catch((error: Error) => void (message = error.message));
    if (!message.includes('m of b_enc has 2 values, expected 13')) throw new Error(`write of a wrong length says ${JSON.stringify(message)}`);
    session.dispose();
  });
}
