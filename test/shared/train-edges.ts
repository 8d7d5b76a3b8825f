/** Edges of training: ties, strict thresholds, features without length, batches in which nothing fires. Inputs are small integers, so that f32 is exact. */
import { parametersOf, sizeOf, type Objective, type Selection } from '../../engine/train/objective.js';
import type { Parameters, StepControls, StepResult, TrainBackend } from '../../engine/train/session.js';
import { plainObjective } from './train-cases.js';
import { gradientsOf } from './train-oracle-gradients.js';
import { emptyMoments } from './train-oracle.js';
import { ADAM, nearAll, nearResult, same, SGD, within } from './train-suite.js';

export interface EdgeCase {
  readonly name: string;
  run(backend: TrainBackend): Promise<void>;
}

const CONTROLS: StepControls = { step: 1, lr: 0.5, coefficient: 0.5, p: 1, pNext: null, k: 2, dead: null };

/** Zeros, but for what is given. */
function parametersWith(objective: Objective, given: Readonly<Record<string, readonly number[]>>): Parameters {
  return Object.fromEntries(parametersOf(objective).map((name) => [name, Float32Array.from(given[name] ?? new Float32Array(sizeOf(objective, name)))]));
}

/** Results and gradients, held against the oracle, whose decisions are exact here. */
async function gradients(backend: TrainBackend, objective: Objective, parameters: Parameters, x: readonly number[], rows: number, controls: StepControls, what: string): Promise<{ result: StepResult; gradients: Parameters }> {
  const input = Float32Array.from(x);
  return within(backend, objective, ADAM, emptyMoments(objective, parameters), async (session) => {
    const given = await session.gradients(input, rows, controls);
    const oracle = gradientsOf(objective, parameters, input, rows, controls);
    nearResult(given.result, oracle, what);
    for (const name of parametersOf(objective)) nearAll(given.gradients[name], oracle.gradients.get(name)!, `${what}: gradient of ${name}`);
    return given;
  });
}

const TOP = (kind: 'topk' | 'batchtopk', byDecoderNorm = false): Selection => ({ kind, byDecoderNorm });

export const edgeCases: readonly EdgeCase[] = [
  {
    name: 'ties go to the lowest row, then the lowest feature',
    async run(backend) {
      for (const [selection, k, wanted] of [
        [TOP('topk'), 2, [3, 3, 0, 0, 0, 0, 0, 0, 0]],
        [TOP('topk', true), 2, [3, 3, 0, 0, 0, 0, 0, 0, 0]],
        [TOP('batchtopk'), 2, [1, 1, 1, 1, 1, 1, 0, 0, 0]],
        [TOP('batchtopk'), 4.4, [2, 2, 2, 2, 1, 1, 1, 1, 1]],
        [TOP('batchtopk', true), 3, [1, 1, 1, 1, 1, 1, 1, 1, 1]],
      ] as const) {
        const objective = plainObjective({ selection, d: 4, d_sae: 9, groups: [9], applyBDecToInput: false });
        const parameters = parametersWith(objective, { W_enc: Array<number>(36).fill(0.25), W_dec: Array<number>(36).fill(0.5) });
        const what = `${selection.kind}, k ${k}`;
        const { result } = await gradients(backend, objective, parameters, Array<number>(12).fill(1), 3, { ...CONTROLS, k }, what);
        same(result.fired, wanted, what);
      }
    },
  },
  {
    name: 'a tie at the edge of the k largest takes the lowest, above it every one',
    async run(backend) {
      // z is the bias: features 1, 4 above; 0, 2, 5 equal; 3, 6 below.
      const b_enc = [2, 3, 2, 1, 4, 2, -1];
      for (const [kind, k, wanted] of [['topk', 3, [2, 2, 0, 0, 2, 0, 0]], ['topk', 4, [2, 2, 2, 0, 2, 0, 0]], ['batchtopk', 3.5, [1, 2, 1, 0, 2, 1, 0]], ['batchtopk', 3, [1, 2, 1, 0, 2, 0, 0]]] as const) {
        const objective = plainObjective({ selection: TOP(kind), d: 3, d_sae: 7, groups: [7] });
        const parameters = parametersWith(objective, { b_enc, W_dec: Array<number>(21).fill(1) });
        const { result } = await gradients(backend, objective, parameters, [1, 2, 3, 3, 2, 1], 2, { ...CONTROLS, k }, `${kind}, k ${k}`);
        same(result.fired, wanted, `${kind}, k ${k}`);
      }
    },
  },
  {
    name: 'ties among dead features: AuxK takes the lowest',
    async run(backend) {
      const objective = plainObjective({ selection: TOP('topk'), d: 2, d_sae: 8, groups: [8], auxk: { k: 2, coefficient: 1, relu: true, scaleByDead: false, normalize: 'none', includeBDec: false } });
      const parameters = parametersWith(objective, { b_enc: [5, 5, 1, 1, 1, 2, 0, -1], W_dec: Array<number>(16).fill(1) });
      const dead = Uint8Array.from([0, 0, 1, 1, 1, 1, 1, 1]);
      const given = await gradients(backend, objective, parameters, [1, 2], 1, { ...CONTROLS, dead }, 'AuxK');
      const moved = [2, 3, 4, 5, 6, 7].filter((i) => given.gradients.b_enc![i] !== 0);
      same(moved, [2, 5], 'dead features with a gradient');
    },
  },
  {
    name: 'firing is strict: z of 0 and z at the threshold do not fire',
    async run(backend) {
      const relu = plainObjective({ selection: { kind: 'relu' }, d: 1, d_sae: 4, groups: [4] });
      const one = await gradients(backend, relu, parametersWith(relu, { W_enc: [1, 1, 1, 1], b_enc: [-2, -1, -3, 0], W_dec: [1, 1, 1, 1] }), [2], 1, CONTROLS, 'relu');
      same(one.result.fired, [0, 1, 0, 1], 'relu');
      const jump = plainObjective({ selection: { kind: 'jumprelu', bandwidth: 2, oneSided: false, steToInput: true }, penalty: { kind: 'l0' }, d: 1, d_sae: 6, groups: [6] });
      // z = 1, 2, 3, 1, 3, 4 against 2: at the window's edges (1 and 3) rect is 0.
      const b_enc = [-1, 0, 1, -1, 1, 2];
      const two = await gradients(backend, jump, parametersWith(jump, { W_enc: Array<number>(6).fill(1), b_enc, W_dec: Array<number>(6).fill(1), threshold: Array<number>(6).fill(2) }), [2], 1, CONTROLS, 'jumprelu');
      same(two.result.fired, [0, 0, 1, 0, 1, 1], 'jumprelu');
      same(two.gradients.threshold!.map((value) => Number(value !== 0)), [0, 1, 0, 0, 0, 0], 'thresholds with a gradient');
    },
  },
  {
    name: 'a negative threshold leaves negative activations, which do not count as firing',
    async run(backend) {
      const objective = plainObjective({ selection: { kind: 'jumprelu', bandwidth: 1, oneSided: false, steToInput: false }, penalty: { kind: 'tanh', scale: 1 }, d: 2, d_sae: 3, groups: [3] });
      const parameters = parametersWith(objective, { b_enc: [-1, 1, -3], threshold: [-2, -2, -2], W_dec: [1, 0, 0, 1, 1, 1] });
      const { result } = await gradients(backend, objective, parameters, [1, 2], 1, CONTROLS, 'jumprelu');
      same(result.fired, [0, 1, 0], 'fired');
    },
  },
  {
    name: 'nothing fires: figures are finite but for what is least, and only b_dec moves',
    async run(backend) {
      for (const selection of [{ kind: 'relu' }, TOP('topk'), TOP('batchtopk'), { kind: 'gated', detachAuxDecoder: true }] as const) {
        const objective = plainObjective({ selection, d: 3, d_sae: 5, groups: [5], penalty: { kind: 'l1', byDecoderNorm: true } });
        const parameters = parametersWith(objective, { b_enc: Array<number>(5).fill(-4), b_gate: Array<number>(5).fill(-4), W_dec: Array<number>(15).fill(1) });
        const { result, gradients: g } = await gradients(backend, objective, parameters, [1, 2, 3, 4, 5, 6], 2, CONTROLS, selection.kind);
        const top = selection.kind === 'topk' || selection.kind === 'batchtopk';
        same([result.l0, Number(result.leastActive === (top ? Infinity : null)), Number(result.meanLeastActive === (top ? Infinity : null))], [0, 1, 1], `${selection.kind}: l0, least`);
        for (const name of parametersOf(objective)) if (g[name]!.some((value) => value !== 0) !== (name === 'b_dec')) throw new Error(`${selection.kind}: gradient of ${name} ${g[name]!.join()}`);
      }
    },
  },
  {
    name: 'nothing dead, one row: auxiliary losses are 0',
    async run(backend) {
      const auxk = { k: 2, coefficient: 1, relu: true, scaleByDead: true, normalize: 'variance', includeBDec: true } as const;
      const objective = plainObjective({ selection: TOP('topk'), d: 2, d_sae: 4, groups: [4], auxk, ghost: true });
      const parameters = parametersWith(objective, { b_enc: [1, 2, 3, 4], W_dec: Array<number>(8).fill(1) });
      const none = await gradients(backend, objective, parameters, [1, 2, 4, 5], 2, { ...CONTROLS, dead: new Uint8Array(4) }, 'nothing dead');
      same([none.result.auxiliary], [0], 'auxiliary, nothing dead');
      const single = plainObjective({ selection: TOP('topk'), d: 2, d_sae: 4, groups: [4], auxk });
      const one = await gradients(backend, single, parameters, [1, 2], 1, { ...CONTROLS, dead: Uint8Array.from([1, 1, 0, 0]) }, 'one row');
      same([one.result.auxiliary], [0], 'auxiliary over the variance of one row');
    },
  },
  {
    name: 'ghost gradients stay finite where exp would not',
    async run(backend) {
      const objective = plainObjective({ selection: { kind: 'relu' }, d: 2, d_sae: 3, groups: [3], ghost: true });
      const parameters = parametersWith(objective, { b_enc: [1, 500, -500], W_dec: [1, 0, 0, 1, 1, 1] });
      // Feature 1 is clipped at 30 and feature 2 vanishes; relu(500) is in the residual.
      const { result, gradients: g } = await gradients(backend, objective, parameters, [1, 2], 1, { ...CONTROLS, dead: Uint8Array.from([0, 1, 1]) }, 'ghost');
      if (!Number.isFinite(result.loss) || parametersOf(objective).some((name) => g[name]!.some((value) => !Number.isFinite(value)))) throw new Error(`loss ${result.loss}`);
    },
  },
  {
    name: 'a decoder row of zeros has no direction: nothing divides by its length',
    async run(backend) {
      const objective = plainObjective({ selection: { kind: 'relu' }, penalty: { kind: 'l1', byDecoderNorm: true }, d: 2, d_sae: 2, groups: [2] });
      const parameters = parametersWith(objective, { b_enc: [1, 1], W_dec: [0, 0, 3, 4] });
      await gradients(backend, objective, parameters, [1, 2], 1, CONTROLS, 'l1 by decoder norm');
      // x = xhat, so that no gradient moves the row from 0.
      const still = { ...SGD, momentum: 0, removeParallel: true, renormalize: 'always' } as const;
      const plain = plainObjective({ selection: { kind: 'relu' }, d: 2, d_sae: 2, groups: [2] });
      await within(backend, plain, still, emptyMoments(plain, parameters), async (session) => {
        await session.step(Float32Array.from([3, 4]), 1, CONTROLS);
        const { W_dec } = (await session.read()).parameters;
        same(W_dec!.subarray(0, 2), [0, 0], 'the row of zeros');
        if (!(Math.abs(Math.hypot(W_dec![2]!, W_dec![3]!) - 1) < 1e-6)) throw new Error(`the other row is ${W_dec!.subarray(2).join()}`);
      });
    },
  },
];
