/** saekit's training sessions, behind the contract that they are compared through. */
import type { Objective, Optimizer } from '../../engine/train/objective.js';
import type { Parameters, TrainBackend } from '../../engine/train/session.js';
import type { Peer } from './peer.js';
import { BETAS, EPS, trainTask, type TrainProblem } from './training.js';

const OPTIMIZER: Optimizer = { kind: 'adam', betas: BETAS, eps: EPS, momentum: 0, clip: null, removeParallel: false, renormalize: 'never', frozen: [] };

export function objectiveOf({ d, d_sae, k, l1 }: Pick<TrainProblem, 'd' | 'd_sae' | 'k' | 'l1'>): Objective {
  return {
    d,
    d_sae,
    applyBDecToInput: true,
    selection: k === null ? { kind: 'relu' } : { kind: 'topk', byDecoderNorm: false },
    penalty: l1 === 0 ? { kind: 'none' } : { kind: 'l1', byDecoderNorm: false },
    mse: 'sum',
    groups: [d_sae],
    groupWeights: [1],
    auxk: null,
    ghost: false,
    preActivationCoefficient: 0,
  };
}

export function openSaekitTrain(backend: TrainBackend, name: string, threads: number, note?: string): Peer {
  return {
    name,
    threads,
    ...(note === undefined ? {} : { note }),
    async train(problem) {
      const { rows, k, l1, lr, batches, W, b, D, d } = problem;
      const parameters: Parameters = { W_enc: W, b_enc: b, W_dec: D, b_dec: new Float32Array(d) };
      const none = (): Parameters => Object.fromEntries(Object.entries(parameters).map(([parameter, values]) => [parameter, new Float32Array(values.length)]));
      const session = await backend.start(objectiveOf(problem), OPTIMIZER, { parameters, m: none(), v: none() });
      return trainTask(problem, (batch, step) => session.step(batches[batch]!, rows, { step, lr, coefficient: l1, p: 1, pNext: null, k: k ?? 0, dead: null }), { dispose: () => session.dispose() });
    },
    dispose: () => backend.dispose(),
  };
}
